//! Tokens in requests (RFC 6750 §2.1): from `Authorization`, or for browsers from the list of subprotocols.

use http::{HeaderMap, header};

/// The token that a request carries, if it carries one.
///
/// A browser cannot set `Authorization` on a WebSocket, so its page asks for a subprotocol `bearer.` and the token, next to
/// the one that it wants to speak; the server never chooses that one, so it is not sent back. Never from the URL: those end
/// up in logs.
pub(crate) fn token(headers: &HeaderMap) -> Option<&str> {
    let authorization = headers.get(header::AUTHORIZATION);
    if let Some(value) = authorization {
        let value = value.to_str().unwrap_or_default();
        let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
        // What is no bearer token is a bad one, not none.
        return Some(if scheme.eq_ignore_ascii_case("bearer") {
            token.trim()
        } else {
            ""
        });
    }
    let lines = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    let lines = lines.filter_map(|line| line.to_str().ok());
    let mut names = lines.flat_map(|line| line.split(','));
    names.find_map(|name| name.trim().strip_prefix(PROTOCOL_PREFIX))
}

/// Prefix of a subprotocol that is a token in truth.
const PROTOCOL_PREFIX: &str = "bearer.";

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn tokens_are_found_where_they_may_be() {
        for (name, value, expected) in [
            ("authorization", "Bearer a.b.c", Some("a.b.c")),
            ("authorization", "bearer  a.b.c ", Some("a.b.c")),
            ("authorization", "Basic YTpi", Some("")),
            (
                "sec-websocket-protocol",
                "chat.v1.json, bearer.a.b.c",
                Some("a.b.c"),
            ),
            ("sec-websocket-protocol", "chat.v1.json", None),
            ("cookie", "token=a.b.c", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static(value));
            assert_eq!(token(&headers), expected, "{name}: {value}");
        }
    }
}
