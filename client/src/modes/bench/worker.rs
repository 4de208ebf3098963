//! One connection of the benchmark.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use hdrhistogram::Histogram;
use tokio::time::{Instant, sleep_until};
use tungstenite_deflate::tungstenite::{Error, Message};

use super::{histogram, micros};
use crate::connect::Connection;
use crate::modes::normal_closure;

/// What all connections share.
pub(super) struct Work {
    pub(super) payload: Message,
    pub(super) in_flight: usize,
    /// Time between two messages of one connection, when a rate is set.
    pub(super) interval: Option<Duration>,
    pub(super) measure_from: Instant,
    pub(super) end: Instant,
    /// Messages that may still be sent, when a count is set.
    pub(super) left: Option<AtomicU64>,
    pub(super) done: AtomicU64,
}

/// What one connection measured.
pub(super) struct Measured {
    pub(super) latency: Histogram<u64>,
    pub(super) messages: u64,
    pub(super) received_payload: u64,
    pub(super) wire: (u64, u64),
    /// Messages in each second of the measurement.
    pub(super) seconds: Vec<u64>,
    pub(super) last: Option<Instant>,
    pub(super) error: Option<String>,
}

/// One connection of the benchmark.
pub(super) struct Worker {
    connection: Connection,
    work: Arc<Work>,
    /// When each message on its way was sent; with a rate, when it was due.
    underway: VecDeque<Instant>,
    measured: Measured,
    wire_before: Option<(u64, u64)>,
}

enum Step {
    Sent,
    Received(usize),
    Other,
    Ended(String),
}

impl Worker {
    pub(super) fn new(connection: Connection, work: Arc<Work>) -> Self {
        let measured = Measured {
            latency: histogram(),
            messages: 0,
            received_payload: 0,
            wire: (0, 0),
            seconds: Vec::new(),
            last: None,
            error: None,
        };
        Self {
            connection,
            work,
            underway: VecDeque::new(),
            measured,
            wire_before: None,
        }
    }

    /// Sends and receives from `start` until the end, then closes.
    pub(super) async fn run(mut self, start: Instant) -> Measured {
        sleep_until(start).await;
        let mut due = start;
        let mut exhausted = false;
        // Replies may come for a while after the last message.
        let last_reply = self.work.end + PATIENCE;
        while !(self.underway.is_empty() && (exhausted || Instant::now() >= self.work.end)) {
            let now = Instant::now();
            exhausted |= now >= self.work.end;
            let has_room = !exhausted && self.underway.len() < self.work.in_flight;
            let may_send = has_room
                && (self.work.interval.is_none() || now >= due)
                && self.take_turn(&mut exhausted);
            if exhausted && self.underway.is_empty() {
                break;
            }
            let wake = if has_room && !may_send && !exhausted {
                due.min(last_reply)
            } else {
                last_reply.min(self.next_wake(now))
            };
            let step = tokio::select! {
                step = self.step(may_send) => step,
                () = sleep_until(wake) => Step::Other,
            };
            let now = Instant::now();
            if may_send && !matches!(step, Step::Sent) {
                self.give_back();
            }
            match step {
                Step::Sent => {
                    // A message that could not be sent when it was due has waited all the same: its latency counts
                    // from then (coordinated omission).
                    self.underway.push_back(if self.work.interval.is_some() {
                        due
                    } else {
                        now
                    });
                    due += self.work.interval.unwrap_or_default();
                }
                Step::Received(bytes) => self.count(bytes, now),
                Step::Other if now >= last_reply => {
                    self.measured.error = Some(format!(
                        "{} replies missing at the end",
                        self.underway.len()
                    ));
                    break;
                }
                Step::Other => {}
                Step::Ended(error) => {
                    self.measured.error = Some(error);
                    break;
                }
            }
        }
        self.finish().await
    }

    /// While sending pauses at the end, looks again when it is over.
    fn next_wake(&self, now: Instant) -> Instant {
        if now < self.work.end {
            self.work.end
        } else {
            self.work.end + PATIENCE
        }
    }

