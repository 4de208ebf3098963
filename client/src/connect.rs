//! From settings to an open WebSocket: proxy, TCP, TLS, handshake, redirects.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use http::header::{HeaderMap, HeaderName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tungstenite_deflate::{Agreed, Options, WebSocketStream};

use crate::dial::Dial;
use crate::error::ConnectError;
use crate::handshake::{self, HandshakeFault, Head};
use crate::http2;
use crate::meter::{Meter, Metered};
use crate::proxy::{self, Proxy, ProxyKind};
use crate::target::Target;
use crate::timeouts::{Phase, Timeouts};
use crate::tls::{Fault, Noting, TlsReport, TlsSettings};

/// Everything that can be chosen about a connection.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// Where to connect to.
    pub target: Target,
    /// Headers of the request beside those of the handshake.
    pub headers: HeaderMap,
    /// Subprotocols asked for, the preferred first (RFC 6455 §1.9).
    pub subprotocols: Vec<String>,
    /// How the TCP connection is made.
    pub dial: Dial,
    /// The proxy to go through.
    pub proxy: Option<Proxy>,
    /// Hosts that are dialled without the proxy, as in `NO_PROXY`.
    pub no_proxy: String,
    /// How the TLS handshake with an `https` proxy is made: what is chosen for the server says nothing about the proxy.
    pub proxy_tls: TlsSettings,
    /// How the TLS handshake is made.
    pub tls: TlsSettings,
    /// Extended CONNECT over HTTP/2 (RFC 8441) rather than HTTP/1.1.
    pub http2: bool,
    /// Limits and compression of the WebSocket.
    pub options: Options,
    /// How long each phase may take.
    pub timeouts: Timeouts,
    /// Most redirects followed; 0 follows none.
    pub max_redirects: usize,
}

impl Settings {
    /// Safe defaults for `target`: the system's roots, compression offered, messages up to 1 MiB, no redirects.
    pub fn new(target: Target) -> Self {
        Self {
            target,
            headers: HeaderMap::new(),
            subprotocols: Vec::new(),
            dial: Dial::default(),
            proxy: None,
            no_proxy: String::new(),
            proxy_tls: TlsSettings::default(),
            tls: TlsSettings::default(),
            http2: false,
            options: default_options(DEFAULT_MAX_MESSAGE_BYTES),
            timeouts: Timeouts::default(),
            max_redirects: 0,
        }
    }

    /// Whether the request shows who asks: then certificate checks must not be off and plain text is warned about.
    pub fn has_credentials(&self) -> bool {
        self.target.credentials.is_some()
            || self.tls.client_certificate.is_some()
            || self.headers.keys().any(handshake::is_credential)
    }
}

/// The engine's options with messages and frames of at most `max_message_bytes`.
pub(crate) fn default_options(max_message_bytes: usize) -> Options {
    let mut options = Options::default();
    options.websocket.max_message_size = Some(max_message_bytes);
    options.websocket.max_frame_size = Some(max_message_bytes);
    options
}

/// Largest message accepted by default: what the server accepts as well.
pub const DEFAULT_MAX_MESSAGE_BYTES: usize = 1 << 20;

/// A byte stream that a WebSocket runs over.
pub trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Transport for S {}

/// The stream of messages.
pub type WebSocket = WebSocketStream<Metered<Box<dyn Transport>>>;

/// An open WebSocket with what is known about it.
pub struct Connection {
    /// The stream of messages: a `Stream` and `Sink` of tungstenite's `Message`.
    pub stream: WebSocket,
    /// What is known about it.
    pub details: Details,
}

/// What is known about an open WebSocket.
#[derive(Clone, Debug)]
pub struct Details {
    /// The URL that answered, after redirects.
    pub target: Target,
    /// The other end of the TCP connection: the server, or the proxy.
    pub address: Option<SocketAddr>,
    /// What TLS came to.
    pub tls: Option<TlsReport>,
    /// Compression agreed on.
    pub agreed: Option<Agreed>,
    /// Subprotocol agreed on.
    pub subprotocol: Option<String>,
    /// The request as sent.
    pub request: Head,
    /// The response as received.
    pub response: Head,
    /// How long each phase took.
    pub timings: Vec<(Phase, Duration)>,
    /// Bytes and messages on the wire.
    pub meter: Meter,
    /// Over HTTP/2.
    pub http2: bool,
}

