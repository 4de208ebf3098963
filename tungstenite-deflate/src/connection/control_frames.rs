//! Received control frames, counted against their rate limit.

use std::time::Instant;

use super::Clock;
use crate::control_rate::ControlRate;
use crate::error::ProtocolError;

/// The control frames that a peer has sent.
#[derive(Debug, Default)]
pub(super) struct ControlFrames {
    /// Instant at which the bucket will be full again, if it is not.
    full_at: Option<Instant>,
    /// Pings of ours whose Pongs are still to come.
    pings: u32,
}

impl ControlFrames {
    /// Notes that a Ping was sent: one Pong is solicited.
    pub(super) fn note_ping(&mut self) {
        self.pings = self.pings.saturating_add(1);
    }

    /// Counts a Pong, for which the clock is read only if it is unsolicited.
    ///
    /// # Errors
    /// As for [`count_ping`](Self::count_ping).
    pub(super) fn count_pong(
        &mut self,
        rate: Option<ControlRate>,
        clock: impl Clock,
    ) -> Result<(), ProtocolError> {
        if self.pings > 0 {
            self.pings -= 1;
            return Ok(());
        }
        self.count_ping(rate, clock)
    }

    /// Counts a Ping.
    ///
    /// # Errors
    /// The limit [`control_rate`](crate::Limits::control_rate) is exceeded.
    pub(super) fn count_ping(
        &mut self,
        rate: Option<ControlRate>,
        clock: impl Clock,
    ) -> Result<(), ProtocolError> {
        match rate {
            Some(rate) if !self.take(rate, clock.now()) => {
                Err(ProtocolError::TooManyControlFrames {
                    burst: rate.burst,
                    per_second: rate.per_second,
                })
            }
            _ => Ok(()),
        }
    }

    /// Takes one token out of the bucket, if there is one.
    fn take(&mut self, rate: ControlRate, now: Instant) -> bool {
        let Some(others) = rate.burst.checked_sub(1) else {
            return false;
        };
        let interval = rate.interval();
        let full_at = self.full_at.map_or(now, |full_at| full_at.max(now));
        if full_at.duration_since(now) > interval.saturating_mul(others) {
            return false;
        }
        self.full_at = full_at.checked_add(interval);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn rate(burst: u32, per_second: u32) -> ControlRate {
        ControlRate::default().burst(burst).per_second(per_second)
    }

    /// Returns how many of `of` Pings are permitted at `now`.
    fn taken(frames: &mut ControlFrames, rate: ControlRate, now: Instant, of: usize) -> usize {
        (0..of)
            .take_while(|_| frames.count_ping(Some(rate), now).is_ok())
            .count()
    }

    #[test]
    fn r6_a_burst_is_taken_and_no_more_until_time_has_passed() {
        let start = Instant::now();
        let mut frames = ControlFrames::default();
        assert_eq!(taken(&mut frames, rate(3, 10), start, 10), 3);
        let later = |milliseconds| start + Duration::from_millis(milliseconds);
        assert_eq!(taken(&mut frames, rate(3, 10), later(99), 10), 0);
        assert_eq!(taken(&mut frames, rate(3, 10), later(100), 10), 1);
        assert_eq!(taken(&mut frames, rate(3, 10), later(300), 10), 2);
        assert_eq!(
            taken(&mut frames, rate(3, 10), later(60_000), 10),
            3,
            "never more"
        );
    }

    #[test]
    fn r6_the_rate_may_go_on_for_ever() {
        let start = Instant::now();
        let mut frames = ControlFrames::default();
        for number in 0..1000 {
            let now = start + Duration::from_millis(100 * number);
            assert_eq!(taken(&mut frames, rate(3, 10), now, 1), 1, "{number}");
        }
    }

    #[test]
    fn r6_pongs_that_were_asked_for_are_free() {
        let now = Instant::now();
        let mut frames = ControlFrames::default();
        let pong = |frames: &mut ControlFrames| frames.count_pong(Some(rate(3, 10)), now);
        for _ in 0..100 {
            frames.note_ping();
        }
        for number in 0..103 {
            assert_eq!(pong(&mut frames), Ok(()), "{number}");
        }
        let refused = ProtocolError::TooManyControlFrames {
            burst: 3,
            per_second: 10,
        };
        assert_eq!(pong(&mut frames), Err(refused));
    }

    #[test]
    fn r6_the_ends_of_the_range_mean_what_they_say() {
        let now = Instant::now();
        let mut frames = ControlFrames::default();
        assert_eq!(taken(&mut frames, rate(0, 100), now, 1), 0);
        assert_eq!(taken(&mut frames, rate(1, 0), now, 2), 1);
        let second = now + Duration::from_secs(1);
        assert_eq!(taken(&mut frames, rate(1, 0), second, 2), 1);
        let mut frames = ControlFrames::default();
        assert_eq!(taken(&mut frames, rate(u32::MAX, 0), now, 1000), 1000);
    }
}
