//! Hosts that are connected to without a proxy.

use std::convert::Infallible;
use std::net::IpAddr;
use std::str::FromStr;

use crate::handshake::{HostPort, WebSocketUrl};

/// A list of hosts that are connected to without a proxy, as in the variable `NO_PROXY`.
///
/// Entries are separated by commas. One is `*`, a name, which stands for the names below it too, an address, or a network
/// such as `10.0.0.0/8`; names and addresses may end in `:port`. What cannot be read matches nothing.
///
/// ```
/// use tungstenite_deflate::dial::NoProxy;
///
/// let list: NoProxy = "localhost, .example.com, 10.0.0.0/8, [::1]:8080".parse()?;
/// assert!(list.contains(&"wss://api.example.com/".parse()?));
/// assert!(!list.contains(&"wss://example.org/".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoProxy(Box<[NoProxyEntry]>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum NoProxyEntry {
    All,
    Network {
        address: IpAddr,
        bits: u32,
    },
    Host {
        /// Lower case, without a dot at either end.
        name: String,
        port: Option<u16>,
    },
}

impl NoProxy {
    /// Reads `no_proxy`, else `NO_PROXY`, by `lookup`, such as `|name| std::env::var(name).ok()`.
    pub fn from_environment(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let list = lookup("no_proxy").or_else(|| lookup("NO_PROXY"));
        Self::new(&list.unwrap_or_default())
    }

    /// Returns true if the server of `url` is in the list.
    pub fn contains(&self, url: &WebSocketUrl) -> bool {
        self.contains_host(url.host(), url.port())
    }

    /// Returns true if a name or address is in the list.
    pub fn contains_host(&self, host: &str, port: u16) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let address = host.parse::<IpAddr>().ok();
        self.0.iter().any(|entry| match entry {
            NoProxyEntry::All => true,
            NoProxyEntry::Network {
                address: network,
                bits,
            } => address.is_some_and(|address| is_in_network(address, *network, *bits)),
            NoProxyEntry::Host { name, port: wanted } => {
                let is_below = || {
                    host.strip_suffix(name)
                        .is_some_and(|sub| sub.ends_with('.'))
                };
                wanted.is_none_or(|wanted| wanted == port)
                    && (host == *name || (address.is_none() && is_below()))
            }
        })
    }

    fn new(list: &str) -> Self {
        let entries = list.split(',').map(str::trim);
        Self(
            entries
                .filter(|entry| !entry.is_empty())
                .map(parse)
                .collect(),
        )
    }
}

impl FromStr for NoProxy {
    type Err = Infallible;

    fn from_str(list: &str) -> Result<Self, Infallible> {
        Ok(Self::new(list))
    }
}

fn parse(entry: &str) -> NoProxyEntry {
    if entry == "*" {
        return NoProxyEntry::All;
    }
    if let Some((network, bits)) = entry.split_once('/') {
        if let (Ok(address), Ok(bits)) = (network.parse(), bits.parse()) {
            return NoProxyEntry::Network { address, bits };
        }
    }
    // Bare IPv6 has colons that are not before a port.
    let (name, port) = if let Ok(address) = entry.parse::<IpAddr>() {
        (address.to_string(), None)
    } else {
        let entry = entry.trim_start_matches("*.").trim_start_matches('.');
        match entry.parse::<HostPort>() {
            Ok(at) => (at.host().to_owned(), at.port()),
            Err(_) => (entry.to_ascii_lowercase(), None),
        }
    };
    NoProxyEntry::Host {
        name: name.trim_end_matches('.').to_owned(),
        port,
    }
}

fn is_in_network(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) if bits <= 32 => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            address.to_bits() & mask == network.to_bits() & mask
        }
        (IpAddr::V6(address), IpAddr::V6(network)) if bits <= 128 => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            address.to_bits() & mask == network.to_bits() & mask
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_takes_hosts_out() {
        for (list, host, port, exempt) in [
            ("*", "a", 1, true),
            ("example.com", "example.com", 1, true),
            ("example.com", "www.example.com", 1, true),
            (".example.com", "www.example.com", 1, true),
            ("*.example.com", "www.example.com", 1, true),
            ("Example.COM.", "www.example.com.", 1, true),
            ("example.com", "notexample.com", 1, false),
            ("a, b ,c", "b", 1, true),
            ("b:443", "b", 443, true),
            ("b:443", "b", 444, false),
            ("10.0.0.0/8", "10.9.8.7", 1, true),
            ("10.0.0.0/8", "11.9.8.7", 1, false),
            ("10.0.0.0/33", "10.9.8.7", 1, false),
            ("::1", "::1", 1, true),
            ("[::1]", "::1", 1, true),
            ("[::1]:80", "::1", 81, false),
            ("fe80::/10", "fe80::1", 1, true),
            ("fe80::/10", "10.0.0.1", 1, false),
            ("0.0.0.0/0", "1.2.3.4", 1, true),
            ("", "a", 1, false),
            (",", "", 1, false),
        ] {
            let list = NoProxy::new(list);
            assert_eq!(
                list.contains_host(host, port),
                exempt,
                "{list:?} {host}:{port}"
            );
        }
    }
}
