//! Keys behind a URL, refreshed in the background.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, Guard};
use futures_util::FutureExt;
use tokio::sync::Notify;
use tracing::{info, warn};
use values::limiter::{Rate, RateLimiter};

use super::fetch::Fetcher;
use super::keys::Keys;
use super::set;
use super::sources::KeyError;
use crate::config::RoomOptions;
use rooms::Counts;

/// Keys behind a URL. Until they are fetched there are none, and what fails changes nothing.
#[derive(Debug)]
pub(super) struct Remote {
    fetcher: Fetcher,
    interval: Duration,
    keys: ArcSwap<Keys>,
    requested: Notify,
}

impl Remote {
    /// The URL of `options`, if there is one; nothing is fetched yet.
    ///
    /// # Errors
    /// The URL or its authorities cannot be used.
    pub(super) fn new(options: &RoomOptions) -> Result<Option<Self>, KeyError> {
        let Some(url) = &options.rooms_token_jwks_url else {
            return Ok(None);
        };
        let ca = options.rooms_token_jwks_ca.as_deref();
        let fetcher = Fetcher::new(url, ca, options.rooms_token_jwks_timeout.0);
        Ok(Some(Self {
            fetcher: fetcher.map_err(KeyError::Url)?,
            interval: options.rooms_token_jwks_interval.0,
            keys: ArcSwap::default(),
            requested: Notify::new(),
        }))
    }

    /// The keys of the last set that could be used.
    pub(super) fn keys(&self) -> Guard<Arc<Keys>> {
        self.keys.load()
    }

    /// Asks for the keys to be fetched soon, since a token names one that is unknown; once a minute at most they are.
    pub(super) fn request(&self) {
        self.requested.notify_one();
    }

    /// Fetches at once, at intervals, and on request; after a failure sooner. Runs until it is dropped.
    pub(super) async fn run(&self, counts: &Counts) {
        let mut requests = RateLimiter::new(REQUEST_RATE);
        let mut retry = FIRST_RETRY;
        loop {
            let pause = match self.fetch().await {
                Ok(()) => {
                    counts.key_fetch("fetched");
                    // Whoever asked meanwhile has what there is.
                    let _ = self.requested.notified().now_or_never();
                    retry = FIRST_RETRY;
                    self.interval
                }
                Err(error) => {
                    counts.key_fetch("refused");
                    warn!(%error, retry_seconds = retry.as_secs(), "keys for tokens could not be fetched; the old ones stay in force");
                    let pause = retry.min(self.interval);
                    retry = retry.saturating_mul(2);
                    pause
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.next_request(&mut requests) => {}
            }
        }
    }

    /// Waits for a request that the rate permits.
    async fn next_request(&self, requests: &mut RateLimiter) {
        self.requested.notified().await;
        while let Err(exceeded) = requests.admit(Instant::now()) {
            tokio::time::sleep(exceeded.retry_after).await;
        }
    }

    /// Replaces the keys by those that the URL has now.
    async fn fetch(&self) -> Result<(), String> {
        let content = self.fetcher.fetch().await?;
        let (keys, unusable) = set::parse(&content)?.usable()?;
        for problem in unusable {
            warn!(%problem, "a fetched key for tokens is ignored");
        }
        let before = self.keys.load().len();
        if before != keys.len() {
            info!(keys = keys.len(), before, "keys for tokens fetched");
        }
        self.keys.store(Arc::new(Keys::new(keys)));
        Ok(())
    }
}

/// Minimum time between two fetches for tokens with unknown keys.
const REQUEST_RATE: Rate = Rate::per(1, 1, Duration::from_secs(60));
/// Pause after a first failure; it doubles with each further one, up to the interval.
const FIRST_RETRY: Duration = Duration::from_secs(5);
