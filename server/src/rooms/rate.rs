//! How many messages one member may send: a bucket of tokens.

use std::time::Instant;

/// A bucket that holds `burst` tokens and gets `per_second` new ones a second.
#[derive(Clone, Debug)]
pub struct Rate {
    burst: f64,
    per_second: f64,
    left: f64,
    counted_at: Instant,
}

impl Rate {
    /// A full bucket at the instant `now`.
    pub fn new(burst: f64, per_second: f64, now: Instant) -> Self {
        Self {
            burst,
            per_second,
            left: burst,
            counted_at: now,
        }
    }

    /// Takes a token; `false` when there was none left to take.
    pub fn take(&mut self, now: Instant) -> bool {
        self.fill(now);
        if self.left < 1.0 {
            return false;
        }
        self.left -= 1.0;
        true
    }

    /// Whether there is a token, which stays where it is.
    pub fn has_one(&mut self, now: Instant) -> bool {
        self.fill(now);
        self.left >= 1.0
    }

    /// Whether nothing has been taken for so long that this bucket is like a new one.
    pub fn is_full(&mut self, now: Instant) -> bool {
        self.fill(now);
        self.left >= self.burst
    }

    fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.counted_at).as_secs_f64();
        self.counted_at = now;
        self.left = (self.left + passed * self.per_second).min(self.burst);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_is_taken_and_then_as_many_as_come_in() {
        let now = Instant::now();
        let mut rate = Rate::new(10.0, 5.0, now);
        assert_eq!((0..100).take_while(|_| rate.take(now)).count(), 10);
        let later = now + Duration::from_secs(1);
        assert_eq!((0..100).take_while(|_| rate.take(later)).count(), 5);
        assert!(!rate.is_full(later));
        assert!(rate.is_full(later + Duration::from_secs(2)));
    }
}
