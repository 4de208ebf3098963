//! Addresses to listen on, with the protocol that is spoken there.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use values::units::address;

/// An address to listen on, with the protocol that is spoken there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ListenAddress {
    /// TLS: `ADDR:PORT` or `tls://ADDR:PORT`.
    Tls(SocketAddr),
    /// HTTP and WebSockets without TLS: `plain://ADDR:PORT`.
    Plain(SocketAddr),
    /// HTTP and WebSockets without TLS over a Unix socket: `unix:PATH`.
    Unix(PathBuf),
}

impl ListenAddress {
    /// The TCP address, unless this is a Unix socket.
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tls(address) | Self::Plain(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }

    /// Returns whether connections could come from another network than this host's own.
    pub(super) fn is_public(&self) -> bool {
        self.tcp().is_some_and(|address| !is_private(address.ip()))
    }

    /// Returns whether unencrypted connections could come from another network than this host's own.
    pub(super) fn is_plain_and_public(&self) -> bool {
        matches!(self, Self::Plain(_)) && self.is_public()
    }

    /// Returns whether both cannot be listened on at once: `[::]` takes IPv4 too, `0.0.0.0` every IPv4 address.
    pub(super) fn clashes(&self, other: &Self) -> bool {
        let (Some(one), Some(two)) = (self.tcp(), other.tcp()) else {
            return self == other;
        };
        let covers = |one: IpAddr, two: IpAddr| match one {
            IpAddr::V4(four) => four.is_unspecified() && two.is_ipv4(),
            IpAddr::V6(six) => six.is_unspecified(),
        };
        let (port, other_port) = (one.port(), two.port());
        let (one, two) = (one.ip().to_canonical(), two.ip().to_canonical());
        port == other_port && port != 0 && (one == two || covers(one, two) || covers(two, one))
    }
}

/// Returns whether an address is reached from this host and from private networks alone.
fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(four) => {
            let [first, second, ..] = four.octets();
            let is_shared = first == 100 && second & 0xc0 == 64;
            four.is_loopback() || four.is_private() || four.is_link_local() || is_shared
        }
        IpAddr::V6(six) => {
            six.is_loopback() || six.is_unique_local() || six.is_unicast_link_local()
        }
    }
}

impl From<SocketAddr> for ListenAddress {
    fn from(address: SocketAddr) -> Self {
        Self::Tls(address)
    }
}

impl FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(path) = text.strip_prefix("unix:") {
            // `unix:///run/wss.sock` is a common spelling too.
            let path = path.strip_prefix("//").unwrap_or(path);
            return match path {
                "" => Err(format!("`{text}` has no path, as in unix:/run/wss.sock")),
                path => Ok(Self::Unix(path.into())),
            };
        }
        match text.split_once("://") {
            None => listenable(text).map(Self::Tls),
            Some(("tls", rest)) => listenable(rest).map(Self::Tls),
            Some(("plain", rest)) => listenable(rest).map(Self::Plain),
            Some((scheme, _)) => Err(format!(
                "`{text}` begins with `{scheme}://`; write ADDR:PORT or tls://ADDR:PORT for TLS, plain://ADDR:PORT without it, or unix:PATH"
            )),
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tls(address) => write!(formatter, "tls://{address}"),
            Self::Plain(address) => write!(formatter, "plain://{address}"),
            Self::Unix(path) => write!(formatter, "unix:{}", path.display()),
        }
    }
}

/// Parses an address and a port to listen on.
pub(super) fn listenable(text: &str) -> Result<SocketAddr, String> {
    let parsed = address(text)?;
    let canonical = parsed.ip().to_canonical();
    if canonical.is_multicast() || canonical == IpAddr::V4(Ipv4Addr::BROADCAST) {
        return Err(format!(
            "`{text}` is an address of many machines, and connections are to one"
        ));
    }
    Ok(parsed)
}

