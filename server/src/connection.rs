//! What a handler is told about its connection.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tracing::{Span, info_span};
use tungstenite_deflate::Agreed;
use tungstenite_deflate::tungstenite::Message;
use values::sync::lock;

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

/// What a handler is told about its connection.
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
    pub(crate) first_close: Arc<Mutex<Option<Closed>>>,
    /// The route's path, as metrics and logs name it.
    pub(crate) route: &'static str,
    /// The HTTP version that carries it.
    pub(crate) http: Carrier,
}

/// How a connection was closed: the first Close frame of either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    /// Its code; 1005 when it had none, 1006 when there was no Close (RFC 6455 §7.1.5).
    pub code: u16,
    /// Who sent it: `client`, `server` or `nobody`.
    pub by: &'static str,
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
        self.note_close(message, "client");
    }

    /// Counts a message that goes out.
    pub fn sent(&self, message: &Message) {
        self.traffic.message(Direction::Out, message);
        self.note_close(message, "server");
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

    /// How the connection was closed, as far as was counted.
    pub fn closed(&self) -> Closed {
        let closed = *lock(&self.first_close);
        closed.unwrap_or(Closed {
            code: 1006,
            by: "nobody",
        })
    }

    /// Whether a Close of either side was counted.
    pub(crate) fn is_closed(&self) -> bool {
        lock(&self.first_close).is_some()
    }

    /// Takes the engine's account of the end, which knows the Close of a failed connection too.
    pub(crate) fn note_end(&self, end: &tungstenite_deflate::Closed) {
        use tungstenite_deflate::Initiator;
        let (frame, by) = match end.by {
            Initiator::Peer => (&end.received, "client"),
            Initiator::Us => (&end.sent, "server"),
            Initiator::Transport => (&None, "nobody"),
        };
        let code = match frame {
            Some(Some(frame)) => frame.code.into(),
            Some(None) => 1005,
            None => 1006,
        };
        *lock(&self.first_close) = Some(Closed { code, by });
    }

    /// Keeps the first Close of all.
    pub(crate) fn note_close(&self, message: &Message, by: &'static str) {
        if let Message::Close(frame) = message {
            let code = frame.as_ref().map_or(1005, |frame| frame.code.into());
            let mut closed = lock(&self.first_close);
            closed.get_or_insert(Closed { code, by });
        }
    }
}
