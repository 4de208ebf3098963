//! Clients: TLS where the URL asks for it, by rustls or by the platform's library.

#[cfg(all(feature = "__rustls-tls", not(feature = "native-tls")))]
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};

use super::Connector;
#[cfg(all(feature = "__rustls-tls", not(feature = "native-tls")))]
use super::defaults;
#[cfg(feature = "native-tls")]
use super::native;
#[cfg(feature = "__rustls-tls")]
use super::rustls;
use crate::client;
use crate::handshake::WebSocketUrl;
#[cfg(any(feature = "native-tls", feature = "__rustls-tls"))]
use crate::handshake::url::client_request;
use crate::maybe_tls::MaybeTlsStream;
use crate::options::Options;
use crate::stream::WebSocketStream;
use crate::tungstenite::Error;
#[cfg(any(feature = "native-tls", feature = "__rustls-tls"))]
use crate::tungstenite::client::IntoClientRequest;
use crate::tungstenite::error::UrlError;
use crate::tungstenite::handshake::client::{Request, Response};
#[cfg(any(feature = "native-tls", feature = "__rustls-tls"))]
use crate::tungstenite::protocol::WebSocketConfig;

/// Wraps `stream` in TLS if the URL's scheme is `wss`, then does the opening handshake.
pub(crate) async fn open<S>(
    request: Request,
    stream: S,
    options: Options,
    connector: Option<Connector>,
) -> Result<(WebSocketStream<MaybeTlsStream<S>>, Response), Error>
where
    S: 'static + AsyncRead + AsyncWrite + Send + Unpin,
    MaybeTlsStream<S>: Unpin,
{
    let url = WebSocketUrl::try_from(request.uri())?;
    let stream = if url.is_secure() {
        wrap(stream, url.server_name(), connector).await?
    } else {
        MaybeTlsStream::Plain(stream)
    };
    client::open(request, stream, options).await
}

/// TLS by `connector`, or by what is compiled in: the platform's library if both are, as for tokio-tungstenite.
#[cfg_attr(
    not(any(feature = "native-tls", feature = "__rustls-tls")),
    expect(clippy::unused_async, reason = "one signature with and without TLS")
)]
async fn wrap<S>(
    stream: S,
    host: &str,
    connector: Option<Connector>,
) -> Result<MaybeTlsStream<S>, Error>
where
    S: 'static + AsyncRead + AsyncWrite + Send + Unpin,
{
    match connector {
        #[cfg(feature = "native-tls")]
        Some(Connector::NativeTls(connector)) => native::wrap(stream, host, connector).await,
        #[cfg(feature = "__rustls-tls")]
        Some(Connector::Rustls(config)) => rustls::wrap(stream, host, config).await,
        // rustls for the blocking API alone.
        #[cfg(all(feature = "__rustls", not(feature = "__rustls-tls")))]
        Some(Connector::Rustls(_)) => refuse(stream, host),
        #[cfg(feature = "native-tls")]
        None => native::wrap(stream, host, native::connector()?).await,
        #[cfg(all(feature = "__rustls-tls", not(feature = "native-tls")))]
        None => rustls::wrap(stream, host, Arc::new(defaults::config()?)).await,
        #[cfg(not(any(feature = "native-tls", feature = "__rustls-tls")))]
        None => refuse(stream, host),
        Some(Connector::Plain) => refuse(stream, host),
    }
}

fn refuse<S>(_stream: S, _host: &str) -> Result<MaybeTlsStream<S>, Error> {
    Err(Error::Url(UrlError::TlsFeatureNotEnabled))
}

/// [`client_async`](crate::client_async) over TLS if the URL's scheme is `wss`.
///
/// # Errors
/// As for [`client_async`](crate::client_async); [`Error::Io`] if no TLS session came about ([`Error::Tls`] with
/// `native-tls`), or if rustls cannot tell its crypto provider: see the crate's feature `aws-lc-rs`.
///
/// # Cancel safety
/// Dropping the future drops the stream, and so closes the connection: that is how a deadline is set.
#[cfg(any(feature = "native-tls", feature = "__rustls-tls"))]
pub async fn client_async_tls<R, S>(
    request: R,
    stream: S,
) -> Result<(WebSocketStream<MaybeTlsStream<S>>, Response), Error>
where
    R: IntoClientRequest + Unpin,
    S: 'static + AsyncRead + AsyncWrite + Send + Unpin,
    MaybeTlsStream<S>: Unpin,
{
    open(
        client_request(request)?,
        stream,
        Options::drop_in(None),
        None,
    )
    .await
}

/// [`client_async_tls`] with tungstenite's configuration and a connector: own roots, client certificates.
///
/// # Errors
/// As for [`client_async_tls`].
#[cfg(any(feature = "native-tls", feature = "__rustls-tls"))]
pub async fn client_async_tls_with_config<R, S>(
    request: R,
    stream: S,
    config: Option<WebSocketConfig>,
    connector: Option<Connector>,
) -> Result<(WebSocketStream<MaybeTlsStream<S>>, Response), Error>
where
    R: IntoClientRequest + Unpin,
    S: 'static + AsyncRead + AsyncWrite + Send + Unpin,
    MaybeTlsStream<S>: Unpin,
{
    open(
        client_request(request)?,
        stream,
        Options::drop_in(config),
        connector,
    )
    .await
}

/// [`client_async_tls_with_config`] with everything that can be chosen.
///
/// # Errors
/// As for [`client_async_tls`].
#[cfg(any(feature = "native-tls", feature = "__rustls-tls"))]
pub async fn client_async_tls_with_options<R, S>(
    request: R,
    stream: S,
    options: impl Into<Options>,
    connector: Option<Connector>,
) -> Result<(WebSocketStream<MaybeTlsStream<S>>, Response), Error>
where
    R: IntoClientRequest + Unpin,
    S: 'static + AsyncRead + AsyncWrite + Send + Unpin,
    MaybeTlsStream<S>: Unpin,
{
    open(client_request(request)?, stream, options.into(), connector).await
}
