//! A message that has not arrived whole.

use bytes::BytesMut;

use super::decoder::Frame;
use crate::deflate::{Codec, InflateError};
use crate::error::ProtocolError;
use crate::text;
use crate::tungstenite::Message;
use crate::tungstenite::protocol::frame;
use crate::tungstenite::protocol::frame::coding::{Data, OpCode};
use crate::utf8::Validator;

/// The frames of one message, gathered, inflated and validated as they come.
#[derive(Debug)]
pub(super) struct PartialMessage {
    text: bool,
    compressed: bool,
    /// Payload so far, after inflation.
    payload: BytesMut,
    /// Payload bytes so far as they came.
    wire_bytes: u64,
    /// Frames so far.
    fragments: usize,
    utf8: Validator,
    /// Bytes of `payload`, and of the frame that is still arriving, which `utf8` has seen.
    validated: usize,
    /// A piece was given away already.
    begun: bool,
    /// Bytes that were given away as pieces before `payload`.
    given: u64,
}

impl PartialMessage {
    pub(super) fn new(text: bool, compressed: bool) -> Self {
        Self {
            text,
            compressed,
            payload: BytesMut::new(),
            wire_bytes: 0,
            fragments: 0,
            utf8: Validator::default(),
            validated: 0,
            begun: false,
            given: 0,
        }
    }

    pub(super) fn is_compressed(&self) -> bool {
        self.compressed
    }

    /// Returns the bytes so far, after inflation.
    pub(super) fn len(&self) -> u64 {
        self.given + self.payload.len() as u64
    }

    /// Returns the payload bytes so far, before inflation.
    pub(super) fn received_bytes(&self) -> u64 {
        if self.compressed {
            self.wire_bytes
        } else {
            self.len()
        }
    }

    /// Returns the frames so far.
    pub(super) fn fragments(&self) -> usize {
        self.fragments
    }

    /// Returns the memory that it takes, in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        self.payload.capacity()
    }

    /// Validates unmasked bytes of a frame that has not arrived whole, so that text fails at its first invalid byte.
    /// They come again with [`push`](Self::push).
    pub(super) fn preview(&mut self, bytes: &[u8]) -> Result<(), ProtocolError> {
        if self.text && !self.compressed {
            self.validate_bytes(bytes)?;
        }
        Ok(())
    }

    /// Takes the payload of a frame, or of a part of one.
    pub(super) fn push(&mut self, frame: Frame<'_>) {
        self.fragments += usize::from(frame.complete);
        frame.payload.append_to(&mut self.payload);
    }

    /// Takes the compressed payload of a frame, or of a part of one; the message may inflate to `limit` bytes. Returns the
    /// bytes of it that are left if it pauses.
    pub(super) fn push_compressed(
        &mut self,
        frame: Frame<'_>,
        limit: usize,
        codec: &mut Codec,
    ) -> Result<Option<usize>, ProtocolError> {
        let (length, complete) = (frame.payload.length, frame.complete);
        let last = frame.header.fin && complete;
        let left = limit.saturating_sub(usize::try_from(self.given).unwrap_or(usize::MAX));
        let inflated = frame
            .payload
            .lend_some(|payload| codec.inflate_step(payload, last, left, &mut self.payload));
        let paused = inflated.map_err(|error| match error {
            InflateError::TooLong { .. } => ProtocolError::MessageTooLong {
                bytes: limit as u64 + 1,
                allowed: limit,
            },
            InflateError::Invalid(reason) => ProtocolError::InvalidDeflate { reason },
        })?;
        self.wire_bytes += paused.unwrap_or(length) as u64;
        self.fragments += usize::from(complete && paused.is_none());
        Ok(paused.map(|taken| length - taken))
    }

    /// Validates the text that came since the last time; done after every frame but the last.
    pub(super) fn validate(&mut self) -> Result<(), ProtocolError> {
        if !self.text {
            return Ok(());
        }
        let payload = std::mem::take(&mut self.payload);
        let result = self.validate_bytes(&payload[self.validated..]);
        self.payload = payload;
        result
    }

    fn validate_bytes(&mut self, bytes: &[u8]) -> Result<(), ProtocolError> {
        self.validated += bytes.len();
        self.utf8
            .feed(bytes)
            .map_err(|_| ProtocolError::InvalidUtf8)
    }

    /// Returns the bytes gathered as a piece of the message; `None` if there are none and more will come.
    pub(super) fn take_piece(&mut self, last: bool) -> Result<Option<Message>, ProtocolError> {
        self.validate()?;
        if last {
            self.utf8.finish().map_err(|_| ProtocolError::InvalidUtf8)?;
        } else if self.payload.is_empty() {
            return Ok(None);
        }
        let first = !std::mem::replace(&mut self.begun, true);
        self.validated = 0;
        self.given += self.payload.len() as u64;
        let data = match (first, self.text) {
            (false, _) => Data::Continue,
            (true, true) => Data::Text,
            (true, false) => Data::Binary,
        };
        let piece = frame::Frame::message(self.payload.split().freeze(), OpCode::Data(data), last);
        Ok(Some(Message::Frame(piece)))
    }

    /// Ends the message.
    pub(super) fn finish(self) -> Result<Message, ProtocolError> {
        if self.text {
            text::owned(self.payload.into()).map(Message::Text)
        } else {
            Ok(Message::Binary(self.payload.freeze()))
        }
    }
}
