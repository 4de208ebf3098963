//! From settings to an open WebSocket: proxy, TCP, TLS, handshake, redirects.

mod opened;
mod redirect;
mod settings;
mod transport;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use http::header::{AUTHORIZATION, HeaderMap};
use tungstenite_deflate::Agreed;
use tungstenite_deflate::handshake::RedirectError;
use tungstenite_deflate::tungstenite::Error;

use self::redirect::{redirect_location, redirected};
use crate::causes::{explained, network};
use crate::declined::declined;
use crate::error::ConnectError;
use crate::handshake::HandshakeFault;
use crate::head::Head;
use crate::http2;
use crate::meter::{Meter, Metered};
use crate::phase::Phase;
use crate::request::request;
use crate::sensitive::shown_target;
use crate::target::Target;
use crate::tls::TlsReport;

pub(crate) use self::opened::Opened;
pub use self::opened::WebSocket;
pub(crate) use self::settings::default_options;
pub use self::settings::{DEFAULT_MAX_MESSAGE_BYTES, Settings};
pub use self::transport::Transport;
pub(crate) use self::transport::{Opening, open_transport};

/// An open WebSocket with what is known about it.
pub struct Connection {
    /// The stream of messages: a `Stream` and `Sink` of tungstenite's `Message`.
    pub stream: WebSocket,
    /// Facts about it.
    pub details: Details,
}

/// Facts about an open WebSocket.
#[derive(Clone, Debug)]
pub struct Details {
    /// The URL that answered, after redirects.
    pub target: Target,
    /// The other end of the TCP connection: the server, or the proxy.
    pub address: Option<SocketAddr>,
    /// Result of the TLS handshake.
    pub tls: Option<TlsReport>,
    /// Compression agreed on.
    pub agreed: Option<Agreed>,
    /// Subprotocol agreed on.
    pub subprotocol: Option<String>,
    /// The request as sent.
    pub request: Head,
    /// The response as received.
    pub response: Head,
    /// Duration of each phase.
    pub timings: Vec<(Phase, Duration)>,
    /// Bytes and messages on the wire.
    pub meter: Meter,
    /// Over HTTP/2.
    pub http2: bool,
    /// A redirect led to another origin: headers, subprotocols and certificate of the first were not sent there.
    pub is_stripped: bool,
    /// Warnings about compression that was asked for and that the server declined.
    pub declined: Vec<String>,
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
                    let limit = settings.max_redirects;
                    let reason = RedirectError::TooMany { limit }.to_string();
                    return Err(ConnectError::Redirect { from: peer, reason });
                }
                settings = redirected(settings, &location)?;
            }
            result => return result,
        }
    }
    unreachable!("the loop ends by returning")
}

/// The headers of the request: those of the settings and the credentials of the URL.
pub(crate) fn request_headers(settings: &Settings) -> HeaderMap {
    let mut headers = settings.headers.clone();
    if let Some(credentials) = &settings.target.credentials {
        headers.append(AUTHORIZATION, credentials.basic());
    }
    headers
}

/// One attempt at one URL.
async fn attempt(settings: &Settings) -> Result<Connection, ConnectError> {
    let target = &settings.target;
    let alpn: &[&str] = if settings.http2 {
        &["h2"]
    } else {
        &["http/1.1"]
    };
    let headers = request_headers(settings);
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
        // TLS 1.3 clients learn of a refused certificate with the first read only, which is the handshake's response.
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
        is_stripped: settings.is_stripped,
        declined: declined(
            settings.contexts,
            settings.options.deflate.as_ref(),
            opened.stream.agreed(),
        ),
    };
    Ok(Connection {
        stream: opened.stream,
        details,
    })
}

async fn http1(
    settings: &Settings,
    headers: &HeaderMap,
    transport: Box<dyn Transport>,
) -> Result<Opened, ConnectError> {
    let request = request(&settings.target, headers, &settings.subprotocols)?;
    let meter = Meter::default();
    let metered = Metered::new(transport, meter.clone());
    let result =
        tungstenite_deflate::client_async_with_options(request, metered, settings.options.clone())
            .await;
    // Taken from the wire, so that --show-handshake and the checks see what was really sent.
    let (request, response) = meter.heads();
    match result {
        Ok((stream, _)) => Ok(Opened {
            stream,
            request: Head::parse(&request),
            response: Head::parse(&response),
            meter,
        }),
        Err(error) => {
            let (body, cause) = match &error {
                Error::Http(response) => (response.body().as_deref().unwrap_or_default(), None),
                Error::Io(error) => (&b""[..], network::connection(error)),
                _ => (&b""[..], None),
            };
            let (detail, _) = explained(&error.to_string(), cause);
            let fault = Box::new(HandshakeFault::new(&request, &response, body, detail));
            Err(ConnectError::Handshake {
                peer: shown_target(&settings.target.to_string()).into_owned(),
                fault,
            })
        }
    }
}
