//! Requirements on a request to be a call: method and content type.

use axum::body::Body;
use axum::middleware::Next;
use axum::response::IntoResponse;
use http::header::{self, HeaderName};
use http::{Method, Request, Response, StatusCode, Version};

use crate::cors::Sharing;

/// Pages may call by gRPC-Web; a call without messages has its status in the headers.
pub(super) const SHARING: Sharing = Sharing {
    methods: "POST",
    // What gRPC-Web's clients set, and a token.
    request_headers: "authorization, content-type, grpc-timeout, x-grpc-web, x-user-agent",
    response_headers: "grpc-status, grpc-message, grpc-status-details-bin",
    refuse: |text| (StatusCode::FORBIDDEN, format!("{text}\n")).into_response(),
};

/// Lets calls through and refuses everything else with a sentence.
pub(super) async fn check(request: Request<Body>, next: Next) -> Response<Body> {
    match refusal(&request) {
        Some(refusal) => refusal,
        None => next.run(request).await,
    }
}

/// Returns the refusal of a request that is no call.
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
