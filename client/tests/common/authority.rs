//! Certificates of an authority of the test's own, and servers that show them.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::serve;

/// A certificate authority with its certificate in a file.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    file: tempfile::NamedTempFile,
}

impl Authority {
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let name = format!("Test CA {}", rand::random::<u64>());
        parameters
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), parameters.self_signed(&key).unwrap().pem()).unwrap();
        Self {
            issuer: Issuer::new(parameters, key),
            file,
        }
    }

    pub fn path(&self) -> &str {
        self.file.path().to_str().unwrap()
    }

    /// A certificate for `name`, changed as wanted, with its key.
    pub fn sign(
        &self,
        name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> (CertificateDer<'static>, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(vec![name.to_owned()]).unwrap();
        change(&mut parameters);
        (
            parameters
                .signed_by(&key, &self.issuer)
                .unwrap()
                .der()
                .clone(),
            key,
        )
    }
}

#[derive(Debug)]
struct Always(Arc<CertifiedKey>);

impl rustls::server::ResolvesServerCert for Always {
    fn resolve(&self, _hello: rustls::server::ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// The configuration of a server that shows `certificate` and signs with `key`, whether they fit or not.
pub fn server_config(certificate: CertificateDer<'static>, key: &KeyPair) -> rustls::ServerConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let signer = provider.key_provider.load_private_key(key).unwrap();
    let certified = Arc::new(CertifiedKey::new(vec![certificate], signer));
    rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Always(certified)))
}

/// An echo server behind TLS that shows `certificate` and signs with `key`, whether they fit or not.
pub fn serve_tls(certificate: CertificateDer<'static>, key: &KeyPair) -> u16 {
    let config = server_config(certificate, key);
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    serve(move |stream| {
        stream.set_nonblocking(true).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            use futures_util::{SinkExt as _, StreamExt as _};
            let stream = tokio::net::TcpStream::from_std(stream).unwrap();
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let Ok(mut stream) = tungstenite_deflate::accept_async(stream).await else {
                return;
            };
            while let Some(Ok(message)) = stream.next().await {
                if message.is_text() {
                    let _ = stream.send(message).await;
                }
            }
        });
    })
    .port()
}

/// A server behind TLS that answers the first request with this and nothing else.
pub fn serve_tls_answer(certificate: CertificateDer<'static>, key: &KeyPair, answer: &str) -> u16 {
    use std::io::{Read as _, Write as _};
    let config = Arc::new(server_config(certificate, key));
    let answer = answer.to_owned();
    serve(move |tcp| {
        let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut stream = rustls::StreamOwned::new(connection, tcp);
        if stream.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {
            let _ = stream.write_all(answer.as_bytes());
            let _ = stream.flush();
            // The client decides when it has read enough.
            let _ = stream.read(&mut [0; 64]);
        }
    })
    .port()
}
