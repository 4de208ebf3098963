//! Which pages may connect (RFC 6455 §10.2, RFC 6454).

use http::header::{self, HeaderMap};

/// Which pages may connect.
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

    /// Whether a request with `headers` for `authority` may connect. Compared byte by byte: browsers write origins in
    /// one form only, and any other form is somebody's trick.
    pub(crate) fn allow(&self, headers: &HeaderMap, authority: &str) -> bool {
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
            || is_same(origin, authority)
    }
}

/// Whether `origin` is the https origin of `authority`; the port 443 goes without saying (RFC 6454 §6.2).
fn is_same(origin: &str, authority: &str) -> bool {
    let authority = authority.strip_suffix(":443").unwrap_or(authority);
    !authority.is_empty() && origin.strip_prefix("https://") == Some(authority)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    /// Whether a page of each of `origins` at once may connect to `localhost:8443`.
    fn allowed(origins: &[&str], list: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for origin in origins {
            headers.append(
                header::ORIGIN,
                HeaderValue::from_bytes(origin.as_bytes()).unwrap(),
            );
        }
        let list: Vec<String> = list.iter().map(|&origin| origin.to_owned()).collect();
        Origins::new(&list).allow(&headers, "localhost:8443")
    }

    #[test]
    fn own_pages_and_clients_without_origin_may_connect() {
        assert!(allowed(&[], &[]));
        assert!(allowed(&["https://localhost:8443"], &[]));
        assert!(is_same("https://example.org", "example.org:443"));
    }

    #[test]
    fn tricks_are_refused() {
        for origin in [
            "null",
            "",
            "https://localhost",
            "http://localhost:8443",
            "https://localhost:8443/",
            "https://LOCALHOST:8443",
            "https://localhost.:8443",
            "https://localhost:8443.evil.example",
            "https://evil.example",
            "https://evil-localhost:8443",
            "https://user@localhost:8443",
            "https://localhost:84430",
            "wss://localhost:8443",
            " https://localhost:8443",
            "https://localhost:8443 ",
            "https://localhost:8443\u{e9}",
        ] {
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
}
