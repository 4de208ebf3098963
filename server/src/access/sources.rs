//! The files that keys for tokens come from.

use std::path::{Path, PathBuf};

use certs::{Kind, SecretFiles};

use super::keys::Keys;
use super::{public, secret};
use crate::config::RoomOptions;

/// The files that keys come from.
#[derive(Debug)]
pub(super) struct Sources {
    public: Option<PathBuf>,
    secret: Option<PathBuf>,
    rule: SecretFiles,
}

/// A source of keys that cannot be used. The text never repeats its content.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// It cannot be read, or other users have access to it.
    #[error("--{option}: {source}")]
    File {
        /// The setting that names it.
        option: &'static str,
        /// The fault of the file.
        #[source]
        source: certs::Error,
    },
    /// The URL of keys cannot be used. The text never repeats it.
    #[error("--rooms-token-jwks-url: {0}")]
    Url(String),
    /// Its content cannot be used.
    #[error("--{option} {}: {problem}", path.display())]
    Content {
        /// The setting that names it.
        option: &'static str,
        /// The file.
        path: PathBuf,
        /// The fault of its content.
        problem: String,
    },
}

impl Sources {
    /// The sources that `options` name; `None` without any.
    pub(super) fn new(options: &RoomOptions, rule: SecretFiles) -> Option<Self> {
        let public = options.rooms_token_key.clone();
        let secret = options.rooms_token_secret.clone();
        let any = public.is_some() || secret.is_some() || options.rooms_token_jwks_url.is_some();
        any.then_some(Self {
            public,
            secret,
            rule,
        })
    }

    /// Reads all keys.
    ///
    /// # Errors
    /// One of the files cannot be used.
    pub(super) fn load(&self) -> Result<Keys, KeyError> {
        let mut keys = Vec::new();
        if let Some(path) = &self.public {
            keys.extend(read(
                PUBLIC,
                path,
                |kind, path| certs::read_public_file(kind, path, self.rule),
                public::parse,
            )?);
        }
        if let Some(path) = &self.secret {
            keys.push(read(
                SECRET,
                path,
                |kind, path| certs::read_secret_file(kind, path, self.rule),
                secret::parse,
            )?);
        }
        Ok(Keys::new(keys))
    }
}

const PUBLIC: (&str, Kind) = ("rooms-token-key", Kind::PublicKey);
const SECRET: (&str, Kind) = ("rooms-token-secret", Kind::Secret);

/// Reads the file of an option.
fn read<T>(
    (option, kind): (&'static str, Kind),
    path: &Path,
    read: impl Fn(Kind, &Path) -> Result<Vec<u8>, certs::Error>,
    parse: impl Fn(&[u8]) -> Result<T, String>,
) -> Result<T, KeyError> {
    let content = read(kind, path).map_err(|source| KeyError::File { option, source })?;
    parse(&content).map_err(|problem| KeyError::Content {
        option,
        path: path.to_owned(),
        problem,
    })
}
