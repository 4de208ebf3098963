//! The reasons for which there is no certificate.

/// Cause for which ACME cannot be used, or no certificate was obtained.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AcmeError {
    /// The ACME server's URL or the authorities that vouch for it.
    #[error("the ACME server of --acme-directory cannot be used: {0}")]
    Directory(String),
    /// The key of the external account.
    #[error("--acme-eab-key {file}: {reason}")]
    ExternalAccount {
        /// The file.
        file: String,
        /// Its fault.
        reason: String,
    },
    /// A file of the cache cannot be read or written.
    #[error("{file}: {source}")]
    Cache {
        /// The file or directory.
        file: String,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The ACME server refused, or could not be reached.
    #[error(transparent)]
    Protocol(#[from] instant_acme::Error),
    /// The ACME server does not accept the proof.
    #[error("the ACME server does not accept {name}: {reason}")]
    Unproven {
        /// The name, or all of them.
        name: String,
        /// The answer of the ACME server.
        reason: String,
    },
    /// The certificate that answers a challenge cannot be made.
    #[error("the certificate for a challenge cannot be made: {0}")]
    Challenge(String),
}
