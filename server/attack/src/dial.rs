//! TCP and TLS to the server under attack, from any address of loopback.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use http::HeaderName;
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use tokio::net::TcpSocket;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tungstenite_deflate::tungstenite::client::IntoClientRequest;
use tungstenite_deflate::{Options, WebSocketStream, client_async_with_options};

use crate::meter::Meter;
use crate::wire::Wire;

/// TLS over a counted TCP stream.
pub(crate) type Tls = TlsStream<Wire>;

/// Opens connections to one server; clones share the meter.
#[derive(Clone)]
pub(crate) struct Dialler {
    address: SocketAddr,
    http1: TlsConnector,
    http2: TlsConnector,
    meter: Meter,
    /// Source address; the server's limits for one address count by it.
    source: Ipv4Addr,
    /// Size of the receive buffer that the system is asked for.
    receive_buffer: Option<u32>,
}

/// A protocol over TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

impl Dialler {
    /// Trusts `authority` and counts on `meter`.
    ///
    /// # Errors
    /// The address is not one of loopback: nothing else is ever attacked. The file holds no certificate.
    pub(crate) fn new(address: SocketAddr, authority: &Path, meter: Meter) -> Result<Self> {
        ensure!(
            address.ip().is_loopback(),
            "{address} is not on loopback; only servers of this machine are attacked"
        );
        Ok(Self {
            address,
            http1: connector(authority, b"http/1.1")?,
            http2: connector(authority, b"h2")?,
            meter,
            source: Ipv4Addr::LOCALHOST,
            receive_buffer: None,
        })
    }

    /// The same from the `number`th of 127.1.0.1 to 127.1.0.250.
    pub(crate) fn from(&self, number: usize) -> Self {
        let last = u8::try_from(number % 250).unwrap_or(0) + 1;
        Self {
            source: Ipv4Addr::new(127, 1, 0, last),
            ..self.clone()
        }
    }

    /// The same with a receive buffer of `bytes`.
    pub(crate) fn receiving(&self, bytes: u32) -> Self {
        Self {
            receive_buffer: Some(bytes),
            ..self.clone()
        }
    }

    /// TCP alone.
    pub(crate) async fn tcp(&self) -> Result<Wire> {
        let socket = TcpSocket::new_v4()?;
        if let Some(bytes) = self.receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        if self.source != Ipv4Addr::LOCALHOST {
            socket.bind(SocketAddr::from((self.source, 0)))?;
        }
        self.meter.connected();
        let stream = timeout(PATIENCE, socket.connect(self.address))
            .await
            .context("no TCP connection in time")??;
        stream.set_nodelay(true)?;
        Ok(Wire::new(stream, self.meter.clone()))
    }

    /// TCP and TLS.
    pub(crate) async fn tls(&self, protocol: Protocol) -> Result<Tls> {
        let stream = self.tcp().await?;
        let connector = match protocol {
            Protocol::Http1 => &self.http1,
            Protocol::Http2 => &self.http2,
        };
        let name = ServerName::try_from("localhost")?;
        Ok(timeout(PATIENCE, connector.connect(name, stream))
            .await
            .context("no TLS in time")??)
    }
}

/// Opens a WebSocket on `path` with the library, as an honest client does, with a header `field` if one is given.
///
/// # Errors
/// No connection, or no answer in time that accepts it.
pub(crate) async fn websocket(
    dial: &Dialler,
    path: &str,
    field: Option<(HeaderName, String)>,
    options: Options,
) -> Result<WebSocketStream<Tls>> {
    let stream = dial.tls(Protocol::Http1).await?;
    let url = format!("wss://localhost:{}{path}", dial.address.port());
    let mut request = url.into_client_request()?;
    if let Some((name, value)) = field {
        request.headers_mut().insert(name, value.try_into()?);
    }
    let opening = client_async_with_options(request, stream, options);
    let (socket, _) = timeout(PATIENCE, opening)
        .await
        .context("no answer to the handshake")??;
    Ok(socket)
}

/// A client that resumes nothing, so that each handshake is a whole one.
fn connector(authority: &Path, protocol: &[u8]) -> Result<TlsConnector> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(certs::load_roots(authority)?)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Longest wait for TCP and again for TLS.
const PATIENCE: Duration = Duration::from_secs(20);
