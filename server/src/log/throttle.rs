//! Limits on how many lines a second peers can cause (R19).

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tracing::{info, warn};
use values::limiter::{Rate, RateLimiter};
use values::sync::lock;

/// Admits a number of lines per second and counts those left out; one further line then reports their number.
#[derive(Debug)]
pub(crate) struct Throttle {
    limiter: Mutex<RateLimiter>,
    /// Set while the limit is exceeded, so that a flood costs no look at the clock.
    is_exceeded: AtomicBool,
    left_out: AtomicU64,
    /// Reports the number of lines that were left out.
    report: fn(u64),
}

/// Lines on connections and requests that failed or were refused.
pub(crate) static FAILURES: Throttle = Throttle::new(|lines| {
    warn!(parent: None, lines, "more connections failed than are logged one by one (--log-failures)");
});

/// Lines on WebSockets that were opened and closed.
pub(crate) static CONNECTIONS: Throttle = Throttle::new(|lines| {
    info!(parent: None, lines, "more connections were opened and closed than are logged one by one (--log-connections)");
});

/// Lines on single messages.
pub(crate) static MESSAGES: Throttle = Throttle::new(|lines| {
    info!(parent: None, lines, "more messages came than are logged one by one (--log-messages)");
});

/// Logs a line that a peer caused, unless there are too many of its kind.
macro_rules! limited {
    ($throttle:ident, $level:ident, $($line:tt)+) => {
        if tracing::enabled!(tracing::Level::$level) && $crate::log::$throttle.admit() {
            tracing::event!(tracing::Level::$level, $($line)+);
        }
    };
}
pub(crate) use limited;

/// Logs a line on a connection or request that failed or was refused, unless there are too many of them.
macro_rules! failure {
    ($level:ident, $($line:tt)+) => {
        $crate::log::limited!(FAILURES, $level, $($line)+)
    };
}
pub(crate) use failure;

impl Throttle {
    const fn new(report: fn(u64)) -> Self {
        Self {
            limiter: Mutex::new(RateLimiter::new(Rate::per_second(
                LINES_PER_SECOND,
                LINES_PER_SECOND,
            ))),
            is_exceeded: AtomicBool::new(false),
            left_out: AtomicU64::new(0),
            report,
        }
    }

    /// Sets the number of lines per second.
    pub(super) fn set_limit(&self, lines: u32) {
        let mut limiter = lock(&self.limiter);
        limiter.set_rate(Rate::per_second(lines, lines));
    }

    /// Returns true if a line may be logged; otherwise counts it as left out.
    pub(crate) fn admit(&'static self) -> bool {
        if !self.is_exceeded.load(Ordering::Relaxed) {
            let now = Instant::now();
            let mut limiter = lock(&self.limiter);
            if limiter.admit(now).is_ok() {
                return true;
            }
            drop(limiter);
            self.pause();
        }
        self.left_out.fetch_add(1, Ordering::Relaxed);
        false
    }

    /// Admits nothing for a second, then reports what was left out, whether or not another line comes.
    fn pause(&'static self) {
        // Without a runtime the next line looks at the clock again, and the report comes at the end.
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        if !self.is_exceeded.swap(true, Ordering::Relaxed) {
            let pause = Pause(self);
            runtime.spawn(async move {
                tokio::time::sleep(PAUSE).await;
                drop(pause);
            });
        }
    }

    /// Reports what was left out and not reported yet.
    pub(super) fn report(&self) {
        let lines = self.left_out.swap(0, Ordering::Relaxed);
        if lines > 0 {
            (self.report)(lines);
        }
    }
}

/// Ends a pause when dropped, also if its runtime ends before the time is over.
struct Pause(&'static Throttle);

impl Drop for Pause {
    fn drop(&mut self) {
        self.0.is_exceeded.store(false, Ordering::Relaxed);
        self.0.report();
    }
}

/// Default number of lines per second: more than anybody reads, less than costs anything.
const LINES_PER_SECOND: u32 = 100;
/// Time after which a limit that was exceeded is looked at again.
const PAUSE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn lines_beyond_the_limit_are_counted_and_reported_once() {
        static REPORTED: AtomicU64 = AtomicU64::new(0);
        static THROTTLE: Throttle = Throttle::new(|lines| {
            REPORTED.fetch_add(lines, Ordering::Relaxed);
        });
        THROTTLE.set_limit(3);
        let admitted = (0..10).filter(|_| THROTTLE.admit()).count();
        assert_eq!(admitted, 3);
        assert_eq!(REPORTED.load(Ordering::Relaxed), 0);
        tokio::time::sleep(PAUSE + Duration::from_millis(1)).await;
        assert_eq!(REPORTED.load(Ordering::Relaxed), 7);
        THROTTLE.report();
        assert_eq!(REPORTED.load(Ordering::Relaxed), 7);
    }

    #[test]
    fn a_limit_of_zero_admits_nothing() {
        static THROTTLE: Throttle = Throttle::new(|_| {});
        THROTTLE.set_limit(0);
        assert!((0..10).all(|_| !THROTTLE.admit()));
        assert_eq!(THROTTLE.left_out.load(Ordering::Relaxed), 10);
    }
}
