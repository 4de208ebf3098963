//! Target of a connection: a WebSocket URL and its parts (RFC 6455 §3).

use std::fmt;
use std::str::FromStr;

use tungstenite_deflate::handshake::{Credentials, HostPort, Redirect, WebSocketUrl};

/// A WebSocket URL, as the library reads it ([`WebSocketUrl`]). `Display` leaves out the credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// `wss` rather than `ws`.
    pub secure: bool,
    /// Name in ASCII, or address; an IPv6 address stands without its brackets, and with its zone.
    pub host: String,
    /// Port; 443 for `wss` and 80 for `ws` unless the URL has one.
    pub port: u16,
    /// Path with query, at least `/`, as it is sent.
    pub path: String,
    /// `user:password@` of the URL, sent as HTTP Basic and never printed.
    pub credentials: Option<Credentials>,
}

impl Target {
    /// Host and port as a `Host` header has them: the scheme's own port is left out, IPv6 has brackets.
    pub fn authority(&self) -> String {
        let default_port = if self.secure { 443 } else { 80 };
        let host = bracketed(self.server_name());
        if self.port == default_port {
            host
        } else {
            format!("{host}:{}", self.port)
        }
    }

    /// Host and port, always both.
    pub fn host_and_port(&self) -> String {
        format!("{}:{}", bracketed(&self.host), self.port)
    }

    /// The host to verify the certificate for: without the zone of an IPv6 address.
    pub fn server_name(&self) -> &str {
        self.host.split('%').next().unwrap_or_default()
    }

    /// Scheme of the URL.
    pub fn scheme(&self) -> &'static str {
        if self.secure { "wss" } else { "ws" }
    }

    /// `localhost`, names below it, and the loopback addresses: those that the local CA may vouch for.
    pub fn is_local(&self) -> bool {
        let host = self.host.trim_end_matches('.').to_ascii_lowercase();
        host == "localhost"
            || host.ends_with(".localhost")
            || host
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    }

    /// The redirect to what a `Location` header names, seen from this URL.
    ///
    /// # Errors
    /// See [`Redirect::to`].
    pub(crate) fn redirect(&self, location: &str) -> Result<Redirect, String> {
        let base: WebSocketUrl = self.to_string().parse().map_err(sentence)?;
        Redirect::to(&base, location).map_err(sentence)
    }
}

impl TryFrom<WebSocketUrl> for Target {
    type Error = String;

    fn try_from(url: WebSocketUrl) -> Result<Self, String> {
        Ok(Self {
            secure: url.is_secure(),
            host: url.host().to_owned(),
            port: url.port(),
            path: url.path_and_query().to_owned(),
            credentials: url.credentials().map_err(sentence)?,
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}://{}{}",
            self.scheme(),
            self.authority(),
            self.path
        )
    }
}

impl FromStr for Target {
    type Err = String;

    /// Takes `wss://host[:port]/path`, `ws://…`, `https://…`, `http://…`, and `host:port[/path]`, which means `wss`.
    fn from_str(text: &str) -> Result<Self, String> {
        let has_scheme = text
            .split_once("://")
            .is_some_and(|(scheme, _)| !scheme.contains([':', '/', '?', '@']));
        let url = if has_scheme {
            text.parse::<WebSocketUrl>()
        } else {
            format!("wss://{}", without_scheme(text)?).parse()
        };
        url.map_err(sentence)?.try_into()
    }
}

fn sentence(error: impl fmt::Display) -> String {
    error.to_string()
}

/// `host:port[/path]` is a URL without its scheme; a bare word is neither that nor a subcommand.
fn without_scheme(text: &str) -> Result<&str, String> {
    let authority = text.split(['/', '?']).next().unwrap_or("");
    let after_colon = authority.rsplit_once(':').map_or("", |(_, port)| port);
    if !after_colon.is_empty() && after_colon.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(text)
    } else if text.contains('@') {
        // What stands before it may be a password.
        Err("a URL with credentials needs its scheme: wss://USER:PASSWORD@HOST/PATH".into())
    } else {
        Err(format!(
            "`{text}` is neither a URL nor a subcommand in first place; write wss://{text} or {text}:443"
        ))
    }
}

/// Splits `host[:port]` or `[v6]:port`, checking both halves.
pub(crate) fn split_host_port(text: &str) -> Result<(String, Option<u16>), String> {
    let at: HostPort = text.parse().map_err(sentence)?;
    Ok((at.host().to_owned(), at.port()))
}

fn bracketed(host: &str) -> String {
    if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_come_apart() {
        for (text, shown, host, port) in [
            (
                "wss://localhost:8443/ws",
                "wss://localhost:8443/ws",
                "localhost",
                8443,
            ),
            ("ws://example.com", "ws://example.com/", "example.com", 80),
            (
                "https://example.com?x=1",
                "wss://example.com/?x=1",
                "example.com",
                443,
            ),
            ("wss://[::1]:9/a", "wss://[::1]:9/a", "::1", 9),
            ("localhost:8443", "wss://localhost:8443/", "localhost", 8443),
            ("WSS://u:p%40@h/", "wss://h/", "h", 443),
            (
                "localhost:8443?name=João",
                "wss://localhost:8443/?name=Jo%C3%A3o",
                "localhost",
                8443,
            ),
            (
                "localhost:8443/login?next=https://g/",
                "wss://localhost:8443/login?next=https://g/",
                "localhost",
                8443,
            ),
            (
                "wss://exämple/a b",
                "wss://xn--exmple-cua/a%20b",
                "xn--exmple-cua",
                443,
            ),
            ("ws://[fe80::1%25lo]/", "ws://[fe80::1]/", "fe80::1%lo", 80),
        ] {
            let target: Target = text.parse().unwrap();
            assert_eq!(
                (
                    target.to_string().as_str(),
                    target.host.as_str(),
                    target.port
                ),
                (shown, host, port),
                "{text}"
            );
        }
    }

    #[test]
    fn bad_urls_are_refused() {
        for text in [
            "",
            "bench",
            "wss://",
            "wss://:80/",
            "ftp://h/",
            "wss://h:0/",
            "wss://h:70000/",
            "wss://h/#f",
            "wss://h/a\r\nX: y",
            "wss://[::1/",
            "wss://[::g]/",
            "wss://u%0d%0a@h/",
            "wss://h\u{7f}/",
        ] {
            assert!(text.parse::<Target>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn credentials_are_not_shown() {
        let target: Target = "wss://alice:s3cret@h/".parse().unwrap();
        assert!(!format!("{target} {target:?}").contains("s3cret"));
        assert_eq!(target.credentials.unwrap().password(), "s3cret");
    }

    #[test]
    fn loopback_is_local() {
        for (url, local) in [
            ("wss://localhost/", true),
            ("wss://a.localhost/", true),
            ("wss://127.0.0.1/", true),
            ("wss://[::1]/", true),
            ("wss://localhost.example/", false),
            ("wss://10.0.0.1/", false),
        ] {
            assert_eq!(url.parse::<Target>().unwrap().is_local(), local, "{url}");
        }
    }
}
