//! The present instant, where reading a clock costs more than what it is for.

use std::time::Instant;

/// True if the standard library has a clock: on `wasm32-unknown-unknown` reading it panics.
pub(crate) const HAS_CLOCK: bool = !cfg!(all(target_arch = "wasm32", target_os = "unknown"));

/// The present instant, which a [`Connection`](super::Connection) reads only when a deadline depends on it.
///
/// Reading a clock costs more than parsing a small frame, so the methods called for every message take a function that
/// reads it, such as `Instant::now`. An [`Instant`] serves as well, where there is one already or in tests.
///
/// Without deadlines, a [rate limit for control frames](crate::Limits::control_rate) and a [time after which idle contexts
/// give way](crate::deflate::ContextMemory::idle_timeout) it is never read. On `wasm32-unknown-unknown`, whose standard
/// library has no clock, the latter two are off by default, and [`Options::drop_in`](crate::Options::drop_in) has no deadline.
///
/// Instants must not go backwards from one call to the next.
pub trait Clock: Copy {
    /// Returns the present instant.
    fn now(&self) -> Instant;

    /// Returns the present instant if that costs nothing.
    ///
    /// With it a connection knows the time of each arrival. Without it, it reads the clock at the first arrival after
    /// silence, and then notes only that something arrived, so that a keep-alive Ping may come up to a quarter of
    /// [`ping_interval`](crate::Keepalive::ping_interval) late.
    fn at_hand(&self) -> Option<Instant> {
        None
    }
}

impl Clock for Instant {
    #[inline]
    fn now(&self) -> Instant {
        *self
    }

    #[inline]
    fn at_hand(&self) -> Option<Instant> {
        Some(*self)
    }
}

impl<F: Fn() -> Instant + Copy> Clock for F {
    #[inline]
    fn now(&self) -> Instant {
        self()
    }
}
