//! Clients: from a URL to a WebSocket connection.

use std::io;

use tokio::net::TcpStream;

use crate::dial::overdue;
use crate::handshake::url::{client_request, insert_credentials};
use crate::handshake::{Redirect, RedirectError, WebSocketUrl};
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

/// [`connect_async`] with everything that can be chosen, proxy, redirects and deadline among it
/// ([`Options::dial`]); `disable_nagle` sets `TCP_NODELAY`.
///
/// # Errors
/// As for [`connect_async`]; of kind `TimedOut` after [`Dial::timeout`](crate::dial::Dial::timeout).
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

/// Opens the connection within the deadline. The steps are boxed: programs keep these futures in their tasks.
async fn connect(
    request: Request,
    options: Options,
    disable_nagle: bool,
    connector: Option<Connector>,
) -> Result<Connected, Error> {
    let limit = options.dial.timeout;
    let following = Box::pin(follow(request, options, disable_nagle, connector));
    match limit {
        None => following.await,
        Some(limit) => match tokio::time::timeout(limit, following).await {
            Ok(result) => result,
            Err(_) => Err(Error::Io(overdue(limit))),
        },
    }
}

/// Follows as many redirects as are allowed.
async fn follow(
    mut request: Request,
    options: Options,
    disable_nagle: bool,
    mut connector: Option<Connector>,
) -> Result<Connected, Error> {
    if options.url_credentials {
        insert_credentials(&mut request)?;
    }
    let limit = options.dial.max_redirects;
    if limit == 0 {
        return attempt(request, options, disable_nagle, connector).await;
    }
    for followed in 0.. {
        let url = WebSocketUrl::try_from(request.uri())?;
        let attempt = attempt(
            request.clone(),
            options.clone(),
            disable_nagle,
            connector.clone(),
        );
        let response = match attempt.await {
            Err(Error::Http(response)) => response,
            Ok((stream, mut response)) => {
                if followed > 0 {
                    response.extensions_mut().insert(url);
                }
                return Ok((stream, response));
            }
            Err(error) => return Err(error),
        };
        let redirect = match Redirect::of(&url, &response) {
            None => return Err(Error::Http(response)),
            Some(_) if followed == limit => return Err(refused(RedirectError::TooMany { limit })),
            Some(redirect) => redirect.map_err(refused)?,
        };
        if !redirect.is_same_origin() {
            connector = connector
                .map(Connector::without_client_certificate)
                .transpose()
                .map_err(refused)?;
        }
        request = redirect.request(&request)?;
    }
    unreachable!("the loop ends by returning")
}

fn refused(error: RedirectError) -> Error {
    Error::Io(io::Error::other(error))
}

/// One attempt at one URL.
async fn attempt(
    request: Request,
    options: Options,
    disable_nagle: bool,
    connector: Option<Connector>,
) -> Result<Connected, Error> {
    let url = WebSocketUrl::try_from(request.uri())?;
    let socket = options.dial.connect(&url).await?;
    if disable_nagle {
        socket.set_nodelay(true)?;
    }
    crate::tls::open(request, socket, options, connector).await
}
