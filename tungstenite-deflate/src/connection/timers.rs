//! The instants that matter to deadlines, and what is due at one.

use std::time::{Duration, Instant};

use crate::error::ProtocolError;
use crate::options::Options;

/// The instants that matter to deadlines. A deadline is a time without progress, so most of them begin anew with it.
///
/// Those that say since when nothing has arrived are exact for who asks the clock at every arrival. Asking a clock costs
/// more than parsing a small frame, so while a connection is busy others only note *that* something arrived, and look
/// at the clock every quarter of the ping interval.
#[derive(Debug)]
pub(super) struct Timers {
    last_received: Instant,
    /// How exactly `last_received` is known.
    precision: Precision,
    /// Our Ping that is not answered.
    ping: Option<Sent>,
    /// The message that is not there whole.
    unfinished: Option<Unfinished>,
    /// Our Close.
    close: Option<Sent>,
    writing: Writing,
    /// When the program stopped asking for messages, if it does not and a deadline stands still meanwhile.
    paused: Option<Instant>,
}

/// A control frame that the peer has to answer.
#[derive(Debug)]
struct Sent {
    /// When it was queued; then the last progress of writing, and when it was written.
    since: Instant,
    /// Bytes that the transport will have taken with it; `None` if that is all that is queued.
    end: Option<u64>,
    written: bool,
}

/// A message that is not there whole.
#[derive(Debug)]
struct Unfinished {
    /// When it began, or progressed last.
    since: Instant,
    /// Bytes that had arrived of it then.
    bytes: u64,
}

/// The transport's progress. Only what it takes after it made us wait shows that the peer reads.
#[derive(Debug, Default)]
struct Writing {
    /// Bytes were left when the transport took no more.
    waits: bool,
    /// Bytes taken at the last progress, or when the wait began.
    written: u64,
    /// When that was, if it waits and there is a deadline.
    since: Option<Instant>,
}

impl Writing {
    /// Notes what is taken now, and tells whether that is progress.
    fn note(&mut self, written: u64, waits: bool, least: usize) -> bool {
        let fresh = written - self.written;
        let progress = self.waits && fresh > 0 && (!waits || fresh >= least as u64);
        if progress || !self.waits {
            self.written = written;
        }
        self.waits = waits;
        progress
    }
}

