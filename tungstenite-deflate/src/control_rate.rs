//! How many control frames a peer may send.

use std::time::{Duration, Instant};

use crate::error::ProtocolError;
use crate::options::Options;
use crate::tungstenite::Message;

/// How many Pings, and Pongs that no Ping of ours asked for, a peer may send (RFC 6455 §5.5).
///
/// A bucket of tokens: each such frame takes one, and `per_second` come back. Keep-alives of all kinds need a few a
/// minute, while a Ping costs who answers it several times what it costs who has written it beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ControlRate {
    /// Frames taken at once after silence. Default: 200; 0 takes none.
    pub burst: u32,
    /// Frames a second that may go on for ever. Default: 100; 0 counts as 1.
    pub per_second: u32,
}

impl Default for ControlRate {
    fn default() -> Self {
        Self {
            burst: 200,
            per_second: 100,
        }
    }
}

impl ControlRate {
    /// Sets [`Self::burst`].
    pub fn burst(mut self, burst: u32) -> Self {
        self.burst = burst;
        self
    }

    /// Sets [`Self::per_second`].
    pub fn per_second(mut self, per_second: u32) -> Self {
        self.per_second = per_second;
        self
    }

    /// What one frame takes of the time to come.
    fn interval(self) -> Duration {
        Duration::from_secs(1) / self.per_second.max(1)
    }
}

/// The control frames that a peer has sent.
#[derive(Debug, Default)]
pub(crate) struct ControlFrames {
    /// When the bucket will be full again, if it is not.
    full_at: Option<Instant>,
    /// Pings of ours whose Pongs are still to come.
    pings: u32,
}

impl ControlFrames {
    /// We sent a Ping: one Pong is no flood.
    pub(crate) fn note_ping(&mut self) {
        self.pings = self.pings.saturating_add(1);
    }

    /// Counts what was received; the clock is asked for control frames alone.
    ///
    /// # Errors
    /// It is a control frame more than [`control_rate`](crate::Limits::control_rate) allows.
    pub(crate) fn admit(
        &mut self,
        message: &Message,
        options: &Options,
        clock: impl Fn() -> Instant,
    ) -> Result<(), ProtocolError> {
        match (message, options.limits.control_rate) {
            (Message::Pong(_), _) if self.pings > 0 => self.pings -= 1,
            (Message::Ping(_) | Message::Pong(_), Some(rate)) if !self.take(rate, clock()) => {
                return Err(ProtocolError::TooManyControlFrames {
                    burst: rate.burst,
                    per_second: rate.per_second,
                });
            }
            _ => {}
        }
        Ok(())
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
    use bytes::Bytes;

    use super::*;
    use crate::options::Limits;

    const RATE: ControlRate = ControlRate {
        burst: 3,
        per_second: 10,
    };

    fn options(rate: ControlRate) -> Options {
        Options::default().limits(Limits::default().control_rate(Some(rate)))
    }

    /// How many of so many Pings are taken at `now`.
    fn taken(frames: &mut ControlFrames, rate: ControlRate, now: Instant, of: usize) -> usize {
        let options = options(rate);
        let ping = || Message::Ping(Bytes::new());
        (0..of)
            .take_while(|_| frames.admit(&ping(), &options, || now).is_ok())
            .count()
    }

    #[test]
    fn r6_a_burst_is_taken_and_no_more_until_time_has_passed() {
        let start = Instant::now();
        let mut frames = ControlFrames::default();
        assert_eq!(taken(&mut frames, RATE, start, 10), 3);
        let later = |milliseconds| start + Duration::from_millis(milliseconds);
        assert_eq!(taken(&mut frames, RATE, later(99), 10), 0);
        assert_eq!(taken(&mut frames, RATE, later(100), 10), 1);
        assert_eq!(taken(&mut frames, RATE, later(300), 10), 2);
        assert_eq!(taken(&mut frames, RATE, later(60_000), 10), 3, "never more");
    }

    #[test]
    fn r6_the_rate_may_go_on_for_ever() {
        let start = Instant::now();
        let mut frames = ControlFrames::default();
        for number in 0..1000 {
            let now = start + Duration::from_millis(100 * number);
            assert_eq!(taken(&mut frames, RATE, now, 1), 1, "{number}");
        }
    }

    #[test]
    fn r6_pongs_that_were_asked_for_are_free() {
        let now = Instant::now();
        let mut frames = ControlFrames::default();
        let options = options(RATE);
        let pong = |frames: &mut ControlFrames| {
            let pong = Message::Pong(Bytes::new());
            frames.admit(&pong, &options, || now)
        };
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
        let rate = |burst, per_second| ControlRate { burst, per_second };
        let mut frames = ControlFrames::default();
        assert_eq!(taken(&mut frames, rate(0, 100), now, 1), 0);
        assert_eq!(taken(&mut frames, rate(1, 0), now, 2), 1);
        let second = now + Duration::from_secs(1);
        assert_eq!(taken(&mut frames, rate(1, 0), second, 2), 1);
        let mut frames = ControlFrames::default();
        assert_eq!(taken(&mut frames, rate(u32::MAX, 0), now, 1000), 1000);
    }
}
