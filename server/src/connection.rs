//! Description of a connection for its handler.

use std::net::SocketAddr;
use std::sync::Arc;

use tracing::{Span, info_span};
use tungstenite_deflate::Agreed;
use tungstenite_deflate::tungstenite::Message;

use crate::drain::Departure;
use crate::ledger::Account;
use crate::limits::OpenConnection;
use crate::metrics::{Carrier, Direction, Traffic};
use crate::observers::Observers;
use crate::peer::Peer;
use crate::tls::TlsInfo;

/// One connection; an HTTP/2 one may carry several WebSockets, and one of a proxy requests of several clients.
#[derive(Debug)]
pub(crate) struct Connection {
    /// The other end, or its client by a PROXY header; each request has a [`Peer`] of its own.
    pub(crate) peer: Peer,
    /// Parameters agreed by the TLS handshake, if this server did it.
    pub(crate) tls: Option<TlsInfo>,
    /// True if the client speaks TLS, to this server or to a proxy.
    pub(crate) is_secure: bool,
    /// The memory that it makes the server hold.
    pub(crate) account: Account,
    pub(crate) turn: Turn,
    /// Keeps the connection counted while anything holds it.
    pub(crate) _open: OpenConnection,
}

/// The turn at the check of tokens, which one request of a connection has at a time.
pub(crate) type Turn = tokio::sync::Mutex<()>;

/// Description of a connection for its handler.
///
/// It also carries the connection's counters and its notice of the server's end: a handler that uses
/// [`Conversation`](crate::Conversation) need not think of them; one that reads and writes the stream by itself calls
/// [`received`](Self::received), [`sent`](Self::sent) and [`going_away`](Self::going_away).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConnectionInfo {
    /// The client's address, as far as a trusted proxy reported it: without its port, which is then 0, or `[::]:0` if
    /// nothing but a Unix socket is known.
    pub peer: SocketAddr,
    /// Path of the request, as it was written.
    pub path: String,
    /// Query of the request, without `?`, as it was written.
    pub query: Option<String>,
    /// The subprotocol that was agreed (RFC 6455 §1.9).
    pub subprotocol: Option<&'static str>,
    /// The parameters of permessage-deflate, if it was agreed (RFC 7692).
    pub agreed: Option<Agreed>,
    /// The same for limits and logs.
    pub(crate) client: Peer,
    pub(crate) connection: Arc<Connection>,
    pub(crate) departure: Departure,
    pub(crate) traffic: Traffic,
    pub(crate) observers: Observers,
    /// The route's path, as metrics and logs name it.
    pub(crate) route: &'static str,
    /// The HTTP version that carries it.
    pub(crate) http: Carrier,
}

impl ConnectionInfo {
    /// Parameters agreed by the TLS handshake; `None` if the connection came without TLS.
    pub fn tls(&self) -> Option<&TlsInfo> {
        self.connection.tls.as_ref()
    }

    /// Waits for the moment at which this connection should be closed with 1001 (going away), because the server ends.
    /// Cancel safe.
    pub async fn going_away(&self) {
        self.departure.reached().await;
    }

    /// Counts a message that came in.
    pub fn received(&self, message: &Message) {
        self.traffic.message(Direction::In, message);
    }

    /// Counts a message that goes out.
    pub fn sent(&self, message: &Message) {
        self.traffic.message(Direction::Out, message);
    }

    /// The span that tells in the log which connection an event belongs to.
    ///
    /// Being in a span costs more than a small message, so the server's own handlers are only while they log.
    pub(crate) fn span(&self) -> Span {
        info_span!(parent: None, "websocket", peer = %self.client, proxy = self.client.proxy(), trace_id = self.client.trace_id(), route = self.route, http = self.http.name())
    }

    /// Runs `log` within the connection's span.
    pub(crate) fn in_span<T>(&self, log: impl FnOnce() -> T) -> T {
        self.span().in_scope(log)
    }
}
