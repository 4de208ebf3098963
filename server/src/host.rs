//! Which hosts requests may be for (RFC 9110 §7.4, threat H3).

use http::uri::Authority;

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

    /// Whether a request for `authority` is for us. Names compare without regard to case; an entry without a port
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

/// Reads an entry of the list.
pub(crate) fn host(text: &str) -> Result<String, String> {
    match text.parse::<Authority>() {
        Ok(authority) if !authority.host().is_empty() && !text.contains('@') => Ok(text.to_owned()),
        _ => Err(format!(
            "`{text}` is not a host: write a name or an address, with a port if it matters, as in example.org:8443"
        )),
    }
}

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
        for text in ["", "https://example.org", "a b", "user@example.org", "/"] {
            assert!(host(text).is_err(), "{text}");
        }
        assert!(host("example.org:8443").is_ok() && host("[::1]").is_ok());
    }
}