/// Opens a WebSocket. Cancel safe: dropping the future closes what was opened.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use futures_util::{SinkExt, StreamExt};
///
/// let settings = client::Settings::new("wss://localhost:8443/echo".parse()?);
/// let mut connection = client::connect(&settings).await?;
/// connection.stream.send("Olá".into()).await?;
/// println!("{:?}", connection.stream.next().await);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`ConnectError`] tells the cause, the remedy and the exit status.
pub async fn connect(settings: &Settings) -> Result<Connection, ConnectError> {
    let mut settings = settings.clone();
    for followed in 0.. {
        match attempt(&settings).await {
            Err(ConnectError::Handshake { peer, fault }) if settings.max_redirects > 0 => {
                let Some(location) = redirect_location(&fault) else {
                    return Err(ConnectError::Handshake { peer, fault });
                };
                if followed == settings.max_redirects {
                    let reason = format!(
                        "it would be the {}th, at most {} are followed",
                        followed + 1,
                        settings.max_redirects
                    );
                    return Err(ConnectError::Redirect { from: peer, reason });
                }
                settings = redirected(settings, &location)?;
            }
            result => return result,
        }
    }
    unreachable!("the loop ends by returning")
}

fn redirect_location(fault: &HandshakeFault) -> Option<String> {
    let response = fault.response.as_ref()?;
    matches!(response.status()?, 301 | 302 | 303 | 307 | 308).then(|| response.get("Location"))?
}

/// The settings for the next hop: never from wss to ws, no credentials to another origin.
fn redirected(mut settings: Settings, location: &str) -> Result<Settings, ConnectError> {
    let from = settings.target.to_string();
    let refused = |reason: String| ConnectError::Redirect {
        from: from.clone(),
        reason,
    };
    let next = settings.target.join(location).map_err(&refused)?;
    if settings.target.secure && !next.secure {
        return Err(refused("it leads from wss to unencrypted ws".into()));
    }
    let same_origin = settings.target.same_origin(&next);
    let credentials = settings.target.credentials.take();
    settings.target = Target {
        credentials: None,
        ..next
    };
    if same_origin {
        settings.target.credentials = credentials;
    } else {
        let secret: Vec<HeaderName> = settings
            .headers
            .keys()
            .filter(|name| handshake::is_credential(name))
            .cloned()
            .collect();
        for name in secret {
            settings.headers.remove(name);
        }
        settings.tls.client_certificate = None;
    }
    Ok(settings)
}

