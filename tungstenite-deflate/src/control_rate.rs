//! The rate limit for control frames, as a setting.

use std::time::Duration;

/// Rate limit for a peer's Pings and unsolicited Pongs (RFC 6455 §5.5.3).
///
/// A token bucket: each such frame takes a token, and `per_second` come back. Keep-alives of all kinds need a few a
/// minute, while answering a Ping costs several times what sending a prepared one does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ControlRate {
    /// Maximum burst, in frames. Default: 200; 0 permits none.
    pub burst: u32,
    /// Sustained rate, in frames a second. Default: 100; 0 counts as 1.
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

    /// Returns the time in which one token comes back.
    pub(crate) fn interval(self) -> Duration {
        Duration::from_secs(1) / self.per_second.max(1)
    }
}
