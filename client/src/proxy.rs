//! Proxies: which one a URL goes through, HTTP CONNECT (RFC 9110 §9.3.6) and SOCKS5 (RFC 1928).
//!
//! hyper-util's `Matcher` knows neither `ws` nor `wss`, ports in `NO_PROXY`, nor `*` for addresses; its `Tunnel` hides the status
//! of a refusal and reads past the end of the answer; neither names an error that could be matched.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::str::FromStr;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::causes::{self, explained};
use crate::secret::{Credentials, Secret};
use crate::target::{Target, hidden, percent_decoded, split_host_port};

/// How one speaks to the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyKind {
    /// HTTP CONNECT.
    Http,
    /// HTTP CONNECT over TLS to the proxy.
    Https,
    /// SOCKS5; names are looked up here (`socks5`) or by the proxy (`socks5h`).
    Socks5 {
        /// The proxy looks the name up.
        remote_names: bool,
    },
}

/// A proxy. `Display` leaves out the credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// How one speaks to it.
    pub kind: ProxyKind,
    /// Its name or address.
    pub host: String,
    /// Its port; 8080 for HTTP, 443 for HTTPS, 1080 for SOCKS5 by default.
    pub port: u16,
    /// What it is shown.
    pub credentials: Option<Credentials>,
}

impl Proxy {
    /// The proxy that the environment names for `target`: `wss_proxy` or `https_proxy` for wss, `ws_proxy` or
    /// `http_proxy` for ws, then `all_proxy`; upper case too, but for `HTTP_PROXY`, which a CGI caller can set.
    ///
    /// # Errors
    /// Names the variable whose value is not a proxy.
    pub fn from_environment(
        target: &Target,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, String> {
        let names: &[&str] = if target.secure {
            &[
                "wss_proxy",
                "WSS_PROXY",
                "https_proxy",
                "HTTPS_PROXY",
                "all_proxy",
                "ALL_PROXY",
            ]
        } else {
            &[
                "ws_proxy",
                "WS_PROXY",
                "http_proxy",
                "all_proxy",
                "ALL_PROXY",
            ]
        };
        for name in names {
            if let Some(value) = lookup(name).filter(|value| !value.is_empty()) {
                return value
                    .parse()
                    .map(Some)
                    .map_err(|error| format!("environment variable {name}: {error}"));
            }
        }
        Ok(None)
    }

    /// Opens the tunnel over `stream`, which leads to the proxy (for [`ProxyKind::Https`]: inside TLS already). Not
    /// cancel safe: drop the stream with the future.
    ///
    /// # Errors
    /// A sentence for the proxy's answer, and a remedy.
    pub(crate) async fn tunnel<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        mut stream: S,
        host: &str,
        port: u16,
    ) -> Result<S, Refused> {
        match self.kind {
            ProxyKind::Http | ProxyKind::Https => {
                http_connect(&mut stream, host, port, self.credentials.as_ref())
                    .await
                    .map(|()| stream)
            }
            ProxyKind::Socks5 { .. } => self.socks5(stream, host, port).await,
        }
    }

    async fn socks5<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        host: &str,
        port: u16,
    ) -> Result<S, Refused> {
        use tokio_socks::tcp::Socks5Stream;
        let opened = match &self.credentials {
            Some(Credentials { user, password }) => {
                Socks5Stream::connect_with_password_and_socket(
                    stream,
                    (host, port),
                    user,
                    password.reveal(),
                )
                .await
            }
            None => Socks5Stream::connect_with_socket(stream, (host, port)).await,
        };
        opened
            .map(Socks5Stream::into_inner)
            .map_err(|error| explained(&error.to_string(), causes::proxy::socks(&error)))
    }
}

/// A sentence for a proxy's answer, and a remedy.
type Refused = (String, &'static str);

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
        write!(formatter, "{scheme}://{}:{}", self.host, self.port)
    }
}

