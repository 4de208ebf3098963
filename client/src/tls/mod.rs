//! TLS towards the server: which certificates are trusted, what is offered, what came out.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::causes::tls::of_error;
use crate::error::ConnectError;
use crate::file::{read_named, read_trusted};
use crate::target::Target;

mod explain;
mod fault;
mod report;
mod verify;

pub(crate) use fault::{Fault, Noting};
pub use report::{CertificateReport, TlsReport};
pub use verify::Pin;

/// Oldest TLS version accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MinimumVersion {
    /// TLS 1.2 and 1.3.
    #[default]
    Tls12,
    /// TLS 1.3 only.
    Tls13,
}

/// Everything that can be chosen about TLS.
#[derive(Clone, Debug, Default)]
pub struct TlsSettings {
    /// PEM files of roots that replace the system's; empty: the system's roots.
    pub ca: Vec<PathBuf>,
    /// PEM file of a root that is trusted as well when the server's name is a local one and the file exists: a regular
    /// file of this user or root that nobody else can write to.
    pub local_ca: Option<PathBuf>,
    /// Neither chain nor name are checked. The server must still prove that it holds its certificate's key.
    pub insecure: bool,
    /// SHA-256 digests of subject public keys, one of which the server's certificate must have.
    pub pins: Vec<Pin>,
    /// PEM files with the client's certificate chain and its key.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
    /// Name sent in the `ClientHello` and looked for in the certificate, in place of the URL's host.
    pub server_name: Option<String>,
    /// Oldest version accepted.
    pub minimum_version: MinimumVersion,
    /// Writes the session's keys to the file that `SSLKEYLOGFILE` names, for Wireshark.
    pub key_log: bool,
}

impl TlsSettings {
    /// The rustls configuration for `target`. Reads the files.
    ///
    /// # Errors
    /// [`ConnectError::File`] or [`ConnectError::Settings`] names what cannot be used.
    pub fn client_config(
        &self,
        target: &Target,
        alpn: &[&str],
    ) -> Result<ClientConfig, ConnectError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = self.verifier(target, &provider)?;
        let versions: &[&SupportedProtocolVersion] = match self.minimum_version {
            MinimumVersion::Tls12 => &[&rustls::version::TLS13, &rustls::version::TLS12],
            MinimumVersion::Tls13 => &[&rustls::version::TLS13],
        };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .map_err(|error| ConnectError::Settings(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = match &self.client_certificate {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => builder
                .with_client_auth_cert(read_chain("the client certificate", chain)?, read_key(key)?)
                .map_err(|error| unfit_key(key, &error))?,
        };
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        if self.key_log {
            config.key_log = Arc::new(rustls::KeyLogFile::new());
        }
        Ok(config)
    }

    fn verifier(
        &self,
        target: &Target,
        provider: &Arc<CryptoProvider>,
    ) -> Result<verify::Verifier, ConnectError> {
        let mut named = Vec::new();
        let roots = if self.insecure {
            None
        } else {
            for path in &self.ca {
                named.extend(read_chain("the CA certificate", path)?);
            }
            Some(self.roots(target, &named)?)
        };
        verify::Verifier::new(roots, named, self.pins.clone(), provider)
            .map_err(ConnectError::Settings)
    }

    fn roots(
        &self,
        target: &Target,
        named: &[CertificateDer<'static>],
    ) -> Result<RootCertStore, ConnectError> {
        let mut roots = RootCertStore::empty();
        // One that cannot vouch for others may still be the server's own.
        roots.add_parsable_certificates(named.iter().cloned());
        if self.ca.is_empty() {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
            if let Some(path) = self.local_ca.as_deref().filter(|_| target.is_local()) {
                add_local_roots(&mut roots, path)?;
            }
        }
        if roots.is_empty() {
            let text =
                "no trusted root certificate was found on this system; name one with --ca FILE";
            return Err(ConnectError::Settings(text.into()));
        }
        Ok(roots)
    }

    /// Explains `error`, with which TLS ended a connection to `target`, in words.
    pub(crate) fn explain(&self, target: &Target, error: &rustls::Error) -> ConnectError {
        let name = self.server_name.as_deref().unwrap_or(target.server_name());
        explain::tls_fault(&target.host_and_port(), name, error)
    }

    /// Runs the TLS handshake over `stream`. Not cancel safe: drop the stream with the future.
    ///
    /// # Errors
    /// [`ConnectError::Tls`] with the reason in words.
    pub async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        config: ClientConfig,
        target: &Target,
        stream: S,
    ) -> Result<(TlsStream<S>, TlsReport), ConnectError> {
        let name = self.server_name.as_deref().unwrap_or(target.server_name());
        let server_name = ServerName::try_from(name.to_owned()).map_err(|_| {
            ConnectError::Settings(format!("`{name}` is neither a DNS name nor an IP address"))
        })?;
        let stream = TlsConnector::from(Arc::new(config))
            .connect(server_name, stream)
            .await
            .map_err(|error| explain::tls_error(&target.host_and_port(), name, &error))?;
        let report = TlsReport::of(stream.get_ref().1);
        Ok((stream, report))
    }
}

/// Adds the CA in the current directory, if there is one and nobody else can have put it there.
fn add_local_roots(roots: &mut RootCertStore, path: &Path) -> Result<(), ConnectError> {
    let what = "the local CA certificate";
    let found = read_trusted(path, MAX_PEM_BYTES).map_err(|error| {
        let reason = format!("{error}; it is not needed when --ca FILE names another");
        file_error(what, path, reason)
    })?;
    match found {
        Some(bytes) => {
            for certificate in parse_chain(what, path, &bytes)? {
                roots
                    .add(certificate)
                    .map_err(|error| file_error(what, path, error.to_string()))?;
            }
            Ok(())
        }
        None => Ok(()),
    }
}

fn read_chain(
    what: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, ConnectError> {
    parse_chain(what, path, &read_bounded(what, path)?)
}

fn parse_chain(
    what: &'static str,
    path: &Path,
    bytes: &[u8],
) -> Result<Vec<CertificateDer<'static>>, ConnectError> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(bytes)
        .collect::<Result<_, _>>()
        .map_err(|error| file_error(what, path, format!("not valid PEM: {error}")))?;
    if chain.is_empty() {
        return Err(file_error(
            what,
            path,
            "it has no `BEGIN CERTIFICATE` section".into(),
        ));
    }
    Ok(chain)
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, ConnectError> {
    let what = "the client key";
    let bytes = read_bounded(what, path)?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| {
        file_error(
            what,
            path,
            format!("no unencrypted `BEGIN PRIVATE KEY` section: {error}"),
        )
    })
}

fn read_bounded(what: &'static str, path: &Path) -> Result<Vec<u8>, ConnectError> {
    read_named(path, MAX_PEM_BYTES).map_err(|error| file_error(what, path, error.to_string()))
}

/// A key that cannot be used with its certificate.
fn unfit_key(path: &Path, error: &rustls::Error) -> ConnectError {
    ConnectError::File {
        what: "the client key",
        path: path.to_owned(),
        reason: format!("it does not fit the certificate: {error}"),
        remedy: of_error(error).map_or(CHECK_PEM, |cause| cause.remedy),
    }
}

fn file_error(what: &'static str, path: &Path, reason: String) -> ConnectError {
    ConnectError::File {
        what,
        path: path.to_owned(),
        reason,
        remedy: CHECK_PEM,
    }
}

const CHECK_PEM: &str = "check the path, the permissions and that it is PEM";

/// Largest PEM file read; the system's bundle of all public roots has about 200 KiB.
const MAX_PEM_BYTES: u64 = 1 << 20;
