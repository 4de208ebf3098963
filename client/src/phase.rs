//! The phases of a connection.

use std::fmt;

/// A phase of a connection that has a time-out of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Looking the name up.
    Resolve,
    /// Opening the TCP connection, all addresses together.
    Connect,
    /// Asking the proxy for the tunnel.
    Proxy,
    /// The TLS handshake.
    Tls,
    /// The WebSocket handshake: request sent until response read; for gRPC the preface of HTTP/2.
    Http,
    /// One reply, where a reply is waited for.
    Reply,
    /// The closing handshake (RFC 6455 §7.1.1).
    Close,
}

impl Phase {
    /// Each with its name and its description, in the order of the variants.
    pub(crate) const ALL: [(Self, &str, &str); 7] = [
        (Self::Resolve, "resolve", "looking up the name"),
        (Self::Connect, "connect", "opening the TCP connection"),
        (Self::Proxy, "proxy", "asking the proxy for a tunnel"),
        (Self::Tls, "tls", "the TLS handshake"),
        (Self::Http, "http", "the WebSocket handshake"),
        (Self::Reply, "reply", "waiting for a reply"),
        (Self::Close, "close", "the closing handshake"),
    ];

    /// The name used by `--timeout`.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(Self::ALL[*self as usize].2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_phase_stands_at_its_index() {
        for (index, (phase, ..)) in Phase::ALL.iter().enumerate() {
            assert_eq!(*phase as usize, index);
        }
    }
}