impl FromStr for Proxy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let (kind, default_port) = match scheme.to_ascii_lowercase().as_str() {
            "http" => (ProxyKind::Http, 8080),
            "https" => (ProxyKind::Https, 443),
            "socks5" => (
                ProxyKind::Socks5 {
                    remote_names: false,
                },
                1080,
            ),
            "socks5h" | "socks" => (ProxyKind::Socks5 { remote_names: true }, 1080),
            other => {
                return Err(format!(
                    "proxy scheme `{other}` is not one of http, https, socks5, socks5h"
                ));
            }
        };
        let rest = rest.trim_end_matches('/');
        let (credentials, host_port) = match rest.rsplit_once('@') {
            Some((info, host_port)) => {
                let (user, password) = info.split_once(':').unwrap_or((info, ""));
                let password = Secret::new(percent_decoded(password)?);
                (
                    Some(Credentials {
                        user: percent_decoded(user)?,
                        password,
                    }),
                    host_port,
                )
            }
            None => (None, rest),
        };
        let (host, port) = split_host_port(host_port).map_err(|error| hidden(error, text))?;
        Ok(Self {
            kind,
            host,
            port: port.unwrap_or(default_port),
            credentials,
        })
    }
}

/// Whether `NO_PROXY` or `--no-proxy` takes `host` out: `*`, names with their subdomains, addresses, networks
/// such as `10.0.0.0/8`; an entry may end in `:port`.
pub(crate) fn is_exempt(list: &str, host: &str, port: u16) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let address = host.parse::<IpAddr>().ok();
    values::units::list(list).iter().any(|entry| {
        if entry == "*" {
            return true;
        }
        if let (Some(address), Some((network, bits))) = (address, entry.split_once('/')) {
            return in_network(address, network, bits);
        }
        let entry = entry.trim_start_matches("*.").trim_start_matches('.');
        let (name, wanted_port) =
            split_host_port(entry).unwrap_or_else(|_| (entry.to_ascii_lowercase(), None));
        if wanted_port.is_some_and(|wanted| wanted != port) {
            return false;
        }
        let name = name.trim_end_matches('.');
        host == name || (address.is_none() && host.ends_with(&format!(".{name}")))
    })
}

fn in_network(address: IpAddr, network: &str, bits: &str) -> bool {
    let Ok(bits) = bits.parse::<u32>() else {
        return false;
    };
    match (address, network.parse::<IpAddr>()) {
        (IpAddr::V4(address), Ok(IpAddr::V4(network))) if bits <= 32 => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            address.to_bits() & mask == network.to_bits() & mask
        }
        (IpAddr::V6(address), Ok(IpAddr::V6(network))) if bits <= 128 => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            address.to_bits() & mask == network.to_bits() & mask
        }
        _ => false,
    }
}

async fn http_connect<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    host: &str,
    port: u16,
    credentials: Option<&Credentials>,
) -> Result<(), Refused> {
    let authority = if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    };
    let mut request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n");
    if let Some(credentials) = credentials {
        request.push_str("Proxy-Authorization: ");
        request.push_str(credentials.basic().reveal());
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    stream
        .write_all(request.as_bytes())
        .await
        .map_err(|error| broken_off(&error))?;
    let head = read_head(stream).await?;
    let status_line = head.lines().next().unwrap_or_default();
    let status = status_line.split_whitespace().nth(1).unwrap_or_default();
    let status = status.parse::<u16>().unwrap_or_default();
    if !status_line.starts_with("HTTP/1.") {
        return Err(explained(
            &format!("it answered `{status_line}`"),
            Some(causes::proxy::NOT_HTTP),
        ));
    }
    if (200..300).contains(&status) {
        return Ok(());
    }
    let cause = causes::proxy::http(status, credentials.is_some());
    Err(explained(&format!("it answered `{status_line}`"), cause))
}

fn broken_off(error: &io::Error) -> Refused {
    explained(&error.to_string(), causes::network::connection(error))
}

