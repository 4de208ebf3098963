//! TLS by the platform's library.

use native_tls_crate::TlsConnector;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::maybe_tls::MaybeTlsStream;
use crate::tungstenite::Error;
use crate::tungstenite::error::TlsError;

/// The platform's roots and defaults.
pub(crate) fn connector() -> Result<TlsConnector, Error> {
    Ok(TlsConnector::new().map_err(TlsError::from)?)
}

pub(super) async fn wrap<S>(
    stream: S,
    host: &str,
    connector: TlsConnector,
) -> Result<MaybeTlsStream<S>, Error>
where
    S: 'static + AsyncRead + AsyncWrite + Send + Unpin,
{
    let connector = tokio_native_tls::TlsConnector::from(connector);
    let connected = connector.connect(host, stream).await;
    Ok(MaybeTlsStream::NativeTls(
        connected.map_err(TlsError::from)?,
    ))
}
