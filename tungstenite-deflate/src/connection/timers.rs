//! The instants that matter to deadlines, and what is due at one.

use std::time::{Duration, Instant};

use super::Clock;
use crate::error::ProtocolError;
use crate::options::Options;

/// The instants that matter to deadlines. A deadline is a time without progress, so progress restarts most of them.
///
/// The time of the last arrival is exact where the instant is [at hand](Clock::at_hand). Reading a clock costs more than
/// parsing a small frame, so a busy connection otherwise only notes *that* something arrived, and samples it every
/// quarter of the ping interval.
#[derive(Debug)]
pub(super) struct Timers {
    /// `None` without deadlines, where nobody reads a clock.
    last_received: Option<Instant>,
    /// Precision with which `last_received` is known.
    precision: Precision,
    /// Our Ping that is not answered.
    ping: Option<AwaitedAnswer>,
    /// The message that is not there whole.
    unfinished: Option<UnfinishedMessage>,
    /// Our Close.
    close: Option<AwaitedAnswer>,
    writing: WriteProgress,
    /// Instant at which the program stopped asking for messages, if a deadline stands still since then.
    paused: Option<Instant>,
}

/// A control frame that the peer has to answer.
#[derive(Debug)]
struct AwaitedAnswer {
    /// Instant at which it was queued; then of the last progress of writing, and at which it was written.
    since: Instant,
    /// Bytes that the transport will have taken with it; `None` if that is all that is queued.
    end: Option<u64>,
    written: bool,
}

/// A message that is not there whole.
#[derive(Debug)]
struct UnfinishedMessage {
    /// Instant at which it began, or progressed last.
    since: Instant,
    /// Bytes that had arrived of it then.
    bytes: u64,
}

/// The transport's progress. Only what it takes after it made us wait shows that the peer reads.
#[derive(Debug, Default)]
struct WriteProgress {
    /// Bytes were left when the transport took no more.
    waits: bool,
    /// Bytes taken at the last progress, or when the wait began.
    written: u64,
    /// Instant of that, if it waits and there is a deadline.
    since: Option<Instant>,
}

impl WriteProgress {
    /// Notes what is taken now. Returns whether that is progress.
    fn note(&mut self, written: u64, waits: bool, minimum: usize) -> bool {
        let fresh = written - self.written;
        let progress = self.waits && fresh > 0 && (!waits || fresh >= minimum as u64);
        if progress || !self.waits {
            self.written = written;
        }
        self.waits = waits;
        progress
    }
}

impl AwaitedAnswer {
    /// The transport has taken `written` bytes in all; `progress` if that shows that the peer reads.
    fn note(&mut self, written: u64, waits: bool, progress: bool, now: Instant) {
        let out = self.end.map_or(!waits, |end| written >= end);
        if progress || (out && !self.written) {
            self.since = now;
        }
        self.written |= out;
    }
}

/// Precision with which the time of the last arrival is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Precision {
    /// Nothing has arrived since the noted instant.
    Exact,
    /// Something may have arrived since, at most one sample ago; `arrived` if it has.
    Sampled { arrived: bool },
}

/// Timer that has fired.
#[derive(Debug)]
pub(super) enum Due {
    /// A Ping is to be sent.
    Ping,
    /// The peer has not ended what the closing handshake left to it within `allowed`.
    CloseOverdue { allowed: Duration },
    /// The peer let another deadline pass: the connection is to be failed.
    Violation(ProtocolError),
}

/// Samples per ping interval of whether a busy connection is still busy. Its Ping comes at most one sample late.
const SAMPLES: u32 = 4;

impl Timers {
    pub(super) fn new(now: Option<Instant>) -> Self {
        Self {
            last_received: now,
            precision: Precision::Exact,
            ping: None,
            unfinished: None,
            close: None,
            writing: WriteProgress::default(),
            paused: None,
        }
    }

    /// Notes that something arrived. A clock that costs something is read at the first arrival after silence only.
    #[inline]
    pub(super) fn note_arrival(&mut self, clock: impl Clock) {
        let answered = self.ping.take().is_some();
        if let Some(now) = clock.at_hand() {
            self.last_received = Some(now);
            self.precision = Precision::Exact;
        } else if answered || self.precision == Precision::Exact {
            self.last_received = Some(clock.now());
            self.precision = Precision::Sampled { arrived: false };
        } else {
            self.precision = Precision::Sampled { arrived: true };
        }
    }

    /// The beginning of a message is there, its end is not; `arrived` bytes of its payload are, and `minimum` bytes more are
    /// progress.
    #[inline]
    pub(super) fn note_unfinished(&mut self, arrived: u64, minimum: usize, clock: impl Clock) {
        match &self.unfinished {
            Some(before) if arrived - before.bytes < minimum.max(1) as u64 => {}
            _ => {
                self.unfinished = Some(UnfinishedMessage {
                    since: clock.now(),
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

    /// Our Close was queued, after all else.
    pub(super) fn note_close(&mut self, now: Instant) {
        self.close = Some(AwaitedAnswer {
            since: now,
            end: None,
            written: false,
        });
    }

    /// A Ping was queued, which ends at byte `end` of what is written.
    pub(super) fn note_ping(&mut self, end: u64, now: Instant) {
        self.ping = Some(AwaitedAnswer {
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
        minimum: usize,
        clock: impl Clock,
    ) {
        let progress = self.writing.note(written, waits, minimum);
        if waits || self.ping.is_some() || self.close.is_some() {
            self.note_sent(written, waits, progress, clock.now());
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
    pub(super) fn pause(&mut self, clock: impl Clock) {
        if self.unfinished.is_some() || self.ping.is_some() {
            self.paused = Some(clock.now());
        }
    }

    /// The program asks for more: what waits for the peer begins as much later.
    #[inline]
    pub(super) fn resume(&mut self, clock: impl Clock) {
        if let Some(paused) = self.paused.take() {
            let now = clock.now();
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
                        self.last_received?.checked_add(keepalive.ping_interval)
                    }
                    // Arrivals are noted without the clock, and dated by samples at a fraction of the interval.
                    (None, Precision::Sampled { .. }) => self
                        .last_received?
                        .checked_add(keepalive.ping_interval / SAMPLES),
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
        self.sample(now);
        let silent = passed(self.last_received, keepalive.ping_interval);
        (silent && self.ping.is_none()).then_some(Due::Ping)
    }

    /// Moves the last arrival to `now` if something arrived since the sample before.
    fn sample(&mut self, now: Instant) {
        match self.precision {
            Precision::Sampled { arrived: true } => {
                self.last_received = Some(now);
                self.precision = Precision::Sampled { arrived: false };
            }
            Precision::Sampled { arrived: false } => self.precision = Precision::Exact,
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
        let mut timers = Timers::new(Some(begun));
        for _ in 0..10 {
            timers.note_arrival(clock);
        }
        assert_eq!(asked.get(), 1);
        let interval = Keepalive::default().ping_interval;
        for samples in 1..=3 {
            if let Some(Due::Ping) = timers.due(begun + interval * samples, &options, true) {
                timers.note_ping(6, begun + interval * samples);
            }
        }
        assert!(timers.ping.is_some());
        timers.note_arrival(clock);
        assert_eq!(asked.get(), 2);
        timers.note_arrival(clock);
        assert_eq!(asked.get(), 2);
    }
}
