//! Clients: TLS where the URL asks for it, by rustls or by the platform's library.

use std::io::{Read, Write};
#[cfg(feature = "__rustls")]
use std::sync::Arc;

use super::mid_handshake::HandshakeError;
use super::open::client_with_options;
use super::roles::ClientHandshake;
use super::websocket::WebSocket;
use crate::handshake::WebSocketUrl;
use crate::handshake::url::client_request;
use crate::options::Options;
use crate::tls::Connector;
use crate::tungstenite::client::IntoClientRequest;
use crate::tungstenite::error::{TlsError, UrlError};
use crate::tungstenite::handshake::client::Response;
use crate::tungstenite::protocol::WebSocketConfig;
use crate::tungstenite::stream::MaybeTlsStream;
use crate::tungstenite::{Error, Result};

/// Result of a client handshake over a stream that may be encrypted.
type Opened<S> = Result<
    (WebSocket<MaybeTlsStream<S>>, Response),
    HandshakeError<ClientHandshake<MaybeTlsStream<S>>>,
>;

/// [`client`](super::client()) over TLS if the URL's scheme is `wss`.
///
/// # Errors
/// As for [`client`](super::client()); [`Error::Tls`] or [`Error::Io`] if no TLS session came about, or if rustls cannot
/// tell its crypto provider: see the crate's feature `aws-lc-rs`.
pub fn client_tls<R, S>(request: R, stream: S) -> Opened<S>
where
    R: IntoClientRequest,
    S: Read + Write,
{
    client_tls_with_config(request, stream, None, None)
}

/// [`client_tls`] with tungstenite's configuration and a connector: own roots, client certificates.
///
/// # Errors
/// As for [`client_tls`].
pub fn client_tls_with_config<R, S>(
    request: R,
    stream: S,
    config: Option<WebSocketConfig>,
    connector: Option<Connector>,
) -> Opened<S>
where
    R: IntoClientRequest,
    S: Read + Write,
{
    client_tls_with_options(request, stream, Options::drop_in(config), connector)
}

/// [`client_tls_with_config`] with everything that can be chosen.
///
/// # Errors
/// As for [`client_tls`].
pub fn client_tls_with_options<R, S>(
    request: R,
    stream: S,
    options: impl Into<Options>,
    connector: Option<Connector>,
) -> Opened<S>
where
    R: IntoClientRequest,
    S: Read + Write,
{
    let request = client_request(request)?;
    let url = WebSocketUrl::try_from(request.uri()).map_err(Error::from)?;
    let stream = if url.is_secure() {
        wrap(stream, url.server_name(), connector)?
    } else {
        MaybeTlsStream::Plain(stream)
    };
    client_with_options(request, stream, options)
}

/// TLS by `connector`, or by what is compiled in: the platform's library if both are, as for tungstenite.
fn wrap<S: Read + Write>(
    stream: S,
    host: &str,
    connector: Option<Connector>,
) -> Result<MaybeTlsStream<S>> {
    match connector {
        #[cfg(feature = "native-tls")]
        Some(Connector::NativeTls(connector)) => native(stream, host, &connector),
        #[cfg(feature = "__rustls")]
        Some(Connector::Rustls(config)) => rustls(stream, host, config),
        #[cfg(feature = "native-tls")]
        None => native(stream, host, &crate::tls::native::connector()?),
        #[cfg(all(feature = "__rustls", not(feature = "native-tls")))]
        None => rustls(stream, host, Arc::new(crate::tls::defaults::config()?)),
        Some(Connector::Plain) => Err(Error::Url(UrlError::TlsFeatureNotEnabled)),
    }
}

/// The session is made by the first bytes that are written.
#[cfg(feature = "__rustls")]
fn rustls<S: Read + Write>(
    stream: S,
    host: &str,
    config: Arc<::rustls::ClientConfig>,
) -> Result<MaybeTlsStream<S>> {
    let name = rustls_pki_types::ServerName::try_from(host)
        .map_err(|_| TlsError::InvalidDnsName)?
        .to_owned();
    let session = ::rustls::ClientConnection::new(config, name).map_err(TlsError::from)?;
    let stream = ::rustls::StreamOwned::new(session, stream);
    Ok(MaybeTlsStream::Rustls(stream))
}

#[cfg(feature = "native-tls")]
fn native<S: Read + Write>(
    stream: S,
    host: &str,
    connector: &native_tls_crate::TlsConnector,
) -> Result<MaybeTlsStream<S>> {
    use native_tls_crate::HandshakeError as Native;

    match connector.connect(host, stream) {
        Ok(stream) => Ok(MaybeTlsStream::NativeTls(stream)),
        Err(Native::Failure(error)) => Err(TlsError::from(error).into()),
        Err(Native::WouldBlock(_)) => Err(Error::Io(std::io::Error::new(
            std::io::ErrorKind::Unsupported,
            "native-tls cannot interrupt its handshake: set the stream non-blocking afterwards, or use rustls",
        ))),
    }
}
