//! Rate limiting by the generic cell rate algorithm (GCRA, ITU-T I.371).
//!
//! A [`Rate`] is a burst and a sustained rate, a [`RateLimiter`] applies it to one subject, and a [`KeyedRateLimiter`]
//! to many, in a table of bounded size. The caller passes the instant, so that tests need no clock.
//!
//! The crate governor has the same algorithm. Its keyed stores grow without a bound and it reads a clock of its own; the
//! bounded table, which is the larger part of this module, would have to be written all the same.
//!
//! ```
//! use std::time::{Duration, Instant};
//! use values::limiter::{Rate, RateLimiter};
//!
//! let mut limiter = RateLimiter::new(Rate::per_second(2, 10));
//! let now = Instant::now();
//! assert!(limiter.admit(now).is_ok());
//! assert!(limiter.admit(now).is_ok());
//! let exceeded = limiter.admit(now).unwrap_err();
//! assert_eq!(exceeded.retry_after, Duration::from_millis(100));
//! ```

mod keyed;

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

pub use keyed::KeyedRateLimiter;

/// A burst and a sustained rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    burst: u32,
    /// The time after which one more event is permitted.
    interval: Duration,
}

/// The refusal of an event that exceeds a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// The time after which the same event is permitted, if no other is admitted before.
    /// [`Duration::MAX`] if it never is, because it alone exceeds the burst.
    pub retry_after: Duration,
}

/// Limits the events of one subject to a [`Rate`].
///
/// Its state is the instant at which the whole burst is available again; an event moves that instant by one interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimiter {
    rate: Rate,
    bucket: Bucket,
}

/// The state of one subject: when its burst is whole again, if it is not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Bucket {
    full_at: Option<Instant>,
}

impl Rate {
    /// `burst` events at once and `events` per second sustained.
    ///
    /// A burst of 0 admits nothing. A rate of 0 counts as 1, one of more than 10⁹ as 10⁹.
    pub const fn per_second(burst: u32, events: u32) -> Self {
        Self::per(burst, events, Duration::from_secs(1))
    }

    /// `burst` events at once and `events` per `period` sustained, with the same bounds.
    pub const fn per(burst: u32, events: u32, period: Duration) -> Self {
        let events = if events == 0 { 1 } else { events };
        let Some(interval) = period.checked_div(events) else {
            unreachable!()
        };
        let interval = if interval.is_zero() {
            Duration::from_nanos(1)
        } else {
            interval
        };
        Self { burst, interval }
    }

    /// The maximum number of events at once.
    pub const fn burst(self) -> u32 {
        self.burst
    }
}

impl RateLimiter {
    /// A limiter whose whole burst is available.
    pub const fn new(rate: Rate) -> Self {
        Self {
            rate,
            bucket: Bucket { full_at: None },
        }
    }

    /// Counts one event.
    ///
    /// # Errors
    /// The event exceeds the rate; it has not been counted.
    pub fn admit(&mut self, now: Instant) -> Result<(), Exceeded> {
        self.admit_many(1, now)
    }

    /// Counts `events` at once, for example the bytes of a write: all of them or none.
    ///
    /// # Errors
    /// They exceed the rate; none has been counted.
    pub fn admit_many(&mut self, events: u32, now: Instant) -> Result<(), Exceeded> {
        self.bucket.admit(self.rate, events, now)
    }

    /// Looks if one event would be admitted, without counting it.
    ///
    /// # Errors
    /// It would exceed the rate.
    pub fn check(&self, now: Instant) -> Result<(), Exceeded> {
        self.bucket.check(self.rate, 1, now).map(drop)
    }

    /// Changes the rate; what has been counted stays counted.
    pub fn set_rate(&mut self, rate: Rate) {
        self.rate = rate;
    }
}

impl Bucket {
    /// Counts `events` if the rate permits them.
    fn admit(&mut self, rate: Rate, events: u32, now: Instant) -> Result<(), Exceeded> {
        self.full_at = Some(self.check(rate, events, now)?);
        Ok(())
    }

    /// The instant at which the burst is whole again if `events` are admitted at `now`.
    ///
    /// ```text
    /// now        full_at           + events × interval
    ///  ├────────────┼────────────────────────┤
    ///  ├──────── at most burst × interval ───┤
    /// ```
    fn check(&self, rate: Rate, events: u32, now: Instant) -> Result<Instant, Exceeded> {
        let missing = self.missing(now);
        let cost = rate.interval.saturating_mul(events);
        let capacity = rate.interval.saturating_mul(rate.burst);
        let total = missing.saturating_add(cost);
        // An instant that cannot be expressed lies beyond every capacity that makes sense.
        match now.checked_add(total) {
            Some(full_at) if events <= rate.burst && total <= capacity => Ok(full_at),
            _ if events > rate.burst => Err(Exceeded {
                retry_after: Duration::MAX,
            }),
            _ => Err(Exceeded {
                retry_after: total.saturating_sub(capacity),
            }),
        }
    }

    /// The time until the burst is whole.
    fn missing(&self, now: Instant) -> Duration {
        self.full_at.map_or(Duration::ZERO, |full_at| {
            full_at.saturating_duration_since(now)
        })
    }

    /// Tells if the burst is whole, as that of a subject never seen.
    fn is_full(&self, now: Instant) -> bool {
        self.missing(now).is_zero()
    }
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.retry_after == Duration::MAX {
            return f.write_str("larger than the burst of the rate limit");
        }
        let seconds = self.retry_after.as_secs_f64();
        write!(f, "rate limit exceeded, retry in {seconds:.1} s")
    }
}

impl std::error::Error for Exceeded {}

/// The network that counts as one address: an IPv4 address, also in its mapped form, or an IPv6 /64, which one host can
/// fill.
pub fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests;
