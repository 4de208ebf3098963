//! From a request to a WebSocket: HTTP/1.1 upgrade and HTTP/2 extended CONNECT (RFC 6455 §4.2, RFC 8441) in one place.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;

use axum::body::Body;
use bytes::BytesMut;
use futures_util::{FutureExt, SinkExt, StreamExt};
use http::{Request, Response, StatusCode, Version, header};
use hyper_util::rt::TokioIo;
use tokio::sync::oneshot;
use tracing::{Instrument, debug, error};
use tungstenite_deflate::handshake::server::interim_response;
use tungstenite_deflate::hyper::{Pending, Upgrade};
use tungstenite_deflate::tungstenite::Message;
use tungstenite_deflate::tungstenite::protocol::frame::coding::CloseCode;
use tungstenite_deflate::tungstenite::protocol::{CloseFrame, Role};
use tungstenite_deflate::{CloseReport, Closed, Initiator, Options, WebSocketStream};

use crate::client_stream::ClientStream;
use crate::connection::{Connection, ConnectionInfo};
use crate::context::Context;
use crate::interim::Interim;
use crate::ledger::{Http2, Part, Stream, Wire};
use crate::limits::Permit;
use crate::log::{Reason, Route, failure, limited};
use crate::metrics::{Carrier, CloseLabels, RefusalLabels, RouteLabel, close_code};
use crate::peer::Peer;
use crate::request::may_call;
use crate::route::{Endpoint, Running, WebSocketRoute};
use crate::stream::{Output, ServerStream, Transport};

/// Answers a request for `route`, as [`open`] does, with the handler of all its connections.
pub(crate) fn serve<B>(
    context: &Arc<Context>,
    route: &WebSocketRoute,
    request: Request<B>,
) -> Response<Body> {
    let handler = Arc::clone(&route.handler);
    open(context, &route.endpoint, request, move |socket, info| {
        handler(socket, info)
    })
}

/// Checks a request for `endpoint` and answers it; `handler` then runs in a task of its own.
pub(crate) fn open<B, H>(
    context: &Arc<Context>,
    endpoint: &Arc<Endpoint>,
    mut request: Request<B>,
    handler: H,
) -> Response<Body>
where
    H: FnOnce(WebSocketStream<ServerStream>, ConnectionInfo) -> Running + Send + 'static,
{
    let mut response = match accept(context, endpoint, &mut request, handler) {
        Ok(response) => response,
        Err(refusal) => {
            let status = refusal.status();
            let labels = RefusalLabels {
                route: endpoint.path,
                status: status.as_u16(),
            };
            context
                .metrics
                .refused_upgrades
                .get_or_create(&labels)
                .inc();
            *refusal
        }
    };
    if context.has_access_log {
        response
            .extensions_mut()
            .insert(Route(endpoint.path.into()));
    }
    response
}

/// The response that accepts, once every check has passed and the handler is on its way.
fn accept<B, H>(
    context: &Arc<Context>,
    endpoint: &Arc<Endpoint>,
    request: &mut Request<B>,
    handler: H,
) -> Result<Response<Body>, Refusal>
where
    H: FnOnce(WebSocketStream<ServerStream>, ConnectionInfo) -> Running + Send + 'static,
{
    let options = endpoint.options(&context.options);
    let mut upgrade = Upgrade::from_request(request)
        .map_err(|rejection| {
            let reason = Reason(rejection.to_string().into());
            Box::new(reason.attach(rejection.response().map(Body::from)))
        })?
        .options(Options::clone(&options));
    // First what the RFC asks of the request, then what this server allows: a malformed request learns nothing of the
    // latter.
    let (connection, peer, permit) = admit(context, request)?;
    let http2 = request.extensions().get::<Http2Stream>().cloned();
    upgrade.select_protocol(endpoint.protocols);
    let chosen = upgrade.selected_protocol().cloned();
    let subprotocol = endpoint
        .protocols
        .iter()
        .copied()
        .find(|&name| chosen.as_ref().is_some_and(|chosen| chosen == name));
    // Last, since the interim response cannot be taken back.
    announce_continue(request)?;
    let (response, pending) = upgrade.accept();
    let info = ConnectionInfo {
        peer: peer.address(),
        client: peer,
        path: request.uri().path().to_owned(),
        query: request.uri().query().map(str::to_owned),
        subprotocol,
        agreed: pending.agreed,
        connection: Arc::clone(&connection),
        departure: context.drain.departure(),
        traffic: endpoint.traffic(&context.metrics),
        observers: context.observers.clone(),
        route: endpoint.path,
        http: if request.version() == Version::HTTP_2 {
            Carrier::Http2
        } else {
            Carrier::Http1
        },
    };
    if let Some(greeting) = endpoint.greeting {
        peer.span().in_scope(greeting);
    }
    let running = begin(
        Arc::clone(context),
        (handler, endpoint.spans),
        pending,
        info,
        options,
        (permit, http2),
    );
    // The task waits for hyper to send the response; then it owns the connection.
    context.drain.spawn(run(Box::pin(running)));
    Ok(response.map(|()| Body::empty()))
}

