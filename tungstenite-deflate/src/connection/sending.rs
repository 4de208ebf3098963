//! Messages to queued frames: the checks before one is sent, compression, and the output.

use bytes::{Buf, Bytes, BytesMut};

use super::{Clock, Connection, Lifecycle};
use crate::deflate::Compression;
use crate::error::SendError;
use crate::frame::{Header, MAX_CONTROL_PAYLOAD, Opcode};
use crate::prepared::PreparedMessage;
use crate::tungstenite::Message;
use crate::tungstenite::protocol::Role;

/// # Sending
impl Connection {
    /// Queues a message, compressed as the options say. The clock is read for a Close only.
    ///
    /// # Errors
    /// The message cannot be sent; nothing was queued. See [`SendError`].
    pub fn send(&mut self, message: Message, clock: impl Clock) -> Result<(), SendError> {
        self.send_with(message, Compression::Auto, clock)
    }

    /// Queues a message with a choice of its own about compression.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    pub fn send_with(
        &mut self,
        message: Message,
        compression: Compression,
        clock: impl Clock,
    ) -> Result<(), SendError> {
        self.check_open()?;
        // Judged before compression: a refused message has left no trace in the context.
        if !self.has_space_for(message.len().saturating_add(Header::MAX_BYTES)) {
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
            Message::Close(frame) => self.close(frame, clock)?,
            Message::Frame(frame) => self.send_frame(frame, clock)?,
        }
        Ok(())
    }

    /// Queues a message that many connections send. Its frames are made once and shared by servers without
    /// `fragment_bytes`. Others send it like any message.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    pub fn send_prepared(
        &mut self,
        prepared: &PreparedMessage,
        clock: impl Clock,
    ) -> Result<(), SendError> {
        // Clients mask each frame with its own key, and fragments depend on the receiver's options: both need frames
        // of their own.
        let shared = self.check_open().is_ok()
            && self.role() == Role::Server
            && self.options.fragment_bytes.is_none();
        if !shared {
            return self.send(prepared.message().clone(), clock);
        }
        if self.unfinished_send.is_some() {
            return Err(SendError::MessageUnfinished);
        }
        let (frames, sent) = prepared.frames(self.codec.as_deref());
        if !self.has_space_for(frames.len()) {
            return Err(SendError::QueueFull(Box::new(prepared.message().clone())));
        }
        self.queue.push_encoded(frames);
        if let Some(codec) = &mut self.codec {
            codec.note_prepared(prepared.message().len(), sent);
        }
        Ok(())
    }

    /// Returns the bytes to write, in order; advance it by what the transport took. Empty when there is nothing to write.
    pub fn outgoing(&mut self) -> &mut impl Buf {
        self.queue.next_bytes(self.options.fragment_bytes)
    }

    /// Returns the bytes that the transport has taken so far.
    pub fn written_bytes(&self) -> u64 {
        self.queue.written_bytes()
    }

    /// Notes for the deadlines how much the transport has taken: call it when [`outgoing`](Self::outgoing) is empty or
    /// the transport takes no more. Without this call the next [`handle_timeout`](Self::handle_timeout) does it, so that
    /// deadlines may pass later, never earlier.
    #[inline]
    pub fn handle_written(&mut self, clock: impl Clock) {
        if !self.options.uses_timers() {
            return;
        }
        let written = self.queue.written_bytes();
        let waiting = self.queue.bytes() > 0;
        let minimum = self.options.limits.min_progress_bytes;
        self.timers.note_written(written, waiting, minimum, clock);
    }

    /// Returns the bytes queued and not yet taken by the transport.
    pub fn outgoing_bytes(&self) -> usize {
        self.queue.bytes()
    }

    /// Drops what is queued and queues nothing from now on: the byte stream takes no more bytes.
    pub fn transmit_failed(&mut self) {
        self.queue.close();
    }

    /// Checks that a message may be sent, with the errors of tungstenite.
    fn check_open(&self) -> Result<(), SendError> {
        match self.state {
            Lifecycle::Open if !self.queue.is_gone() => Ok(()),
            Lifecycle::CloseSent | Lifecycle::Closed | Lifecycle::Failed => {
                Err(SendError::AfterClose)
            }
            Lifecycle::Open | Lifecycle::Ended => Err(SendError::Closed),
        }
    }

    /// Returns whether the queue has space for `bytes` more.
    fn has_space_for(&self, bytes: usize) -> bool {
        self.outgoing_bytes().saturating_add(bytes) <= self.options.websocket.max_write_buffer_size
    }

    fn send_data(
        &mut self,
        opcode: Opcode,
        payload: Bytes,
        compression: Compression,
    ) -> Result<(), SendError> {
        if self.unfinished_send.is_some() {
            return Err(SendError::MessageUnfinished);
        }
        let fragment_bytes = self.options.fragment_bytes;
        if let Some(codec) = &mut self.codec {
            let mut compressed = BytesMut::new();
            // False if the message is short, or no shorter when compressed: it goes as it is.
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
