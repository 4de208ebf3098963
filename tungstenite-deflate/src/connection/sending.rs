//! Messages to queued frames: whether one may be sent, and what is done to it before.

use std::time::Instant;

use bytes::{Buf, Bytes, BytesMut};

use super::Connection;
use super::closing::State;
use crate::deflate::Compression;
use crate::error::SendError;
use crate::frame::{Header, MAX_CONTROL_PAYLOAD, Opcode};
use crate::prepared::PreparedMessage;
use crate::tungstenite::Message;
use crate::tungstenite::protocol::Role;

/// # Sending
impl Connection {
    /// Queues a message; compression as the options say.
    ///
    /// # Errors
    /// The message cannot be sent; nothing was queued. See [`SendError`].
    pub fn send(&mut self, message: Message, now: Instant) -> Result<(), SendError> {
        self.send_with(message, Compression::Auto, now)
    }

    /// Queues a message with a choice of its own about compression.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_with(
        &mut self,
        message: Message,
        compression: Compression,
        now: Instant,
    ) -> Result<(), SendError> {
        self.send_by_clock(message, compression, || now)
    }

    /// As [`send_with`](Self::send_with), but asks the clock for a Close only.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub(crate) fn send_by_clock(
        &mut self,
        message: Message,
        compression: Compression,
        clock: impl Fn() -> Instant,
    ) -> Result<(), SendError> {
        self.check_open()?;
        if !self.has_room(message.len().saturating_add(Header::MAX_BYTES)) {
            return Err(SendError::QueueFull(Box::new(message)));
        }
        match message {
            Message::Text(text) => self.send_data(Opcode::Text, text.into(), compression)?,
            Message::Binary(payload) => self.send_data(Opcode::Binary, payload, compression)?,
            Message::Ping(payload) => {
                self.send_control(Opcode::Ping, payload)?;
                self.control_frames.note_ping();
            }
            Message::Pong(payload) => self.send_control(Opcode::Pong, payload)?,
            Message::Close(frame) => self.start_close(frame, &clock)?,
            Message::Frame(frame) => self.send_frame(frame, &clock)?,
        }
        Ok(())
    }

    /// Queues a message that many connections send. Its frames are made once and shared where the wire bytes are the
    /// same for all: by servers, without context takeover and without `fragment_bytes`. Others send it like any message.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_prepared(
        &mut self,
        prepared: &PreparedMessage,
        now: Instant,
    ) -> Result<(), SendError> {
        self.send_prepared_by_clock(prepared, || now)
    }

    /// As [`send_prepared`](Self::send_prepared); see [`send_by_clock`](Self::send_by_clock).
    pub(crate) fn send_prepared_by_clock(
        &mut self,
        prepared: &PreparedMessage,
        clock: impl Fn() -> Instant,
    ) -> Result<(), SendError> {
        let shared = self.check_open().is_ok()
            && self.role() == Role::Server
            && self.options.fragment_bytes.is_none()
            && self
                .agreed
                .is_none_or(|agreed| agreed.server_no_context_takeover);
        if !shared {
            return self.send_by_clock(prepared.message().clone(), Compression::Auto, clock);
        }
        if self.unfinished.is_some() {
            return Err(SendError::MessageUnfinished);
        }
        let frames = prepared.frames(self.agreed);
        if !self.has_room(frames.len()) {
            return Err(SendError::QueueFull(Box::new(prepared.message().clone())));
        }
        self.queue.push_encoded(frames);
        Ok(())
    }

    /// The bytes to write, in order; advance it by what the transport took. Empty when there is nothing to write.
    pub fn outgoing(&mut self) -> &mut impl Buf {
        self.queue.next_bytes(self.options.fragment_bytes)
    }

    /// Bytes that the transport has taken so far; a slow reader shows by how this grows.
    pub fn written_bytes(&self) -> u64 {
        self.queue.written_bytes()
    }

    /// Notes for the deadlines what the transport has taken: call it when [`outgoing`](Self::outgoing) is empty or the
    /// transport takes no more. Asks the clock only if a deadline depends on it. Without this call the next
    /// [`handle_timeout`](Self::handle_timeout) sees it, so that deadlines may pass later, never earlier.
    #[inline]
    pub fn handle_written(&mut self, clock: impl FnOnce() -> Instant) {
        let written = self.queue.written_bytes();
        let waiting = self.queue.bytes() > 0;
        let least = self.options.limits.min_progress_bytes;
        self.timers.note_written(written, waiting, least, clock);
    }

    /// Bytes queued and not yet taken by the transport.
    pub fn outgoing_bytes(&self) -> usize {
        self.queue.bytes()
    }

    /// The byte stream takes no more bytes: drops what is queued, and queues nothing from now on.
    pub fn transmit_failed(&mut self) {
        self.queue.close();
    }

    /// Reports whether a message may be sent, as tungstenite tells it.
    fn check_open(&self) -> Result<(), SendError> {
        match self.state {
            State::Open if !self.queue.is_gone() => Ok(()),
            State::CloseSent | State::Closed | State::Failed => Err(SendError::AfterClose),
            State::Open | State::Ended => Err(SendError::Closed),
        }
    }

    /// Whether so many bytes more are not too many to be queued.
    fn has_room(&self, bytes: usize) -> bool {
        self.outgoing_bytes().saturating_add(bytes) <= self.options.websocket.max_write_buffer_size
    }

    fn send_data(
        &mut self,
        opcode: Opcode,
        payload: Bytes,
        compression: Compression,
    ) -> Result<(), SendError> {
        if self.unfinished.is_some() {
            return Err(SendError::MessageUnfinished);
        }
        let fragment_bytes = self.options.fragment_bytes;
        if let Some(codec) = &mut self.codec {
            let mut compressed = BytesMut::new();
            if codec.deflate(&payload, compression, &mut compressed) {
                let payload = compressed.freeze();
                self.queue
                    .push_data(opcode, true, true, payload, fragment_bytes);
                return Ok(());
            }
        }
        self.queue
            .push_data(opcode, true, false, payload, fragment_bytes);
        Ok(())
    }

    pub(super) fn send_control(&mut self, opcode: Opcode, payload: Bytes) -> Result<(), SendError> {
        if payload.len() > MAX_CONTROL_PAYLOAD {
            return Err(SendError::ControlFrameTooLong {
                bytes: payload.len(),
            });
        }
        self.queue.push_control(opcode, payload);
        Ok(())
    }
}
