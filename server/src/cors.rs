//! Requests of pages of other origins: the Origin check and CORS (Fetch standard §3.2), in one place for gRPC-Web and rooms.
//!
//! The pages that may call are those that may open WebSockets. `tower_http::cors` would fit the list of origins, but it
//! answers every OPTIONS, with or without Origin, and lets requests of other origins through.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::middleware::Next;
use axum::response::IntoResponse;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode};

use crate::context::Context;
use crate::log::Reason;
use crate::request::may_call;

/// The requests that pages may send to some routes, and the answers that they may read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sharing {
    /// Methods, for preflights.
    pub(crate) methods: &'static str,
    /// Headers of requests beyond those that every page may send.
    pub(crate) request_headers: &'static str,
    /// Headers of responses beyond those that every page may read.
    pub(crate) response_headers: &'static str,
    /// Writes the refusal of a page that may not call, as these routes write refusals.
    pub(crate) refuse: fn(&'static str) -> Response<Body>,
}

/// Refuses requests of pages that may not call with 403, answers preflights of those that may, and lets them read the
/// responses to everything else.
///
/// A page of another origin gets nothing that would let it read as much. Credentials in the sense of the Fetch standard
/// (cookies) are never allowed; tokens travel in `Authorization`, which a page has to set itself.
pub(crate) async fn check(
    State((context, sharing)): State<(Arc<Context>, Sharing)>,
    request: Request<Body>,
    next: Next,
) -> Response<Body> {
    let origin = request.headers().get(header::ORIGIN).cloned();
    if !may_call(&context.origins, &request) {
        let mut refusal = (sharing.refuse)(REFUSAL);
        vary(refusal.headers_mut());
        return Reason(REFUSAL.into()).attach(refusal);
    }
    let mut response = if is_preflight(&request) {
        sharing.preflight()
    } else {
        next.run(request).await
    };
    if let Some(origin) = origin {
        sharing.share(response.headers_mut(), origin);
    }
    // Also without Origin: a cache must not give such a response to a page.
    vary(response.headers_mut());
    response
}

/// Returns true for a browser's question if a page may call.
fn is_preflight(request: &Request<Body>) -> bool {
    request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ORIGIN)
        && request
            .headers()
            .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

impl Sharing {
    /// The answer to a preflight of a page that may call.
    fn preflight(self) -> Response<Body> {
        let headers = [
            (header::ACCESS_CONTROL_ALLOW_METHODS, self.methods),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, self.request_headers),
            (header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_SECONDS),
        ];
        (StatusCode::NO_CONTENT, headers).into_response()
    }

    /// Lets the page of `origin` read the response and its headers.
    fn share(self, headers: &mut HeaderMap, origin: HeaderValue) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static(self.response_headers),
        );
    }
}

/// Tells caches that the response depends on the page.
fn vary(headers: &mut HeaderMap) {
    headers.append(header::VARY, HeaderValue::from_static("origin"));
}

/// The answer to pages that may not call.
const REFUSAL: &str =
    "this page's Origin may not call; the server can allow it with --origin-allow";

/// Time for which a browser may remember a preflight's answer, in seconds.
const PREFLIGHT_SECONDS: &str = "600";
