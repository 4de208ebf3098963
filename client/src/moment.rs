//! Deadlines from lengths of time that people chose.

use std::time::Duration;

use tokio::time::Instant;

/// Stands for a moment that never comes: an `Instant` cannot name every one, and adding to it panics beyond that.
const NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// The moment `wait` after `start`; in 30 years for anything later.
pub(crate) fn after(start: Instant, wait: Duration) -> Instant {
    start + wait.min(NEVER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_length_of_time_is_too_long() {
        let now = Instant::now();
        for wait in [
            Duration::MAX,
            Duration::from_secs(u64::MAX),
            Duration::from_secs_f64(9.2e18),
            NEVER * 2,
        ] {
            assert_eq!(after(now, wait), now + NEVER);
        }
        assert_eq!(
            after(now, Duration::from_secs(1)),
            now + Duration::from_secs(1)
        );
    }
}
