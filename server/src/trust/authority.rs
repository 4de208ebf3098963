//! The CA whose trust is changed.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;

/// Cause for which the CA cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AuthorityError {
    /// Its file is missing.
    #[error(
        "{} does not exist; start the server once, which makes it, or name its directory by --certs",
        .0.display()
    )]
    Missing(PathBuf),
    /// Its file cannot be read.
    #[error(transparent)]
    Unusable(#[from] certs::Error),
    /// It is somebody else's.
    #[error("{} is not a development CA of this program, and is left alone", .0.display())]
    Foreign(PathBuf),
    /// The report could not be written.
    #[error(transparent)]
    Output(#[from] io::Error),
}

/// The development CA in the directory of certificates.
#[derive(Debug)]
pub(super) struct Authority {
    /// Its file, as an absolute path.
    pub(super) file: PathBuf,
    /// Name for stores that want one; part of the fingerprint keeps the CAs of several directories apart.
    pub(super) name: String,
    certificate: CertificateDer<'static>,
    fingerprint: String,
}

impl Authority {
    /// Reads `ca.crt` of the directory `certs`.
    pub(super) fn read(certs: &Path) -> Result<Self, AuthorityError> {
        let file = certs.join("ca.crt");
        if !file.exists() {
            return Err(AuthorityError::Missing(file));
        }
        let file = std::path::absolute(file)?;
        let certificate = certs::load_certificates(&file)?.into_iter().next();
        let ours = certificate.filter(|certificate| certs::is_development_authority(certificate));
        let described =
            ours.and_then(|certificate| Some((certs::describe(&certificate)?, certificate)));
        let Some((description, certificate)) = described else {
            return Err(AuthorityError::Foreign(file));
        };
        let mut first = [0; 8];
        first.copy_from_slice(&description.sha256.0[..8]);
        let digits = u64::from_be_bytes(first);
        Ok(Self {
            file,
            name: format!("local-websocket-{digits:016x}"),
            certificate,
            fingerprint: description.sha256.to_string(),
        })
    }

    /// Tests whether `der` is this very certificate.
    pub(super) fn is(&self, der: &[u8]) -> bool {
        self.certificate.as_ref() == der
    }

    /// Tests whether the PEM file at `path` holds this certificate and no other.
    pub(super) fn is_in(&self, path: &Path) -> bool {
        let found = certs::load_certificates(path).unwrap_or_default();
        matches!(found.as_slice(), [one] if self.is(one))
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "# {}, SHA-256 {}",
            self.file.display(),
            self.fingerprint
        )
    }
}
