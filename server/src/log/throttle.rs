//! How many lines a second may tell of connections that failed (R19).

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;
use tracing::warn;

/// Lets so many lines a second through and counts the others; at the end of such a second one line tells how many.
#[derive(Debug)]
pub(crate) struct Throttle {
    limit: AtomicU32,
    second: Mutex<Second>,
}

/// One second of lines.
#[derive(Clone, Copy, Debug)]
struct Second {
    begun: Option<Instant>,
    passed: u32,
    suppressed: u64,
}

/// For every line about a connection that failed or was refused.
pub(crate) static FAILURES: Throttle = Throttle::new(100);

/// Logs a line about a connection that failed or was refused, unless there are too many of them.
macro_rules! failure {
    ($level:ident, $($line:tt)+) => {
        if tracing::enabled!(tracing::Level::$level) && $crate::log::FAILURES.admit() {
            tracing::event!(tracing::Level::$level, $($line)+);
        }
    };
}
pub(crate) use failure;

impl Throttle {
    /// At most `limit` lines a second.
    pub(crate) const fn new(limit: u32) -> Self {
        Self {
            limit: AtomicU32::new(limit),
            second: Mutex::new(Second {
                begun: None,
                passed: 0,
                suppressed: 0,
            }),
        }
    }

    /// Sets how many lines a second there may be.
    pub(crate) fn set_limit(&self, limit: u32) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// Whether a line may be logged; otherwise it has been counted.
    pub(crate) fn admit(&'static self) -> bool {
        let now = Instant::now();
        let mut second = self.lock();
        let over = second
            .begun
            .is_none_or(|begun| now.saturating_duration_since(begun) >= SECOND);
        let missed = if over {
            let before = std::mem::replace(
                &mut *second,
                Second {
                    begun: Some(now),
                    passed: 0,
                    suppressed: 0,
                },
            );
            before.suppressed
        } else {
            0
        };
        let passes = second.passed < self.limit.load(Ordering::Relaxed);
        if passes {
            second.passed += 1;
        } else {
            second.suppressed += 1;
        }
        let first_missed = second.suppressed == 1 && !passes;
        drop(second);
        tell(missed);
        if first_missed {
            self.tell_after(now + SECOND);
        }
        passes
    }

    /// Tells what was suppressed and not told yet, at the end of the program.
    pub(super) fn finish(&self) {
        let missed = std::mem::take(&mut self.lock().suppressed);
        tell(missed);
    }

    /// Tells at `end` what was suppressed, in case no further line comes.
    fn tell_after(&'static self, end: Instant) {
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                tokio::time::sleep_until(end).await;
                self.finish();
            });
        }
    }

    fn lock(&self) -> MutexGuard<'_, Second> {
        self.second.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One line about `missed` others.
fn tell(missed: u64) {
    if missed > 0 {
        warn!(parent: None, lines = missed, "more connections failed than are logged one by one (--log-failures)");
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn so_many_lines_pass_each_second() {
        static THROTTLE: Throttle = Throttle::new(3);
        for _ in 0..2 {
            let passed = (0..10).filter(|_| THROTTLE.admit()).count();
            assert_eq!(passed, 3);
            assert_eq!(THROTTLE.lock().suppressed, 7);
            tokio::time::sleep(SECOND + Duration::from_millis(1)).await;
            assert_eq!(THROTTLE.lock().suppressed, 0, "they have been told of");
        }
    }
}
