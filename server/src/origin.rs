//! Pages that may connect (RFC 6455 §10.2, RFC 6454).

use http::header::{self, HeaderMap};
use url::Url;

use crate::host::is_name_or_address;

/// List of the pages that may connect.
///
/// A browser says in Origin which page wants the connection, and a page can neither change nor omit it. The server's
/// own pages may, and those that were allowed; clients that send no Origin are no browsers and may too.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origins {
    allowed: Vec<String>,
}

impl Origins {
    /// The server's own pages and those of `allowed`; `*` stands for all.
    pub(crate) fn new(allowed: &[String]) -> Self {
        Self {
            allowed: allowed.to_vec(),
        }
    }

    /// Returns whether a request with `headers` for `authority` may connect; the client came over TLS if `is_secure`. Compared byte
    /// by byte: browsers write origins in one form only, and any other form is somebody's trick.
    pub(crate) fn allow(&self, headers: &HeaderMap, is_secure: bool, authority: &str) -> bool {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let Some(origin) = origins.next() else {
            return true;
        };
        if origins.next().is_some() {
            return false;
        }
        let Ok(origin) = origin.to_str() else {
            return false;
        };
        self.allowed
            .iter()
            .any(|allowed| allowed == "*" || allowed == origin)
            || is_same(origin, is_secure, authority)
    }
}

/// Returns whether `origin` is the https origin of `authority`, or its http origin unless the client came over TLS; the scheme's port
/// goes without saying (RFC 6454 §6.2).
fn is_same(origin: &str, is_secure: bool, authority: &str) -> bool {
    let (scheme, port) = if is_secure {
        ("https://", ":443")
    } else {
        ("http://", ":80")
    };
    let authority = authority.strip_suffix(port).unwrap_or(authority);
    !authority.is_empty() && origin.strip_prefix(scheme) == Some(authority)
}

/// Parses an entry of the list, and writes it as browsers do (WHATWG URL, "serialization of an origin"): in lower case and
/// in ASCII, without the default port and without a path.
pub(crate) fn origin(text: &str) -> Result<String, String> {
    let wrong =
        |reason: &str| format!("`{text}` is not an origin, as in https://example.org: {reason}");
    if text == "*" {
        return Ok(text.to_owned());
    }
    if text.contains(|character: char| {
        character.is_whitespace() || character.is_control() || character == '\\'
    }) {
        return Err(wrong("it has characters that origins do not have"));
    }
    if text.contains('*') {
        return Err(wrong(
            "there are no patterns, list each origin or allow all with `*`",
        ));
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(match text {
            "null" => wrong("`null` is sent for pages of any site"),
            _ => wrong(&match without_slashes(text) {
                Some(meant) => format!("the slashes are missing, write {meant}"),
                None => format!("the scheme is missing, write https://{text}"),
            }),
        });
    };
    match scheme.to_ascii_lowercase().as_str() {
        "http" | "https" => origin_of_site(text).map_err(|reason| wrong(&reason)),
        "ws" | "wss" => Err(wrong(&format!(
            "the origin is that of the page, write https://{rest}"
        ))),
        "file" => Err(wrong("pages from files have the origin `null`")),
        // Extensions and application shells: chrome-extension://…, capacitor://localhost, tauri://localhost.
        _ => origin_of_application(text)
            .ok_or_else(|| wrong("write SCHEME://HOST, or SCHEME://HOST:PORT")),
    }
}

/// The origin that `https:example.org` is meant to be; `None` for a name with a port, whatever the name.
fn without_slashes(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once(':')?;
    let rest = rest.trim_start_matches('/');
    if rest.is_empty() || rest.parse::<u16>().is_ok() {
        return None;
    }
    match scheme.to_ascii_lowercase().as_str() {
        "http" | "ws" => Some(format!("http://{rest}")),
        "https" | "wss" => Some(format!("https://{rest}")),
        _ => None,
    }
}

fn origin_of_site(text: &str) -> Result<String, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    let written = url.origin().ascii_serialization();
    if !url.host_str().is_some_and(is_name_or_address) {
        return Err("its host is no name or address; list each origin by itself".to_owned());
    }
    if url.port() == Some(0) {
        return Err("no page has port 0".to_owned());
    }
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    if !bare || !url.username().is_empty() || url.password().is_some() || text.contains('@') {
        return Err(format!(
            "it is scheme, host and port alone, write {written}"
        ));
    }
    Ok(written)
}