/// Decides if this server takes one more WebSocket from this page and this client.
///
/// # Errors
/// The server is ending (503), the page may not connect (403), or a limit is reached (503, 429).
fn admit<B>(
    context: &Context,
    request: &Request<B>,
) -> Result<(Arc<Connection>, Peer, Permit), Refusal> {
    if context.drain.has_begun() {
        let mut refusal = Box::new(refuse(
            StatusCode::SERVICE_UNAVAILABLE,
            "the server is shutting down\n",
        ));
        refusal
            .headers_mut()
            .insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
        return Err(refusal);
    }
    if !may_call(&context.origins, request) {
        return refused(
            StatusCode::FORBIDDEN,
            "this page's Origin may not connect; the server can allow it with --origin-allow\n",
        );
    }
    let extensions = request.extensions();
    let connection = extensions.get::<Arc<Connection>>().cloned();
    let (Some(connection), Some(&peer)) = (connection, extensions.get::<Peer>()) else {
        return refused(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the connection of this request is unknown\n",
        );
    };
    // Counted from here on; the permit lives until `OpenSocket` is dropped.
    let permit = context.websockets.admit(peer.counted());
    let permit = permit.map_err(|full| Box::new(full.websocket_response()))?;
    Ok((connection, peer, permit))
}

/// Has `100 Continue` written before the 101 if the request expects it (RFC 9110 §7.8).
///
/// # Errors
/// The peer has not taken the response to an earlier request yet, which the interim one would interrupt: 417.
fn announce_continue<B>(request: &Request<B>) -> Result<(), Refusal> {
    if interim_response(request).is_empty() {
        return Ok(());
    }
    match request.extensions().get::<Arc<Interim>>() {
        Some(interim) if !interim.request() => refused(
            StatusCode::EXPECTATION_FAILED,
            "100-continue cannot be sent before an earlier response has been read; ask again without Expect\n",
        ),
        _ => Ok(()),
    }
}

/// The connection from the moment hyper has sent the response to its end.
///
/// The beginning has a box of its own, which is gone when the handler runs: a connection that waits holds
/// its handler and little else.
async fn run(beginning: Pin<Box<impl Future<Output = Option<Running>>>>) {
    if let Some(running) = beginning.await {
        running.await;
    }
}

/// Takes the transport from hyper and starts the handler on it; `None` if the connection was lost before.
async fn begin<H>(
    context: Arc<Context>,
    (handler, spans): (H, bool),
    pending: Pending,
    info: ConnectionInfo,
    options: Arc<Options>,
    (permit, http2): (Permit, Option<Http2Stream>),
) -> Option<Running>
where
    H: FnOnce(WebSocketStream<ServerStream>, ConnectionInfo) -> Running,
{
    let span = info.span();
    let (rescue, rescued) = oneshot::channel();
    let mut socket = match connect(&context, pending, options, &info, http2, rescue).await {
        Ok(socket) => socket,
        Err(error) => {
            span.in_scope(|| failure!(DEBUG, %error, "connection lost before it was upgraded"));
            return None;
        }
    };
    let open =
        Box::new(span.in_scope(|| OpenSocket::new(&context, &info, permit, socket.close_report())));
    debug!(parent: &span, subprotocol = info.subprotocol, deflate = ?info.agreed, "negotiated");
    // A handler may well panic before there is a future of it.
    let started =
        span.in_scope(|| std::panic::catch_unwind(AssertUnwindSafe(|| handler(socket, info))));
    let running: Running = match started {
        Ok(handler) => Box::pin(guarded(open, rescued, handler)),
        Err(_) => Box::pin(panicked(open, rescued)),
    };
    Some(if spans {
        Box::pin(running.instrument(span))
    } else {
        running
    })
}

/// Runs a handler whose panic ends its own connection only.
async fn guarded(open: Box<OpenSocket>, rescued: oneshot::Receiver<Transport>, handler: Running) {
    if AssertUnwindSafe(handler).catch_unwind().await.is_err() {
        Box::pin(panicked(open, rescued)).await;
    }
}

/// Reports a handler's panic: in the log, the metrics, and to the peer if its connection could be saved.
async fn panicked(mut open: Box<OpenSocket>, mut rescued: oneshot::Receiver<Transport>) {
    open.info.in_span(|| {
        error!("the handler panicked; its connection is closed with 1011, others go on");
    });
    open.context
        .metrics
        .handler_panics
        .get_or_create(&RouteLabel {
            route: open.info.route,
        })
        .inc();
    if let Ok(transport) = rescued.try_recv() {
        apologise(&mut open, transport).await;
    }
}

