//! Bytes to messages: what arrives is taken apart, answered and counted.

use bytes::BytesMut;

use super::{Clock, Connection, Lifecycle};
use crate::error::ProtocolError;
use crate::incoming::{Rules, Taken};
use crate::tungstenite::Message;

/// Result of [`Connection::receive_step`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReceiveStep {
    /// The next message, a piece of one, or a control frame.
    Message(Message),
    /// A compressed message is only partly inflated, although nothing is missing of what is to be inflated next. Call
    /// again without waiting for bytes, after other work had its turn.
    Paused,
    /// The rest of the message has not arrived.
    Incomplete,
}

/// # Receiving
impl Connection {
    /// Takes the next message or control frame from `buffer`, leaving an incomplete frame in place. Pings and Closes are
    /// answered already.
    ///
    /// Call this until it returns `None`, then write what [`outgoing`](Self::outgoing) holds. `buffer` must be the same
    /// each time: between calls bytes may only be appended to it.
    ///
    /// The clock is read only when something begins: the first arrival after silence, an incomplete message, a Close.
    ///
    /// A compressed message is inflated whole, which takes about a millisecond for each mebibyte;
    /// [`receive_step`](Self::receive_step) returns in between.
    ///
    /// # Errors
    /// Returns the protocol violation. The matching Close frame is already queued and further input is discarded
    /// (RFC 6455 §7.1.7). Write the queue, then close the transport.
    #[inline]
    pub fn receive(
        &mut self,
        buffer: &mut BytesMut,
        clock: impl Clock,
    ) -> Result<Option<Message>, ProtocolError> {
        loop {
            match self.receive_step(buffer, clock)? {
                ReceiveStep::Message(message) => return Ok(Some(message)),
                ReceiveStep::Incomplete => return Ok(None),
                ReceiveStep::Paused => {}
            }
        }
    }

    /// Receives like [`receive`](Self::receive), in bounded steps: returns
    /// [`Paused`](ReceiveStep::Paused) after about 128 KiB of inflated data, so that one long message does not keep other
    /// connections of the thread waiting.
    ///
    /// ```
    /// # use std::time::Instant;
    /// # use bytes::BytesMut;
    /// # use tungstenite_deflate::{Connection, Options, ReceiveStep};
    /// # use tungstenite_deflate::tungstenite::protocol::Role;
    /// # let mut connection = Connection::new(Role::Server, Options::default().into(), None, Instant::now());
    /// # let mut buffer = BytesMut::new();
    /// loop {
    ///     match connection.receive_step(&mut buffer, Instant::now)? {
    ///         ReceiveStep::Message(message) => println!("{message}"),
    ///         ReceiveStep::Paused => std::thread::yield_now(),
    ///         ReceiveStep::Incomplete => break,
    ///     }
    /// }
    /// # Ok::<_, tungstenite_deflate::ProtocolError>(())
    /// ```
    ///
    /// # Errors
    /// As for [`receive`](Self::receive).
    #[inline]
    pub fn receive_step(
        &mut self,
        buffer: &mut BytesMut,
        clock: impl Clock,
    ) -> Result<ReceiveStep, ProtocolError> {
        // After the peer's Close or a violation, input is discarded (RFC 6455 §1.4, §7.1.7).
        if self.is_receiving_over() {
            buffer.clear();
            return Ok(ReceiveStep::Incomplete);
        }
        // More than was left by the last call has arrived: any byte proves that the peer lives.
        if buffer.len() > self.left_in_buffer && self.options.keepalive.is_some() {
            self.timers.note_arrival(clock);
        }
        let rules = Rules {
            role: self.queue.role(),
            options: &self.options,
            deflate: self.codec.is_some(),
        };
        let result = self.incoming.next(buffer, rules, self.codec.as_deref_mut());
        self.left_in_buffer = buffer.len();
        match result {
            Ok(Taken::Message(message)) => {
                self.note_unfinished(buffer, true, clock);
                // Data needs no answer. It is by far the most frequent, so it leaves first.
                if message.is_text() || message.is_binary() {
                    return Ok(ReceiveStep::Message(message));
                }
                // A Ping queues its Pong, a Close its answer; too many Pings are a violation.
                match self.answer(&message, clock) {
                    Ok(()) => Ok(ReceiveStep::Message(message)),
                    Err(error) => Err(self.discard_and_fail(buffer, error)),
                }
            }
            Ok(Taken::Incomplete) => {
                self.note_unfinished(buffer, false, clock);
                Ok(ReceiveStep::Incomplete)
            }
            Ok(Taken::Paused) => {
                self.note_unfinished(buffer, true, clock);
                Ok(ReceiveStep::Paused)
            }
            Err(error) => Err(self.discard_and_fail(buffer, error)),
        }
    }

