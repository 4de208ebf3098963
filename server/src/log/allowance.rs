//! How many lines a second may tell of single messages, so that traffic cannot bury the log or cost more than itself.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Lines left of this second, for all connections together.
///
/// Looking at it when nothing is left costs one load; no clock is asked.
#[derive(Debug)]
pub(crate) struct Allowance {
    left: AtomicU32,
}

impl Allowance {
    /// The whole of [`LINES_PER_SECOND`] is there.
    pub(crate) const fn new() -> Self {
        Self {
            left: AtomicU32::new(LINES_PER_SECOND),
        }
    }

    /// Takes one line; false if none is left. The first that is taken starts the second after which all are there
    /// again, so this must be called within the runtime.
    pub(crate) fn take(&'static self) -> bool {
        if self.left.load(Ordering::Relaxed) == 0 {
            return false;
        }
        let taken = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            });
        if taken == Ok(LINES_PER_SECOND) {
            tokio::spawn(async {
                tokio::time::sleep(Duration::from_secs(1)).await;
                self.left.store(LINES_PER_SECOND, Ordering::Relaxed);
            });
        }
        taken.is_ok()
    }
}

/// More than anybody reads, less than costs anything.
const LINES_PER_SECOND: u32 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn every_second_has_its_lines() {
        static ALLOWANCE: Allowance = Allowance::new();
        for _ in 0..3 {
            let taken = (0..1000).filter(|_| ALLOWANCE.take()).count();
            assert_eq!(taken, 100);
            tokio::time::sleep(Duration::from_millis(1001)).await;
        }
    }
}
