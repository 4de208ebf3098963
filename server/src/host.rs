//! Hosts that requests may be for (RFC 9110 §7.4, threat H3).

use http::uri::Authority;
use url::Url;

/// The hosts that requests may be for; an empty list stands for all.
///
/// A page that has its own name resolved to our address (DNS rebinding) is same-origin with us for a browser; the list
/// is what tells it apart.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hosts {
    allowed: Vec<Authority>,
}

impl Hosts {
    /// The hosts of `allowed`, as [`host`] accepts them.
    pub(crate) fn new(allowed: &[String]) -> Self {
        Self {
            allowed: allowed
                .iter()
                .filter_map(|name| name.parse().ok())
                .collect(),
        }
    }

    /// Returns true if a request for `authority` is for us. Names compare without regard to case; an entry without a port
    /// stands for every port.
    pub(crate) fn allow(&self, authority: &str) -> bool {
        if self.allowed.is_empty() {
            return true;
        }
        let Ok(named) = authority.parse::<Authority>() else {
            return false;
        };
        self.allowed.iter().any(|allowed| {
            allowed.host().eq_ignore_ascii_case(named.host())
                && allowed
                    .port_u16()
                    .is_none_or(|port| port == named.port_u16().unwrap_or(DEFAULT_PORT))
        })
    }
}

/// Parses an entry of the list, and writes its host as clients send it: in lower case and in ASCII (`xn--…`).
pub(crate) fn host(text: &str) -> Result<String, String> {
    let wrong = |reason: &str| {
        format!(
            "`{text}` is not a host: {reason}; write a name or an address, with a port if it matters, as in example.org:8443"
        )
    };
    if text.contains("://") {
        return Err(wrong("a scheme is part of an origin"));
    }
    if text.contains('*') {
        return Err(wrong("there are no patterns, list each host"));
    }
    if text.contains(|character: char| character.is_whitespace() || r"/\?#@".contains(character)) {
        return Err(wrong("it has characters that hosts do not have"));
    }
    let url = Url::parse(&format!("https://{text}")).map_err(|error| wrong(&error.to_string()))?;
    let host = url.host_str().unwrap_or_default();
    if let Some(flaw) = flaw(host) {
        return Err(wrong(flaw));
    }
    match text.rsplit_once(':') {
        Some((_, port)) if !text.ends_with(']') => match port.parse() {
            Ok(0_u16) | Err(_) => Err(wrong("the port must be a number from 1 to 65535")),
            Ok(port) => Ok(format!("{host}:{port}")),
        },
        _ => Ok(host.to_owned()),
    }
}

/// Tells if a host as a URL has it is a name that clients can look up, or an address.
pub(crate) fn is_name_or_address(host: &str) -> bool {
    flaw(host).is_none()
}

/// The reason why no client can name a host that a URL may have.
///
/// URLs may have more characters in their hosts, a comma among them, and labels of any length; names consist of letters,
/// digits and `- _ .`, of labels of 1 to 63 bytes, and have at most 253 (RFC 1035 §2.3.4), one final dot aside.
fn flaw(host: &str) -> Option<&'static str> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let is_common = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let is_bracketed = bare.len() < host.len();
    let is_allowed = |byte| is_common(byte) || (is_bracketed && byte == b':');
    if !bare.bytes().all(is_allowed) {
        return Some("it has characters that hosts do not have; list each host by itself");
    }
    if is_bracketed {
        return None;
    }
    let name = bare.strip_suffix('.').unwrap_or(bare);
    if name.split('.').any(str::is_empty) {
        return Some("it has an empty label, where two dots meet or in front of the first");
    }
    if name.split('.').any(|label| label.len() > MAX_LABEL_BYTES) {
        return Some("it has a label of more than 63 bytes");
    }
    (name.len() > MAX_NAME_BYTES).then_some("it has more than 253 bytes")
}

/// Longest part of a name between two dots (RFC 1035 §2.3.4).
const MAX_LABEL_BYTES: usize = 63;

/// Longest name as it is written: of the 255 bytes of RFC 1035 §2.3.4, the first length and the root are not.
const MAX_NAME_BYTES: usize = 253;

/// The port of an https authority that names none.
const DEFAULT_PORT: u16 = 443;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h3_listed_hosts_and_no_others() {
        let hosts = Hosts::new(&["example.org".to_owned(), "[::1]:8443".to_owned()]);
        for (authority, allowed) in [
            ("example.org", true),
            ("EXAMPLE.org:1", true),
            ("[::1]:8443", true),
            ("[::1]", false),
            ("[::1]:8444", false),
            ("www.example.org", false),
            ("example.org.", false),
            ("example.org.evil.example", false),
            ("", false),
        ] {
            assert_eq!(hosts.allow(authority), allowed, "{authority}");
        }
        assert!(Hosts::default().allow("anything"));
    }

    #[test]
    fn h3_entries_are_checked() {
        for text in [
            "",
            " ",
            "https://example.org",
            "a b",
            "user@example.org",
            "/",
            "example.org/",
            "*",
            "*.example.org",
            ":8443",
            "example.org:",
            "example.org:0",
            "example.org:65536",
            "example.org:x",
            "example.org:-1",
            "[::1",
            "::1",
            "[::1]:",
            "[::1%eth0]",
            "a?b",
            "a#b",
            r"a\b",
            "256.1.1.1",
            "xn--zz--",
            "a%00b",
            "a.example,b.example",
            "a;b",
            "a=b",
            "(a)",
            "a!b:80",
            ".",
            "..",
            ".example.org",
            "a..example",
            "example.org..",
        ] {
            assert!(host(text).is_err(), "{text}: {:?}", host(text));
        }
        // The longest label, and the longest name with and without the final dot.
        let label = "a".repeat(63);
        let name = format!("{label}.{label}.{label}.{}", &label[2..]);
        let name_and_dot = format!("{name}.");
        for text in [format!("{label}a"), format!("{name}a"), format!("{name}a.")] {
            assert!(host(&text).is_err(), "{text}: {:?}", host(&text));
        }
        for (text, written) in [
            ("example.org", "example.org"),
            ("Example.ORG:8443", "example.org:8443"),
            ("example.org:443", "example.org:443"),
            ("[::1]", "[::1]"),
            ("[0:0::1]:65535", "[::1]:65535"),
            ("127.0.0.1:1", "127.0.0.1:1"),
            ("b\u{fc}cher.example", "xn--bcher-kva.example"),
            ("under_score", "under_score"),
            ("example.org.", "example.org."),
            (label.as_str(), label.as_str()),
            (name.as_str(), name.as_str()),
            (name_and_dot.as_str(), name_and_dot.as_str()),
        ] {
            assert_eq!(host(text).as_deref(), Ok(written), "{text}");
        }
    }
}
