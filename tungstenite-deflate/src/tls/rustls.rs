//! TLS by rustls.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use crate::maybe_tls::MaybeTlsStream;
use crate::tungstenite::Error;
use crate::tungstenite::error::TlsError;

pub(super) async fn wrap<S>(
    stream: S,
    host: &str,
    config: Arc<ClientConfig>,
) -> Result<MaybeTlsStream<S>, Error>
where
    S: 'static + AsyncRead + AsyncWrite + Send + Unpin,
{
    let name = ServerName::try_from(host)
        .map_err(|_| TlsError::InvalidDnsName)?
        .to_owned();
    let stream = TlsConnector::from(config).connect(name, stream).await?;
    Ok(MaybeTlsStream::Rustls(stream))
}
