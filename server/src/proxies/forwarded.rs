//! The client of one request, as a trusted proxy reports it in `Forwarded` (RFC 7239) or `X-Forwarded-*`.
//!
//! | fields | client of the request |
//! |---|---|
//! | of a peer that is no trusted proxy | the peer; they are ignored, but the request does not count as local |
//! | none, of a trusted proxy | the proxy; it shares the limits per address with nobody |
//! | several addresses | from the right, the first that is no trusted proxy |
//! | `unknown` or `_name` | the proxy that wrote it |
//! | anything that cannot be read on the way there | none: 400 |
//! | the header that `--trusted-header` does not name | ignored |

use std::net::{IpAddr, SocketAddr};

use http::header::{self, HeaderMap, HeaderName};
use http::uri::Authority;
use http::{HeaderValue, Request};
use rfc7239::NodeIdentifier;
use values::escape::Escaped;

use super::Trust;
use crate::config::TrustedHeader;
use crate::peer::Peer;

/// The scheme and the host under which a request's client knows this server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Site {
    /// True if the client speaks TLS, to this server or to a proxy.
    pub(crate) is_secure: bool,
    /// The host that the client named, where a proxy names another one.
    pub(crate) host: Option<Authority>,
}

/// A trusted proxy sends a field that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed {field} from a trusted proxy: {}", Escaped::new(.value).max_bytes(SHOWN_BYTES))]
pub(crate) struct MalformedForwarding {
    field: HeaderName,
    value: Vec<u8>,
}

impl Trust {
    /// The client of `request`, which came over a connection of `peer`, and the site that it wants; over TLS if `is_secure`.
    ///
    /// # Errors
    /// `peer` is a trusted proxy and its report cannot be read.
    pub(crate) fn client<B>(
        &self,
        peer: Peer,
        is_secure: bool,
        request: &Request<B>,
    ) -> Result<(Peer, Site), MalformedForwarding> {
        let site = Site {
            is_secure,
            host: None,
        };
        let headers = request.headers();
        if self.believed == TrustedHeader::Off || !self.includes(peer) {
            let is_forwarded = SIGNS.iter().any(|name| headers.contains_key(name));
            let peer = if is_forwarded { peer.not_local() } else { peer };
            return Ok((peer, site));
        }
        match self.believed {
            TrustedHeader::Forwarded => self.by_forwarded(peer, site, headers),
            _ => self.by_x_forwarded(peer, site, headers),
        }
    }

    /// Reads `Forwarded` from the right: each trusted proxy vouches for the element that it wrote.
    fn by_forwarded(
        &self,
        peer: Peer,
        mut site: Site,
        headers: &HeaderMap,
    ) -> Result<(Peer, Site), MalformedForwarding> {
        let mut client = None;
        for element in elements(headers, &header::FORWARDED) {
            let malformed = || MalformedForwarding::new(&header::FORWARDED, element.as_bytes());
            let element = without_spaces(element);
            let mut nodes = rfc7239::parse(&element);
            let node = nodes
                .next()
                .and_then(Result::ok)
                .filter(|_| nodes.next().is_none())
                .ok_or_else(malformed)?;
            if let Some(scheme) = node.protocol {
                site.is_secure = secure(unquoted(scheme)).ok_or_else(malformed)?;
            }
            if let Some(host) = node.host {
                site.host = Some(authority(unquoted(host)).ok_or_else(malformed)?);
            }
            let Some(address) = node.forwarded_for.as_ref().and_then(address_of) else {
                break;
            };
            client = Some(address);
            if !self.includes_address(address.ip()) {
                break;
            }
        }
        Ok((reported(peer, client), site))
    }

