//! Proxies: their URLs, and the ones that the environment names.
//!
//! hyper-util's `Matcher` knows neither `ws` nor `wss`, ports in `NO_PROXY`, nor `*` for addresses; its `Tunnel` hides the
//! status of a refusal and reads past the end of the answer; neither names an error that could be matched.

use std::fmt;
use std::io;
use std::str::FromStr;

use crate::handshake::{Credentials, HostPort, InvalidUrl};

/// The protocol that a proxy speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyKind {
    /// HTTP CONNECT (RFC 9110 §9.3.6).
    Http,
    /// HTTP CONNECT over TLS to the proxy, which the caller does: see [`Proxy::tunnel`].
    Https,
    /// SOCKS5 (RFC 1928).
    Socks5 {
        /// True for `socks5h`: the proxy looks the server's name up. False for `socks5`: this side does.
        remote_names: bool,
    },
}

impl ProxyKind {
    /// SOCKS5 with names looked up by this side.
    pub(crate) const SOCKS5: Self = Self::Socks5 {
        remote_names: false,
    };
}

/// A proxy, read from `scheme://[user:password@]host[:port]`. `Display` and `Debug` hide the password.
///
/// | scheme | protocol | default port |
/// |---|---|---|
/// | `http`, or none | HTTP CONNECT | 8080 |
/// | `https` | HTTP CONNECT over TLS | 443 |
/// | `socks5` | SOCKS5, names are looked up by this side | 1080 |
/// | `socks5h`, `socks` | SOCKS5, names are looked up by the proxy | 1080 |
///
/// ```
/// use tungstenite_deflate::dial::{Dial, Proxy};
/// use tungstenite_deflate::Options;
///
/// let proxy: Proxy = "http://alice:hunter2@proxy.example.com:3128".parse()?;
/// assert_eq!(proxy.to_string(), "http://proxy.example.com:3128");
/// let options = Options::default().dial(Dial::default().proxy(proxy));
/// # Ok::<(), tungstenite_deflate::dial::InvalidProxy>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Proxy {
    /// The protocol that it speaks.
    pub kind: ProxyKind,
    /// Its name or address; IPv6 without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The token that it receives.
    pub credentials: Option<Credentials>,
}

/// The reason for which text is no [`Proxy`]. It never repeats what may be a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidProxy {
    /// The scheme is unknown.
    #[error("proxy scheme `{scheme}` is not one of http, https, socks5, socks5h")]
    Scheme {
        /// The scheme.
        scheme: String,
    },
    /// Host, port, name or password cannot be read.
    #[error(transparent)]
    Url(#[from] InvalidUrl),
}

/// A variable of the environment whose value is no proxy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("environment variable {name}: {source}")]
#[non_exhaustive]
pub struct InvalidProxyVariable {
    /// The variable.
    pub name: &'static str,
    /// The fault of its value.
    pub source: InvalidProxy,
}

