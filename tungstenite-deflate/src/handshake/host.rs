//! Host and port of a URL (RFC 3986 §3.2).

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use url::Host;

use super::invalid_url::InvalidUrl;

/// A host with an optional port: `example.org`, `127.0.0.1:8080`, `[fe80::1%eth0]:8080`.
///
/// Read from text as browsers read the host of a URL (WHATWG URL §3.5): percent-encoding is decoded, names are lower-cased
/// and converted to ASCII (IDNA), `127.1` and `0x7f000001` are addresses. An IPv6 address may have a zone, after `%`
/// (RFC 9844 §6) or `%25` (RFC 6874 §2). An empty port means none (RFC 3986 §3.2.3).
///
/// ```
/// use tungstenite_deflate::handshake::HostPort;
///
/// let at = "Exämple.org:8080".parse::<HostPort>()?;
/// assert_eq!((at.host(), at.port()), ("xn--exmple-cua.org", Some(8080)));
/// assert!("example.org:0".parse::<HostPort>().is_err());
/// # Ok::<(), tungstenite_deflate::handshake::InvalidUrl>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// An IPv6 address without brackets and zone.
    host: String,
    /// The host as it is looked up: with the zone of an IPv6 address.
    with_zone: Option<String>,
    port: Option<u16>,
}

impl HostPort {
    /// The host to look up and connect to: a name in ASCII, or an address; IPv6 without brackets and with its zone.
    pub fn host(&self) -> &str {
        self.with_zone.as_deref().unwrap_or(&self.host)
    }

    /// The host to verify a certificate for: as [`host`](Self::host), but without a zone, which the peer cannot know.
    pub fn server_name(&self) -> &str {
        &self.host
    }

    /// The port, 1 to 65535; `None` if there is none.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    pub(super) fn without_port(mut self, port: u16) -> Self {
        self.port = self.port.filter(|own| *own != port);
        self
    }
}

impl fmt::Display for HostPort {
    /// As the Host header has it (RFC 9110 §7.2): IPv6 in brackets, without its zone (RFC 6874 §1).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]", self.host)?;
        } else {
            f.write_str(&self.host)?;
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

impl FromStr for HostPort {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        let (host, port) = split_port(text);
        let port = port.map(parse_port).transpose()?;
        let (host, with_zone) = match host.strip_prefix('[') {
            Some(rest) => parse_ipv6(rest).ok_or_else(|| InvalidUrl::host(host))?,
            None => (parse_name(host)?, None),
        };
        Ok(Self {
            host,
            with_zone,
            port,
        })
    }
}

/// Splits at the last colon outside brackets; an empty port is none.
fn split_port(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => {
            (host, Some(port).filter(|port| !port.is_empty()))
        }
        _ => (text, None),
    }
}

fn parse_port(text: &str) -> Result<u16, InvalidUrl> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(port) if is_number && port > 0 => Ok(port),
        _ => Err(InvalidUrl::port(text)),
    }
}

/// `address]` or `address%zone]`: the address, and with its zone.
fn parse_ipv6(rest: &str) -> Option<(String, Option<String>)> {
    let inner = rest.strip_suffix(']')?;
    let (address, zone) = match inner.split_once('%') {
        Some((address, zone)) => (address, Some(zone.strip_prefix("25").unwrap_or(zone))),
        None => (inner, None),
    };
    let address = address.parse::<Ipv6Addr>().ok()?.to_string();
    let Some(zone) = zone else {
        return Some((address, None));
    };
    let zone = percent_decode_str(zone).decode_utf8().ok()?;
    let is_name = |character: char| character.is_ascii_alphanumeric() || "-._~".contains(character);
    if zone.is_empty() || !zone.chars().all(is_name) {
        return None;
    }
    let with_zone = format!("{address}%{zone}");
    Some((address, Some(with_zone)))
}

/// A name or IPv4 address; a name has labels of 1 to 63 bytes and 253 bytes in all (RFC 1035 §2.3.4).
fn parse_name(text: &str) -> Result<String, InvalidUrl> {
    if text.is_empty() {
        return Err(InvalidUrl::NoHost);
    }
    let host = match Host::parse(text) {
        Ok(Host::Domain(name)) => name,
        Ok(Host::Ipv4(address)) => address.to_string(),
        _ => return Err(InvalidUrl::host(text)),
    };
    let name = host.strip_suffix('.').unwrap_or(&host);
    let is_label = |label: &str| (1..=63).contains(&label.len());
    if name.len() > 253 || !name.split('.').all(is_label) {
        return Err(InvalidUrl::host(text));
    }
    Ok(host)
}
