//! Refusals over HTTP: problem documents (RFC 9457).

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::log::Reason;
use rooms::Refusal;

/// The response for what a participant is refused.
pub(crate) fn refused(refusal: &Refusal) -> Response<Body> {
    let (status, challenge) = status(refusal);
    let mut response = problem(status, &refusal.to_string());
    let headers = response.headers_mut();
    if let Some(challenge) = challenge {
        let challenge = HeaderValue::from_static(challenge);
        headers.insert(header::WWW_AUTHENTICATE, challenge);
    }
    if let Some(seconds) = retry_after(refusal) {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static(seconds));
    }
    response
}

/// The status for a refusal, and the challenge that belongs to it (RFC 6750 §3).
fn status(refusal: &Refusal) -> (StatusCode, Option<&'static str>) {
    match refusal {
        Refusal::TokenMissing => (StatusCode::UNAUTHORIZED, Some(r#"Bearer realm="rooms""#)),
        Refusal::TokenInvalid(_) | Refusal::TokenExpired => (
            StatusCode::UNAUTHORIZED,
            Some(r#"Bearer realm="rooms", error="invalid_token""#),
        ),
        Refusal::Forbidden { .. } => (
            StatusCode::FORBIDDEN,
            Some(r#"Bearer realm="rooms", error="insufficient_scope""#),
        ),
        Refusal::NotLocal | Refusal::OtherName => (StatusCode::FORBIDDEN, None),
        Refusal::LockedOut
        | Refusal::TooFast { .. }
        | Refusal::AddressTooFast
        | Refusal::TooManyJoins { .. } => (StatusCode::TOO_MANY_REQUESTS, None),
        Refusal::Name(_)
        | Refusal::NameMissing
        | Refusal::Position(_)
        | Refusal::Id(_)
        | Refusal::Empty
        | Refusal::Malformed(_)
        | Refusal::Binary => (StatusCode::BAD_REQUEST, None),
        Refusal::TooLong { .. } => (StatusCode::PAYLOAD_TOO_LARGE, None),
        Refusal::Full(_)
        | Refusal::Slow(_)
        | Refusal::NotStored(_)
        | Refusal::NoKeys
        | Refusal::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, None),
    }
}

/// Seconds after which the same request may pass, where that is known.
fn retry_after(refusal: &Refusal) -> Option<&'static str> {
    match refusal {
        Refusal::LockedOut => Some("60"),
        Refusal::TooFast { .. } | Refusal::AddressTooFast | Refusal::TooManyJoins { .. } => {
            Some("1")
        }
        _ => None,
    }
}

/// A refusal for programs.
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
    let reason = Reason(detail.to_owned().into());
    reason.attach((status, content_type, body).into_response())
}
