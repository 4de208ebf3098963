//! Bytes to events: what arrives is taken apart, answered and counted.

use std::time::Instant;

use bytes::BytesMut;

use super::closing::State;
use super::{Connection, Event};
use crate::error::ProtocolError;
use crate::incoming::Rules;
use crate::tungstenite::Message;

/// # Receiving
impl Connection {
    /// Takes the next event out of `buffer`, leaving an incomplete frame where it is.
    ///
    /// Call again until it returns `None`, then write what [`outgoing`](Self::outgoing) holds. `buffer` must be the same
    /// each time: between calls bytes may only be appended to it.
    ///
    /// # Errors
    /// The peer broke the protocol. The fitting Close frame is already queued and further input is discarded
    /// (RFC 6455 §7.1.7); write the queue, then close the transport.
    pub fn receive(
        &mut self,
        buffer: &mut BytesMut,
        now: Instant,
    ) -> Result<Option<Event>, ProtocolError> {
        if buffer.len() > self.left_in_buffer {
            self.timers.note_arrival_at(now);
            self.left_in_buffer = buffer.len();
        }
        let mut received = None;
        self.receive_by_clock(buffer, || now, &mut received)?;
        if received.is_none() {
            self.check_unfinished(buffer)?;
        }
        Ok(received.map(Event::Message))
    }

    /// As [`receive`](Self::receive), but into `received`, which is empty, for the reason that
    /// [`Incoming::next`](crate::incoming::Incoming::next) tells; leaves text that is not there whole to
    /// [`check_unfinished`](Self::check_unfinished); and asks the clock only when something begins: the first arrival
    /// after silence, a message that is not there whole, a Close. While a connection is busy its keep-alive is kept by
    /// looks at every quarter of the interval, since asking a clock costs more than parsing a small frame.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    pub(crate) fn receive_by_clock(
        &mut self,
        buffer: &mut BytesMut,
        clock: impl Fn() -> Instant,
        received: &mut Option<Message>,
    ) -> Result<(), ProtocolError> {
        if self.is_receiving_over() {
            buffer.clear();
            return Ok(());
        }
        if buffer.len() > self.left_in_buffer && self.options.keepalive.is_some() {
            self.timers.note_arrival(&clock);
        }
        let rules = Rules {
            role: self.queue.role(),
            options: &self.options,
        };
        let codec = self.codec.as_deref_mut();
        let result = self.incoming.next(buffer, &rules, codec, received);
        self.left_in_buffer = buffer.len();
        result
            .and_then(|()| match received {
                Some(message) => self.control_frames.admit(message, &self.options, &clock),
                None => Ok(()),
            })
            .map_err(|error| self.discard_and_fail(buffer, error))?;
        self.note_unfinished(buffer, received.is_some(), &clock);
        if let Some(message) = received {
            self.answer(message, &clock);
        }
        Ok(())
    }

    /// Validates the text that has arrived of an unfinished frame; for callers of
    /// [`receive_by_clock`](Self::receive_by_clock) before they wait for more.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    pub(crate) fn check_unfinished(&mut self, buffer: &mut BytesMut) -> Result<(), ProtocolError> {
        let result = self.incoming.preview(buffer);
        result.map_err(|error| self.discard_and_fail(buffer, error))
    }

    /// Counts what is held while more is waited for: call it before waiting, with the memory of the buffer.
    ///
    /// # Errors
    /// [`unfinished_memory`](crate::Limits::unfinished_memory) is spent; as for [`receive`](Self::receive).
    pub fn hold(&mut self, buffered: usize) -> Result<(), ProtocolError> {
        let Some(held) = &mut self.held else {
            return Ok(());
        };
        let codec = self.codec.as_ref();
        let inflating = codec.map_or(0, |codec| codec.unfinished_bytes());
        let bytes = buffered
            .saturating_add(self.incoming.held_bytes())
            .saturating_add(inflating);
        let counted = if bytes <= FREE_BYTES { 0 } else { bytes };
        held.try_resize(counted).map_err(|spent| {
            let allowed = spent.limit;
            self.fail(ProtocolError::UnfinishedMemory { allowed })
        })
    }

    /// The program holds what it was given and does not ask for more: deadlines for what the peer sends stand still
    /// until [`resume_receiving`](Self::resume_receiving). Asks the clock only where there is such a deadline.
    #[inline]
    pub fn pause_receiving(&mut self, clock: impl FnOnce() -> Instant) {
        self.timers.pause(clock);
    }

    /// The program receives again, after [`pause_receiving`](Self::pause_receiving).
    #[inline]
    pub fn resume_receiving(&mut self, clock: impl FnOnce() -> Instant) {
        self.timers.resume(clock);
    }

    /// Bytes that the frame at the start of the buffer still needs to be whole; 0 if that is not known.
    pub fn bytes_wanted(&self, buffer: &BytesMut) -> usize {
        self.incoming.wanted().saturating_sub(buffer.len())
    }

    fn discard_and_fail(&mut self, buffer: &mut BytesMut, error: ProtocolError) -> ProtocolError {
        buffer.clear();
        self.left_in_buffer = 0;
        self.fail(error)
    }

    fn note_unfinished(
        &mut self,
        buffer: &BytesMut,
        progressed: bool,
        clock: &impl Fn() -> Instant,
    ) {
        if !self.incoming.is_unfinished() && (progressed || buffer.is_empty()) {
            self.timers.note_finished();
        } else if self.options.limits.unfinished_message_timeout.is_some() {
            let arrived = self.incoming.message_bytes(buffer.len());
            let least = self.options.limits.min_progress_bytes;
            self.timers.note_unfinished(arrived, least, clock);
        }
    }

    /// Answers what wants an answer.
    fn answer(&mut self, message: &Message, clock: &impl Fn() -> Instant) {
        match message {
            Message::Ping(payload) if self.state == State::Open => {
                self.queue.push_pong(payload.clone());
            }
            Message::Close(frame) => self.receive_close(frame.as_ref(), clock),
            _ => {}
        }
    }
}

/// Bytes of an unfinished message that do not count.
const FREE_BYTES: usize = 4096;
