//! TLS by rustls.

use std::sync::Arc;

use rustls::ClientConfig;
#[cfg(feature = "connect")]
use rustls::SignatureScheme;
#[cfg(feature = "connect")]
use rustls::client::{ResolvesClientCert, Resumption};
#[cfg(feature = "connect")]
use rustls::sign::CertifiedKey;
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

/// Returns the configuration without client certificate; sessions are not shared, since they prove one too.
#[cfg(feature = "connect")]
pub(super) fn without_client_certificate(config: Arc<ClientConfig>) -> Arc<ClientConfig> {
    if !config.client_auth_cert_resolver.has_certs() {
        return config;
    }
    let mut config = Arc::unwrap_or_clone(config);
    config.client_auth_cert_resolver = Arc::new(NoCertificate);
    config.resumption = Resumption::default();
    Arc::new(config)
}

/// Resolves to no client certificate, whatever the server asks for.
#[cfg(feature = "connect")]
#[derive(Debug)]
struct NoCertificate;

#[cfg(feature = "connect")]
impl ResolvesClientCert for NoCertificate {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

#[cfg(all(test, feature = "connect"))]
mod tests {
    use rustls::RootCertStore;

    use super::*;

    #[derive(Debug)]
    struct Certificate;

    impl ResolvesClientCert for Certificate {
        fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
            None
        }

        fn has_certs(&self) -> bool {
            true
        }
    }

    #[test]
    fn client_certificate_stays_behind() {
        let mut config = ClientConfig::builder()
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        let without = Arc::new(config.clone());
        let same = without_client_certificate(Arc::clone(&without));
        assert!(Arc::ptr_eq(&same, &without), "nothing to take out");
        config.client_auth_cert_resolver = Arc::new(Certificate);
        let stripped = without_client_certificate(Arc::new(config));
        assert!(!stripped.client_auth_cert_resolver.has_certs());
    }
}
