//! Requirements on every request, whatever its path: target, framing and host; it imports no route.

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{MatchedPath, State};
use axum::middleware::Next;
use axum::response::IntoResponse;
use http::uri::Authority;
use http::{Method, Request, Response, StatusCode, Version, header};
use hyper::body::Body as HttpBody;

use crate::context::Context;
use crate::log::{Reason, Route};
use crate::origin::Origins;
use crate::proxies::Site;

/// Lets requests pass that there is no [`objection`] to.
pub(crate) async fn check(
    State(context): State<Arc<Context>>,
    request: Request<Body>,
    next: Next,
) -> Response<Body> {
    let is_head = request.method() == Method::HEAD;
    let route = request.extensions().get::<MatchedPath>();
    let route = route
        .filter(|_| context.has_access_log)
        .map(|path| Route(path.as_str().to_owned().into()));
    let mut response = match objection(&context, &request) {
        Some(refusal) => refusal,
        None => next.run(request).await,
    };
    if let Some(route) = route {
        response.extensions_mut().insert(route);
    }
    if is_head {
        without_content(response)
    } else {
        response
    }
}

/// The answer to HEAD: it tells how long the content would be, and has none (RFC 9110 §9.3.2).
///
/// axum sees to that for the methods of a path, but not for a service; over HTTP/2 nobody does after it.
fn without_content(response: Response<Body>) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    if let Some(length) = body.size_hint().exact() {
        head.headers
            .entry(header::CONTENT_LENGTH)
            .or_insert_with(|| length.into());
    }
    Response::from_parts(head, Body::empty())
}

/// The answer to a request that lacks what every request must have: a target of bearable length and one valid host
/// (RFC 9112 §3.2, RFC 9113 §8.3.1).
pub(crate) fn objection<B>(context: &Context, request: &Request<B>) -> Option<Response<Body>> {
    let target = request
        .uri()
        .path_and_query()
        .map_or(0, |target| target.as_str().len());
    if target > context.max_uri_bytes {
        let reason = format!(
            "target of {target} bytes, at most {} allowed\n",
            context.max_uri_bytes
        );
        return Some(object(StatusCode::URI_TOO_LONG, reason));
    }
    let fields = request.headers().len();
    if fields > context.max_headers {
        let reason = format!("{fields} fields, at most {} allowed\n", context.max_headers);
        return Some(object(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, reason));
    }
    if request.version() == Version::HTTP_2 && !is_well_formed(request) {
        return Some(object(
            StatusCode::BAD_REQUEST,
            "the request's target, scheme or a field is malformed\n",
        ));
    }
    if !is_well_framed(request) {
        let mut refusal = object(
            StatusCode::BAD_REQUEST,
            "the request's target, Transfer-Encoding or Content-Length can be read in two ways\n",
        );
        let close = header::HeaderValue::from_static("close");
        refusal.headers_mut().insert(header::CONNECTION, close);
        return Some(refusal);
    }
    let Some(authority) = authority(request) else {
        return Some(object(
            StatusCode::BAD_REQUEST,
            "the request must name one valid host\n",
        ));
    };
    if !context.hosts.allow(authority) && !is_probe(request.uri().path()) {
        return Some(object(
            StatusCode::MISDIRECTED_REQUEST,
            "this server does not serve that host; it can be told to with --host-allow\n",
        ));
    }
    None
}

/// A refusal with its reason, for the client and for the log.
fn object(status: StatusCode, reason: impl Into<Cow<'static, str>>) -> Response<Body> {
    let reason = reason.into();
    Reason(reason.clone()).attach((status, reason).into_response())
}

/// Returns true for the paths of health checks, which name a server by its address.
///
/// They tell nothing that depends on the host, so a page that resolves its own name to this server (DNS rebinding) learns
/// no more from them than from the open port.
fn is_probe(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz") || path.starts_with("/grpc.health.v1.Health/")
}

/// Reports if an HTTP/1 request has a target for its method (RFC 9112 §3.2), and a body whose end every server on the way
/// sees in the same place (§6.1, §11.2): `chunked` is the only coding and stands there once.
///
/// hyper has refused by now whatever it sees no end of; where there is a length beside the coding it has taken the
/// coding, and will close after the answer (§6.3). HTTP/2 frames its bodies otherwise.
fn is_well_framed<B>(request: &Request<B>) -> bool {
    if request.version() == Version::HTTP_2 {
        return true;
    }
    if request.uri().path_and_query().is_none() && request.method() != Method::CONNECT {
        return false;
    }
    let mut codings = request.headers().get_all(header::TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => true,
        (Some(_), Some(_)) => false,
        (Some(coding), None) => coding.as_bytes().eq_ignore_ascii_case(b"chunked"),
    }
}

/// Reports if an HTTP/2 request is well-formed where h2 does not look: no white space around a value (RFC 9113 §8.2.1), a
/// scheme, and `*` for OPTIONS alone (§8.3.1).
fn is_well_formed<B>(request: &Request<B>) -> bool {
    let is_blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    let uri = request.uri();
    // h2 drops the scheme where there is no authority.
    let has_scheme = request.method() == Method::CONNECT
        || uri.authority().is_none()
        || uri.scheme_str().is_some_and(|scheme| !scheme.is_empty());
    has_scheme
        && (uri.path() != "*" || request.method() == Method::OPTIONS)
        && request.headers().values().all(|value| {
            let bytes = value.as_bytes();
            !is_blank(bytes.first()) && !is_blank(bytes.last())
        })
}

/// Returns whether the page that sent `request`, if a page did, may call this server: it is one of its own, or `origins` has it.
pub(crate) fn may_call<B>(origins: &Origins, request: &Request<B>) -> bool {
    let is_secure = request
        .extensions()
        .get::<Site>()
        .is_none_or(|site| site.is_secure);
    let host = authority(request).unwrap_or_default();
    origins.allow(request.headers(), is_secure, host)
}

/// The host that a request's client named, with its port if it has one; `None` unless the request names one, and a valid one.
///
/// A trusted proxy may report another host than it names itself. HTTP/1.0 knew no Host; such a request may go without and
/// gets an empty one.
fn authority<B>(request: &Request<B>) -> Option<&str> {
    let named = named_authority(request)?;
    let site = request.extensions().get::<Site>();
    let reported = site.and_then(|site| site.host.as_ref());
    Some(reported.map_or(named, Authority::as_str))
}

/// The host that a request names itself.
fn named_authority<B>(request: &Request<B>) -> Option<&str> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (None, _) => None,
        (Some(host), None) => Some(host.to_str().ok()?),
        (Some(_), Some(_)) => return None,
    };
    let named = match (request.version(), request.uri().authority()) {
        // A Host beside it that says something else is an error (RFC 9113 §8.3.1).
        (Version::HTTP_2, Some(authority)) => {
            let same = host.is_none_or(|host| host.eq_ignore_ascii_case(authority.as_str()));
            same.then_some(authority.as_str())?
        }
        (Version::HTTP_10, None) => host.unwrap_or_default(),
        // An absolute target says more than Host, which must be there all the same (RFC 9112 §3.2.2).
        (Version::HTTP_11, Some(authority)) => host.map(|_| authority.as_str())?,
        (_, Some(authority)) => authority.as_str(),
        (_, None) => host?,
    };
    let valid = !named.contains('@')
        && named
            .parse::<Authority>()
            .is_ok_and(|authority| !authority.host().is_empty());
    (valid || (named.is_empty() && request.version() == Version::HTTP_10)).then_some(named)
}