/// Parses the mode of a Unix socket, in octal digits.
pub(super) fn mode(text: &str) -> Result<u32, String> {
    let is_octal = (3..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let mode = u32::from_str_radix(text, 8).ok();
    let mode = mode
        .filter(|mode| is_octal && *mode <= 0o777)
        .ok_or_else(|| format!("`{text}` is not a file mode in octal, as in 0660"))?;
    if mode & 0o222 == 0 {
        return Err(format!(
            "`{text}` lets nobody write, which connecting needs, as in 0660"
        ));
    }
    Ok(mode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_in_every_spelling() {
        for (text, written) in [
            ("[::]:8443", "tls://[::]:8443"),
            ("tls://127.0.0.1:0", "tls://127.0.0.1:0"),
            ("plain://[::1]:80", "plain://[::1]:80"),
            ("unix:/run/wss.sock", "unix:/run/wss.sock"),
            ("unix:///run/wss.sock", "unix:/run/wss.sock"),
            ("unix:wss.sock", "unix:wss.sock"),
        ] {
            let parsed = text.parse::<ListenAddress>();
            assert_eq!(parsed.unwrap().to_string(), written, "{text}");
        }
        for (text, part) in [
            ("", "ADDR:PORT"),
            ("unix:", "no path"),
            ("http://127.0.0.1:80", "plain://"),
            ("wss://127.0.0.1:80", "tls://"),
            ("plain://localhost:80", "name"),
            ("plain://127.0.0.1", "port is missing"),
            ("224.0.0.1:80", "many machines"),
            ("255.255.255.255:80", "many machines"),
            ("plain://[ff02::1]:80", "many machines"),
            ("tls://[::ffff:239.1.2.3]:80", "many machines"),
        ] {
            let error = text.parse::<ListenAddress>().unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn addresses_of_private_networks_are_known() {
        for (text, public) in [
            ("plain://127.0.0.1:80", false),
            ("plain://127.8.9.1:80", false),
            ("plain://[::1]:80", false),
            ("plain://[::ffff:127.0.0.1]:80", false),
            ("plain://10.9.8.7:80", false),
            ("plain://172.31.0.1:80", false),
            ("plain://100.64.0.1:80", false),
            ("plain://169.254.0.1:80", false),
            ("plain://[fd00::1]:80", false),
            ("plain://[fe80::1]:80", false),
            ("plain://0.0.0.0:80", true),
            ("plain://[::]:80", true),
            ("plain://172.32.0.1:80", true),
            ("plain://100.128.0.1:80", true),
            ("plain://203.0.113.1:80", true),
            ("plain://[2001:db8::1]:80", true),
            ("tls://0.0.0.0:443", false),
            ("unix:/run/wss.sock", false),
        ] {
            let parsed = text.parse::<ListenAddress>().unwrap();
            assert_eq!(parsed.is_plain_and_public(), public, "{text}");
        }
    }

    #[test]
    fn addresses_that_cover_each_other_clash() {
        for (one, other, clash) in [
            ("127.0.0.1:80", "plain://127.0.0.1:80", true),
            ("127.0.0.1:80", "[::ffff:127.0.0.1]:80", true),
            ("[::]:80", "0.0.0.0:80", true),
            ("[::]:80", "127.0.0.1:80", true),
            ("[::]:80", "[::1]:80", true),
            ("0.0.0.0:80", "127.0.0.1:80", true),
            ("0.0.0.0:80", "[::1]:80", false),
            ("127.0.0.1:80", "[::1]:80", false),
            ("127.0.0.1:80", "127.0.0.2:80", false),
            ("[::]:80", "127.0.0.1:81", false),
            ("[::]:0", "[::]:0", false),
            ("unix:/run/a", "plain://127.0.0.1:80", false),
            ("unix:/run/a", "unix:/run/a", true),
        ] {
            let parsed = |text: &str| text.parse::<ListenAddress>().unwrap();
            assert_eq!(parsed(one).clashes(&parsed(other)), clash, "{one} {other}");
            assert_eq!(parsed(other).clashes(&parsed(one)), clash, "{other} {one}");
        }
    }

    #[test]
    fn modes_are_octal() {
        assert_eq!(mode("0660"), Ok(0o660));
        assert_eq!(mode("777"), Ok(0o777));
        for text in [
            "", "6", "0o660", "+660", "0888", "01777", "1660", "rw", "000", "0444", "0555",
        ] {
            assert!(mode(text).is_err(), "{text}");
        }
    }
}