/// A byte stream to the server, encrypted where the URL says so, with how it came about.
pub(crate) struct Opening {
    pub(crate) transport: Box<dyn Transport>,
    /// The other end of the TCP connection: the server, or the proxy.
    pub(crate) address: Option<SocketAddr>,
    pub(crate) tls: Option<TlsReport>,
    /// How long each phase took so far.
    pub(crate) timings: Vec<(Phase, Duration)>,
    /// What TLS ended the connection with, once it has.
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

/// The headers of the request: those of the settings and the credentials of the URL.
pub(crate) fn request_headers(settings: &Settings) -> Result<HeaderMap, ConnectError> {
    let mut headers = settings.headers.clone();
    if let Some(credentials) = &settings.target.credentials {
        let line = format!("Authorization: {}", credentials.basic().reveal());
        handshake::add_header(&mut headers, &line).map_err(ConnectError::Settings)?;
    }
    Ok(headers)
}

/// One attempt at one URL.
async fn attempt(settings: &Settings) -> Result<Connection, ConnectError> {
    let target = &settings.target;
    let alpn: &[&str] = if settings.http2 {
        &["h2"]
    } else {
        &["http/1.1"]
    };
    let headers = request_headers(settings)?;
    let Opening {
        transport,
        address,
        tls,
        mut timings,
        fault,
    } = open_transport(settings, alpn).await?;
    let started = Instant::now();
    let work = async {
        if settings.http2 {
            http2::open(settings, &headers, transport).await
        } else {
            http1(settings, &headers, transport).await
        }
    };
    let opened = settings
        .timeouts
        .limit(Phase::Http, &target.host_and_port(), work)
        .await
        .map_err(|error| match fault.get() {
            Some(cause) => settings.tls.explain(target, cause),
            None => error,
        })?;
    timings.push((Phase::Http, started.elapsed()));
    let details = Details {
        target: target.clone(),
        address,
        tls,
        agreed: opened.stream.agreed(),
        subprotocol: opened.response.get("Sec-WebSocket-Protocol"),
        request: opened.request,
        response: opened.response,
        timings,
        meter: opened.meter,
        http2: settings.http2,
    };
    Ok(Connection {
        stream: opened.stream,
        details,
    })
}

/// What both kinds of handshake end in.
pub(crate) struct Opened {
    pub(crate) stream: WebSocket,
    pub(crate) request: Head,
    pub(crate) response: Head,
    pub(crate) meter: Meter,
}

async fn http1(
    settings: &Settings,
    headers: &HeaderMap,
    transport: Box<dyn Transport>,
) -> Result<Opened, ConnectError> {
    let request = handshake::request(&settings.target, headers, &settings.subprotocols)?;
    let meter = Meter::default();
    let metered = Metered::new(transport, meter.clone());
    let result =
        tungstenite_deflate::client_async_with_options(request, metered, settings.options.clone())
            .await;
    let (request, response) = meter.heads();
    match result {
        Ok((stream, _)) => Ok(Opened {
            stream,
            request: Head::parse(&request),
            response: Head::parse(&response),
            meter,
        }),
        Err(error) => {
            let fault = Box::new(HandshakeFault::new(&request, &response, error));
            Err(ConnectError::Handshake {
                peer: settings.target.to_string(),
                fault,
            })
        }
    }
}

/// TCP to the server, through the proxy if there is one for it, with the address of the other end.
async fn open_tcp(
    settings: &Settings,
) -> Result<(Box<dyn Transport>, Option<SocketAddr>), ConnectError> {
    let (host, port) = settings
        .dial
        .redirected(&settings.target.host, settings.target.port);
    let timeouts = &settings.timeouts;
    let exempt = proxy::is_exempt(
        &settings.no_proxy,
        &settings.target.host,
        settings.target.port,
    );
    let Some(proxy) = settings.proxy.as_ref().filter(|_| !exempt) else {
        let stream = settings.dial.connect(&host, port, timeouts).await?;
        let address = stream.peer_addr().ok();
        return Ok((Box::new(stream), address));
    };
    let peer = format!("{host}:{port}");
    let failed = |reason| ConnectError::Proxy {
        proxy: proxy.to_string(),
        peer: peer.clone(),
        reason,
    };
    let stream = settings
        .dial
        .connect(&proxy.host, proxy.port, timeouts)
        .await
        .map_err(|error| failed(error.to_string()))?;
    let address = stream.peer_addr().ok();
    let stream: Box<dyn Transport> = match proxy.kind {
        ProxyKind::Https => Box::new(encrypted(settings, proxy, stream, failed).await?),
        ProxyKind::Http | ProxyKind::Socks5 { .. } => Box::new(stream),
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
    let tunnel = async { proxy.tunnel(stream, &host, port).await.map_err(failed) };
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
    failed: impl Fn(String) -> ConnectError,
) -> Result<TlsStream<TcpStream>, ConnectError> {
    let target = Target {
        secure: true,
        host: proxy.host.clone(),
        port: proxy.port,
        path: "/".into(),
        credentials: None,
    };
    let tls = &settings.proxy_tls;
    let config = tls.client_config(&target, &["http/1.1"])?;
    let work = async {
        tls.handshake(config, &target, stream)
            .await
            .map_err(|error| failed(format!("{error}; trust its authority with --proxy-ca FILE")))
    };
    let (stream, _) = settings
        .timeouts
        .limit(Phase::Tls, &proxy.to_string(), work)
        .await?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str) -> Settings {
        let mut settings = Settings::new(url.parse().unwrap());
        handshake::add_header(&mut settings.headers, "Authorization: Bearer x").unwrap();
        handshake::add_header(&mut settings.headers, "Cookie: a=b").unwrap();
        handshake::add_header(&mut settings.headers, "X-Plain: c").unwrap();
        settings
    }

    #[test]
    fn redirect_keeps_credentials_within_origin_only() {
        let same = redirected(settings("wss://u:p@h/"), "/other").unwrap();
        assert!(same.target.credentials.is_some() && same.headers.len() == 3);
        for location in ["wss://g/", "wss://h:444/", "https://sub.h/"] {
            let other = redirected(settings("wss://u:p@h/"), location).unwrap();
            assert!(
                other.target.credentials.is_none() && other.headers.len() == 1,
                "{location}"
            );
            assert!(other.headers.contains_key("x-plain"));
        }
    }

    #[test]
    fn redirect_never_loses_encryption() {
        for location in ["ws://h/", "http://h/"] {
            assert!(
                matches!(
                    redirected(settings("wss://h/"), location),
                    Err(ConnectError::Redirect { .. })
                ),
                "{location}"
            );
        }
        assert!(
            redirected(settings("ws://h/"), "wss://h/")
                .unwrap()
                .target
                .secure
        );
        assert!(redirected(settings("wss://h/"), "javascript://x").is_err());
    }
}
