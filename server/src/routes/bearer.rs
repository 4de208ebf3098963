//! Tokens in requests (RFC 6750 §2.1): from `Authorization`, or for browsers from the list of subprotocols.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::access::Denied;

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

/// What somebody gets who may do nothing (RFC 6750 §3).
pub(crate) fn denied(denied: &Denied) -> Response<Body> {
    let (status, challenge) = match denied {
        Denied::Missing => (StatusCode::UNAUTHORIZED, Some(r#"Bearer realm="rooms""#)),
        Denied::Invalid(_) => (
            StatusCode::UNAUTHORIZED,
            Some(r#"Bearer realm="rooms", error="invalid_token""#),
        ),
        Denied::TooMany => (StatusCode::TOO_MANY_REQUESTS, None),
        Denied::NotLocal => (StatusCode::FORBIDDEN, None),
    };
    let mut response = problem(status, &denied.to_string());
    let headers = response.headers_mut();
    if let Some(challenge) = challenge {
        headers.insert(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static(challenge),
        );
    }
    if status == StatusCode::TOO_MANY_REQUESTS {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("60"));
    }
    response
}

/// What somebody gets whose token does not allow this (RFC 6750 §3.1).
pub(crate) fn insufficient(right: &str, room: &str) -> Response<Body> {
    let detail = format!("this token does not allow to {right} in the room {room}");
    let mut response = problem(StatusCode::FORBIDDEN, &detail);
    response.headers_mut().insert(
        header::WWW_AUTHENTICATE,
        HeaderValue::from_static(r#"Bearer realm="rooms", error="insufficient_scope""#),
    );
    response
}

/// A refusal for programs (RFC 9457).
pub(crate) fn problem(status: StatusCode, detail: &str) -> Response<Body> {
    #[derive(Serialize)]
    struct Problem<'a> {
        title: &'a str,
        status: u16,
        detail: &'a str,
    }
    let problem = Problem {
        title: status.canonical_reason().unwrap_or("error"),
        status: status.as_u16(),
        detail,
    };
    let body = serde_json::to_string(&problem).unwrap_or_default();
    let content_type = [(header::CONTENT_TYPE, "application/problem+json")];
    (status, content_type, body).into_response()
}

/// What a subprotocol begins with that is a token in truth.
const PROTOCOL_PREFIX: &str = "bearer.";

#[cfg(test)]
mod tests {
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
