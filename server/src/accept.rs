//! The accept loop: TCP, TLS in a task of its own with a deadline, then HTTP as ALPN says.

use std::convert::Infallible;
use std::future::{Future, ready};
use std::io;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use futures_util::future::Either;
use futures_util::{FutureExt, TryFutureExt};
use http::{StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{Service, service_fn};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::SockRef;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::{debug, error};

use crate::arrival::Arrival;
use crate::arrivals::Arrivals;
use crate::client_stream::ClientStream;
#[cfg(target_os = "linux")]
use crate::config::ByteSize;
use crate::config::{AccessLog, Config};
use crate::connection::Connection;
use crate::descriptors::Spare;
use crate::drain::Drain;
use crate::heads::{Heads, foreign_version};
use crate::ledger::{
    Account, CONNECTION_WINDOW, Http2, Ledger, PIECE_BYTES, Received, STREAM_WINDOW,
    StreamExecutor, Wire, respond,
};
use crate::limits::{ConnectionLimits, OpenConnection, Permit};
use crate::listen::ListenerKind;
use crate::listening::Listening;
use crate::log::{Reason, RequestLine, failure, refused_head};
use crate::metrics::{LimitLabel, Metrics};
use crate::peer::Peer;
use crate::proxies::{MalformedForwarding, Site, Trust};
use crate::socket::Socket;
use crate::table::{Table, Tables};
use crate::tls::{Tls, TlsInfo, TlsTransport};
use crate::unsent;

mod handshake;
mod pause;

use self::pause::{Pause, is_of_one_connection};

/// State that every connection needs.
#[derive(Debug)]
pub(crate) struct Acceptor {
    pub(crate) config: Arc<Config>,
    pub(crate) tls: Arc<Tls>,
    pub(crate) limits: Arc<ConnectionLimits>,
    pub(crate) arrivals: Arrivals,
    pub(crate) handshakes: Semaphore,
    /// Slots for connections that get a response that the server is full.
    pub(crate) refusals: Arc<Semaphore>,
    pub(crate) metrics: Metrics,
    pub(crate) ledger: Ledger,
    pub(crate) drain: Drain,
    /// Proxies that may report clients.
    pub(crate) trust: Trust,
    pub(crate) tables: Tables,
}

impl Acceptor {
    /// Accepts connections from `listener` until the server is ending; all listeners share the limits.
    pub(crate) async fn run(self: Arc<Self>, listener: Listening, kind: ListenerKind) {
        let mut pause = Pause::default();
        let mut spare = Spare::new();
        let mut ending = pin!(self.drain.begun());
        loop {
            let accepted = tokio::select! {
                () = &mut ending => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((socket, peer)) => {
                    pause.over();
                    Arc::clone(&self).admit(socket, peer, kind);
                }
                Err(error) if is_of_one_connection(&error) => {
                    debug!(%error, "a connection ended before it was accepted");
                }
                Err(error) => {
                    self.metrics.accept_errors.inc();
                    // Descriptors have run out, and waiting has not helped: the spare one takes connections to close
                    // them, else they would fill the backlog.
                    if pause.is_repeated() {
                        let label = LimitLabel {
                            limit: "descriptors",
                        };
                        let refused = self.metrics.refused_connections.get_or_create_owned(&label);
                        refused.inc_by(spare.shed(&error, &listener));
                    }
                    tokio::select! {
                        () = &mut ending => return,
                        () = pause.after(&error) => {}
                    }
                }
            }
        }
    }

    /// Counts a connection that ran into `limit`.
    pub(crate) fn refused(&self, limit: &'static str) {
        self.metrics
            .refused_connections
            .get_or_create(&LimitLabel { limit })
            .inc();
    }

    /// One connection from its first byte to its end, or to the moment when a WebSocket takes it over.
    pub(crate) async fn serve(self: Arc<Self>, socket: Socket, arrival: Arrival, permit: Permit) {
        let open = OpenConnection::new(&self.metrics.connections, permit);
        if let Err(error) = self.prepare(&socket) {
            failure!(DEBUG, %error, "connection lost before its first byte");
            return;
        }
        let begun = Instant::now();
        let Some((mut stream, http2)) = self.open_stream(socket, arrival).await else {
            return;
        };
        let tls = match &mut stream {
            ClientStream::Tls(stream) => Some(self.established(stream, begun.elapsed())),
            ClientStream::Plain(_) => None,
        };
        let account = self.ledger.account();
        let connection = Arc::new(Connection {
            peer: arrival.peer,
            is_secure: tls.is_some() || arrival.is_secure,
            tls,
            account: account.clone(),
            _open: open,
        });
        let table = self.tables.of(arrival.kind.service);
        if http2 {
            let http2 = Http2::new(&account);
            let service =
                service_fn(|request| self.answer(request, &connection, Some(&http2), table));
            self.serve_http2(stream, service, &account, &http2).await;
        } else {
            self.serve_http1(stream, connection, table).await;
        }
    }

    /// Tells what a handshake settled on.
    fn established(&self, stream: &mut TlsTransport, time: Duration) -> TlsInfo {
        let tls = TlsInfo::of(stream);
        self.metrics.handshake_times.observe(time.as_secs_f64());
        self.metrics.handshakes.get_or_create(&tls.labels()).inc();
        debug!(
            version = tls.version,
            group = tls.group,
            resumed = tls.resumed,
            http2 = tls.http2,
            "TLS established"
        );
        tls
    }

    /// The stream on which HTTP is spoken, and whether that is HTTP/2: by ALPN, or without TLS by its preface (RFC 9113 §3.3).
    pub(crate) async fn open_stream(
        &self,
        mut socket: Socket,
        arrival: Arrival,
    ) -> Option<(ClientStream, bool)> {
        if arrival.kind.is_tls {
            let stream = self.handshake(socket, arrival.peer).await?;
            let http2 = stream.session().alpn_protocol() == Some(b"h2");
            return Some((ClientStream::Tls(stream), http2));
        }
        let deadline = Duration::from(self.config.http.head_timeout);
        let received = tokio::select! {
            received = timeout(deadline, socket.begins_with(PREFACE)) => received,
            () = self.drain.begun() => return None,
        };
        // Without TLS there is no ALPN: the first bytes decide (RFC 9113 §3.3).
        let http2 = match received {
            Ok(Ok(http2)) => http2,
            Ok(Err(error)) => {
                failure!(DEBUG, %error, "connection lost before its first request");
                return None;
            }
            Err(_) => {
                failure!(DEBUG, "no request came within its deadline");
                return None;
            }
        };
        Some((ClientStream::Plain(socket), http2))
    }

    /// Sets what every socket should have.
    fn prepare(&self, socket: &Socket) -> io::Result<()> {
        let Some(stream) = socket.tcp() else {
            return Ok(());
        };
        stream.set_nodelay(true)?;
        #[cfg(target_os = "linux")]
        {
            let timeout = self.config.network.tcp_user_timeout.0.map(Duration::from);
            SockRef::from(stream).set_tcp_user_timeout(timeout)?;
        }
        if let Some(ByteSize(bytes)) = self.config.network.tcp_notsent_bytes.0 {
            unsent::limit(socket, bytes)?;
        }
        Ok(())
    }

    /// Returns the time for which the peer is waited for after the end.
    fn linger(&self) -> Duration {
        self.config.network.linger.into()
    }

    /// Requests one after the other, until an upgrade or the end.
    async fn serve_http1(
        &self,
        stream: ClientStream,
        connection: Arc<Connection>,
        table: &Arc<Table>,
    ) {
        let limits = &self.config.http;
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from(limits.keep_alive_timeout))
            .max_headers(limits.max_headers)
            .max_header_size(limits.max_head_bytes.0)
            .max_buf_size(
                limits
                    .max_head_bytes
                    .0
                    .saturating_mul(2)
                    .max(SMALLEST_BUFFER),
            );
        let peer = connection.peer;
        let heads = Arc::new(Heads::default());
        let stream =
            Wire::new(stream, &connection.account).with_heads(&heads, limits.head_timeout.into());
        let interim = stream.interim();
        let service = service_fn(|mut request: http::Request<Incoming>| {
            if request.headers().contains_key(header::EXPECT) {
                request.extensions_mut().insert(Arc::clone(&interim));
            }
            self.answer_http1(request, &connection, &heads, table)
        });
        let ended = {
            let serving = builder
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades();
            let mut serving = pin!(serving);
            tokio::select! {
                ended = serving.as_mut() => ended,
                () = self.drain.begun() => {
                    serving.as_mut().graceful_shutdown();
                    serving.await
                }
            }
        };
        // hyper's side is dropped, so that it either has given the transport or never will.
        heads.finish().await;
        if heads.is_http2() {
            peer.span().in_scope(|| {
                failure!(
                    INFO,
                    "HTTP/2 refused: it was not agreed on by ALPN (RFC 9113 §3.2)"
                );
            });
            return;
        }
        match ended {
            // hyper has answered it.
            Err(error) if error.is_parse() || error.is_parse_too_large() => {
                peer.span()
                    .in_scope(|| failure!(INFO, %error, "malformed request refused"));
                if self.has_access_log() {
                    refused_head(peer, &error);
                }
            }
            Err(error) => failure!(DEBUG, %error, "HTTP/1.1 connection ended"),
            Ok(()) => {}
        }
    }

    /// Streams beside each other, WebSockets among them (RFC 8441).
    async fn serve_http2<S>(
        &self,
        stream: ClientStream,
        service: S,
        account: &Account,
        http2: &Arc<Http2>,
    ) where
        S: Service<http::Request<Incoming>, Response = http::Response<Body>, Error = Infallible>,
        S::Future: Send + 'static,
    {
        let limits = &self.config.http;
        let mut builder = http2::Builder::new(StreamExecutor(Arc::clone(http2)));
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits.max_streams)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(u32::try_from(limits.max_head_bytes.0).unwrap_or(u32::MAX))
            .max_send_buf_size(PIECE_BYTES)
            .keep_alive_interval(HTTP2_PING_INTERVAL)
            .keep_alive_timeout(HTTP2_PING_TIMEOUT)
            .enable_connect_protocol();
        let stream = Wire::http2(stream, account, Arc::clone(http2));
        let serving = builder.serve_connection(TokioIo::new(stream), service);
        let mut serving = pin!(serving);
        // h2 has no deadline for data that its peer does not take.
        let mut sweeps = tokio::time::interval(self.sweep_interval());
        let mut draining = pin!(self.drain.begun());
        let mut is_closing = false;
        let ended = loop {
            tokio::select! {
                ended = serving.as_mut() => break ended,
                () = draining.as_mut(), if !is_closing => {
                    is_closing = true;
                    serving.as_mut().graceful_shutdown();
                }
                _ = sweeps.tick() => if http2.sweep() {
                    failure!(DEBUG, "HTTP/2 connection closed: nothing lives on it but data that nobody takes");
                    return;
                }
            }
        };
        if let Err(error) = ended {
            failure!(DEBUG, %error, "HTTP/2 connection ended");
        }
    }

    /// Time between two looks at the streams of an HTTP/2 connection.
    fn sweep_interval(&self) -> Duration {
        let timeout = Duration::from(self.config.websocket.write_timeout);
        (timeout / 8).clamp(Duration::from_millis(20), Duration::from_secs(1))
    }

    /// Has one request answered whose head was looked at.
    fn answer_http1(
        &self,
        request: http::Request<Incoming>,
        connection: &Arc<Connection>,
        heads: &Arc<Heads>,
        table: &Arc<Table>,
    ) -> impl Future<Output = Result<http::Response<Body>, Infallible>> + use<> {
        if heads.begin() {
            let line = RequestLine::of(&request, connection.peer);
            let answer = line.finish(foreign_version(), self.has_access_log());
            return Either::Left(ready(Ok(answer)));
        }
        let heads = Arc::clone(heads);
        let upgrade = request.extensions().get::<OnUpgrade>().cloned();
        let answering = self.answer(request, connection, None, table);
        Either::Right(answering.map_ok(move |mut answer| {
            heads.end(&mut answer, upgrade);
            answer
        }))
    }

    /// Has one request answered, with its connection and its client as extensions.
    fn answer(
        &self,
        mut request: http::Request<Incoming>,
        connection: &Arc<Connection>,
        http2: Option<&Arc<Http2>>,
        table: &Arc<Table>,
    ) -> impl Future<Output = Result<http::Response<Body>, Infallible>> + use<> {
        let client = self
            .trust
            .client(connection.peer, connection.is_secure, &request);
        // A malformed forwarding field is answered with 400 by `answer_for`, and logged with the proxy's own address.
        let (peer, site) = match client {
            Ok((peer, site)) => (peer, Ok(site)),
            Err(malformed) => (connection.peer, Err(malformed)),
        };
        request.extensions_mut().insert(Arc::clone(connection));
        let (table, panics) = (Arc::clone(table), self.metrics.request_panics.clone());
        let line = RequestLine::of(&request, peer);
        let has_access_log = self.has_access_log();
        let answering = accounted(
            request,
            &connection.account,
            http2,
            move |request| async move {
                let answering = answer_for(&table, request, peer, site);
                if let Ok(answer) = AssertUnwindSafe(answering).catch_unwind().await {
                    return Ok(answer);
                }
                peer.span().in_scope(|| {
                error!(
                    "a request's handler panicked; the request is answered with 500, others go on"
                );
            });
                panics.inc();
                let mut answer = http::Response::new(Body::from("the server made a mistake\n"));
                *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                Ok(answer)
            },
        );
        answering.map_ok(move |answer| line.finish(answer, has_access_log))
    }

    /// Tests whether requests are written to the access log.
    pub(crate) fn has_access_log(&self) -> bool {
        self.config.logging.access_log != AccessLog::Off
    }
}

