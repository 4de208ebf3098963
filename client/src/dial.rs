//! From a host and port to an open TCP connection: overrides and name lookup.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use tokio::net::TcpStream;
use tungstenite_deflate::dial::{Family, happy_eyeballs};
use values::units::{ip, list};

use crate::causes::network::{self, OTHER_KIND, SPELLING};
use crate::error::ConnectError;
use crate::phase::Phase;
use crate::target::split_host_port;
use crate::timeouts::Timeouts;

/// `--resolve HOST:PORT:ADDR[,ADDR…]`: addresses of a name, in place of the resolver's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolveRule {
    host: String,
    port: u16,
    addresses: Vec<IpAddr>,
}

/// `--connect-to HOST:PORT:TO_HOST:TO_PORT`: where to dial instead; name and certificate checks stay with the URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectToRule {
    from: (Option<String>, Option<u16>),
    to: (Option<String>, Option<u16>),
}

/// Settings of the TCP connection.
#[derive(Clone, Debug, Default)]
pub struct Dial {
    /// Address families that may be used.
    pub family: Family,
    /// Addresses of names, in place of the resolver's.
    pub resolve: Vec<ResolveRule>,
    /// Replacements of hosts and ports; the first rule that fits counts.
    pub connect_to: Vec<ConnectToRule>,
}

impl Dial {
    /// Returns the host and port to dial for `host` and `port`.
    pub fn redirected(&self, host: &str, port: u16) -> (String, u16) {
        for rule in &self.connect_to {
            let host_fits = rule
                .from
                .0
                .as_ref()
                .is_none_or(|from| from.eq_ignore_ascii_case(host));
            if host_fits && rule.from.1.is_none_or(|from| from == port) {
                return (
                    rule.to.0.clone().unwrap_or_else(|| host.to_owned()),
                    rule.to.1.unwrap_or(port),
                );
            }
        }
        (host.to_owned(), port)
    }

    /// Opens a TCP connection to the first address of `host` that answers. Cancel safe: dropping closes all attempts.
    ///
    /// # Errors
    /// [`ConnectError::Resolve`], [`ConnectError::Connect`] with what the last attempt said, [`ConnectError::TimedOut`].
    pub async fn connect(
        &self,
        host: &str,
        port: u16,
        timeouts: &Timeouts,
    ) -> Result<TcpStream, ConnectError> {
        let peer = if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        };
        let addresses = timeouts
            .limit(Phase::Resolve, &peer, self.lookup(host, port))
            .await?;
        let race = async {
            happy_eyeballs(addresses, attempt_delay())
                .await
                .map_err(|source| ConnectError::Connect {
                    peer: peer.clone(),
                    source,
                })
        };
        let stream = timeouts.limit(Phase::Connect, &peer, race).await?;
        // Small frames are the common case, and the engine writes whole batches.
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }

    /// The address of `host` that would be tried first.
    ///
    /// # Errors
    /// [`ConnectError::Resolve`], [`ConnectError::TimedOut`].
    pub async fn first_address(
        &self,
        host: &str,
        port: u16,
        timeouts: &Timeouts,
    ) -> Result<IpAddr, ConnectError> {
        let addresses = timeouts
            .limit(Phase::Resolve, host, self.lookup(host, port))
            .await?;
        let first = addresses.first().map(SocketAddr::ip);
        first.ok_or_else(|| ConnectError::Resolve {
            host: host.to_owned(),
            reason: "the name has none".into(),
            remedy: SPELLING,
        })
    }

    async fn lookup(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, ConnectError> {
        let failed = |(reason, remedy)| ConnectError::Resolve {
            host: host.to_owned(),
            reason,
            remedy,
        };
        // --resolve comes before the resolver, and is filtered by -4 and -6 as its addresses are.
        let rule = self
            .resolve
            .iter()
            .find(|rule| rule.host.eq_ignore_ascii_case(host) && rule.port == port);
        let found: Vec<SocketAddr> = match rule {
            Some(rule) => rule
                .addresses
                .iter()
                .map(|&address| SocketAddr::new(address, port))
                .collect(),
            None => tokio::net::lookup_host((host, port))
                .await
                .map_err(|error| failed(network::resolver(&error)))?
                .collect(),
        };
        let fitting: Vec<SocketAddr> = found
            .into_iter()
            .filter(|address| self.family.contains(*address))
            .collect();
        if fitting.is_empty() {
            return Err(failed(match self.family {
                Family::Any => ("the name has none".into(), SPELLING),
                Family::V4 => ("the name has no IPv4 address (-4)".into(), OTHER_KIND),
                Family::V6 => ("the name has no IPv6 address (-6)".into(), OTHER_KIND),
            }));
        }
        Ok(fitting)
    }
}