    /// Takes one message of the count, if one is set.
    fn take_turn(&self, exhausted: &mut bool) -> bool {
        let Some(left) = &self.work.left else {
            return true;
        };
        let took = left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            })
            .is_ok();
        *exhausted |= !took;
        took
    }

    fn give_back(&self) {
        if let Some(left) = &self.work.left {
            left.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Receives if something is there, else sends if that is wanted. Cancel safe.
    async fn step(&mut self, may_send: bool) -> Step {
        let stream = &mut self.connection.stream;
        let payload = &self.work.payload;
        let step = poll_fn(|cx| {
            match stream.poll_next_unpin(cx) {
                Poll::Ready(Some(Ok(message @ (Message::Text(_) | Message::Binary(_))))) => {
                    return Poll::Ready(Step::Received(message.len()));
                }
                Poll::Ready(Some(Ok(Message::Close(frame)))) => {
                    let code = frame.map_or(1005, |frame| u16::from(frame.code));
                    return Poll::Ready(Step::Ended(format!(
                        "closed with {code} ({})",
                        crate::close::close_name(code)
                    )));
                }
                Poll::Ready(Some(Ok(_))) => return Poll::Ready(Step::Other),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Step::Ended(kind(&error))),
                Poll::Ready(None) => return Poll::Ready(Step::Ended("connection lost".into())),
                Poll::Pending => {}
            }
            if may_send {
                match stream.poll_ready_unpin(cx) {
                    Poll::Ready(Ok(())) => {
                        return Poll::Ready(match stream.start_send_unpin(payload.clone()) {
                            Ok(()) => Step::Sent,
                            Err(error) => Step::Ended(kind(&error)),
                        });
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Step::Ended(kind(&error))),
                    Poll::Pending => {}
                }
            }
            match stream.poll_flush_unpin(cx) {
                Poll::Ready(Err(error)) => Poll::Ready(Step::Ended(kind(&error))),
                _ => Poll::Pending,
            }
        })
        .await;
        // Sizes of single messages are not wanted here, only the sums.
        let meter = &self.connection.details.meter;
        while meter.take_sent().is_some() {}
        while meter.take_received().is_some() {}
        step
    }

    fn count(&mut self, bytes: usize, now: Instant) {
        let Some(sent) = self.underway.pop_front() else {
            return;
        };
        self.work.done.fetch_add(1, Ordering::Relaxed);
        if now < self.work.measure_from {
            return;
        }
        if self.wire_before.is_none() {
            self.wire_before = Some(self.connection.details.meter.bytes());
            // What was sent before this moment is not measured, nor is this reply, whose bytes stand before it.
            return;
        }
        self.measured.messages += 1;
        self.measured.received_payload += bytes as u64;
        self.measured.last = Some(now);
        self.measured.latency.saturating_record(micros(now - sent));
        let second = usize::try_from((now - self.work.measure_from).as_secs()).unwrap_or(0);
        if self.measured.seconds.len() <= second {
            self.measured.seconds.resize(second + 1, 0);
        }
        self.measured.seconds[second] += 1;
    }

    async fn finish(mut self) -> Measured {
        let after = self.connection.details.meter.bytes();
        let before = self.wire_before.unwrap_or(after);
        self.measured.wire = (after.0 - before.0, after.1 - before.1);
        if self.measured.error.is_none() {
            let close = async {
                let _ = self
                    .connection
                    .stream
                    .send(Message::Close(Some(normal_closure())))
                    .await;
                while let Some(Ok(_)) = self.connection.stream.next().await {}
            };
            let _ = tokio::time::timeout(PATIENCE, close).await;
        }
        self.measured
    }
}

/// How long replies and closes may take after the end.
const PATIENCE: Duration = Duration::from_secs(5);

/// An error without its particulars, so that equal ones are counted together.
fn kind(error: &Error) -> String {
    match error {
        Error::Io(error) => format!("transport: {}", error.kind()),
        Error::Protocol(_) => "protocol".into(),
        Error::Capacity(_) => "message too big".into(),
        other => other.to_string(),
    }
}