    /// Validates and accounts for what is incomplete: call it before waiting for more bytes.
    ///
    /// Text is validated up to the last byte in `buffer`, so that it fails at its first invalid byte (RFC 6455 §8.1) and
    /// not when its frame is complete. The memory of `buffer` and of the incomplete message is counted against
    /// [`unfinished_memory`](crate::Limits::unfinished_memory).
    ///
    /// # Errors
    /// As for [`receive`](Self::receive).
    pub fn handle_wait(&mut self, buffer: &mut BytesMut) -> Result<(), ProtocolError> {
        let preview = self.incoming.preview(buffer);
        preview
            .and_then(|()| self.reserve_unfinished(buffer.capacity()))
            .map_err(|error| self.discard_and_fail(buffer, error))
    }

    /// Counts the memory of the buffer, of the incomplete message and of its decompressor.
    fn reserve_unfinished(&mut self, buffered: usize) -> Result<(), ProtocolError> {
        let Some(reservation) = &mut self.unfinished_memory else {
            return Ok(());
        };
        let codec = self.codec.as_ref();
        let inflating = codec.map_or(0, |codec| codec.unfinished_bytes());
        let bytes = buffered
            .saturating_add(self.incoming.memory_bytes())
            .saturating_add(inflating);
        let counted = if bytes <= FREE_BYTES { 0 } else { bytes };
        reservation
            .try_resize(counted)
            .map_err(|spent| ProtocolError::UnfinishedMemory {
                allowed: spent.limit,
            })
    }

    /// Stops the deadlines for what the peer sends until [`resume_receiving`](Self::resume_receiving): the program has
    /// taken a message and does not ask for the next one.
    #[inline]
    pub fn pause_receiving(&mut self, clock: impl Clock) {
        self.timers.pause(clock);
    }

    /// Lets the deadlines go on after [`pause_receiving`](Self::pause_receiving).
    #[inline]
    pub fn resume_receiving(&mut self, clock: impl Clock) {
        self.timers.resume(clock);
    }

    /// Returns the bytes that the frame at the start of the buffer still needs to be complete; 0 if that is not known.
    pub fn bytes_wanted(&self, buffer: &BytesMut) -> usize {
        self.incoming.frame_bytes().saturating_sub(buffer.len())
    }

    #[cold]
    fn discard_and_fail(&mut self, buffer: &mut BytesMut, error: ProtocolError) -> ProtocolError {
        buffer.clear();
        self.left_in_buffer = 0;
        self.fail(error)
    }

    fn note_unfinished(&mut self, buffer: &BytesMut, progressed: bool, clock: impl Clock) {
        if !self.incoming.is_unfinished() && (progressed || buffer.is_empty()) {
            self.timers.note_finished();
        } else if self.options.limits.unfinished_message_timeout.is_some() {
            let arrived = self.incoming.message_bytes(buffer.len());
            let minimum = self.options.limits.min_progress_bytes;
            self.timers.note_unfinished(arrived, minimum, clock);
        }
    }

    /// Answers what wants an answer, and counts control frames.
    fn answer(&mut self, message: &Message, clock: impl Clock) -> Result<(), ProtocolError> {
        let rate = self.options.limits.control_rate;
        match message {
            Message::Ping(payload) => {
                self.control_frames.count_ping(rate, clock)?;
                if self.state == Lifecycle::Open && self.options.auto_pong {
                    self.queue.push_pong(payload.clone());
                }
            }
            Message::Pong(_) => self.control_frames.count_pong(rate, clock)?,
            Message::Close(frame) => self.receive_close(frame.as_ref(), clock),
            Message::Text(_) | Message::Binary(_) | Message::Frame(_) => {}
        }
        Ok(())
    }
}

/// Memory of an unfinished message that is not counted, in bytes.
const FREE_BYTES: usize = 4096;
