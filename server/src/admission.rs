//! From an accepted socket to a connection that is served: who the client is, and if there is a place for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout;
use tracing::{Instrument, debug, debug_span};
use values::escape::Escaped;

use crate::accept::Acceptor;
use crate::arrival::Arrival;
use crate::limits::{Full, Permit};
use crate::listen::ListenerKind;
use crate::log::failure;
use crate::peer::Peer;
use crate::proxies::{HeaderError, ProxyHeader};
use crate::socket::Socket;

impl Acceptor {
    /// Starts the task of a connection, if there is room for it.
    pub(crate) fn admit(self: Arc<Self>, socket: Socket, peer: Peer, kind: ListenerKind) {
        let arrival = Arrival {
            peer: self.trust.of_connection(peer),
            kind,
            is_secure: false,
        };
        if self.trust.sends_header(peer) {
            return self.admit_behind_proxy(socket, arrival);
        }
        if !self.is_in_time(arrival) {
            return;
        }
        match self.limits.admit(arrival.peer.counted()) {
            Ok(permit) => self.start(socket, arrival, permit),
            Err(full) => self.refuse(socket, arrival, full),
        }
    }

    /// Starts the task of a connection whose client its PROXY header tells; until then it counts in the total alone.
    fn admit_behind_proxy(self: Arc<Self>, mut socket: Socket, arrival: Arrival) {
        let mut permit = match self.limits.admit(None) {
            Ok(permit) => permit,
            Err(full) => return self.refuse(socket, arrival, full),
        };
        let drain = self.drain.clone();
        drain.spawn(async move {
            let Some(arrival) = self.unwrap_header(&mut socket, arrival).await else {
                return;
            };
            if !self.is_in_time(arrival) {
                return;
            }
            let attributed = match arrival.peer.counted() {
                Some(address) => permit.attribute(address),
                None => Ok(()),
            };
            match attributed {
                Ok(()) => self.start(socket, arrival, permit),
                Err(full) => self.refuse_later(socket, arrival, full, permit),
            }
        });
    }

    /// Tells a connection that there is no room for it once its permit is given back.
    fn refuse_later(self: Arc<Self>, socket: Socket, arrival: Arrival, full: Full, permit: Permit) {
        drop(permit);
        self.refuse(socket, arrival, full);
    }

    /// Reads the PROXY header within its deadline. Without a good one the connection is closed unanswered: nobody knows
    /// what a sender of rubbish takes the answer for.
    pub(crate) async fn unwrap_header(
        &self,
        socket: &mut Socket,
        arrival: Arrival,
    ) -> Option<Arrival> {
        let proxy = arrival.peer;
        let deadline = Duration::from(self.config.network.handshake_timeout);
        let receiving = ProxyHeader::receive(socket, self.trust.max_header_bytes);
        let received = tokio::select! {
            received = timeout(deadline, receiving) => received,
            () = self.drain.begun() => return None,
        };
        let header = match received {
            Ok(Ok(header)) => header,
            Ok(Err(error @ HeaderError::Io(_))) => {
                // Probes of balancers do that all day.
                failure!(DEBUG, peer = %proxy, %error, "connection lost before its PROXY header");
                return None;
            }
            Ok(Err(error)) => {
                self.metrics.refused_proxy_headers.inc();
                failure!(INFO, peer = %proxy, %error, "connection refused");
                return None;
            }
            Err(_) => {
                self.metrics.refused_proxy_headers.inc();
                failure!(INFO, peer = %proxy, "PROXY header not there within its deadline (--handshake-timeout)");
                return None;
            }
        };
        let peer = header
            .client
            .map_or(proxy, |client| proxy.forwarded(client));
        if let Some(authority) = &header.authority {
            let authority = Escaped::new(authority.as_bytes()).max_bytes(SHOWN_BYTES);
            debug!(%peer, %authority, "PROXY header");
        }
        Some(Arrival {
            peer: self.trust.of_connection(peer),
            is_secure: header.is_secure,
            ..arrival
        })
    }

    /// Counts a TLS handshake against the rate of its client; a line tells if it is too early.
    fn is_in_time(&self, arrival: Arrival) -> bool {
        let Arrival { peer, kind, .. } = arrival;
        let Some(address) = peer.counted().filter(|_| kind.is_tls) else {
            return true;
        };
        // Whoever was forwarded is not this host, whatever address was reported.
        let is_local = peer.caller().is_local;
        let admitted = self.arrivals.admit(address, is_local, Instant::now());
        if !admitted {
            self.refused("rate");
            failure!(INFO, %peer, proxy = peer.proxy(), limit = "rate", "connection refused: too many handshakes a second from this address (--handshake-rate)");
        }
        admitted
    }

    /// Starts the task that serves a connection.
    fn start(self: Arc<Self>, socket: Socket, arrival: Arrival, permit: Permit) {
        let drain = self.drain.clone();
        let peer = arrival.peer;
        let span = debug_span!("connection", %peer, proxy = peer.proxy());
        drain.spawn(self.serve(socket, arrival, permit).instrument(span));
    }
}

/// Maximum of bytes of a server's name in the log.
const SHOWN_BYTES: usize = 128;
