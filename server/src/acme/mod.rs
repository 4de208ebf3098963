//! Certificates from an ACME server (RFC 8555): obtained, kept in a directory and renewed in time.
//!
//! The server proves by TLS-ALPN-01 (RFC 8737) that it answers for the names, on the port that it serves anyway. The files
//! are read by `tls`, which knows nothing of ACME but the certificates that answer challenges.

mod account;
mod cache;
mod error;
mod external;
mod order;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use certs::SecretFiles;
use http::Uri;
use tracing::{info, warn};

use crate::config::AcmeOptions;
use crate::https::{Https, Target};
use crate::tls::Challenges;

use cache::Cache;
pub use error::AcmeError;
use external::ExternalAccount;

/// The certificate of an ACME server, kept valid.
#[derive(Debug)]
pub(crate) struct Acme {
    options: AcmeOptions,
    cache: Cache,
    https: Https,
    challenges: Challenges,
    external: Option<ExternalAccount>,
}

impl Acme {
    /// Prepares to obtain certificates as `options` say; `None` if they name none. Nothing is sent yet.
    ///
    /// # Errors
    /// The directory, its authorities or the key of the external account cannot be used.
    pub(crate) fn new(
        options: &AcmeOptions,
        rule: SecretFiles,
        challenges: Challenges,
    ) -> Result<Option<Self>, AcmeError> {
        if !options.is_on() {
            return Ok(None);
        }
        check(options.directory()).map_err(AcmeError::Directory)?;
        let https = Https::new(options.acme_ca.as_deref(), "--acme-ca", REQUEST_TIMEOUT);
        Ok(Some(Self {
            external: ExternalAccount::read(options, rule)?,
            cache: Cache::new(options, rule),
            https: https.map_err(AcmeError::Directory)?,
            challenges,
            options: options.clone(),
        }))
    }

    /// Obtains the certificate when there is none for these names, and renews it when a third of its lifetime is left; calls
    /// `obtained` after each. Runs until it is dropped.
    pub(crate) async fn run(self: Arc<Self>, obtained: impl Fn()) {
        let mut retry = FIRST_RETRY;
        loop {
            let wait = self.time_left();
            if !wait.is_zero() {
                // Looks again at times, for a clock that was set and a machine that slept.
                tokio::time::sleep(wait.min(LONGEST_SLEEP)).await;
                continue;
            }
            match self.obtain().await {
                Ok(()) => {
                    info!(names = %self.options.acme.join(", "), "certificate obtained by ACME");
                    obtained();
                    retry = FIRST_RETRY;
                }
                Err(error) => {
                    warn!(%error, retry_seconds = retry.as_secs(), "no certificate could be obtained by ACME");
                    tokio::time::sleep(retry).await;
                    retry = retry.saturating_mul(2).min(LAST_RETRY);
                }
            }
        }
    }

    /// Time until the certificate has to be renewed; zero if there is none for these names.
    fn time_left(&self) -> Duration {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        self.cache
            .renewal(&self.options.acme)
            .saturating_sub(now.unwrap_or_default())
    }
}

/// Tests whether `url` can be a directory.
fn check(url: &str) -> Result<(), String> {
    let url: Uri = url.parse().map_err(|_| "it is no URL".to_owned())?;
    Target::of(&url).map(drop)
}

/// Maximum time for one request to the ACME server.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Pause after a first failure; it doubles with each further one, since ACME servers count failures.
const FIRST_RETRY: Duration = Duration::from_secs(60);
const LAST_RETRY: Duration = Duration::from_secs(6 * 3600);
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);
