//! Addresses, with and without a port.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Parses an address and a port; an IPv6 address is bracketed.
///
/// # Errors
/// Says what is missing: the port, the brackets, or an address in place of a name.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        let is_v6 = |host: &str| host.parse::<Ipv6Addr>().is_ok();
        let is_port = |port: &str| port.parse::<u16>().is_ok();
        let reason = match text.rsplit_once(':') {
            Some((host, port)) if is_v6(host) && is_port(port) => {
                format!("an IPv6 address is bracketed, as in [{host}]:{port}")
            }
            _ if is_v6(text) => {
                format!("an IPv6 address is bracketed and a port follows, as in [{text}]:8443")
            }
            _ if ip(text).is_ok() => "the port is missing".to_owned(),
            Some((_, "")) => "the port is missing".to_owned(),
            Some((_, port)) if !is_port(port) => {
                "the port must be a number from 0 to 65535".to_owned()
            }
            Some(("", port)) => format!("the address is missing; [::]:{port} listens on all"),
            _ => "a name is not looked up here".to_owned(),
        };
        format!("`{text}` is not ADDR:PORT, as in 127.0.0.1:8443 or [::1]:8443: {reason}")
    })
}

/// Parses an address without a port; brackets around an IPv6 address are optional.
///
/// # Errors
/// Names the text if it is no address.
pub fn ip(text: &str) -> Result<IpAddr, String> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let parsed = match bare {
        Some(bare) => bare.parse().map(IpAddr::V6),
        None => text.parse(),
    };
    parsed.map_err(|_| format!("`{text}` is not an IP address"))
}
