//! Proxies in front of the server: which are trusted, and what is believed of them.

use std::fmt;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use ipnet::{IpNet, Ipv4Net};
use values::units::{at_least, ip};

use super::{ByteSize, Switch};

/// Proxies in front of the server: which are trusted, and what is believed of them.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Proxies")]
#[non_exhaustive]
pub struct ProxyOptions {
    /// Network of a proxy or a balancer that may report the clients behind it, as in `10.0.0.0/8` or `::1`, or `unix` for
    /// Unix sockets; repeatable. Nobody else is believed [default: none]
    #[arg(long, value_name = "CIDR", value_parser = str::parse::<TrustedProxy>)]
    pub trusted_proxy: Vec<TrustedProxy>,
    /// Require connections of trusted proxies to begin with a PROXY header, version 1 or 2, before TLS
    #[arg(long, value_enum, default_value = "off")]
    pub proxy_protocol: Switch,
    /// Maximum size of a PROXY header with its fields; exceeding it closes the connection
    #[arg(long, value_name = "SIZE", default_value = "4KiB", value_parser = at_least(ByteSize(MIN_HEADER_BYTES)))]
    pub max_proxy_header_bytes: ByteSize,
    /// Request header in which trusted proxies report the client, its scheme and its host. Name the one that the proxy
    /// sets: it passes the other one on as the client wrote it
    #[arg(long, value_enum, default_value = "off")]
    pub trusted_header: TrustedHeader,
}

/// The request header that is believed of trusted proxies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TrustedHeader {
    /// None.
    Off,
    /// `Forwarded` (RFC 7239).
    Forwarded,
    /// `X-Forwarded-For`, `X-Forwarded-Proto` and `X-Forwarded-Host`.
    XForwarded,
}

/// A network of trusted proxies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrustedProxy {
    /// Whoever connects from it.
    Network(IpNet),
    /// Whoever connects to a Unix socket of this server.
    Unix,
}

impl TrustedProxy {
    /// The network, unless this is about Unix sockets.
    pub(crate) fn network(&self) -> Option<IpNet> {
        match self {
            Self::Network(network) => Some(*network),
            Self::Unix => None,
        }
    }
}

impl FromStr for TrustedProxy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "unix" {
            return Ok(Self::Unix);
        }
        let network = match text.parse::<IpNet>() {
            Ok(network) => network,
            Err(_) => ip(text).map(IpNet::from).map_err(|_| {
                format!(
                    "`{text}` is not a network: write an address and the bits that matter, as in 10.0.0.0/8 or 2001:db8::/32, one address, or `unix`"
                )
            })?,
        };
        let network = canonical(network);
        if network.prefix_len() == 0 {
            return Err(format!(
                "`{text}` is everybody: any client could choose its own address"
            ));
        }
        let is_nobody = network.network() == network.broadcast() && network.addr().is_unspecified();
        if network.network().is_multicast() || is_nobody {
            return Err(format!(
                "`{text}` is nobody: no connection comes from there"
            ));
        }
        if network.trunc() != network {
            return Err(format!(
                "`{text}` has bits beyond its prefix, write {}",
                network.trunc()
            ));
        }
        Ok(Self::Network(network))
    }
}

/// An IPv4 network written as IPv6 (`::ffff:10.0.0.0/104`) as what it is, since peers are compared so.
fn canonical(network: IpNet) -> IpNet {
    let mapped = match network {
        IpNet::V6(six) => six
            .addr()
            .to_ipv4_mapped()
            .zip(six.prefix_len().checked_sub(96)),
        IpNet::V4(_) => None,
    };
    let four = mapped.and_then(|(address, bits)| Ipv4Net::new(address, bits).ok());
    four.map_or(network, IpNet::V4)
}

impl fmt::Display for TrustedProxy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(network) => network.fmt(formatter),
            Self::Unix => formatter.write_str("unix"),
        }
    }
}

/// A header of version 2 with a Unix address, and one of version 1.
const MIN_HEADER_BYTES: usize = 232;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_written_in_one_way() {
        for (text, written) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("192.0.2.7", "192.0.2.7/32"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("[::1]", "::1/128"),
            ("unix", "unix"),
        ] {
            let parsed = text.parse::<TrustedProxy>().map(|proxy| proxy.to_string());
            assert_eq!(parsed.as_deref(), Ok(written), "{text}");
        }
        for (text, part) in [
            ("", "not a network"),
            ("localhost", "not a network"),
            ("10.0.0.0/33", "not a network"),
            ("10.0.0.0/", "not a network"),
            ("10.0.0.0-10.0.0.9", "not a network"),
            ("10.0.0.1/8", "write 10.0.0.0/8"),
            ("0.0.0.0/0", "everybody"),
            ("::/0", "everybody"),
        ] {
            let error = text.parse::<TrustedProxy>().unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
