//! Tunnels through proxies: HTTP CONNECT (RFC 9110 §9.3.6) and SOCKS5 (RFC 1928).

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_socks::tcp::Socks5Stream;

use super::proxy::{Proxy, ProxyKind};
use crate::handshake::Credentials;

pub use tokio_socks::Error as SocksError;

/// A refusal by a proxy, or the failure of the connection to it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// It answered CONNECT with a status other than 2xx.
    #[error("the proxy answered `{line}`")]
    Status {
        /// The status.
        status: u16,
        /// The status line.
        line: String,
    },
    /// Its answer to CONNECT is not HTTP/1.
    #[error("the proxy answered `{line}`, which is not HTTP")]
    NotHttp {
        /// The first line.
        line: String,
    },
    /// The head of its answer is too long.
    #[error("the proxy's answer exceeds the limit of {limit} bytes for a head")]
    HeadTooLong {
        /// The limit.
        limit: usize,
    },
    /// It refused by SOCKS5, or does not speak it.
    #[error("the proxy refused: {0}")]
    Socks(#[source] SocksError),
    /// The connection to it failed.
    #[error("the connection to the proxy failed: {0}")]
    Io(#[from] io::Error),
}

impl Proxy {
    /// Requests a tunnel to `host` and `port` from the proxy at the other end of `stream`, and returns the stream, which leads
    /// there from then on. Nothing that the server sends is read.
    ///
    /// For [`ProxyKind::Https`] the stream is inside TLS already:
    ///
    /// ```no_run
    /// # use std::sync::Arc;
    /// use tungstenite_deflate::dial::Proxy;
    /// use tungstenite_deflate::client_async;
    ///
    /// # async fn example(tls: tokio_rustls::TlsConnector) -> Result<(), Box<dyn std::error::Error>> {
    /// let proxy: Proxy = "https://proxy.example.com".parse()?;
    /// let socket = tokio::net::TcpStream::connect((proxy.host.as_str(), proxy.port)).await?;
    /// let encrypted = tls.connect(proxy.host.clone().try_into()?, socket).await?;
    /// let tunnel = proxy.tunnel(encrypted, "example.com", 80).await?;
    /// let (socket, _) = client_async("ws://example.com/chat", tunnel).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// The proxy refuses, or the connection fails.
    ///
    /// # Cancel safety
    /// Not cancel safe: the stream is dropped with the future.
    pub async fn tunnel<S>(&self, mut stream: S, host: &str, port: u16) -> Result<S, ProxyError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        match self.kind {
            ProxyKind::Http | ProxyKind::Https => {
                http_connect(&mut stream, host, port, self.credentials.as_ref()).await?;
                Ok(stream)
            }
            ProxyKind::Socks5 { .. } => self.socks5(stream, host, port).await,
        }
    }

    async fn socks5<S>(&self, stream: S, host: &str, port: u16) -> Result<S, ProxyError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let at = (host, port);
        let opened = match &self.credentials {
            Some(credentials) => {
                let (user, password) = (credentials.user(), credentials.password());
                Socks5Stream::connect_with_password_and_socket(stream, at, user, password).await
            }
            None => Socks5Stream::connect_with_socket(stream, at).await,
        };
        match opened {
            Ok(tunnel) => Ok(tunnel.into_inner()),
            Err(SocksError::Io(error)) => Err(ProxyError::Io(error)),
            Err(error) => Err(ProxyError::Socks(error)),
        }
    }
}

async fn http_connect<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    host: &str,
    port: u16,
    credentials: Option<&Credentials>,
) -> Result<(), ProxyError> {
    let at = if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    };
    let mut request = format!("CONNECT {at} HTTP/1.1\r\nHost: {at}\r\n").into_bytes();
    if let Some(credentials) = credentials {
        request.extend_from_slice(b"Proxy-Authorization: ");
        request.extend_from_slice(credentials.basic().as_bytes());
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    stream.write_all(&request).await?;
    stream.flush().await?;
    let head = read_head(stream).await?;
    let line = head.lines().next().unwrap_or_default().to_owned();
    if !line.starts_with("HTTP/1.") {
        return Err(ProxyError::NotHttp { line });
    }
    let status = line.split_whitespace().nth(1);
    let status = status
        .and_then(|digits| digits.parse().ok())
        .unwrap_or_default();
    if !(200..300).contains(&status) {
        return Err(ProxyError::Status { status, line });
    }
    Ok(())
}

/// Reads byte by byte, so that nothing after the head is taken away from the tunnel.
async fn read_head<S: AsyncRead + Unpin>(stream: &mut S) -> Result<String, ProxyError> {
    let mut head = Vec::with_capacity(256);
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == MAX_HEAD_BYTES {
            let limit = MAX_HEAD_BYTES;
            return Err(ProxyError::HeadTooLong { limit });
        }
        head.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// Maximum bytes of a proxy's response head; today's proxies send under 1 KiB.
const MAX_HEAD_BYTES: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn connect_reads_the_answer_and_nothing_after_it() {
        let long = format!("HTTP/1.1 200 OK\r\nVia: {}", "x".repeat(MAX_HEAD_BYTES));
        for (answer, expected) in [
            ("HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n", ""),
            ("HTTP/1.0 200\r\n\r\n", ""),
            (
                "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
                "`HTTP/1.1 407 Proxy Authentication Required`",
            ),
            ("HTTP/1.1 99999 x\r\n\r\n", "`HTTP/1.1 99999 x`"),
            ("SSH-2.0\r\n\r\n", "not HTTP"),
            ("HTTP/1.1 200 cut", "failed"),
            (&long, "limit of 16384 bytes"),
        ] {
            let proxy: Proxy = "http://u:p@proxy".parse().expect("a proxy");
            let (ours, mut theirs) = tokio::io::duplex(1 << 16);
            theirs.write_all(answer.as_bytes()).await.expect("room");
            if expected != "failed" {
                theirs.write_all(b"\x82\0").await.expect("room");
            }
            theirs.shutdown().await.expect("an open end");
            let result = proxy.tunnel(ours, "h", 443).await;
            let mut request = vec![0; 1024];
            let length = theirs.read(&mut request).await.expect("a request");
            let request = String::from_utf8_lossy(&request[..length]);
            assert_eq!(
                request,
                "CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\nProxy-Authorization: Basic dTpw\r\n\r\n"
            );
            match result {
                Ok(mut tunnel) => {
                    assert_eq!(expected, "", "{answer}");
                    let mut rest = Vec::new();
                    tunnel.read_to_end(&mut rest).await.expect("what follows");
                    assert_eq!(rest, b"\x82\0");
                }
                Err(error) => {
                    let said = error.to_string();
                    assert!(!expected.is_empty() && said.contains(expected), "{said}");
                }
            }
        }
    }
}
