//! Every path of the server in one table.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, State};
use axum::middleware::{self, Next};
use axum::response::IntoResponse;
use axum::routing::{any, get};
use drone::Fleet;
use http::uri::Authority;
use http::{Method, Request, Response, StatusCode, Version, header};
use hyper::body::Body as HttpBody;
use tungstenite_deflate::{Options, WebSocketStream};

use crate::config::RouteOptions;
use crate::connection::ConnectionInfo;
use crate::drain::Drain;
use crate::grpc;
use crate::host::Hosts;
use crate::limits::ConnectionLimits;
use crate::log::{CONNECTIONS, Reason, Route, transcript};
use crate::metrics::{Metrics, Traffic};
use crate::origin::Origins;
use crate::routes;
use crate::stream::ServerStream;
use crate::upgrade;
use rooms::{Hub, Participants};

/// What every route may need.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) metrics: Metrics,
    pub(crate) drain: Drain,
    pub(crate) hosts: Hosts,
    pub(crate) origins: Origins,
    pub(crate) rooms: Hub,
    pub(crate) participants: Participants,
    /// Whether this node is not ready while rooms cannot be stored.
    pub(crate) needs_rooms: bool,
    pub(crate) options: Arc<Options>,
    /// WebSockets that are held, in all and from one address.
    pub(crate) websockets: Arc<ConnectionLimits>,
    pub(crate) write_timeout: Duration,
    pub(crate) has_access_log: bool,
    pub(crate) routes: RouteOptions,
    /// Time for which browsers keep to https, if they are told to.
    pub(crate) hsts: Option<Duration>,
    pub(crate) max_uri_bytes: usize,
    pub(crate) max_headers: usize,
    pub(crate) max_grpc_bytes: usize,
    pub(crate) grpc_timeout: Option<Duration>,
}

impl Context {
    /// Why new work is not welcome; `None` if it is.
    pub(crate) fn obstacle(&self) -> Option<&'static str> {
        if self.drain.is_announced() {
            return Some("draining");
        }
        let is_cut_off = self.needs_rooms && !self.rooms.health().is_up();
        is_cut_off.then_some("rooms cannot be stored")
    }
}

/// What a handler runs as.
pub(crate) type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A path that speaks WebSocket.
#[derive(Clone)]
pub(crate) struct WebSocketRoute {
    /// The path, as axum writes it; also its name in metrics and logs.
    pub(crate) path: &'static str,
    /// Subprotocols that the handler knows, the best first.
    pub(crate) protocols: &'static [&'static str],
    /// Largest message, where it is smaller than everywhere else.
    pub(crate) max_message_bytes: Option<usize>,
    /// Called when a request has passed all checks.
    pub(crate) greeting: Option<fn()>,
    /// Whether the handler runs within the connection's span; one that does not enters it to log.
    pub(crate) spans: bool,
    /// Its counters, once the first connection has looked them up.
    traffic: Arc<OnceLock<Traffic>>,
    /// Serves the connection.
    pub(crate) handler:
        Arc<dyn Fn(WebSocketStream<ServerStream>, ConnectionInfo) -> Running + Send + Sync>,
}

impl WebSocketRoute {
    /// A route without greeting.
    pub(crate) fn new<H, F>(
        path: &'static str,
        protocols: &'static [&'static str],
        handler: H,
    ) -> Self
    where
        H: Fn(WebSocketStream<ServerStream>, ConnectionInfo) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        Self {
            path,
            protocols,
            max_message_bytes: None,
            greeting: None,
            spans: true,
            traffic: Arc::default(),
            handler: Arc::new(move |socket, info| Box::pin(handler(socket, info))),
        }
    }

    /// The counters of its messages.
    pub(crate) fn traffic(&self, metrics: &Metrics) -> Traffic {
        self.traffic
            .get_or_init(|| metrics.traffic(self.path))
            .clone()
    }

    /// Leaves it to the handler to enter the connection's span.
    fn without_span(mut self) -> Self {
        self.spans = false;
        self
    }

    /// Calls `greeting` when a request has passed all checks.
    fn greeting(mut self, greeting: fn()) -> Self {
        self.greeting = Some(greeting);
        self
    }
}

