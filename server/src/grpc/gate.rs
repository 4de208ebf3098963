//! What a request must have to be a call: method, content type, and an Origin that may (Fetch standard §3.2).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::middleware::Next;
use axum::response::IntoResponse;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode, Version};

use crate::router::{Context, authority};

/// Lets calls through and refuses everything else with a sentence; preflights of pages that may call are answered here.
///
/// The Origin is held against the same list as those of WebSockets. A page of another origin gets 403 and nothing that
/// would let it read as much.
pub(super) async fn check(
    State(context): State<Arc<Context>>,
    request: Request<Body>,
    next: Next,
) -> Response<Body> {
    let origin = request.headers().get(header::ORIGIN).cloned();
    let host = authority(&request).unwrap_or_default();
    if !context.origins.allow(request.headers(), host) {
        return (
            StatusCode::FORBIDDEN,
            "this page's Origin may not call; the server can allow it with --origin-allow\n",
        )
            .into_response();
    }
    let mut response = if is_preflight(&request) {
        preflight()
    } else if let Some(refusal) = refusal(&request) {
        refusal
    } else {
        next.run(request).await
    };
    if let Some(origin) = origin {
        share(response.headers_mut(), origin);
    }
    response
}

/// Whether a browser asks if a page may call.
fn is_preflight(request: &Request<Body>) -> bool {
    request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ORIGIN)
        && request
            .headers()
            .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// The answer to a preflight of a page that may.
fn preflight() -> Response<Body> {
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "POST"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS),
        (header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_SECONDS),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// Lets the page of `origin` read the response, with the headers that carry a call's status.
fn share(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static(RESPONSE_HEADERS),
    );
    headers.append(header::VARY, HeaderValue::from_static("origin"));
}

/// What is wrong with a request that is no call.
fn refusal(request: &Request<Body>) -> Option<Response<Body>> {
    if request.method() != Method::POST {
        let allow: [(HeaderName, &str); 1] = [(header::ALLOW, "POST")];
        return Some(
            (
                StatusCode::METHOD_NOT_ALLOWED,
                allow,
                "a gRPC call is a POST\n",
            )
                .into_response(),
        );
    }
    let kind = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default();
    if WEB_TYPES.contains(&kind) {
        return None;
    }
    let rest = kind.strip_prefix("application/grpc");
    if !rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['+', ';'])) {
        return Some(
            (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "a gRPC call has the content type application/grpc, or application/grpc-web for gRPC-Web\n",
            )
                .into_response(),
        );
    }
    if request.version() != Version::HTTP_2 {
        return Some(
            (
                StatusCode::HTTP_VERSION_NOT_SUPPORTED,
                "gRPC needs HTTP/2; gRPC-Web works over HTTP/1.1 too\n",
            )
                .into_response(),
        );
    }
    None
}

/// Content types of gRPC-Web, as tonic-web knows them.
const WEB_TYPES: [&str; 4] = [
    "application/grpc-web",
    "application/grpc-web+proto",
    "application/grpc-web-text",
    "application/grpc-web-text+proto",
];

/// Headers that a page may send; what gRPC-Web's clients set and a token.
const REQUEST_HEADERS: &str = "authorization, content-type, grpc-timeout, x-grpc-web, x-user-agent";

/// Headers that a page may read; a call without messages has its status here.
const RESPONSE_HEADERS: &str = "grpc-status, grpc-message, grpc-status-details-bin";

/// How long a browser may remember a preflight's answer, in seconds.
const PREFLIGHT_SECONDS: &str = "600";
