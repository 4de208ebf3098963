//! Received bytes to messages: a buffer becomes frames, frames become messages.
//!
//! ```text
//! buffer ──→ Decoder ──→ Frame ──→ Assembler ──→ Message
//!            header,              order of frames (§5.4), control frames (§5.5),
//!            masking (§5.3)       inflation (RFC 7692 §6.2), UTF-8 (§8.1)
//! ```
//!
//! Each of the two is called once a frame. The decoder asks the assembler whether a header may come now, by what came
//! before and by the limits, before any of the frame's payload is kept.

mod assembler;
mod decoder;
mod message;
mod payload;

use bytes::BytesMut;

use self::assembler::Assembler;
pub(crate) use self::assembler::Rules;
use self::decoder::Decoder;
#[cfg(feature = "tokio")]
pub(crate) use self::payload::append;
use crate::deflate::Codec;
use crate::error::ProtocolError;
use crate::tungstenite::Message;

/// The result of taking bytes apart for a bounded time.
#[derive(Debug)]
pub(crate) enum Taken {
    /// A whole message, a piece of one, or a control frame.
    Message(Message),
    /// More of a compressed message is to be inflated, of which everything needed is there.
    Paused,
    /// The rest has not arrived.
    Incomplete,
}

/// The frame and the message that are arriving.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    decoder: Decoder,
    assembler: Assembler,
}

impl Incoming {
    /// Takes the next message or control frame from the start of `buffer`.
    pub(crate) fn next(
        &mut self,
        buffer: &mut BytesMut,
        rules: Rules<'_>,
        mut codec: Option<&mut Codec>,
    ) -> Result<Taken, ProtocolError> {
        loop {
            let admit = |header: &_| self.assembler.admit(header, rules);
            let Some(frame) = self.decoder.next(buffer, rules.options.pieces, admit)? else {
                return Ok(Taken::Incomplete);
            };
            let (header, length) = (frame.header, frame.payload.length);
            let message = self.assembler.take(frame, rules, codec.as_deref_mut())?;
            let left = self.assembler.take_left();
            if let Some(left) = left {
                self.decoder.put_back(header, length - left, left);
            }
            match message {
                Some(message) => return Ok(Taken::Message(message)),
                None if left.is_some() => return Ok(Taken::Paused),
                None => {}
            }
        }
    }

    /// Validates the text that has arrived of an incomplete frame.
    ///
    /// Called before a wait for more of it. A frame that arrives without a wait is validated once, when it is complete.
    pub(crate) fn preview(&mut self, buffer: &[u8]) -> Result<(), ProtocolError> {
        match self.decoder.fresh(buffer) {
            Some((header, bytes)) => self.assembler.preview(header, bytes),
            None => Ok(()),
        }
    }

    /// Returns whether a frame or a message has begun and not ended.
    pub(crate) fn is_unfinished(&self) -> bool {
        self.decoder.arriving().is_some() || self.assembler.is_unfinished()
    }

    /// Returns the memory that the frames before the one at the start of the buffer take, in bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.assembler.memory_bytes()
    }

    /// Returns the payload bytes that have arrived of the message that has begun, before inflation; `buffered` bytes
    /// are in the buffer.
    pub(crate) fn message_bytes(&self, buffered: usize) -> u64 {
        let arriving = self
            .decoder
            .arriving()
            .filter(|header| !header.opcode.is_control())
            // Behind a frame whose inflation has paused the buffer holds what comes after it, headers too.
            .map_or(0, |header| header.length.min(buffered as u64));
        self.assembler.received_bytes() + arriving
    }

    /// Returns the bytes that the buffer must hold for the frame at its start to be complete; 0 if that is not known yet.
    pub(crate) fn frame_bytes(&self) -> usize {
        self.decoder.arriving().map_or(0, |header| {
            usize::try_from(header.length).unwrap_or(usize::MAX)
        })
    }
}
