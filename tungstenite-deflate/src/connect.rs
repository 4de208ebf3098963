//! Clients: from a URL to a WebSocket connection.

use tokio::net::TcpStream;

use crate::handshake::WebSocketUrl;
use crate::handshake::url::client_request;
use crate::maybe_tls::MaybeTlsStream;
use crate::options::Options;
use crate::stream::WebSocketStream;
use crate::tls::Connector;
use crate::tungstenite::Error;
use crate::tungstenite::client::IntoClientRequest;
use crate::tungstenite::handshake::client::{Request, Response};
use crate::tungstenite::protocol::WebSocketConfig;

/// A connection made by URL.
type Connected = (WebSocketStream<MaybeTlsStream<TcpStream>>, Response);

/// Connects to a URL: TCP, TLS for `wss`, opening handshake.
///
/// permessage-deflate is offered; [`connect_async_with_options`] chooses.
///
/// # Errors
/// As for [`client_async`](crate::client_async); [`Error::Io`] if no connection or no TLS session came about.
///
/// # Cancel safety
/// Dropping the future closes the connection: that is how a deadline is set.
pub async fn connect_async<R>(
    request: R,
) -> Result<(WebSocketStream<MaybeTlsStream<TcpStream>>, Response), Error>
where
    R: IntoClientRequest + Unpin,
{
    connect(
        client_request(request)?,
        Options::drop_in(None),
        false,
        None,
    )
    .await
}

/// [`connect_async`] with tungstenite's configuration; `disable_nagle` sets `TCP_NODELAY`.
///
/// # Errors
/// As for [`connect_async`].
pub async fn connect_async_with_config<R>(
    request: R,
    config: Option<WebSocketConfig>,
    disable_nagle: bool,
) -> Result<(WebSocketStream<MaybeTlsStream<TcpStream>>, Response), Error>
where
    R: IntoClientRequest + Unpin,
{
    connect(
        client_request(request)?,
        Options::drop_in(config),
        disable_nagle,
        None,
    )
    .await
}

/// [`connect_async`] with everything that can be chosen; `disable_nagle` sets `TCP_NODELAY`.
///
/// # Errors
/// As for [`connect_async`].
pub async fn connect_async_with_options<R>(
    request: R,
    options: impl Into<Options>,
    disable_nagle: bool,
) -> Result<(WebSocketStream<MaybeTlsStream<TcpStream>>, Response), Error>
where
    R: IntoClientRequest + Unpin,
{
    connect(
        client_request(request)?,
        options.into(),
        disable_nagle,
        None,
    )
    .await
}

/// [`connect_async_with_config`] with a TLS connector: own roots, client certificates, or none of TLS.
///
/// # Errors
/// As for [`connect_async`].
#[cfg(any(feature = "native-tls", feature = "__rustls-tls"))]
pub async fn connect_async_tls_with_config<R>(
    request: R,
    config: Option<WebSocketConfig>,
    disable_nagle: bool,
    connector: Option<Connector>,
) -> Result<(WebSocketStream<MaybeTlsStream<TcpStream>>, Response), Error>
where
    R: IntoClientRequest + Unpin,
{
    connect(
        client_request(request)?,
        Options::drop_in(config),
        disable_nagle,
        connector,
    )
    .await
}

/// [`connect_async_tls_with_config`] with everything that can be chosen.
///
/// # Errors
/// As for [`connect_async`].
#[cfg(any(feature = "native-tls", feature = "__rustls-tls"))]
pub async fn connect_async_tls_with_options<R>(
    request: R,
    options: impl Into<Options>,
    disable_nagle: bool,
    connector: Option<Connector>,
) -> Result<(WebSocketStream<MaybeTlsStream<TcpStream>>, Response), Error>
where
    R: IntoClientRequest + Unpin,
{
    connect(
        client_request(request)?,
        options.into(),
        disable_nagle,
        connector,
    )
    .await
}

async fn connect(
    request: Request,
    options: Options,
    disable_nagle: bool,
    connector: Option<Connector>,
) -> Result<Connected, Error> {
    let url = WebSocketUrl::try_from(request.uri())?;
    let socket = TcpStream::connect((url.host(), url.port())).await?;
    if disable_nagle {
        socket.set_nodelay(true)?;
    }
    crate::tls::open(request, socket, options, connector).await
}
