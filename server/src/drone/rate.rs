//! How many commands one connection may give: a bucket of tokens.

use std::time::Instant;

/// Commands that may come at once.
///
/// A person or a page gives a handful a second; a program that flies along a list sends a few dozen at once.
pub const BURST: f64 = 400.0;

/// Commands per second that may go on for ever; the drone itself moves twenty times a second.
pub const PER_SECOND: f64 = 50.0;

/// The commands that one connection has left.
#[derive(Debug, Clone)]
pub struct CommandRate {
    left: f64,
    counted_at: Instant,
}

impl CommandRate {
    /// A full allowance at the instant `now`.
    pub fn new(now: Instant) -> Self {
        Self {
            left: BURST,
            counted_at: now,
        }
    }

    /// Takes one command; `false` when there was none left to take.
    pub fn take(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.counted_at).as_secs_f64();
        self.counted_at = now;
        self.left = (self.left + passed * PER_SECOND).min(BURST);
        if self.left < 1.0 {
            return false;
        }
        self.left -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn four_hundred_at_once_are_taken_and_no_more() {
        let now = Instant::now();
        let mut rate = CommandRate::new(now);
        let taken = (0..1000).take_while(|_| rate.take(now)).count();
        assert_eq!(taken, 400);
        assert!(!rate.take(now + Duration::from_millis(10)));
        assert!(rate.take(now + Duration::from_millis(40)));
    }

    #[test]
    fn fifty_a_second_go_on_for_ever() {
        let start = Instant::now();
        let mut rate = CommandRate::new(start);
        for command in 0..5000_u64 {
            assert!(
                rate.take(start + Duration::from_millis(20 * command)),
                "{command}"
            );
        }
    }
}
