//! The TCP connection of the asynchronous API, through a proxy if one is chosen.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpStream;

#[cfg(feature = "proxy")]
use super::proxy::{Proxy, ProxyKind};
use super::race::happy_eyeballs;
use super::settings::Dial;
use crate::handshake::WebSocketUrl;

impl Dial {
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
        self.permitted(host, tokio::net::lookup_host((host, port)).await?)
    }

    #[cfg(feature = "proxy")]
    async fn connect_through(&self, proxy: &Proxy, url: &WebSocketUrl) -> io::Result<TcpStream> {
        proxy.check_plain()?;
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
