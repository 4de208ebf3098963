//! Certificate and key files, read with every check that a server should make before it trusts them.

use std::path::Path;

use rustls::RootCertStore;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::Error;
use crate::describe::public_key;
use crate::file::read;
use crate::pem::{self, Kind, PemFault};
use crate::secret::{SecretFiles, read_secret_file};

/// Reads a certificate chain and its private key, and checks that they belong together.
///
/// The holder's certificate comes first in the chain. The key file must pass [`check_secret_file`](crate::check_secret_file); see
/// [`load_pair_with`] for the other rule.
///
/// # Errors
/// Each names the file, what is wrong and what to do: missing, unreadable, larger than [`MAX_FILE_BYTES`](crate::MAX_FILE_BYTES), not PEM,
/// encrypted, exposed to other users, chain in the wrong order, key of another certificate.
pub fn load_pair(
    certificate: &Path,
    key: &Path,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Error> {
    load_pair_with(certificate, key, SecretFiles::Checked)
}

/// [`load_pair`] with a choice of the rule for the key file.
///
/// # Errors
/// As [`load_pair`].
pub fn load_pair_with(
    certificate: &Path,
    key: &Path,
    rule: SecretFiles,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Error> {
    let chain = load_certificates(certificate)?;
    let private_key = load_private_key(key, rule)?;
    let unusable = || Error::Pem {
        kind: Kind::PrivateKey,
        path: key.to_owned(),
        fault: PemFault::UnusableKey,
    };
    let signer = rustls::crypto::aws_lc_rs::sign::any_supported_type(&private_key)
        .map_err(|_| unusable())?;
    let own = signer.public_key().ok_or_else(unusable)?;
    match chain
        .iter()
        .position(|candidate| public_key(candidate).is_some_and(|spki| spki == own.as_ref()))
    {
        Some(0) => Ok((chain, private_key)),
        Some(index) => Err(Error::WrongOrder {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            position: index + 1,
        }),
        None => Err(Error::Mismatch {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
        }),
    }
}

/// Reads all certificates of a PEM file, in their order; at least one.
///
/// # Errors
/// The file is missing, unreadable, too large, or holds no X.509 certificate.
pub fn load_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let text = read(path, Kind::Certificate, |_| Ok(()))?;
    pem::certificates(&text).map_err(|fault| Error::Pem {
        kind: Kind::Certificate,
        path: path.to_owned(),
        fault,
    })
}

/// Reads the certificates of a PEM file as trust anchors, for `--ca FILE` or for client certificates.
///
/// # Errors
/// As [`load_certificates`]; also when a certificate cannot serve as a trust anchor.
pub fn load_roots(path: &Path) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    for (index, certificate) in load_certificates(path)?.into_iter().enumerate() {
        roots.add(certificate).map_err(|_| Error::Pem {
            kind: Kind::Certificate,
            path: path.to_owned(),
            fault: PemFault::NotX509 { section: index + 1 },
        })?;
    }
    Ok(roots)
}

/// Reads the one private key of a PEM file that passes [`check_secret_file`](crate::check_secret_file).
///
/// # Errors
/// As [`load_pair`], for the key alone.
pub fn load_private_key(path: &Path, rule: SecretFiles) -> Result<PrivateKeyDer<'static>, Error> {
    let text = read_secret_file(Kind::PrivateKey, path, rule)?;
    pem::private_key(&text).map_err(|fault| Error::Pem {
        kind: Kind::PrivateKey,
        path: path.to_owned(),
        fault,
    })
}
