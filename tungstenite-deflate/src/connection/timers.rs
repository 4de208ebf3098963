//! The instants that matter to deadlines, and what is due at one.

use std::time::{Duration, Instant};

use crate::error::ProtocolError;
use crate::options::Options;

/// The instants that matter to deadlines.
///
/// Those that say since when nothing has arrived are exact for who asks the clock at every arrival. Asking a clock costs
/// more than parsing a small frame, so while a connection is busy others only note *that* something arrived, and look
/// at the clock every quarter of the ping interval.
#[derive(Debug)]
pub(super) struct Timers {
    last_received: Instant,
    /// How exactly `last_received` is known.
    precision: Precision,
    /// When the Ping that is not answered was queued.
    ping_queued: Option<Instant>,
    /// When the first byte of what is unfinished was seen.
    unfinished_since: Option<Instant>,
    /// When our Close was queued.
    close_queued: Option<Instant>,
}

/// How exactly the time of the last arrival is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Precision {
    /// Nothing has arrived since the noted instant.
    Exact,
    /// Something may have arrived since, at most one look ago; `heard` tells whether it has.
    ByLooks { heard: bool },
}

/// What is due.
#[derive(Debug)]
pub(super) enum Due {
    /// A Ping is to be sent.
    Ping,
    /// The peer has not ended what the closing handshake left to it within `allowed`.
    CloseOverdue { allowed: Duration },
    /// The peer let another deadline pass: the connection is to be failed.
    Violation(ProtocolError),
}

/// Looks per ping interval at whether a busy connection is still busy: its Ping comes at most so much later.
const LOOKS: u32 = 4;

impl Timers {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            last_received: now,
            precision: Precision::Exact,
            ping_queued: None,
            unfinished_since: None,
            close_queued: None,
        }
    }

    /// Something arrived at `now`.
    #[inline]
    pub(super) fn note_arrival_at(&mut self, now: Instant) {
        self.last_received = now;
        self.precision = Precision::Exact;
        self.ping_queued = None;
    }

    /// Something arrived; when exactly is asked at the first arrival after silence only.
    #[inline]
    pub(super) fn note_arrival(&mut self, clock: &impl Fn() -> Instant) {
        let exact = self.ping_queued.take().is_some() || self.precision == Precision::Exact;
        if exact {
            self.last_received = clock();
        }
        self.precision = Precision::ByLooks { heard: !exact };
    }

    /// The beginning of a message is there, its end is not.
    #[inline]
    pub(super) fn note_unfinished(&mut self, clock: &impl Fn() -> Instant) {
        if self.unfinished_since.is_none() {
            self.unfinished_since = Some(clock());
        }
    }

    /// Nothing is unfinished.
    #[inline]
    pub(super) fn note_finished(&mut self) {
        self.unfinished_since = None;
    }

    /// Our Close was queued.
    pub(super) fn note_close(&mut self, now: Instant) {
        self.close_queued = Some(now);
    }

    /// The earliest instant at which something is [`due`](Self::due).
    pub(super) fn next(&self, options: &Options, receiving: bool) -> Option<Instant> {
        let after =
            |since: Option<Instant>, timeout: Option<Duration>| since?.checked_add(timeout?);
        let close = after(self.close_queued, options.close_timeout);
        if !receiving {
            return close;
        }
        let unfinished = after(
            self.unfinished_since,
            options.limits.unfinished_message_timeout,
        );
        let keepalive =
            options
                .keepalive
                .and_then(|keepalive| match (self.ping_queued, self.precision) {
                    (Some(queued), _) => queued.checked_add(keepalive.pong_timeout),
                    (None, Precision::Exact) => {
                        self.last_received.checked_add(keepalive.ping_interval)
                    }
                    (None, Precision::ByLooks { .. }) => self
                        .last_received
                        .checked_add(keepalive.ping_interval / LOOKS),
                });
        [close, unfinished, keepalive].into_iter().flatten().min()
    }

    /// What is due at `now`, if anything is; a Ping counts as queued then.
    pub(super) fn due(&mut self, now: Instant, options: &Options, receiving: bool) -> Option<Due> {
        let passed = |since: Option<Instant>, timeout: Duration| {
            since.is_some_and(|since| now.saturating_duration_since(since) >= timeout)
        };
        let overdue = |since: Option<Instant>, timeout: Option<Duration>| {
            timeout.filter(|allowed| passed(since, *allowed))
        };
        if let Some(allowed) = overdue(self.close_queued, options.close_timeout) {
            return Some(Due::CloseOverdue { allowed });
        }
        if !receiving {
            return None;
        }
        let unfinished = options.limits.unfinished_message_timeout;
        if let Some(allowed) = overdue(self.unfinished_since, unfinished) {
            let violation = ProtocolError::UnfinishedMessage { allowed };
            return Some(Due::Violation(violation));
        }
        let keepalive = options.keepalive?;
        if passed(self.ping_queued, keepalive.pong_timeout) {
            let allowed = keepalive.pong_timeout;
            return Some(Due::Violation(ProtocolError::PongOverdue { allowed }));
        }
        self.look(now);
        let silent = passed(Some(self.last_received), keepalive.ping_interval);
        (silent && self.ping_queued.is_none()).then(|| {
            self.ping_queued = Some(now);
            Due::Ping
        })
    }

    /// Looks whether something arrived since the look before.
    fn look(&mut self, now: Instant) {
        match self.precision {
            Precision::ByLooks { heard: true } => {
                self.last_received = now;
                self.precision = Precision::ByLooks { heard: false };
            }
            Precision::ByLooks { heard: false } => self.precision = Precision::Exact,
            Precision::Exact => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::options::Keepalive;

    /// While a connection is busy the clock is asked at the first arrival after silence, and after a Ping.
    #[test]
    fn clock_is_asked_once_while_a_connection_is_busy() {
        let begun = Instant::now();
        let asked = Cell::new(0);
        let clock = || {
            asked.set(asked.get() + 1);
            begun
        };
        let options = Options::default().keepalive(Some(Keepalive::default()));
        let mut timers = Timers::new(begun);
        for _ in 0..10 {
            timers.note_arrival(&clock);
        }
        assert_eq!(asked.get(), 1);
        let interval = Keepalive::default().ping_interval;
        for looks in 1..=3 {
            timers.due(begun + interval * looks, &options, true);
        }
        assert!(timers.ping_queued.is_some());
        timers.note_arrival(&clock);
        assert_eq!(asked.get(), 2);
        timers.note_arrival(&clock);
        assert_eq!(asked.get(), 2);
    }
}