fn origin_of_application(text: &str) -> Option<String> {
    let bare = text.strip_suffix('/').unwrap_or(text);
    let (scheme, host) = bare.split_once("://")?;
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let is_host = !host.is_empty()
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte));
    (is_scheme && is_host).then(|| bare.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    /// Returns true if a page of all `origins` together may connect to `localhost:8443`.
    fn allowed(origins: &[&str], list: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for origin in origins {
            headers.append(
                header::ORIGIN,
                HeaderValue::from_bytes(origin.as_bytes()).unwrap(),
            );
        }
        let list: Vec<String> = list.iter().map(|&origin| origin.to_owned()).collect();
        Origins::new(&list).allow(&headers, true, "localhost:8443")
    }

    #[test]
    fn own_pages_and_clients_without_origin_may_connect() {
        assert!(allowed(&[], &[]));
        assert!(allowed(&["https://localhost:8443"], &[]));
        assert!(is_same("https://example.org", true, "example.org:443"));
        assert!(is_same("http://example.org", false, "example.org:80"));
        assert!(is_same("http://[::1]:8080", false, "[::1]:8080"));
        assert!(!is_same("http://example.org", true, "example.org"));
        assert!(!is_same("https://example.org", false, "example.org"));
    }

    #[test]
    fn tricks_are_refused() {
        #[rustfmt::skip]
        let cases = [
            "null", "", "https://localhost", "http://localhost:8443", "https://localhost:8443/",
            "https://LOCALHOST:8443", "https://localhost.:8443",
            "https://localhost:8443.evil.example", "https://evil.example",
            "https://evil-localhost:8443", "https://user@localhost:8443",
            "https://localhost:84430", "wss://localhost:8443", " https://localhost:8443",
            "https://localhost:8443 ", "https://localhost:8443\u{e9}",
        ];
        for origin in cases {
            assert!(!allowed(&[origin], &["https://good.example"]), "{origin}");
        }
        assert!(!allowed(
            &["https://localhost:8443", "https://localhost:8443"],
            &["*"]
        ));
    }

    #[test]
    fn listed_origins_may_connect() {
        assert!(allowed(
            &["https://good.example"],
            &["https://good.example"]
        ));
        assert!(!allowed(
            &["https://good.example.evil"],
            &["https://good.example"]
        ));
        assert!(allowed(&["https://any.example"], &["*"]));
    }

    #[test]
    fn entries_are_written_as_browsers_do() {
        for (text, written) in [
            ("*", "*"),
            ("https://example.org", "https://example.org"),
            ("HTTPS://Example.ORG", "https://example.org"),
            ("https://example.org/", "https://example.org"),
            ("https://example.org:443", "https://example.org"),
            ("http://example.org:80/", "http://example.org"),
            ("https://example.org:8443", "https://example.org:8443"),
            ("https://example.org:80", "https://example.org:80"),
            (
                "https://b\u{fc}cher.example",
                "https://xn--bcher-kva.example",
            ),
            ("https://[0:0::1]:8443", "https://[::1]:8443"),
            ("https://127.1", "https://127.0.0.1"),
            ("chrome-extension://AbCd", "chrome-extension://abcd"),
            ("capacitor://localhost/", "capacitor://localhost"),
        ] {
            assert_eq!(origin(text).as_deref(), Ok(written), "{text}");
        }
    }

    #[test]
    fn entries_that_never_match_are_refused() {
        for (text, part) in [
            ("", "scheme is missing"),
            ("null", "any site"),
            ("example.org", "write https://example.org"),
            ("example.org:8443", "write https://example.org:8443"),
            ("//example.org", "scheme is missing"),
            (
                "https:example.org",
                "slashes are missing, write https://example.org",
            ),
            ("HTTPS:/example.org:8443", "write https://example.org:8443"),
            ("http:example.org", "write http://example.org"),
            ("wss:example.org", "write https://example.org"),
            ("https:8443", "write https://https:8443"),
            ("https:", "scheme is missing"),
            ("https://a..example", "no name or address"),
            ("https://example.org/path", "write https://example.org"),
            ("https://example.org//", "write https://example.org"),
            ("https://example.org?x", "write https://example.org"),
            ("https://example.org#x", "write https://example.org"),
            ("https://user@example.org", "write https://example.org"),
            ("https://@example.org", "write https://example.org"),
            ("https://", "empty host"),
            ("https://example.org:0", "port 0"),
            ("https://example.org:65536", "port"),
            ("https://example.org:x", "port"),
            ("https://*.example.org", "no patterns"),
            ("https://a.example,https://b.example", "not an origin"),
            ("https://a.example,b.example", "list each origin"),
            ("https://a.example;b.example", "list each origin"),
            ("http://a=b", "list each origin"),
            ("https://(a):8443", "list each origin"),
            ("https://a.example https://b.example", "characters"),
            (" https://example.org", "characters"),
            ("https:\\\\example.org", "characters"),
            ("wss://example.org", "write https://example.org"),
            ("file:///tmp/page.html", "null"),
            ("app://", "SCHEME://HOST"),
            ("app://a/b", "SCHEME://HOST"),
            ("1app://a", "SCHEME://HOST"),
        ] {
            let error = origin(text).expect_err(text);
            assert!(
                error.contains(part) && error.contains(&format!("`{text}`")),
                "{error}"
            );
        }
    }
}