impl fmt::Debug for WebSocketRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketRoute")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// The server's own WebSocket routes, but for rooms.
pub(crate) fn websocket_routes(routes: &RouteOptions, metrics: &Metrics) -> Vec<WebSocketRoute> {
    let mut websockets = Vec::new();
    if routes.demonstrations.is_on() {
        websockets.extend(demonstrations());
    }
    if routes.metrics.is_on() {
        let figures = routes::Figures::new(metrics.clone());
        websockets.push(WebSocketRoute::new("/stats", &[], move |socket, info| {
            routes::stats(figures.clone(), socket, info)
        }));
    }
    websockets
}

/// The routes that show what a WebSocket is for.
fn demonstrations() -> [WebSocketRoute; 4] {
    let fleet = Fleet::default();
    [
        WebSocketRoute::new("/ws", &["chat"], routes::fixed).greeting(|| {
            if CONNECTIONS.admit() {
                transcript!("Handshake recebido");
            }
        }),
        WebSocketRoute::new("/echo", &["chat"], routes::echo).without_span(),
        WebSocketRoute::new("/ack", &["chat"], routes::ack),
        WebSocketRoute::new("/drone", routes::DRONE_PROTOCOLS, move |socket, info| {
            routes::drone(fleet.clone(), socket, info)
        }),
    ]
}

/// The router over all paths; `more` are ordinary routes of an embedder.
pub(crate) fn router(
    context: Arc<Context>,
    websockets: Vec<WebSocketRoute>,
    more: Router,
) -> Router {
    let mut router = Router::new()
        .route("/healthz", get(routes::healthz))
        .route(
            "/readyz",
            get(routes::readyz).with_state(Arc::clone(&context)),
        )
        .merge(routes::pages(context.hsts))
        .merge(routes::chat(&context))
        .merge(routes::room_requests(&context))
        .merge(grpc::routes(&context))
        .merge(more);
    if context.routes.metrics.is_on() {
        let metrics = get(routes::metrics).with_state(context.metrics.clone());
        router = router.route("/metrics", metrics);
    }
    for route in websockets {
        let (path, context) = (route.path, Arc::clone(&context));
        // Any method: HTTP/2 arrives as CONNECT, and what is wrong with others the upgrade tells.
        router = router.route(
            path,
            any(move |request| async move { upgrade::open(&context, &route, request) }),
        );
    }
    router
        .fallback(|| async { (StatusCode::NOT_FOUND, "there is nothing at this path\n") })
        .layer(middleware::from_fn_with_state(context, check_request))
}

/// The router of the plain-text port: gRPC and nothing else.
pub(crate) fn plain(context: Arc<Context>) -> Router {
    grpc::routes(&context)
        .fallback(|| async { (StatusCode::NOT_FOUND, "only gRPC is served here\n") })
        .layer(middleware::from_fn_with_state(context, check_request))
}

/// Lets requests pass that there is no [`objection`] to.
async fn check_request(
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

/// Whether an HTTP/1 request has a target for its method (RFC 9112 §3.2), and a body whose end every server on the way
/// sees in the same place (§6.1, §11.2): `chunked` is the only coding and stands there once.
///
/// hyper has refused by now whatever it sees no end of; where there is a length beside the coding it has taken the
/// coding, and will close behind the answer (§6.3). HTTP/2 frames its bodies otherwise.
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

/// Whether an HTTP/2 request is well-formed where h2 does not look: no white space around a value (RFC 9113 §8.2.1), a
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

/// The host that a request names, with its port if it has one; `None` unless it is named once and valid.
///
/// HTTP/1.0 knew no Host; such a request may go without and gets an empty one.
pub(crate) fn authority<B>(request: &Request<B>) -> Option<&str> {
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
