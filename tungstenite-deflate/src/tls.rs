//! Clients: TLS where the URL asks for it.

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::{Connector, MaybeTlsStream};

use crate::client;
use crate::handshake::WebSocketUrl;
use crate::options::Options;
use crate::stream::WebSocketStream;
use crate::tungstenite::Error;
use crate::tungstenite::handshake::client::{Request, Response};

#[cfg(feature = "__rustls-tls")]
pub use rustls_tls::{
    client_async_tls, client_async_tls_with_config, client_async_tls_with_options,
};

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

#[cfg(not(feature = "__rustls-tls"))]
#[expect(clippy::unused_async, reason = "one signature with and without TLS")]
async fn wrap<S>(
    _stream: S,
    _host: &str,
    _connector: Option<Connector>,
) -> Result<MaybeTlsStream<S>, Error> {
    Err(Error::Url(
        crate::tungstenite::error::UrlError::TlsFeatureNotEnabled,
    ))
}

#[cfg(feature = "__rustls-tls")]
use rustls_tls::wrap;

#[cfg(feature = "__rustls-tls")]
mod rustls_tls {
    use std::sync::Arc;

    use rustls::{ClientConfig, RootCertStore};
    use rustls_pki_types::ServerName;
    use tokio::io::{AsyncRead, AsyncWrite};
    use tokio_rustls::TlsConnector;
    use tokio_tungstenite::{Connector, MaybeTlsStream};

    use crate::handshake::url::client_request;
    use crate::options::Options;
    use crate::stream::WebSocketStream;
    use crate::tungstenite::Error;
    use crate::tungstenite::client::IntoClientRequest;
    use crate::tungstenite::error::{TlsError, UrlError};
    use crate::tungstenite::handshake::client::Response;
    use crate::tungstenite::protocol::WebSocketConfig;

    /// [`client_async`](crate::client_async) over TLS if the URL's scheme is `wss`.
    ///
    /// # Errors
    /// As for [`client_async`](crate::client_async); [`Error::Io`] if no TLS session came about.
    ///
    /// # Panics
    /// Without a connector, where rustls cannot tell its crypto provider: see the crate's feature `aws-lc-rs`.
    ///
    /// # Cancel safety
    /// Dropping the future drops the stream, and so closes the connection: that is how a deadline is set.
    pub async fn client_async_tls<R, S>(
        request: R,
        stream: S,
    ) -> Result<(WebSocketStream<MaybeTlsStream<S>>, Response), Error>
    where
        R: IntoClientRequest + Unpin,
        S: 'static + AsyncRead + AsyncWrite + Send + Unpin,
        MaybeTlsStream<S>: Unpin,
    {
        super::open(
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
        super::open(
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
        super::open(client_request(request)?, stream, options.into(), connector).await
    }

    pub(super) async fn wrap<S>(
        stream: S,
        host: &str,
        connector: Option<Connector>,
    ) -> Result<MaybeTlsStream<S>, Error>
    where
        S: 'static + AsyncRead + AsyncWrite + Send + Unpin,
    {
        let config = match connector {
            Some(Connector::Rustls(config)) => config,
            None => Arc::new(default_config()?),
            Some(_) => return Err(Error::Url(UrlError::TlsFeatureNotEnabled)),
        };
        let name = ServerName::try_from(host)
            .map_err(|_| TlsError::InvalidDnsName)?
            .to_owned();
        let stream = TlsConnector::from(config).connect(name, stream).await?;
        Ok(MaybeTlsStream::Rustls(stream))
    }

    fn default_config() -> Result<ClientConfig, Error> {
        Ok(builder()?
            .with_root_certificates(roots()?)
            .with_no_client_auth())
    }

    type Builder = rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>;

    /// The process's provider if one is installed, else aws-lc-rs.
    #[cfg(feature = "aws-lc-rs")]
    fn builder() -> Result<Builder, TlsError> {
        use rustls::crypto::{CryptoProvider, aws_lc_rs};

        let provider = CryptoProvider::get_default()
            .cloned()
            .unwrap_or_else(|| Arc::new(aws_lc_rs::default_provider()));
        Ok(ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?)
    }

    /// rustls' choice, as for tokio-tungstenite: the process's provider, or the only one compiled in.
    #[cfg(not(feature = "aws-lc-rs"))]
    #[expect(clippy::unnecessary_wraps, reason = "one signature for both features")]
    fn builder() -> Result<Builder, TlsError> {
        Ok(ClientConfig::builder())
    }

    #[cfg_attr(
        not(any(
            feature = "rustls-tls-native-roots",
            feature = "rustls-tls-webpki-roots"
        )),
        expect(
            unused_mut,
            clippy::unnecessary_wraps,
            reason = "without roots no server is trusted"
        )
    )]
    fn roots() -> Result<RootCertStore, Error> {
        let mut roots = RootCertStore::empty();
        #[cfg(feature = "rustls-tls-native-roots")]
        add_native(&mut roots)?;
        #[cfg(feature = "rustls-tls-webpki-roots")]
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        Ok(roots)
    }

    /// The machine's own roots; that there are none matters only without compiled-in ones.
    #[cfg(feature = "rustls-tls-native-roots")]
    fn add_native(roots: &mut RootCertStore) -> Result<(), Error> {
        let found = rustls_native_certs::load_native_certs();
        if found.certs.is_empty() && cfg!(not(feature = "rustls-tls-webpki-roots")) {
            let text = format!(
                "no native root CA certificates found (errors: {:?})",
                found.errors
            );
            return Err(Error::Io(std::io::Error::new(
                std::io::ErrorKind::NotFound,
                text,
            )));
        }
        roots.add_parsable_certificates(found.certs);
        Ok(())
    }
}
