//! A name that a server certificate is valid for: DNS, wildcard or IP address.

use std::fmt::{self, Display};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use rustls_pki_types::DnsName;

use crate::Error;

/// A name for the subject alternative name of a server certificate.
///
/// Parsed from `example.test`, `*.example.test`, `192.0.2.7`, `2001:db8::7` or `[2001:db8::7]`. DNS names are kept in
/// lower case; names with other letters than ASCII must be given in their `xn--` form.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Name {
    /// A DNS name, in lower case; its first label may be `*`.
    Dns(String),
    /// An address, given as such and not through DNS.
    Ip(IpAddr),
}

impl Name {
    /// The names of every server certificate: `localhost`, `127.0.0.1` and `::1`.
    pub fn local() -> Vec<Self> {
        vec![
            Self::Dns("localhost".to_owned()),
            Self::Ip(Ipv4Addr::LOCALHOST.into()),
            Self::Ip(Ipv6Addr::LOCALHOST.into()),
        ]
    }

    /// The name that a CA must permit so that it may sign this one: a wildcard's parent, else itself.
    pub(crate) fn subtree(&self) -> Self {
        match self {
            Self::Dns(name) => Self::Dns(name.strip_prefix("*.").unwrap_or(name).to_owned()),
            Self::Ip(ip) => Self::Ip(*ip),
        }
    }
}

impl FromStr for Name {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let refused = |why: &str| {
            let shown: String = text
                .chars()
                .take(80)
                .flat_map(char::escape_default)
                .collect();
            Error::Request(format!(
                "name \"{shown}\" {why}; allowed are DNS names, *.DNS names and IP addresses, without scheme, port or path"
            ))
        };
        let bare = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(text);
        if let Ok(ip) = bare.parse() {
            return Ok(Self::Ip(ip));
        }
        if !text.is_ascii() {
            return Err(refused(
                "has characters outside ASCII (write it in its xn-- form)",
            ));
        }
        let name = text.to_ascii_lowercase();
        let host = name.strip_prefix("*.").unwrap_or(&name);
        if host.ends_with('.') || DnsName::try_from(host).is_err() {
            return Err(refused("is neither"));
        }
        let top = host.rsplit('.').next().unwrap_or(host);
        if top.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(refused("looks like an address but is none"));
        }
        Ok(Self::Dns(name))
    }
}

impl Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => f.write_str(name),
            Self::Ip(ip) => ip.fmt(f),
        }
    }
}

/// The address of an `iPAddress` general name (RFC 5280 §4.2.1.6), 4 or 16 octets.
pub(crate) fn ip_from_octets(octets: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(octets)
        .map(IpAddr::from)
        .or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parsed_and_shown_alike() {
        for text in [
            "localhost",
            "a.example.test",
            "*.example.test",
            "192.0.2.7",
            "2001:db8::7",
            "xn--bcher-kva.test",
        ] {
            assert_eq!(text.parse::<Name>().unwrap().to_string(), text);
        }
        assert_eq!(
            "[::1]".parse::<Name>().unwrap(),
            Name::Ip(Ipv6Addr::LOCALHOST.into())
        );
        assert_eq!(
            "LocalHost".parse::<Name>().unwrap().to_string(),
            "localhost"
        );
    }

    #[test]
    fn what_is_no_name_is_refused_in_one_line() {
        let long = "a".repeat(64);
        #[rustfmt::skip]
        let bad = [
            "", ".", "*", "*.", "a..b", "https://a.test", "a.test:8443", "a.test/ws", "a b",
            "bücher.test", "a.test.", "*.*.a.test", "a.*.test", "1.2.3", "300.1.1.1", "10.0.0.0/8",
            "-a.test", "a\n.test", "fe80::1%eth0", long.as_str(), "\0",
        ];
        for text in bad {
            let error = text.parse::<Name>().expect_err(text).to_string();
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }
}
