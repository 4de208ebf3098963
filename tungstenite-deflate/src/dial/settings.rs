//! The settings of a connection that is opened by URL.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;

#[cfg(feature = "proxy")]
use super::choice::ProxyChoice;
use super::family::Family;
#[cfg(feature = "proxy")]
use super::proxy::{Proxy, ProxyKind};
use super::race::happy_eyeballs;
use crate::handshake::WebSocketUrl;

/// The settings of a connection that is opened by URL; see [the module](crate::dial).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dial {
    /// Addresses that may be used. Default: both families.
    pub family: Family,
    /// Time after which the next address is tried while the ones before go on (RFC 8305 §5); see [`happy_eyeballs`].
    /// `None` tries one address after the other, each as long as the operating system does. Default: 250 ms, as
    /// recommended by RFC 8305 §8.
    pub attempt_delay: Option<Duration>,
    /// Maximum time from the name lookup to the response of the WebSocket handshake, with proxy, TLS and redirects; `None`
    /// waits without limit. Default: 30 s.
    ///
    /// Exceeding it is an [`Error::Io`](crate::tungstenite::Error::Io) of kind `TimedOut`, and what was opened is closed.
    pub timeout: Option<Duration>,
    /// Maximum number of redirects that are followed, by the rules of [`Redirect`](crate::handshake::Redirect). Default: 0;
    /// a redirect is then [`Error::Http`](crate::tungstenite::Error::Http), as any other refusal.
    ///
    /// One that is not followed for another reason is an `Error::Io` with a
    /// [`RedirectError`](crate::handshake::RedirectError) inside. After a redirect the response's extensions hold the
    /// [`WebSocketUrl`] that answered.
    pub max_redirects: usize,
    /// The proxy to go through. Default: none.
    #[cfg(feature = "proxy")]
    #[cfg_attr(docsrs, doc(cfg(feature = "proxy")))]
    pub proxy: ProxyChoice,
}

impl Default for Dial {
    fn default() -> Self {
        Self {
            attempt_delay: Some(Duration::from_millis(250)),
            timeout: Some(Duration::from_secs(30)),
            ..Self::without_timers()
        }
    }
}

impl Dial {
    /// Returns the settings of the functions shared with tokio-tungstenite, which use no timer.
    pub(crate) fn without_timers() -> Self {
        Self {
            family: Family::Any,
            attempt_delay: None,
            timeout: None,
            max_redirects: 0,
            #[cfg(feature = "proxy")]
            proxy: ProxyChoice::Direct,
        }
    }

    /// Sets [`Self::family`].
    pub fn family(mut self, family: Family) -> Self {
        self.family = family;
        self
    }

    /// Sets [`Self::attempt_delay`].
    pub fn attempt_delay(mut self, delay: Option<Duration>) -> Self {
        self.attempt_delay = delay;
        self
    }

    /// Sets [`Self::timeout`].
    pub fn timeout(mut self, timeout: Option<Duration>) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets [`Self::max_redirects`].
    pub fn max_redirects(mut self, max_redirects: usize) -> Self {
        self.max_redirects = max_redirects;
        self
    }

    /// Sets [`Self::proxy`].
    #[cfg(feature = "proxy")]
    #[cfg_attr(docsrs, doc(cfg(feature = "proxy")))]
    pub fn proxy(mut self, proxy: impl Into<ProxyChoice>) -> Self {
        self.proxy = proxy.into();
        self
    }

    /// Opens the TCP connection to the server that `url` names, through the proxy if one is chosen for it. For programs
    /// that do TLS and the handshake by themselves: [`Self::timeout`] is not kept here.
    ///
    /// # Errors
    /// The name has no address, no address answers, or the proxy refuses: then a `ProxyError`, `InvalidProxyVariable` or
    /// `InvalidProxy` is inside.
    ///
    /// # Cancel safety
    /// Dropping the future closes what was opened.
    pub async fn connect(&self, url: &WebSocketUrl) -> io::Result<TcpStream> {
        #[cfg(feature = "proxy")]
        if let Some(proxy) = self.proxy.for_url(url).map_err(io::Error::other)? {
            return self.connect_through(&proxy, url).await;
        }
        self.connect_tcp(url.host(), url.port()).await
    }

    /// Looks the name up, and connects to the first address that answers.
    async fn connect_tcp(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        let addresses = self.lookup(host, port).await?;
        happy_eyeballs(addresses, self.attempt_delay).await
    }

    async fn lookup(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let found = tokio::net::lookup_host((host, port)).await?;
        let fitting: Vec<_> = found
            .filter(|address| self.family.contains(*address))
            .collect();
        if fitting.is_empty() {
            let text = format!("{host} has no address of the wanted family");
            return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, text));
        }
        Ok(fitting)
    }

    #[cfg(feature = "proxy")]
    async fn connect_through(&self, proxy: &Proxy, url: &WebSocketUrl) -> io::Result<TcpStream> {
        if proxy.kind == ProxyKind::Https {
            let text = "TLS to the proxy itself is not done by `connect_async`: connect to it, then `Proxy::tunnel` and \
                `client_async_tls`";
            return Err(io::Error::new(io::ErrorKind::Unsupported, text));
        }
        let socket = self.connect_tcp(&proxy.host, proxy.port).await?;
        let looked_up;
        let host = if proxy.kind == ProxyKind::SOCKS5 {
            looked_up = self.lookup(url.host(), url.port()).await?[0]
                .ip()
                .to_string();
            &looked_up
        } else {
            url.host()
        };
        let tunnel = proxy.tunnel(socket, host, url.port());
        tunnel.await.map_err(io::Error::other)
    }
}
