//! Waits after the system could not accept a connection.

use std::io;
use std::time::{Duration, Instant};

use tracing::error;

/// Delay after the system could not accept a connection, for example because descriptors ran out.
#[derive(Debug, Default)]
pub(super) struct Pause {
    last: Option<Duration>,
    /// Time of the latest line about it.
    logged_at: Option<Instant>,
}

impl Pause {
    /// Returns whether the system could not accept before this time either.
    pub(super) fn is_repeated(&self) -> bool {
        self.last.is_some()
    }

    /// Accepting works again.
    pub(super) fn over(&mut self) {
        self.last = None;
    }

    /// Waits, each time in a row twice as long. A line tells of it once, and again only when it is long past.
    pub(super) async fn after(&mut self, error: &io::Error) {
        let now = Instant::now();
        let logged_at = self.logged_at.replace(now);
        if logged_at.is_none_or(|at| now.saturating_duration_since(at) >= QUIET) {
            error!(%error, "cannot accept connections; trying again");
        }
        let wait = self
            .last
            .map_or(SHORTEST_PAUSE, |last| (last * 2).min(LONGEST_PAUSE));
        self.last = Some(wait);
        tokio::time::sleep(wait).await;
    }
}

/// Returns whether accepting failed because of one connection only, so that the next one may succeed.
pub(super) fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionReset | Interrupted
    )
}

/// Time without such failures after which the next one is worth a line again.
const QUIET: Duration = Duration::from_secs(60);
/// First wait after a failure to accept.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
/// Longest wait after failures to accept.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