    /// Reads `X-Forwarded-For` from the right; of the scheme and of the host the last value counts, which the nearest proxy wrote.
    fn by_x_forwarded(
        &self,
        peer: Peer,
        mut site: Site,
        headers: &HeaderMap,
    ) -> Result<(Peer, Site), MalformedForwarding> {
        let mut client = None;
        for element in elements(headers, &X_FORWARDED_FOR) {
            if element.eq_ignore_ascii_case("unknown") {
                break;
            }
            let address = address(element)
                .ok_or_else(|| MalformedForwarding::new(&X_FORWARDED_FOR, element.as_bytes()))?;
            client = Some(address);
            if !self.includes_address(address.ip()) {
                break;
            }
        }
        if let Some(scheme) = elements(headers, &X_FORWARDED_PROTO).next() {
            site.is_secure = secure(scheme)
                .ok_or_else(|| MalformedForwarding::new(&X_FORWARDED_PROTO, scheme.as_bytes()))?;
        }
        if let Some(host) = elements(headers, &X_FORWARDED_HOST).next() {
            let host = authority(host)
                .ok_or_else(|| MalformedForwarding::new(&X_FORWARDED_HOST, host.as_bytes()))?;
            site.host = Some(host);
        }
        Ok((reported(peer, client), site))
    }
}

impl MalformedForwarding {
    fn new(field: &HeaderName, value: &[u8]) -> Self {
        Self {
            field: field.clone(),
            value: value.to_vec(),
        }
    }
}

/// The client that `proxy` reported, or the proxy itself.
fn reported(proxy: Peer, client: Option<SocketAddr>) -> Peer {
    client.map_or(proxy.shared(), |client| proxy.forwarded(client))
}

/// The elements of a list, from the last one; a value that is no text is an element that nobody can read.
fn elements<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).iter().rev();
    let texts = values.map(|value: &HeaderValue| value.to_str().unwrap_or(UNREADABLE));
    texts
        .flat_map(|text| text.rsplit(','))
        .map(|element| element.trim_matches([' ', '\t']))
        .filter(|element| !element.is_empty())
}

/// The element without the spaces and empty pairs that some proxies write between its pairs.
fn without_spaces(element: &str) -> String {
    let pairs = element
        .split(';')
        .map(|pair| pair.trim_matches([' ', '\t']));
    pairs
        .filter(|pair| !pair.is_empty())
        .collect::<Vec<_>>()
        .join(";")
}

/// The address of a node, with port 0 where it has none.
fn address_of(node: &NodeIdentifier<'_>) -> Option<SocketAddr> {
    node.ip()
        .map(|ip| SocketAddr::new(*ip, node.port.unwrap_or(0)))
}

/// An address with or without a port, and with or without brackets, as proxies write it into `X-Forwarded-For`.
fn address(text: &str) -> Option<SocketAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    let ip: Option<IpAddr> = bare.parse().ok();
    ip.map(|ip| SocketAddr::new(ip, 0))
        .or_else(|| text.parse().ok())
}

/// Returns whether a scheme is one of TLS; `None` if it is none of the web's.
fn secure(scheme: &str) -> Option<bool> {
    let is = |name: &str| scheme.eq_ignore_ascii_case(name);
    match () {
        () if is("https") || is("wss") => Some(true),
        () if is("http") || is("ws") => Some(false),
        () => None,
    }
}

/// A host with or without a port.
fn authority(text: &str) -> Option<Authority> {
    let authority: Authority = text.parse().ok()?;
    (!authority.host().is_empty() && !text.contains('@')).then_some(authority)
}

/// The content of a quoted string, or a token. Neither schemes nor hosts contain what would have to be escaped.
fn unquoted(text: &str) -> &str {
    text.strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(text)
}

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
/// Fields by which a request shows that it was forwarded, whoever wrote them.
const SIGNS: [HeaderName; 5] = [
    header::FORWARDED,
    header::VIA,
    X_FORWARDED_FOR,
    X_FORWARDED_HOST,
    HeaderName::from_static("x-real-ip"),
];
/// Stands for a value that is no text; it is no address, scheme or host either.
const UNREADABLE: &str = "\u{fffd}";
/// Maximum of bytes of a value in an error.
const SHOWN_BYTES: usize = 128;

#[cfg(test)]
mod tests;
