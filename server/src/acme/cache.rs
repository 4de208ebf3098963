//! The files of ACME: the account, and the certificate with its key.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use certs::SecretFiles;
use certs::pem::Kind;
use instant_acme::AccountCredentials;
use serde::{Deserialize, Serialize};

use super::error::AcmeError;
use crate::config::AcmeOptions;

/// The directory of `--acme-cache`.
#[derive(Debug)]
pub(super) struct Cache {
    directory: PathBuf,
    certificate: PathBuf,
    rule: SecretFiles,
}

/// The account as it is stored: of one server only.
#[derive(Deserialize, Serialize)]
struct StoredAccount<T> {
    directory: String,
    credentials: T,
}

impl Cache {
    pub(super) fn new(options: &AcmeOptions, rule: SecretFiles) -> Self {
        Self {
            directory: options.acme_cache.clone(),
            certificate: options.certificate(),
            rule,
        }
    }

    /// The account at the ACME server `directory`, if one was stored.
    pub(super) fn account(&self, directory: &str) -> Result<Option<AccountCredentials>, AcmeError> {
        let file = self.account_file();
        if !file.exists() {
            return Ok(None);
        }
        let text = certs::read_secret_file(Kind::PrivateKey, &file, self.rule);
        let text = text.map_err(|error| failed(&file, io::Error::other(error)))?;
        let stored: StoredAccount<AccountCredentials> =
            serde_json::from_slice(&text).map_err(|error| failed(&file, error.into()))?;
        Ok((stored.directory == directory).then_some(stored.credentials))
    }

    /// Stores the account at `directory`.
    pub(super) fn store_account(
        &self,
        directory: &str,
        credentials: &AccountCredentials,
    ) -> Result<(), AcmeError> {
        let file = self.account_file();
        let stored = StoredAccount {
            directory: directory.to_owned(),
            credentials,
        };
        let text = serde_json::to_vec_pretty(&stored);
        let text = text.map_err(|error| failed(&file, error.into()))?;
        self.write(&file, &text)
    }

    /// Stores the certificate chain and its key in one file, so that they are never replaced one without the other.
    pub(super) fn store_certificate(&self, chain: &str, key: &str) -> Result<(), AcmeError> {
        let whole = format!("{}\n{}", chain.trim_end(), key);
        self.write(&self.certificate, whole.as_bytes())
    }

    /// The instant, since the Unix epoch, at which the stored certificate has to be renewed: when a third of its lifetime is
    /// left. Zero if there is none for exactly `names`.
    pub(super) fn renewal(&self, names: &[String]) -> Duration {
        let chain = certs::load_certificates(&self.certificate).unwrap_or_default();
        let Some(description) = chain.first().and_then(certs::describe) else {
            return Duration::ZERO;
        };
        let has_all = names.iter().all(|name| description.names.contains(name));
        if !has_all || description.names.len() != names.len() {
            return Duration::ZERO;
        }
        let seconds = |instant: i64| u64::try_from(instant).unwrap_or_default();
        let begin = seconds(description.not_before.unix_timestamp());
        let end = seconds(description.not_after.unix_timestamp());
        Duration::from_secs(end.saturating_sub(end.saturating_sub(begin) / 3))
    }

    /// Replaces `file` by one that only this user can read.
    fn write(&self, file: &Path, content: &[u8]) -> Result<(), AcmeError> {
        let written = (|| {
            make_directory(&self.directory)?;
            // Its mode is 0600.
            let mut temporary = tempfile::NamedTempFile::new_in(&self.directory)?;
            temporary.write_all(content)?;
            temporary.as_file().sync_all()?;
            temporary.persist(file).map(drop).map_err(io::Error::from)
        })();
        written.map_err(|error| failed(file, error))
    }

    fn account_file(&self) -> PathBuf {
        self.directory.join("account.json")
    }
}

fn failed(file: &Path, source: io::Error) -> AcmeError {
    AcmeError::Cache {
        file: file.display().to_string(),
        source,
    }
}

#[cfg(unix)]
fn make_directory(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

#[cfg(not(unix))]
fn make_directory(path: &Path) -> io::Result<()> {
    std::fs::create_dir_all(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(directory: &Path) -> Cache {
        let mut options = crate::Config::default().tls.acme;
        options.acme_cache = directory.join("acme");
        Cache::new(&options, SecretFiles::Checked)
    }

    fn pair(names: &[&str]) -> (String, String) {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(names).unwrap();
        parameters.not_before = rcgen::date_time_ymd(2026, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(2026, 3, 31);
        let certificate = parameters.self_signed(&key).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    #[test]
    fn certificate_is_renewed_when_a_third_of_its_lifetime_is_left() {
        let directory = tempfile::tempdir().unwrap();
        let cache = cache(directory.path());
        let names = ["a.example".to_owned(), "b.example".to_owned()];
        assert_eq!(cache.renewal(&names), Duration::ZERO);
        let (chain, key) = pair(&["b.example", "a.example"]);
        cache.store_certificate(&chain, &key).unwrap();
        let begin = u64::try_from(rcgen::date_time_ymd(2026, 1, 1).unix_timestamp()).unwrap();
        let two_thirds = 89 * 86_400 - 89 * 86_400 / 3;
        assert_eq!(
            cache.renewal(&names),
            Duration::from_secs(begin + two_thirds)
        );
        assert_eq!(cache.renewal(&names[..1]), Duration::ZERO, "other names");
    }

    #[test]
    fn files_are_pairs_that_the_server_reads() {
        let directory = tempfile::tempdir().unwrap();
        let cache = cache(directory.path());
        let (chain, key) = pair(&["a.example"]);
        cache.store_certificate(&chain, &key).unwrap();
        let file = &cache.certificate;
        assert!(certs::load_pair_with(file, file, SecretFiles::Checked).is_ok());
    }
}
