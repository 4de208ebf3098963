//! The number of lines a second about connections that failed (R19).

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;
use tracing::warn;
use values::limiter::{Rate, RateLimiter};

/// Admits lines at a rate and counts the others; one line a second reports their number.
#[derive(Debug)]
pub(crate) struct Throttle {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    limiter: RateLimiter,
    suppressed: u64,
    /// When the number is to be reported, if there is one.
    report_at: Option<Instant>,
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
    /// `limit` lines at once, and a second.
    pub(crate) const fn new(limit: u32) -> Self {
        Self {
            state: Mutex::new(State {
                limiter: RateLimiter::new(Rate::per_second(limit, limit)),
                suppressed: 0,
                report_at: None,
            }),
        }
    }

    /// Sets how many lines a second there may be.
    pub(crate) fn set_limit(&self, limit: u32) {
        let rate = Rate::per_second(limit, limit);
        self.state().limiter.set_rate(rate);
    }

    /// Counts a line and tells if it may be logged.
    pub(crate) fn admit(&'static self) -> bool {
        let now = Instant::now();
        let mut state = self.state();
        let admitted = state.limiter.admit(now.into_std()).is_ok();
        // A timer reports what was suppressed; the next line does if its runtime has ended.
        let missed = match state.report_at {
            Some(report_at) if report_at < now => state.take_suppressed(),
            _ => 0,
        };
        if !admitted {
            state.suppressed += 1;
        }
        let is_first = !admitted && state.report_at.is_none();
        if is_first {
            state.report_at = Some(now + SECOND);
        }
        drop(state);
        report(missed);
        if is_first {
            self.report_after(now + SECOND);
        }
        admitted
    }

    /// Reports what was suppressed and not reported yet.
    pub(super) fn finish(&self) {
        let missed = self.state().take_suppressed();
        report(missed);
    }

    /// Reports at `end` what was suppressed until then.
    fn report_after(&'static self, end: Instant) {
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                tokio::time::sleep_until(end).await;
                self.finish();
            });
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take_suppressed(&mut self) -> u64 {
        self.report_at = None;
        std::mem::take(&mut self.suppressed)
    }
}

/// One line about `missed` others.
fn report(missed: u64) {
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
            assert_eq!(THROTTLE.state().suppressed, 7);
            tokio::time::sleep(SECOND + Duration::from_millis(1)).await;
            assert_eq!(THROTTLE.state().suppressed, 0, "they have been reported");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn limit_of_zero_passes_nothing() {
        static THROTTLE: Throttle = Throttle::new(3);
        THROTTLE.set_limit(0);
        assert!((0..10).all(|_| !THROTTLE.admit()));
    }
}
