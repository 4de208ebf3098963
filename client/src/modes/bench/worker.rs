//! Drives one connection of a benchmark: warms it up, measures, closes.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::time::{Instant, sleep_until};

use super::link::{Link, Step, Turn};
use super::load::Work;
use super::open_links::{histogram, micros};
use crate::moment::after;
use crate::tally::{Compression, counted};

/// Measurements of one connection.
pub(super) struct Measured {
    pub(super) latency: Histogram<u64>,
    pub(super) messages: u64,
    pub(super) received_payload: u64,
    pub(super) wire: (u64, u64),
    pub(super) compression: Compression,
    /// Messages in each second of the measurement.
    pub(super) seconds: Vec<u64>,
    pub(super) last: Option<Instant>,
    pub(super) error: Option<String>,
}

impl Measured {
    fn nothing() -> Self {
        Self {
            latency: histogram(),
            messages: 0,
            received_payload: 0,
            wire: (0, 0),
            compression: Compression::default(),
            seconds: Vec::new(),
            last: None,
            error: None,
        }
    }

    /// Returns the result of a connection that ended before it began.
    pub(super) fn failed(error: String) -> Self {
        Self {
            error: Some(error),
            ..Self::nothing()
        }
    }
}

/// One connection of the benchmark.
pub(super) struct Worker {
    link: Link,
    work: Arc<Work>,
    measured: Measured,
    /// Instant at which the next message is due, when a rate is set.
    due: Instant,
    /// Since when one more message may be underway.
    room_since: Instant,
    /// From when the latency of the message that is due counts, once it is.
    starts: Option<Instant>,
    last_step: Instant,
}

/// Part of the benchmark that runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    WarmUp,
    Measurement,
}

impl Worker {
    pub(super) fn new(link: Link, work: Arc<Work>) -> Self {
        let now = Instant::now();
        Self {
            link,
            work,
            measured: Measured::nothing(),
            due: now,
            room_since: now,
            starts: None,
            last_step: now,
        }
    }

    /// Sends and receives from `start` until the end, then closes.
    pub(super) async fn run(mut self, start: Instant) -> Measured {
        if let Err(error) = self.link.wait(sleep_until(start)).await {
            self.link.close(LINGER).await;
            return Measured::failed(error);
        }
        self.due = start;
        self.last_step = start;
        // The warm-up ends when its last reply has come: no byte of it is measured, and every message measured is whole.
        let mut ended = self.exchange(Part::WarmUp, self.work.measure_from).await;
        let (before, compression) = (self.link.bytes(), self.link.compression());
        if ended.is_ok() {
            self.due = self.due.max(self.work.measure_from);
            ended = self.exchange(Part::Measurement, self.work.end).await;
        }
        let after = self.link.bytes();
        self.measured.wire = (after.0 - before.0, after.1 - before.1);
        let now = self.link.compression();
        self.measured.compression = Compression {
            before: now.before - compression.before,
            after: now.after - compression.after,
        };
        match ended {
            Ok(()) => self.link.close(CLOSE_PATIENCE).await,
            Err(error) => {
                self.measured.error = Some(error);
                self.link.close(LINGER).await;
            }
        }
        self.measured
    }

    /// Sends until `end` or until the count is used up, and waits for the replies.
    async fn exchange(&mut self, part: Part, end: Instant) -> Result<(), String> {
        let mut exhausted = false;
        loop {
            let now = Instant::now();
            // After the end nothing is sent, but the replies under way are waited for.
            exhausted |= now >= end;
            let has_room = !exhausted && self.link.underway() < self.work.in_flight;
            let is_due = self.work.interval.is_none() || now >= self.due;
            let may_send = has_room && is_due && self.take_turn(part, &mut exhausted);
            if exhausted && !may_send && self.link.underway() == 0 {
                return Ok(());
            }
            let turn = match (may_send, self.work.interval) {
                (false, _) => Turn::Wait,
                (true, None) => Turn::Send,
                (true, Some(_)) => Turn::SendDue(self.starts(now)),
            };
            let wake = self.wake(end, exhausted, has_room && !may_send);
            let step = tokio::select! {
                step = self.link.step(turn, &self.work.payload) => step,
                () = sleep_until(wake) => Step::Other,
            };
            // The count is shared: a message that was taken from it and not sent is another connection's to send.
            if may_send && !matches!(step, Step::Sent) && part == Part::Measurement {
                self.work.give_back();
            }
            self.take(part, step)?;
        }
    }

    /// From when the latency of the message that is due counts: from when it was due, if it found no room then and has
    /// waited all the same; else from when this side looked, since its timers go by milliseconds.
    fn starts(&mut self, now: Instant) -> Instant {
        let starts = if self.room_since > self.due {
            self.due
        } else {
            now
        };
        *self.starts.get_or_insert(starts)
    }

    /// Returns the instant of the next look without an event: a message is due, the end has come, or a reply is overdue.
    fn wake(&self, end: Instant, exhausted: bool, waits_for_due: bool) -> Instant {
        let mut wake = after(self.last_step, self.work.patience);
        if !exhausted {
            wake = if self.link.underway() == 0 {
                end
            } else {
                wake.min(end)
            };
            if waits_for_due {
                wake = wake.min(self.due);
            }
        }
        wake
    }

    fn take_turn(&self, part: Part, exhausted: &mut bool) -> bool {
        let took = part == Part::WarmUp || self.work.take_turn();
        *exhausted |= !took;
        took
    }

    fn take(&mut self, part: Part, step: Step) -> Result<(), String> {
        let now = Instant::now();
        match step {
            Step::Sent => {
                self.due = after(self.due, self.work.interval.unwrap_or_default());
                self.starts = None;
                self.last_step = now;
            }
            Step::Received(bytes, from) => {
                // It was full: latency with a rate counts from when the message was due or could be sent, whichever
                // is later.
                if self.link.underway() + 1 == self.work.in_flight {
                    self.room_since = now;
                }
                self.last_step = now;
                self.work.done.fetch_add(1, Ordering::Relaxed);
                if part == Part::Measurement {
                    self.count(bytes, now, from);
                }
            }
            Step::Other => {
                let missing = self.link.underway();
                if missing > 0 && now >= after(self.last_step, self.work.patience) {
                    let replies = counted(missing as u64, "reply");
                    return Err(format!("{replies} missing"));
                }
            }
            Step::Ended(error) => return Err(error),
        }
        Ok(())
    }

    fn count(&mut self, bytes: usize, now: Instant, from: Instant) {
        self.measured.messages += 1;
        self.measured.received_payload += bytes as u64;
        self.measured.last = Some(now);
        self.measured.latency.saturating_record(micros(now - from));
        let second = usize::try_from((now - self.work.measure_from).as_secs()).unwrap_or(0);
        if self.measured.seconds.len() <= second {
            self.measured.seconds.resize(second + 1, 0);
        }
        self.measured.seconds[second] += 1;
    }
}

/// Maximum time for the closing handshake.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);

/// Time limit for the end of a connection that has failed.
const LINGER: Duration = Duration::from_secs(1);
