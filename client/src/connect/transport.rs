//! A byte stream to the server: through the proxy if there is one, over TCP, with TLS where the URL says so.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tungstenite_deflate::dial::{Proxy, ProxyKind};

use super::settings::Settings;
use crate::causes::{self, certificate, network, tls};
use crate::error::ConnectError;
use crate::phase::Phase;
use crate::target::Target;
use crate::tls::{Fault, Noting, TlsReport};

/// A byte stream that a WebSocket runs over.
pub trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Transport for S {}

/// A byte stream to the server, encrypted where the URL says so, with how it came about.
pub(crate) struct Opening {
    pub(crate) transport: Box<dyn Transport>,
    /// The other end of the TCP connection: the server, or the proxy.
    pub(crate) address: Option<SocketAddr>,
    pub(crate) tls: Option<TlsReport>,
    /// Duration of each phase so far.
    pub(crate) timings: Vec<(Phase, Duration)>,
    /// The error with which TLS ended the connection, once it has.
    pub(crate) fault: Fault,
}

/// Proxy, TCP and TLS, for whatever protocol of `alpn` (RFC 7301) is spoken then. Cancel safe.
pub(crate) async fn open_transport(
    settings: &Settings,
    alpn: &[&str],
) -> Result<Opening, ConnectError> {
    let target = &settings.target;
    let mut timings = Vec::new();
    let fault = Fault::default();
    // Files are read before anything is dialled: a wrong path costs no connection.
    let config = target
        .secure
        .then(|| settings.tls.client_config(target, alpn))
        .transpose()?;

    let started = Instant::now();
    let (stream, address) = open_tcp(settings).await?;
    timings.push((Phase::Connect, started.elapsed()));

    let (transport, tls): (Box<dyn Transport>, _) = match config {
        None => (stream, None),
        Some(config) => {
            let started = Instant::now();
            let work = settings.tls.handshake(config, target, stream);
            let peer = target.host_and_port();
            let (stream, report) = settings.timeouts.limit(Phase::Tls, &peer, work).await?;
            timings.push((Phase::Tls, started.elapsed()));
            (Box::new(Noting::new(stream, fault.clone())), Some(report))
        }
    };
    Ok(Opening {
        transport,
        address,
        tls,
        timings,
        fault,
    })
}

/// TCP to the server, through the proxy if there is one for it, with the address of the other end.
async fn open_tcp(
    settings: &Settings,
) -> Result<(Box<dyn Transport>, Option<SocketAddr>), ConnectError> {
    let (host, port) = settings
        .dial
        .redirected(&settings.target.host, settings.target.port);
    let timeouts = &settings.timeouts;
    let Some(proxy) = settings.proxy_to_target() else {
        let stream = settings.dial.connect(&host, port, timeouts).await?;
        let address = stream.peer_addr().ok();
        return Ok((Box::new(stream), address));
    };
    let peer = format!("{host}:{port}");
    let failed = |reason, remedy: &str| ConnectError::Proxy {
        proxy: proxy.to_string(),
        peer: peer.clone(),
        reason,
        remedy: remedy.to_owned(),
    };
    let stream = settings
        .dial
        .connect(&proxy.host, proxy.port, timeouts)
        .await
        .map_err(|error| failed(error.to_string(), of_connection(&error.remedy())))?;
    let address = stream.peer_addr().ok();
    let stream: Box<dyn Transport> = match proxy.kind {
        ProxyKind::Https => Box::new(encrypted(settings, proxy, stream, failed).await?),
        _ => Box::new(stream),
    };
    // socks5 looks names up here, socks5h and HTTP leave that to the proxy.
    let host = match proxy.kind {
        ProxyKind::Socks5 {
            remote_names: false,
        } => settings
            .dial
            .first_address(&host, port, timeouts)
            .await?
            .to_string(),
        _ => host,
    };
    let tunnel = async {
        let opened = proxy.tunnel(stream, &host, port).await;
        opened.map_err(|error| {
            let (reason, remedy) = causes::proxy::explained(&error, proxy.credentials.is_some());
            failed(reason, remedy)
        })
    };
    let stream = timeouts
        .limit(Phase::Proxy, &proxy.to_string(), tunnel)
        .await?;
    Ok((stream, address))
}

/// TLS to the proxy itself; the tunnel and the server's own TLS run inside it.
async fn encrypted(
    settings: &Settings,
    proxy: &Proxy,
    stream: TcpStream,
    failed: impl Fn(String, &str) -> ConnectError,
) -> Result<TlsStream<TcpStream>, ConnectError> {
    let target = Target {
        secure: true,
        host: proxy.host.clone(),
        port: proxy.port,
        path: "/".into(),
        credentials: None,
    };
    let tls = &settings.proxy_tls;
    // CONNECT over HTTP/1.1, whatever the server inside the tunnel speaks.
    let config = tls.client_config(&target, &["http/1.1"])?;
    let work = async {
        tls.handshake(config, &target, stream)
            .await
            .map_err(|error| failed(error.to_string(), of_proxy(&error.remedy())))
    };
    let (stream, _) = settings
        .timeouts
        .limit(Phase::Tls, &proxy.to_string(), work)
        .await?;
    Ok(stream)
}

/// Remedies for the TCP connection to a proxy, where those for the server's are wrong.
fn of_connection(remedy: &str) -> &str {
    match remedy {
        network::START => "check the port of --proxy, or start the proxy",
        other => other,
    }
}

/// Remedies for the TLS handshake with a proxy, where the options for the server's do not help.
fn of_proxy(remedy: &str) -> &str {
    match remedy {
        certificate::TRUST => "trust its authority with --proxy-ca FILE",
        certificate::OTHER_NAME => "write one of those names in --proxy",
        tls::NO_TLS => "write http:// in --proxy",
        _ => "see the proxy's log",
    }
}