/// Ends what a panicking handler left behind with 1011 (internal error).
async fn apologise(open: &mut OpenSocket, transport: Transport) {
    if open.report.closed().is_some() {
        // The handler's connection was closed, or closing, already.
        return;
    }
    let (context, info) = (&open.context, &open.info);
    let (traffic, account) = (info.traffic.clone(), &info.connection.account);
    let stream = ServerStream::new(transport, context.write_timeout, traffic, account);
    let mut socket = WebSocketStream::with_shared_options(
        stream,
        BytesMut::new(),
        Role::Server,
        Arc::clone(&context.options),
        info.agreed,
    );
    open.report = socket.close_report();
    let close = Message::Close(Some(CloseFrame {
        code: CloseCode::Error,
        reason: "the server made a mistake".into(),
    }));
    info.sent(&close);
    let ending = async {
        if socket.send(close).await.is_ok() {
            // What was being received was lost with the handler, so that what follows may make no sense.
            while socket.next().await.is_some() {}
        }
    };
    let _ = tokio::time::timeout(APOLOGY_TIMEOUT, ending).await;
}

/// Takes the transport back from hyper and puts the protocol on it.
async fn connect(
    context: &Context,
    pending: Pending,
    options: Arc<Options>,
    info: &ConnectionInfo,
    http2: Option<Http2Stream>,
    rescue: oneshot::Sender<Transport>,
) -> hyper::Result<WebSocketStream<ServerStream>> {
    let upgraded = pending.on_upgrade.await?;
    let (transport, early) = match upgraded.downcast::<TokioIo<Wire<ClientStream>>>() {
        // Frames sent directly after the request are already in hyper's buffer.
        Ok(parts) => (
            Transport::Http1(Box::new(parts.io.into_inner().into_inner())),
            BytesMut::from(parts.read_buf),
        ),
        Err(upgraded) => (
            Transport::Http2(TokioIo::new(upgraded), http2.map(Output::new)),
            BytesMut::new(),
        ),
    };
    let (traffic, account) = (info.traffic.clone(), &info.connection.account);
    let stream = ServerStream::new(transport, context.write_timeout, traffic, account);
    let mut socket = WebSocketStream::with_shared_options(
        stream.rescued_by(rescue),
        early,
        Role::Server,
        options,
        pending.agreed,
    );
    socket.set_memory(
        &account.budget(Part::Messages),
        account.budget(Part::Contexts),
    );
    Ok(socket)
}

/// A WebSocket in the metrics and in the log, from its opening to its end, however that comes about.
struct OpenSocket {
    context: Arc<Context>,
    info: ConnectionInfo,
    since: std::time::Instant,
    /// The engine's account of the end, filled when the handler drops its stream.
    report: CloseReport,
    /// Its permit among the WebSockets that may be held.
    _permit: Permit,
}

/// The stream of an HTTP/2 connection that a request came over.
type Http2Stream = (Arc<Http2>, Arc<Stream>);

impl OpenSocket {
    fn new(
        context: &Arc<Context>,
        info: &ConnectionInfo,
        permit: Permit,
        report: CloseReport,
    ) -> Self {
        let deflate = if info.agreed.is_some() { "yes" } else { "no" };
        info.traffic.opened(info.http, info.agreed.is_some());
        limited!(
            CONNECTIONS,
            INFO,
            deflate,
            subprotocol = info.subprotocol,
            "connection opened"
        );
        Self {
            context: Arc::clone(context),
            info: info.clone(),
            since: std::time::Instant::now(),
            report,
            _permit: permit,
        }
    }
}

impl Drop for OpenSocket {
    fn drop(&mut self) {
        let Self {
            context,
            info,
            since,
            report,
            ..
        } = self;
        let (code, by) = code_and_initiator(report.closed());
        info.traffic.closed(info.http);
        context
            .metrics
            .closed
            .get_or_create(&CloseLabels {
                route: info.route,
                code: close_code(code),
                by,
            })
            .inc();
        let duration_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
        info.in_span(|| {
            limited!(
                CONNECTIONS,
                INFO,
                code,
                by,
                duration_ms,
                "connection closed"
            );
        });
    }
}

/// Returns the code of the Close frame that came first and who sent it, as metrics and the log name them.
///
/// The code is 1005 if the frame had none, and 1006 if there was no frame (RFC 6455 §7.1.5).
fn code_and_initiator(closed: Option<&Closed>) -> (u16, &'static str) {
    let (frame, by) = match closed {
        Some(closed) if closed.by == Initiator::Peer => (&closed.received, "client"),
        // Also where the byte stream ended before the peer answered.
        Some(closed) if closed.sent.is_some() => (&closed.sent, "server"),
        _ => (&None, "nobody"),
    };
    let code = match frame {
        Some(Some(frame)) => frame.code.into(),
        Some(None) => 1005,
        None => 1006,
    };
    (code, by)
}

/// The answer to a request that is not accepted.
type Refusal = Box<Response<Body>>;

/// The same in the form that [`accept`] gives.
fn refused<T>(status: StatusCode, text: &'static str) -> Result<T, Refusal> {
    Err(Box::new(refuse(status, text)))
}

/// A refusal with a sentence.
fn refuse(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    Reason(text.into()).attach(response)
}

/// Maximum time for the closing handshake after a panic.
const APOLOGY_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);
