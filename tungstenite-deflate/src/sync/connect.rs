//! Clients: from a URL to a WebSocket connection.

use std::net::TcpStream;

use super::deadline::Deadline;
use super::mid_handshake::HandshakeError;
use super::websocket::WebSocket;
use crate::handshake::url::{client_request, insert_credentials};
use crate::handshake::{Redirect, WebSocketUrl};
use crate::options::Options;
use crate::tungstenite::client::IntoClientRequest;
#[cfg(any(doc, not(any(feature = "native-tls", feature = "__rustls"))))]
use crate::tungstenite::error::UrlError;
use crate::tungstenite::handshake::client::{Request, Response};
use crate::tungstenite::protocol::WebSocketConfig;
use crate::tungstenite::stream::MaybeTlsStream;
use crate::tungstenite::{Error, Result};

/// Redirects that [`connect`] follows, as tungstenite does.
const MAX_REDIRECTS: u8 = 3;

/// Connects to a URL in blocking mode: TCP, TLS for `wss`, opening handshake; follows up to three redirects.
///
/// permessage-deflate is offered; [`connect_with_options`] chooses.
///
/// # Errors
/// As for [`client`](super::client()); [`UrlError::UnableToConnect`] if no address of the host accepts a connection, [`Error::Io`] if it has
/// none, [`Error::Tls`] if no TLS session came about.
pub fn connect<Req: IntoClientRequest>(
    request: Req,
) -> Result<(WebSocket<MaybeTlsStream<TcpStream>>, Response)> {
    connect_with_config(request, None, MAX_REDIRECTS)
}

/// [`connect`] with tungstenite's configuration and the maximum number of redirects.
///
/// # Errors
/// As for [`connect`].
pub fn connect_with_config<Req: IntoClientRequest>(
    request: Req,
    config: Option<WebSocketConfig>,
    max_redirects: u8,
) -> Result<(WebSocket<MaybeTlsStream<TcpStream>>, Response)> {
    connect_with_options(request, Options::drop_in(config), max_redirects)
}

/// [`connect`] with everything that can be chosen: [`Options::dial`] too, with `max_redirects` in place of its own.
///
/// The time of [`Dial::timeout`](crate::dial::Dial::timeout) includes redirects. The name lookup counts, but only ends when
/// the operating system ends it.
///
/// A redirect stays within [`Redirect`]'s rules: headers that the caller chose go to the same origin only, and `wss` never
/// leads to `ws`. One that is not followed is [`Error::Http`].
///
/// # Errors
/// As for [`connect`]; [`Error::Io`] of kind `TimedOut` after [`Dial::timeout`](crate::dial::Dial::timeout), and with the
/// refusal of a proxy inside.
pub fn connect_with_options<Req: IntoClientRequest>(
    request: Req,
    options: impl Into<Options>,
    max_redirects: u8,
) -> Result<(WebSocket<MaybeTlsStream<TcpStream>>, Response)> {
    let options = options.into();
    let mut request = client_request(request)?;
    if options.url_credentials {
        insert_credentials(&mut request)?;
    }
    let deadline = Deadline::after(options.dial.timeout);
    let mut redirects = 0;
    loop {
        let url = WebSocketUrl::try_from(request.uri())?;
        let refused = match connect_once(request.clone(), options.clone(), deadline) {
            Err(Error::Http(response)) if redirects < max_redirects => response,
            connected => return connected,
        };
        let Some(Ok(redirect)) = Redirect::of(&url, &refused) else {
            return Err(Error::Http(refused));
        };
        redirects += 1;
        request = redirect.request(&request)?;
    }
}

fn connect_once(
    request: Request,
    options: Options,
    deadline: Deadline,
) -> Result<(WebSocket<MaybeTlsStream<TcpStream>>, Response)> {
    let url = WebSocketUrl::try_from(request.uri())?;
    #[cfg(not(any(feature = "native-tls", feature = "__rustls")))]
    if url.is_secure() {
        return Err(Error::Url(UrlError::TlsFeatureNotEnabled));
    }
    let (dial, text) = (options.dial.clone(), request.uri().to_string());
    super::dial::connect(&dial, &url, &text, deadline, |socket| {
        socket.set_nodelay(true)?;
        open(request, socket, options)
    })
}

fn open(
    request: Request,
    socket: TcpStream,
    options: Options,
) -> Result<(WebSocket<MaybeTlsStream<TcpStream>>, Response)> {
    #[cfg(not(any(feature = "native-tls", feature = "__rustls")))]
    let opened = super::open::client_with_options(request, MaybeTlsStream::Plain(socket), options);
    #[cfg(any(feature = "native-tls", feature = "__rustls"))]
    let opened = super::tls::client_tls_with_options(request, socket, options, None);
    opened.map_err(|error| match error {
        HandshakeError::Failure(error) => error,
        // A socket of ours blocks, and has no time-out.
        HandshakeError::Interrupted(_) => Error::Io(std::io::ErrorKind::WouldBlock.into()),
    })
}
