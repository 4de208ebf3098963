//! One connection from its first byte: TLS if its listener asks for it, then HTTP as ALPN or the preface says.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use http::header;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::SockRef;
use tokio::time::timeout;
use tracing::debug;

use crate::arrival::Arrival;
use crate::client_stream::ClientStream;
#[cfg(target_os = "linux")]
use crate::config::ByteSize;
use crate::connection::{Connection, Turn};
use crate::heads::Heads;
use crate::ledger::{
    Account, CONNECTION_WINDOW, Http2, PIECE_BYTES, STREAM_WINDOW, StreamExecutor, Wire,
};
use crate::limits::{OpenConnection, Permit};
use crate::log::{failure, refused_head};
use crate::socket::Socket;
use crate::table::Table;
use crate::tls::{ACME_PROTOCOL, TlsInfo, TlsTransport};
use crate::unsent;

use super::Acceptor;

impl Acceptor {
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
            turn: Turn::default(),
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
            if stream.session().alpn_protocol() == Some(ACME_PROTOCOL) {
                // The certificate was the answer (RFC 8737 §3).
                debug!("ACME challenge answered");
                return None;
            }
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
    pub(super) fn linger(&self) -> Duration {
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
}

/// First bytes of the HTTP/2 client preface (RFC 9113 §3.4); no HTTP/1.1 request begins with them.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n";
/// hyper's smallest read buffer.
const SMALLEST_BUFFER: usize = 8192;
/// Silence after which an HTTP/2 connection is pinged.
const HTTP2_PING_INTERVAL: Duration = Duration::from_secs(20);
/// Time for the answer to that ping.
const HTTP2_PING_TIMEOUT: Duration = Duration::from_secs(10);
