//! The networks whose proxies are trusted, and what is believed of them.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::config::{ProxyOptions, TrustedHeader, TrustedProxy};
use crate::peer::Peer;

/// The networks whose proxies are trusted, and what is believed of them.
#[derive(Clone, Debug)]
pub(crate) struct Trust {
    networks: Vec<IpNet>,
    unix: bool,
    has_headers: bool,
    /// Maximum size of a PROXY header, in bytes.
    pub(crate) max_header_bytes: usize,
    pub(super) believed: TrustedHeader,
}

impl Trust {
    /// The trust that `options` describe.
    pub(crate) fn new(options: &ProxyOptions) -> Self {
        let networks = options.trusted_proxy.iter();
        Self {
            networks: networks.filter_map(TrustedProxy::network).collect(),
            unix: options.trusted_proxy.contains(&TrustedProxy::Unix),
            has_headers: options.proxy_protocol.is_on(),
            max_header_bytes: options.max_proxy_header_bytes.0,
            believed: options.trusted_header,
        }
    }

    /// The peer of a connection as limits and logs know it; a trusted proxy is no client.
    pub(crate) fn of_connection(&self, peer: Peer) -> Peer {
        if self.includes(peer) {
            peer.shared()
        } else {
            peer
        }
    }

    /// Returns whether a connection from `peer` begins with a PROXY header.
    pub(crate) fn sends_header(&self, peer: Peer) -> bool {
        self.has_headers && !peer.is_forwarded() && self.includes(peer)
    }

    /// Returns whether `peer` is a trusted proxy.
    pub(super) fn includes(&self, peer: Peer) -> bool {
        if peer.is_unix() {
            self.unix
        } else {
            self.includes_address(peer.ip())
        }
    }

    /// Returns whether `address` belongs to a trusted proxy.
    pub(super) fn includes_address(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks
            .iter()
            .any(|network| network.contains(&address))
    }
}