/// Has `table` answer a request of `peer` for a site, unless a proxy's report of them cannot be read.
async fn answer_for(
    table: &Table,
    mut request: http::Request<Body>,
    peer: Peer,
    site: Result<Site, MalformedForwarding>,
) -> http::Response<Body> {
    match site {
        Ok(site) => {
            request.extensions_mut().insert(peer);
            request.extensions_mut().insert(site);
            table.answer(request, peer).await
        }
        Err(malformed) => {
            let reason = malformed.to_string();
            let mut answer = http::Response::new(Body::from(format!("{reason}\n")));
            *answer.status_mut() = StatusCode::BAD_REQUEST;
            let text = header::HeaderValue::from_static("text/plain; charset=utf-8");
            answer.headers_mut().insert(header::CONTENT_TYPE, text);
            Reason(reason.into()).attach(answer)
        }
    }
}

/// Has a request answered whose body and response are counted.
fn accounted<A, F>(
    mut request: http::Request<Incoming>,
    account: &Account,
    http2: Option<&Arc<Http2>>,
    answer: A,
) -> impl Future<Output = Result<http::Response<Body>, Infallible>> + use<A, F>
where
    A: FnOnce(http::Request<Body>) -> F,
    F: Future<Output = Result<http::Response<Body>, Infallible>>,
{
    let account = account.clone();
    let stream = http2.map(|http2| (Arc::clone(http2), http2.begin()));
    request.extensions_mut().insert(account.clone());
    if let Some(stream) = &stream {
        request.extensions_mut().insert(stream.clone());
    }
    let answering = answer(Received::request(request, &account, http2));
    async move {
        let response = answering.await?;
        Ok(respond(response, &account, stream))
    }
}

/// First bytes of the HTTP/2 client preface (RFC 9113 §3.4); no HTTP/1.1 request begins with them.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n";
/// hyper's smallest read buffer.
const SMALLEST_BUFFER: usize = 8192;
/// Silence after which an HTTP/2 connection is pinged.
const HTTP2_PING_INTERVAL: Duration = Duration::from_secs(20);
/// Time for the answer to that ping.
const HTTP2_PING_TIMEOUT: Duration = Duration::from_secs(10);