impl Proxy {
    /// Returns the proxy that the environment names, read by `lookup`, such as `|name| std::env::var(name).ok()`.
    ///
    /// For `wss` (`is_secure`) that is the first of `wss_proxy`, `https_proxy` and `all_proxy` that is not empty, for `ws`
    /// the first of `ws_proxy`, `http_proxy` and `all_proxy`. Names in capitals count too, except `HTTP_PROXY`, which the
    /// client of a CGI program can set. `NO_PROXY` is [`NoProxy`](super::NoProxy)'s part.
    ///
    /// # Errors
    /// The variable's value is no proxy.
    pub fn from_environment(
        is_secure: bool,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, InvalidProxyVariable> {
        let names: &[&str] = if is_secure {
            &WSS_VARIABLES
        } else {
            &WS_VARIABLES
        };
        for name in names {
            if let Some(value) = lookup(name).filter(|value| !value.is_empty()) {
                let proxy = value.parse();
                return proxy
                    .map(Some)
                    .map_err(|source| InvalidProxyVariable { name, source });
            }
        }
        Ok(None)
    }
}

impl Proxy {
    /// Refuses a proxy behind TLS, which functions that connect by URL do not set up.
    pub(crate) fn check_plain(&self) -> io::Result<()> {
        if self.kind != ProxyKind::Https {
            return Ok(());
        }
        let text = "TLS to the proxy itself is not done by functions that connect by URL: connect to it, then `Proxy::tunnel` \
            and `client_async_tls`";
        Err(io::Error::new(io::ErrorKind::Unsupported, text))
    }
}

const WSS_VARIABLES: [&str; 6] = [
    "wss_proxy",
    "WSS_PROXY",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
];
const WS_VARIABLES: [&str; 5] = [
    "ws_proxy",
    "WS_PROXY",
    "http_proxy",
    "all_proxy",
    "ALL_PROXY",
];

impl fmt::Display for Proxy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.kind {
            ProxyKind::Http => "http",
            ProxyKind::Https => "https",
            ProxyKind::Socks5 {
                remote_names: false,
            } => "socks5",
            ProxyKind::Socks5 { remote_names: true } => "socks5h",
        };
        if self.host.contains(':') {
            write!(formatter, "{scheme}://[{}]:{}", self.host, self.port)
        } else {
            write!(formatter, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for Proxy {
    type Err = InvalidProxy;

    fn from_str(text: &str) -> Result<Self, InvalidProxy> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let (kind, default_port) = match scheme.to_ascii_lowercase().as_str() {
            "http" => (ProxyKind::Http, 8080),
            "https" => (ProxyKind::Https, 443),
            "socks5" => (ProxyKind::SOCKS5, 1080),
            "socks5h" | "socks" => (ProxyKind::Socks5 { remote_names: true }, 1080),
            other => {
                let scheme = other.to_owned();
                return Err(InvalidProxy::Scheme { scheme });
            }
        };
        let rest = rest.trim_end_matches('/');
        let (user_info, at) = match rest.rsplit_once('@') {
            Some((user_info, at)) => (Some(user_info), at),
            None => (None, rest),
        };
        let credentials = user_info.map(Credentials::from_user_info).transpose()?;
        let at: HostPort = at.parse().map_err(|fault| match user_info {
            // What looks like host and port may be the rest of a password.
            Some(_) => InvalidUrl::UserInfo,
            None => fault,
        })?;
        Ok(Self {
            kind,
            host: at.host().to_owned(),
            port: at.port().unwrap_or(default_port),
            credentials,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_parse_and_hide_credentials() {
        for (text, shown) in [
            ("http://u:secret@p:3128/", "http://p:3128"),
            ("p", "http://p:8080"),
            ("HTTPS://p", "https://p:443"),
            ("socks5://p", "socks5://p:1080"),
            ("socks5h://u@p:9", "socks5h://p:9"),
            ("socks://[::1]:9", "socks5h://[::1]:9"),
        ] {
            let proxy: Proxy = text.parse().expect(text);
            assert_eq!(proxy.to_string(), shown);
            assert!(!format!("{proxy:?}").contains("secret"));
        }
        for text in [
            "ftp://p",
            "http://",
            "http://p:0",
            "http://p:x",
            "http://u%0a@p",
            "http://u:sec/ret@p:x",
        ] {
            let error = text.parse::<Proxy>().expect_err(text);
            assert!(!error.to_string().contains("sec"), "{error}");
        }
    }

    #[test]
    fn environment_depends_on_scheme() {
        let lookup = |name: &str| match name {
            "https_proxy" => Some("secure:1".to_owned()),
            "HTTP_PROXY" => Some("never:1".to_owned()),
            "ws_proxy" => Some(String::new()),
            "ALL_PROXY" => Some("socks5://all:1".to_owned()),
            _ => None,
        };
        let host = |is_secure| {
            let proxy = Proxy::from_environment(is_secure, lookup).expect("proxies");
            proxy.expect("one").host
        };
        assert_eq!(host(true), "secure");
        assert_eq!(host(false), "all");
        let wrong = Proxy::from_environment(true, |name| {
            (name == "ALL_PROXY").then(|| "ftp://p".to_owned())
        });
        assert_eq!(
            wrong.expect_err("a scheme of no proxy").to_string(),
            "environment variable ALL_PROXY: proxy scheme `ftp` is not one of http, https, socks5, socks5h"
        );
    }
}
