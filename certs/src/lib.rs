//! Certificates for development, and the reading of any certificate: a local CA, the pairs it signs, PEM files.
//!
//! Making ([`ensure`]): a CA is kept in a directory and reused; from it come `server.crt` with `server.key` and, on
//! request, client pairs. The CA may sign only for the DNS names it serves (RFC 5280 §4.2.1.10) and for addresses,
//! so its key is of little use to a thief. Nothing that this crate did not make is ever overwritten, and no half file is left behind.
//!
//! Reading ([`load_pair`], [`load_certificates`], [`load_roots`], [`describe`]): what the server and the client use for
//! every PEM file, and for every file with a secret ([`read_secret_file`], [`check_secret_file`]). Errors are one line that names the file, what is wrong with it and what to do.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let directory = tempfile::tempdir()?;
//! let outcome = certs::ensure(directory.path(), &certs::Request::default())?;
//! let (chain, key) = certs::load_pair(&outcome.certificate, &outcome.key)?;
//! let roots = certs::load_roots(&outcome.authority)?;
//! # assert_eq!((chain.len(), roots.len()), (1, 1)); drop(key);
//! # Ok(())
//! # }
//! ```

pub mod pem;

mod authority;
mod describe;
mod ensure;
mod error;
mod file;
mod issue;
mod load;
mod name;
mod secret;
mod store;

pub use authority::{authority_shortcoming, is_development_authority};
pub use describe::{Description, Sha256Digest, describe};
pub use ensure::{Action, Dates, Outcome, Request, ensure};
pub use error::{Error, SecretFault};
pub use file::MAX_FILE_BYTES;
pub use load::{load_certificates, load_pair, load_pair_with, load_private_key, load_roots};
pub use name::Name;
pub use pem::{Kind, PemFault};
pub use secret::{SecretFiles, check_secret_file, read_public_file, read_secret_file};
