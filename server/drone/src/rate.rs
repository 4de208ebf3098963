//! The rate limit for commands of one connection.

use values::limiter::Rate;

/// The rate of commands: 400 at once and 50 per second sustained.
///
/// A person or a page gives a handful a second; a program that flies along a list sends a few dozen at once. The drone
/// itself moves twenty times a second.
pub const COMMAND_RATE: Rate = Rate::per_second(400, 50);

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use values::limiter::RateLimiter;

    use super::*;

    #[test]
    fn four_hundred_at_once_are_taken_and_no_more() {
        let (mut limiter, now) = (RateLimiter::new(COMMAND_RATE), Instant::now());
        let admitted = (0..1000).filter(|_| limiter.admit(now).is_ok()).count();
        assert_eq!(admitted, 400);
        assert!(limiter.admit(now + Duration::from_millis(19)).is_err());
        assert!(limiter.admit(now + Duration::from_millis(20)).is_ok());
    }
}