impl Sent {
    /// The transport has taken `written` bytes in all; `progress` if that shows that the peer reads.
    fn note(&mut self, written: u64, waits: bool, progress: bool, now: Instant) {
        let out = self.end.map_or(!waits, |end| written >= end);
        if progress || (out && !self.written) {
            self.since = now;
        }
        self.written |= out;
    }
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
            ping: None,
            unfinished: None,
            close: None,
            writing: Writing::default(),
            paused: None,
        }
    }

    /// Something arrived at `now`.
    #[inline]
    pub(super) fn note_arrival_at(&mut self, now: Instant) {
        self.last_received = now;
        self.precision = Precision::Exact;
        self.ping = None;
    }

    /// Something arrived; when exactly is asked at the first arrival after silence only.
    #[inline]
    pub(super) fn note_arrival(&mut self, clock: &impl Fn() -> Instant) {
        let exact = self.ping.take().is_some() || self.precision == Precision::Exact;
        if exact {
            self.last_received = clock();
        }
        self.precision = Precision::ByLooks { heard: !exact };
    }

    /// The beginning of a message is there, its end is not; `arrived` bytes of its payload are, and `least` bytes more are
    /// progress.
    #[inline]
    pub(super) fn note_unfinished(
        &mut self,
        arrived: u64,
        least: usize,
        clock: &impl Fn() -> Instant,
    ) {
        match &self.unfinished {
            Some(before) if arrived - before.bytes < least.max(1) as u64 => {}
            _ => {
                self.unfinished = Some(Unfinished {
                    since: clock(),
                    bytes: arrived,
                });
            }
        }
    }

    /// Nothing is unfinished.
    #[inline]
    pub(super) fn note_finished(&mut self) {
        self.unfinished = None;
    }

    /// Our Close was queued, behind all else.
    pub(super) fn note_close(&mut self, now: Instant) {
        self.close = Some(Sent {
            since: now,
            end: None,
            written: false,
        });
    }

    /// A Ping was queued, which ends at byte `end` of what is written.
    pub(super) fn note_ping(&mut self, end: u64, now: Instant) {
        self.ping = Some(Sent {
            since: now,
            end: Some(end),
            written: false,
        });
    }

    /// The transport has taken `written` bytes in all, and no more for now; `waits` if some are left.
    #[inline]
    pub(super) fn note_written(
        &mut self,
        written: u64,
        waits: bool,
        least: usize,
        clock: impl FnOnce() -> Instant,
    ) {
        let progress = self.writing.note(written, waits, least);
        if waits || self.ping.is_some() || self.close.is_some() {
            self.note_sent(written, waits, progress, clock());
        } else {
            self.writing.since = None;
        }
    }

    #[cold]
    fn note_sent(&mut self, written: u64, waits: bool, progress: bool, now: Instant) {
        if !waits {
            self.writing.since = None;
        } else if progress || self.writing.since.is_none() {
            self.writing.since = Some(now);
        }
        for sent in [&mut self.ping, &mut self.close].into_iter().flatten() {
            sent.note(written, waits, progress, now);
        }
    }

    /// The program does not ask for more.
    #[inline]
    pub(super) fn pause(&mut self, clock: impl FnOnce() -> Instant) {
        if self.unfinished.is_some() || self.ping.is_some() {
            self.paused = Some(clock());
        }
    }

    /// The program asks for more: what waits for the peer begins as much later.
    #[inline]
    pub(super) fn resume(&mut self, clock: impl FnOnce() -> Instant) {
        if let Some(paused) = self.paused.take() {
            let now = clock();
            let pause = now.saturating_duration_since(paused);
            let unfinished = self
                .unfinished
                .as_mut()
                .map(|unfinished| &mut unfinished.since);
            let ping = self.ping.as_mut().map(|ping| &mut ping.since);
            for since in [unfinished, ping].into_iter().flatten() {
                *since = (*since + pause).min(now);
            }
        }
    }

    /// The earliest instant at which something is [`due`](Self::due).
    pub(super) fn next(&self, options: &Options, receiving: bool) -> Option<Instant> {
        let after =
            |since: Option<Instant>, timeout: Option<Duration>| since?.checked_add(timeout?);
        let close = after(
            self.close.as_ref().map(|close| close.since),
            options.close_timeout,
        );
        if !receiving {
            return close;
        }
        let unfinished = after(
            self.unfinished.as_ref().map(|unfinished| unfinished.since),
            options.limits.unfinished_message_timeout,
        );
        let keepalive =
            options
                .keepalive
                .and_then(|keepalive| match (&self.ping, self.precision) {
                    (Some(ping), _) => ping.since.checked_add(keepalive.pong_timeout),
                    (None, Precision::Exact) => {
                        self.last_received.checked_add(keepalive.ping_interval)
                    }
                    (None, Precision::ByLooks { .. }) => self
                        .last_received
                        .checked_add(keepalive.ping_interval / LOOKS),
                });
        let writing = after(self.writing.since, options.write_timeout);
        [close, writing, unfinished, keepalive]
            .into_iter()
            .flatten()
            .min()
    }

    /// Returns the action due at `now`, if any.
    pub(super) fn due(&mut self, now: Instant, options: &Options, receiving: bool) -> Option<Due> {
        let passed = |since: Option<Instant>, timeout: Duration| {
            since.is_some_and(|since| now.saturating_duration_since(since) >= timeout)
        };
        let overdue = |since: Option<Instant>, timeout: Option<Duration>| {
            timeout.filter(|allowed| passed(since, *allowed))
        };
        if let Some(allowed) = overdue(
            self.close.as_ref().map(|close| close.since),
            options.close_timeout,
        ) {
            return Some(Due::CloseOverdue { allowed });
        }
        if !receiving {
            return None;
        }
        let unfinished = self.unfinished.as_ref().map(|unfinished| unfinished.since);
        if let Some(allowed) = overdue(unfinished, options.limits.unfinished_message_timeout) {
            let bytes = options.limits.min_progress_bytes;
            let violation = ProtocolError::UnfinishedMessage { bytes, allowed };
            return Some(Due::Violation(violation));
        }
        if let Some(allowed) = overdue(self.writing.since, options.write_timeout) {
            let bytes = options.limits.min_progress_bytes;
            let violation = ProtocolError::WriteStalled { bytes, allowed };
            return Some(Due::Violation(violation));
        }
        let keepalive = options.keepalive?;
        if passed(
            self.ping.as_ref().map(|ping| ping.since),
            keepalive.pong_timeout,
        ) {
            let allowed = keepalive.pong_timeout;
            return Some(Due::Violation(ProtocolError::PongOverdue { allowed }));
        }
        self.look(now);
        let silent = passed(Some(self.last_received), keepalive.ping_interval);
        (silent && self.ping.is_none()).then_some(Due::Ping)
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
            if let Some(Due::Ping) = timers.due(begun + interval * looks, &options, true) {
                timers.note_ping(6, begun + interval * looks);
            }
        }
        assert!(timers.ping.is_some());
        timers.note_arrival(&clock);
        assert_eq!(asked.get(), 2);
        timers.note_arrival(&clock);
        assert_eq!(asked.get(), 2);
    }
}
