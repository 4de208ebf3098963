//! The reasons why TLS cannot be set up.

use std::path::PathBuf;

/// Cause for which TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be used; the text names it.
    #[error(transparent)]
    File(#[from] certs::Error),
    /// `--cert` and `--key` do not pair up.
    #[error(
        "{certificates} times --cert and {keys} times --key: give one --key for each --cert, in the same order"
    )]
    Unpaired {
        /// Number of certificates that were named.
        certificates: usize,
        /// Number of keys that were named.
        keys: usize,
    },
    /// The key has nothing to do with the certificate.
    #[error("{} and {} cannot be used together: {source}", certificate.display(), key.display())]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// The error of rustls.
        source: rustls::Error,
    },
    /// The pair cannot be made in `--certs`, which is a file or beneath one.
    #[error("{} cannot hold certificates: {} is not a directory", certs.display(), found.display())]
    NotDirectory {
        /// The directory that was asked for.
        certs: PathBuf,
        /// The file found in its place.
        found: PathBuf,
    },
    /// The pair cannot be made in `--certs`, where nothing can be written.
    #[error("{} cannot hold certificates: {} cannot be written to: {reason}", certs.display(), found.display())]
    NotWritable {
        /// The directory that was asked for.
        certs: PathBuf,
        /// The directory that is there.
        found: PathBuf,
        /// The error of the operating system.
        reason: std::io::Error,
    },
    /// Client certificates are wanted and nobody said from whom.
    #[error(
        "--client-auth optional and required need --client-ca FILE: the CA certificates that clients' certificates come from"
    )]
    NoClientAuthority,
    /// The CA certificates for clients cannot be used.
    #[error("{}: not usable as CA for client certificates: {message}", path.display())]
    ClientAuthority {
        /// The file.
        path: PathBuf,
        /// The error of rustls.
        message: String,
    },
    /// The cryptography failed.
    #[error("TLS cannot be set up: {0}")]
    Crypto(#[from] rustls::Error),
}
