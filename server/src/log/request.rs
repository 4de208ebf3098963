//! Lines on HTTP requests: one for each that is refused, and the access log.

use std::borrow::Cow;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::Body;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tracing::field::{DisplayValue, display};
use tracing::info;
use values::escape::Escaped;

use super::failure;
use crate::peer::Peer;

/// Target of the events that are lines of the access log.
pub(super) const ACCESS: &str = "access";

/// The reason of a refusal, kept with the response for the log.
#[derive(Clone, Debug)]
pub(crate) struct Reason(pub(crate) Cow<'static, str>);

/// The route that answered, kept with the response for the access log.
#[derive(Clone, Debug)]
pub(crate) struct Route(pub(crate) Cow<'static, str>);

/// The parts of a request that are logged, taken before the request is handled.
#[derive(Debug)]
pub(crate) struct RequestLine {
    peer: Peer,
    method: Method,
    uri: Uri,
    version: Version,
    host: Option<HeaderValue>,
    origin: Option<HeaderValue>,
    user_agent: Option<HeaderValue>,
    begun: Instant,
}

impl Reason {
    /// Keeps the reason with `response`.
    pub(crate) fn attach<B>(self, mut response: Response<B>) -> Response<B> {
        response.extensions_mut().insert(self);
        response
    }
}

impl RequestLine {
    /// Takes what is logged from `request`.
    pub(crate) fn of<B>(request: &Request<B>, peer: Peer) -> Self {
        let field = |name: HeaderName| request.headers().get(name).cloned();
        Self {
            peer,
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
            host: field(header::HOST),
            origin: field(header::ORIGIN),
            user_agent: field(header::USER_AGENT),
            begun: Instant::now(),
        }
    }

    /// Logs the request if `response` refuses it, and for the access log once the response is sent or given up.
    pub(crate) fn finish(self, response: Response<Body>, has_access_log: bool) -> Response<Body> {
        let grpc_status = grpc_status(response.headers());
        let status = response.status();
        if status.is_client_error() || status.is_server_error() || grpc_status.is_some() {
            self.refused(&response, grpc_status);
        }
        if has_access_log {
            self.access(response)
        } else {
            response
        }
    }

    /// Logs the request for the access log once `response` is sent or given up.
    pub(crate) fn access(self, response: Response<Body>) -> Response<Body> {
        let (mut head, body) = response.into_parts();
        let route = head.extensions.remove::<Route>();
        let reason = head.extensions.remove::<Reason>();
        let line = AccessLine {
            request: self,
            route: route.map_or(Cow::Borrowed("other"), |route| route.0),
            status: head.status.as_u16(),
            reason: reason.map(|reason| reason.0),
            bytes: 0,
        };
        Response::from_parts(head, Body::new(LoggedBody { body, line }))
    }

    /// One line with the reason and with the values that may have failed.
    fn refused(&self, response: &Response<Body>, grpc_status: Option<i64>) {
        let status = response.status();
        let reason = response.extensions().get::<Reason>();
        let grpc_message = response.headers().get("grpc-message");
        let reason = match (reason, grpc_message) {
            (Some(reason), _) => reason.0.trim_end().as_bytes(),
            (None, Some(message)) => message.as_bytes(),
            (None, None) => status.canonical_reason().unwrap_or("refused").as_bytes(),
        };
        let host = self
            .uri
            .authority()
            .map(|authority| authority.as_str().as_bytes());
        let host = host.or(self.host.as_ref().map(HeaderValue::as_bytes));
        self.peer.span().in_scope(|| {
            failure!(
                INFO,
                status = status.as_u16(),
                grpc_status,
                reason = shown(reason),
                method = shown(self.method.as_str().as_bytes()),
                request_target = shown(self.target().as_bytes()),
                host = host.map(shown),
                origin = self.origin.as_ref().map(|origin| shown(origin.as_bytes())),
                "request refused"
            );
        });
    }

    /// Path and query; of CONNECT nothing else is known.
    fn target(&self) -> &str {
        self.uri
            .path_and_query()
            .map_or("", |target| target.as_str())
    }
}

/// Logs a request whose head hyper refused, of which nothing else is known, for the access log.
pub(crate) fn refused_head(peer: Peer, error: &hyper::Error) {
    info!(
        target: ACCESS,
        parent: None,
        peer = display(peer),
        proxy = peer.proxy(),
        route = "other",
        http = "1.1",
        status = head_status(error).as_u16(),
        reason = display(error),
        "request"
    );
}

/// The status that hyper gives a head that it refuses.
fn head_status(error: &hyper::Error) -> StatusCode {
    if !error.is_parse_too_large() {
        StatusCode::BAD_REQUEST
    } else if error.to_string().contains("URI") {
        StatusCode::URI_TOO_LONG
    } else {
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
    }
}

/// The status of a gRPC call that failed before it gave anything.
fn grpc_status(headers: &HeaderMap) -> Option<i64> {
    let status = headers.get("grpc-status")?.to_str().ok()?.parse().ok()?;
    (status != 0).then_some(status)
}

/// A value of the peer's, escaped and cut.
fn shown(value: &[u8]) -> DisplayValue<Escaped<'_>> {
    display(Escaped::new(value).max_bytes(VALUE_BYTES))
}

/// A line of the access log, written when it is dropped.
#[derive(Debug)]
struct AccessLine {
    request: RequestLine,
    route: Cow<'static, str>,
    status: u16,
    /// Reason for its refusal, if the response carries one.
    reason: Option<Cow<'static, str>>,
    bytes: u64,
}

impl Drop for AccessLine {
    fn drop(&mut self) {
        let request = &self.request;
        info!(
            target: ACCESS,
            parent: None,
            peer = display(request.peer),
            proxy = request.peer.proxy(),
            method = shown(request.method.as_str().as_bytes()),
            request_target = shown(request.target().as_bytes()),
            route = &*self.route,
            http = http(request.version),
            status = self.status,
            reason = self.reason.as_ref().map(|reason| shown(reason.trim_end().as_bytes())),
            bytes = self.bytes,
            duration_us = u64::try_from(request.begun.elapsed().as_micros()).unwrap_or(u64::MAX),
            user_agent = request.user_agent.as_ref().map(|agent| shown(agent.as_bytes())),
            trace_id = request.peer.trace().map(|trace| display(trace.trace_id)),
            parent_id = request.peer.trace().map(|trace| display(trace.parent_id)),
            "request"
        );
    }
}

/// A response's body whose bytes are counted for the access log.
struct LoggedBody {
    body: Body,
    line: AccessLine,
}

impl HttpBody for LoggedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            self.line.bytes += data.len() as u64;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The version as metrics name it.
fn http(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "2",
        Version::HTTP_11 => "1.1",
        Version::HTTP_10 => "1.0",
        _ => "other",
    }
}

/// Maximum of bytes of one value of the peer's in a line.
const VALUE_BYTES: usize = 256;