/// Reads byte by byte, so that nothing behind the head is taken away from the tunnel; at most 16 KiB.
async fn read_head<S: AsyncRead + Unpin>(stream: &mut S) -> Result<String, Refused> {
    let mut head = Vec::with_capacity(256);
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == MAX_HEAD_BYTES {
            let text = format!("its answer has more than {MAX_HEAD_BYTES} bytes of head");
            return Err((text, ""));
        }
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(error) => return Err(broken_off(&error)),
        }
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// Most bytes of a proxy's response head; servers of today send under 1 KiB.
const MAX_HEAD_BYTES: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_parse_and_hide_credentials() {
        for (text, shown) in [
            ("http://u:secret@p:3128/", "http://p:3128"),
            ("p", "http://p:8080"),
            ("socks5://p", "socks5://p:1080"),
            ("socks5h://u@p:9", "socks5h://p:9"),
        ] {
            let proxy: Proxy = text.parse().unwrap();
            assert_eq!(proxy.to_string(), shown);
            assert!(!format!("{proxy:?}").contains("secret"));
        }
        for text in [
            "ftp://p",
            "http://",
            "http://p:0",
            "http://p:x",
            "http://u%0a@p",
        ] {
            assert!(text.parse::<Proxy>().is_err(), "{text}");
        }
    }

    #[test]
    fn no_proxy_takes_hosts_out() {
        for (list, host, port, exempt) in [
            ("*", "a", 1, true),
            ("example.com", "example.com", 1, true),
            ("example.com", "www.example.com", 1, true),
            (".example.com", "www.example.com", 1, true),
            ("example.com", "notexample.com", 1, false),
            ("a, b ,c", "b", 1, true),
            ("b:443", "b", 443, true),
            ("b:443", "b", 444, false),
            ("10.0.0.0/8", "10.9.8.7", 1, true),
            ("10.0.0.0/8", "11.9.8.7", 1, false),
            ("::1", "::1", 1, true),
            ("fe80::/10", "fe80::1", 1, true),
            ("0.0.0.0/0", "1.2.3.4", 1, true),
            ("", "a", 1, false),
        ] {
            assert_eq!(is_exempt(list, host, port), exempt, "{list} {host}:{port}");
        }
    }

    #[test]
    fn environment_depends_on_scheme() {
        let lookup = |name: &str| match name {
            "https_proxy" => Some("secure:1".to_owned()),
            "HTTP_PROXY" => Some("never:1".to_owned()),
            "ALL_PROXY" => Some("socks5://all:1".to_owned()),
            _ => None,
        };
        let of = |url: &str| {
            Proxy::from_environment(&url.parse().unwrap(), lookup)
                .unwrap()
                .unwrap()
                .host
        };
        assert_eq!(of("wss://h/"), "secure");
        assert_eq!(of("ws://h/"), "all");
    }

    #[tokio::test]
    async fn connect_reads_the_answer() {
        for (answer, ok) in [
            (
                "HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n",
                true,
            ),
            ("HTTP/1.0 200\r\n\r\n", true),
            ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", false),
            ("SSH-2.0\r\n\r\n", false),
            ("HTTP/1.1 200 cut", false),
        ] {
            let (mut ours, mut theirs) = tokio::io::duplex(4096);
            theirs.write_all(answer.as_bytes()).await.unwrap();
            let credentials = Credentials {
                user: "u".into(),
                password: Secret::new("p"),
            };
            let server = async {
                let mut request = vec![0; 1024];
                let length = theirs.read(&mut request).await.unwrap();
                // Closing this end tells the client that a cut answer stays cut.
                drop(theirs);
                String::from_utf8_lossy(&request[..length]).into_owned()
            };
            let client = http_connect(&mut ours, "h", 443, Some(&credentials));
            let (result, request) = tokio::join!(client, server);
            assert_eq!(result.is_ok(), ok, "{answer:?}: {result:?}");
            assert!(
                request.starts_with("CONNECT h:443 HTTP/1.1\r\n")
                    && request.contains("Basic dTpw\r\n"),
                "{request}"
            );
        }
    }
}
