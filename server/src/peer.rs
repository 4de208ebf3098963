//! The client of a connection or of a request: its address, and the proxy that reported it.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use rooms::Caller;
use tracing::field::{DisplayValue, display};
use tracing::{Span, info_span};

use crate::trace_context::{Id, TraceContext};

/// The client of a connection or of a request.
///
/// Everything that depends on an address takes it from here: limits, lock-outs, log lines and the rule of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    address: SocketAddr,
    /// The other end of the connection, where that is a proxy which reported the client.
    proxy: Option<SocketAddr>,
    /// The trace that the request reports itself to be part of; for log lines alone.
    trace: Option<TraceContext>,
    is_local: bool,
    is_shared: bool,
}

impl Peer {
    /// The other end of a TCP connection.
    pub(crate) fn direct(address: SocketAddr) -> Self {
        let address = canonical(address);
        Self {
            address,
            proxy: None,
            trace: None,
            is_local: address.ip().is_loopback(),
            is_shared: false,
        }
    }

    /// The other end of a Unix socket.
    ///
    /// It is a proxy more often than a client, so it is not taken for a client on this machine, and the limits per address
    /// leave it out.
    pub(crate) fn unix() -> Self {
        Self {
            address: UNIX,
            proxy: None,
            trace: None,
            is_local: false,
            is_shared: true,
        }
    }

    /// The same as a trusted proxy: many clients share its address, and none of them is known to be on this machine.
    pub(crate) fn shared(self) -> Self {
        Self {
            is_local: false,
            is_shared: true,
            ..self
        }
    }

    /// The same where something tells that the connection was forwarded.
    pub(crate) fn not_local(self) -> Self {
        Self {
            is_local: false,
            ..self
        }
    }

    /// The client at `address`, which this proxy reported.
    pub(crate) fn forwarded(self, address: SocketAddr) -> Self {
        Self {
            address: canonical(address),
            proxy: Some(self.proxy.unwrap_or(self.address)),
            trace: self.trace,
            is_local: false,
            is_shared: false,
        }
    }

    /// The same for a request that is part of `trace`.
    pub(crate) fn traced(self, trace: Option<TraceContext>) -> Self {
        Self { trace, ..self }
    }

    /// The trace that the request is part of, as far as it reports one.
    pub(crate) fn trace(self) -> Option<TraceContext> {
        self.trace
    }

    /// The id of that trace, for the log.
    pub(crate) fn trace_id(self) -> Option<DisplayValue<Id<32>>> {
        self.trace.map(|trace| display(trace.trace_id))
    }

    /// The client's address; port 0 if it is unknown, `[::]:0` for a Unix socket.
    pub(crate) fn address(self) -> SocketAddr {
        self.address
    }

    /// The client's IP address.
    pub(crate) fn ip(self) -> IpAddr {
        self.address.ip()
    }

    /// Returns whether this is a Unix socket of which nothing more is known.
    pub(crate) fn is_unix(self) -> bool {
        self.address == UNIX
    }

    /// The address that limits per address count; `None` if clients share it that nobody told apart.
    pub(crate) fn counted(self) -> Option<IpAddr> {
        (!self.is_shared).then(|| self.ip())
    }

    /// Returns whether a proxy reported the client.
    pub(crate) fn is_forwarded(self) -> bool {
        self.proxy.is_some()
    }

    /// The proxy that reported the client, for the log.
    pub(crate) fn proxy(self) -> Option<DisplayValue<Shown>> {
        self.proxy.map(|proxy| display(Shown(proxy)))
    }

    /// The client as rooms know it.
    pub(crate) fn caller(self) -> Caller {
        Caller {
            address: self.ip(),
            is_local: self.is_local,
        }
    }

    /// The span of a connection, for what is logged of one of its requests.
    ///
    /// Without `--log-level debug` there is nothing to log of a connection as such, so that its own span is there in debug
    /// alone; one within that would say the same again, unless the client is that of a request or the request is part of a trace.
    pub(crate) fn span(self) -> Span {
        let says_more = self.is_forwarded() || self.trace.is_some();
        if says_more || Span::current().is_disabled() {
            info_span!(parent: None, "connection", peer = %self, proxy = self.proxy(), trace_id = self.trace_id())
        } else {
            Span::none()
        }
    }
}

impl From<Peer> for Caller {
    fn from(peer: Peer) -> Self {
        peer.caller()
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        Shown(self.address).fmt(formatter)
    }
}

/// An address as the log writes it: without the port if that is unknown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown(SocketAddr);

impl fmt::Display for Shown {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            UNIX => formatter.write_str("unix"),
            address if address.port() == 0 => address.ip().fmt(formatter),
            address => address.fmt(formatter),
        }
    }
}

/// An IPv4 address that came mapped into IPv6 as what it is.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Stands for the other end of a Unix socket, which has no address.
const UNIX: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n1_what_was_forwarded_is_never_local() {
        let proxy = Peer::direct("127.0.0.1:5".parse().unwrap());
        let client: SocketAddr = "127.0.0.1:6".parse().unwrap();
        assert!(proxy.caller().is_local);
        assert!(!proxy.shared().caller().is_local);
        assert!(!proxy.forwarded(client).caller().is_local);
        assert!(!Peer::unix().caller().is_local);
        assert!(!Peer::unix().forwarded(client).caller().is_local);
    }

    #[test]
    fn addresses_are_shown_as_far_as_they_are_known() {
        let proxy = Peer::direct("[::ffff:10.0.0.1]:5".parse().unwrap());
        assert_eq!(proxy.to_string(), "10.0.0.1:5");
        let client = proxy.forwarded("[2001:db8::1]:0".parse().unwrap());
        assert_eq!(client.to_string(), "2001:db8::1");
        assert_eq!(client.proxy, Some("10.0.0.1:5".parse().unwrap()));
        assert_eq!(Peer::unix().to_string(), "unix");
        assert_eq!(Peer::unix().counted(), None);
    }
}
