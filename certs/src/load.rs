//! Certificate and key files, read with every check that a server should make before it trusts them.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use rustls::RootCertStore;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::Error;
use crate::describe::public_key;
use crate::pem::{self, Kind, PemFault};

/// Largest file that is read, in bytes: 1 MiB. A chain of ten certificates has about 20 KiB.
pub const MAX_FILE_BYTES: u64 = 1 << 20;

/// Who may be able to read a private key file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyAccess {
    /// The owner alone: no permission bit for group or others (0600 or 0400). The default.
    #[default]
    Owner,
    /// Also a group, when root owns the file: at most 0640. For system services that share one key, as packages of
    /// Linux distributions arrange it.
    RootAndGroup,
}

/// Reads a certificate chain and its private key, and checks that they belong together.
///
/// The holder's certificate comes first in the chain. The key file must be readable by its owner alone; see
/// [`load_pair_with`] for the other rule.
///
/// # Errors
/// Each names the file, what is wrong and what to do: missing, unreadable, larger than [`MAX_FILE_BYTES`], not PEM,
/// encrypted, exposed to other users, chain in the wrong order, key of another certificate.
pub fn load_pair(
    certificate: &Path,
    key: &Path,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Error> {
    load_pair_with(certificate, key, KeyAccess::Owner)
}

/// [`load_pair`] with a choice of who may read the key file.
///
/// # Errors
/// As [`load_pair`].
pub fn load_pair_with(
    certificate: &Path,
    key: &Path,
    access: KeyAccess,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Error> {
    let chain = load_certificates(certificate)?;
    let private_key = load_private_key(key, access)?;
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
            place: index + 1,
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

/// Reads the one private key of a PEM file after a look at who else may read it.
///
/// # Errors
/// As [`load_pair`], for the key alone.
pub fn load_private_key(path: &Path, access: KeyAccess) -> Result<PrivateKeyDer<'static>, Error> {
    let text = read(path, Kind::PrivateKey, |file| {
        refuse_exposed_key(path, file, access)
    })?;
    pem::private_key(&text).map_err(|fault| Error::Pem {
        kind: Kind::PrivateKey,
        path: path.to_owned(),
        fault,
    })
}

/// Reads a whole file after `check` has seen it open, so that nobody can swap it in between.
fn read(
    path: &Path,
    kind: Kind,
    check: impl FnOnce(&File) -> Result<(), Error>,
) -> Result<Vec<u8>, Error> {
    let refused = |source: std::io::Error| match source.kind() {
        ErrorKind::NotFound => Error::Missing {
            kind,
            path: path.to_owned(),
        },
        _ => Error::Read {
            kind,
            path: path.to_owned(),
            source,
        },
    };
    // Opening a pipe would wait for a writer, so look first.
    if !std::fs::metadata(path).map_err(refused)?.is_file() {
        return Err(Error::NotAFile {
            kind,
            path: path.to_owned(),
        });
    }
    let file = File::open(path).map_err(refused)?;
    check(&file)?;
    let mut content = Vec::new();
    file.take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut content)
        .map_err(refused)?;
    if content.len() as u64 > MAX_FILE_BYTES {
        let bytes = std::fs::metadata(path).map_or(content.len() as u64, |metadata| metadata.len());
        return Err(Error::TooLarge {
            kind,
            path: path.to_owned(),
            bytes,
            allowed: MAX_FILE_BYTES,
        });
    }
    Ok(content)
}

#[cfg(unix)]
fn refuse_exposed_key(path: &Path, file: &File, access: KeyAccess) -> Result<(), Error> {
    use std::os::unix::fs::MetadataExt;

    let metadata = file.metadata().map_err(|source| Error::Read {
        kind: Kind::PrivateKey,
        path: path.to_owned(),
        source,
    })?;
    let mode = metadata.mode() & 0o7777;
    let (forbidden, allowed) = match access {
        KeyAccess::RootAndGroup if metadata.uid() == 0 => {
            (0o037, "at most 0640 is allowed for a key of root")
        }
        KeyAccess::RootAndGroup => (0o077, "at most 0600 is allowed, or 0640 when root owns it"),
        KeyAccess::Owner => (0o077, "at most 0600 is allowed"),
    };
    if mode & forbidden != 0 {
        return Err(Error::KeyExposed {
            path: path.to_owned(),
            mode,
            allowed,
        });
    }
    Ok(())
}

#[cfg(not(unix))]
#[expect(
    clippy::unnecessary_wraps,
    reason = "permission bits exist on Unix only"
)]
fn refuse_exposed_key(_: &Path, _: &File, _: KeyAccess) -> Result<(), Error> {
    Ok(())
}