/// The library's default, RFC 8305's recommendation.
fn attempt_delay() -> Option<Duration> {
    tungstenite_deflate::dial::Dial::default().attempt_delay
}

impl FromStr for ResolveRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not HOST:PORT:ADDRESS[,ADDRESS…]");
        let (host, rest) = split_field(text).ok_or_else(wrong)?;
        let (port, addresses) = rest.split_once(':').ok_or_else(wrong)?;
        let addresses = list(addresses);
        let addresses = addresses.iter().map(|address| ip(address));
        let addresses = addresses.collect::<Result<Vec<IpAddr>, String>>()?;
        if addresses.is_empty() {
            return Err(wrong());
        }
        Ok(Self {
            host,
            port: port.parse().map_err(|_| wrong())?,
            addresses,
        })
    }
}

impl FromStr for ConnectToRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not HOST:PORT:TO_HOST:TO_PORT (each may be empty)");
        let port = |digits: &str| match digits {
            "" => Ok(None),
            digits => digits.parse().map(Some).map_err(|_| wrong()),
        };
        let name = |host: String| (!host.is_empty()).then_some(host);
        let (from_host, rest) = split_field(text).ok_or_else(wrong)?;
        let (from_port, rest) = rest.split_once(':').ok_or_else(wrong)?;
        let (to_host, to_port) = split_field(rest).ok_or_else(wrong)?;
        if !to_host.is_empty() {
            split_host_port(&if to_host.contains(':') {
                format!("[{to_host}]")
            } else {
                to_host.clone()
            })?;
        }
        Ok(Self {
            from: (name(from_host), port(from_port)?),
            to: (name(to_host), port(to_port)?),
        })
    }
}

/// Takes a name or bracketed IPv6 address off the front, up to the next colon.
fn split_field(text: &str) -> Option<(String, &str)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, after) = rest.split_once(']')?;
        return Some((host.to_owned(), after.strip_prefix(':')?));
    }
    text.split_once(':')
        .map(|(host, rest)| (host.to_owned(), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connect_to_fits_host_and_port() {
        let dial = Dial {
            connect_to: vec![
                "example.com:443:127.0.0.1:8443".parse().unwrap(),
                "::[::1]:".parse().unwrap(),
            ],
            ..Dial::default()
        };
        assert_eq!(
            dial.redirected("Example.com", 443),
            ("127.0.0.1".into(), 8443)
        );
        assert_eq!(dial.redirected("other", 80), ("::1".into(), 80));
    }

    #[test]
    fn rules_say_what_is_wrong() {
        for text in [
            "",
            "h",
            "h:1",
            "h:1:",
            "h:1:,",
            "h:x:1.1.1.1",
            "h:1:name",
            "h:1:[::1",
        ] {
            assert!(text.parse::<ResolveRule>().is_err(), "{text}");
        }
        for text in ["", "h:1:g", "h:x:g:1", "h:1:g:x"] {
            assert!(text.parse::<ConnectToRule>().is_err(), "{text}");
        }
        assert!("h:1:[::1],127.0.0.1".parse::<ResolveRule>().is_ok());
    }

    #[tokio::test]
    async fn dead_address_is_passed_over() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let alive = listener.local_addr().unwrap();
        let dead = {
            let unused = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            unused.local_addr().unwrap()
        };
        let dial = Dial::default();
        let both = happy_eyeballs([dead, alive], attempt_delay()).await;
        assert_eq!(both.unwrap().peer_addr().unwrap(), alive);
        let refused = dial
            .connect("127.0.0.1", dead.port(), &Timeouts::default())
            .await
            .unwrap_err();
        assert_eq!(refused.status(), crate::exit::ExitStatus::NoConnection);
        assert!(refused.to_string().contains("nobody listens"), "{refused}");
    }
}
