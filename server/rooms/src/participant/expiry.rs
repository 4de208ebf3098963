//! The end of what a participant may do.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;
use tokio::time::sleep;
use values::sync::lock;

use super::shared::Shared;
use crate::grant::Grant;
use crate::refusal::Refusal;

/// A notice of the end of a participant's grant; cheap to clone.
///
/// It follows that grant when a new token renews it.
#[derive(Clone)]
pub struct Expiry {
    pub(super) shared: Arc<Shared>,
    pub(super) ends: Arc<Ends>,
}

/// The end of one participant's grant, which a renewal moves.
#[derive(Debug)]
pub(super) struct Ends {
    at: Mutex<Option<SystemTime>>,
    moved: Notify,
}

impl Ends {
    /// The end of `grant`.
    pub(super) fn new(grant: &Grant) -> Arc<Self> {
        Arc::new(Self {
            at: Mutex::new(grant.end()),
            moved: Notify::new(),
        })
    }

    /// Moves the end to that of `grant`.
    pub(super) fn renew(&self, grant: &Grant) {
        *lock(&self.at) = grant.end();
        self.moved.notify_waiters();
    }

    fn at(&self) -> Option<SystemTime> {
        *lock(&self.at)
    }
}

impl Expiry {
    /// Waits until the grant has ended; for ever if it never does.
    ///
    /// The wall clock is read again and again, since it may be set, and a machine may sleep. Cancel safe.
    pub async fn reached(&self) {
        loop {
            // Before the end is read, so that a renewal after that wakes this.
            let moved = self.ends.moved.notified();
            let Some(end) = self.ends.at() else {
                moved.await;
                continue;
            };
            let left = end.duration_since(SystemTime::now()).unwrap_or_default();
            if left.is_zero() {
                return;
            }
            tokio::select! {
                () = moved => {}
                () = sleep(left.min(MAX_SLEEP)) => {}
            }
        }
    }

    /// Runs `work` for as long as the grant lasts.
    ///
    /// At its end `work` is dropped, wherever it waits: for a message, for a peer that reads nothing, within a replay.
    ///
    /// # Errors
    /// The grant has ended.
    pub async fn bound<T>(&self, work: impl Future<Output = T>) -> Result<T, Refusal> {
        tokio::select! {
            biased;
            () = self.reached() => self.shared.counted(Err(Refusal::TokenExpired)),
            outcome = work => Ok(outcome),
        }
    }
}

impl fmt::Debug for Expiry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("Expiry")
            .field(&self.ends.at())
            .finish()
    }
}

/// Maximum time between two looks at the wall clock.
const MAX_SLEEP: Duration = Duration::from_secs(30);
