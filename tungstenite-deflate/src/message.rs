//! A message that arrives in more than one piece.

use bytes::BytesMut;

use crate::deflate::{Codec, InflateError};
use crate::error::ProtocolError;
use crate::payload::Payload;
use crate::text;
use crate::tungstenite::Message;
use crate::tungstenite::protocol::frame::Frame;
use crate::tungstenite::protocol::frame::coding::{Data, OpCode};
use crate::utf8::Validator;

/// The frames of one message, gathered, inflated and validated as they come.
#[derive(Debug)]
pub(crate) struct Assembly {
    text: bool,
    compressed: bool,
    /// Payload so far, after inflation.
    payload: BytesMut,
    /// Payload bytes so far as they came.
    pub(crate) wire_bytes: u64,
    /// Frames so far.
    pub(crate) fragments: usize,
    utf8: Validator,
    /// Bytes of `payload`, and of the frame that is still arriving, which `utf8` has seen.
    validated: usize,
    /// A piece was given away already.
    begun: bool,
    /// Bytes that were given away as pieces before `payload`.
    given: u64,
}

impl Assembly {
    pub(crate) fn new(text: bool, compressed: bool) -> Self {
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

    pub(crate) fn is_compressed(&self) -> bool {
        self.compressed
    }

    /// Bytes gathered so far, after inflation.
    pub(crate) fn len(&self) -> u64 {
        self.given + self.payload.len() as u64
    }

    /// Payload bytes so far, as they came.
    pub(crate) fn received_bytes(&self) -> u64 {
        if self.compressed {
            self.wire_bytes
        } else {
            self.len()
        }
    }

    /// Memory that it takes.
    pub(crate) fn held_bytes(&self) -> usize {
        self.payload.capacity()
    }

    /// Looks at unmasked bytes of a frame that has not arrived whole, so that text fails at its first invalid byte.
    /// They come again with [`push`](Self::push).
    pub(crate) fn preview(&mut self, bytes: &[u8]) -> Result<(), ProtocolError> {
        if self.text && !self.compressed {
            self.validate(bytes)?;
        }
        Ok(())
    }

    /// Takes a frame's payload.
    pub(crate) fn push(&mut self, frame: Payload<'_>) {
        self.fragments += 1;
        frame.append_to(&mut self.payload);
    }

    /// Takes a compressed frame's payload; the message may inflate to `limit` bytes.
    pub(crate) fn push_compressed(
        &mut self,
        frame: &[u8],
        fin: bool,
        limit: usize,
        codec: &mut Codec,
    ) -> Result<(), ProtocolError> {
        self.wire_bytes += frame.len() as u64;
        self.fragments += 1;
        let left = limit.saturating_sub(usize::try_from(self.given).unwrap_or(usize::MAX));
        codec
            .inflate(frame, fin, left, &mut self.payload)
            .map_err(|error| match error {
                InflateError::TooLong { .. } => ProtocolError::MessageTooLong {
                    bytes: limit as u64 + 1,
                    allowed: limit,
                },
                InflateError::Memory { limit } => {
                    ProtocolError::CompressionMemory { allowed: limit }
                }
                InflateError::Invalid(reason) => ProtocolError::InvalidDeflate { reason },
            })
    }

    /// Validates what came since the last time; done after every frame but the last.
    pub(crate) fn validate_frame(&mut self) -> Result<(), ProtocolError> {
        if !self.text {
            return Ok(());
        }
        let payload = std::mem::take(&mut self.payload);
        let result = self.validate(&payload[self.validated..]);
        self.payload = payload;
        result
    }

    fn validate(&mut self, bytes: &[u8]) -> Result<(), ProtocolError> {
        self.validated += bytes.len();
        self.utf8
            .feed(bytes)
            .map_err(|_| ProtocolError::InvalidUtf8)
    }

    /// Takes the unmasked and previewed beginning of a frame that has not arrived whole, for
    /// [`take_piece`](Self::take_piece).
    pub(crate) fn push_part(
        &mut self,
        part: Payload<'_>,
        limit: usize,
        codec: Option<&mut Codec>,
    ) -> Result<(), ProtocolError> {
        match codec.filter(|_| self.compressed) {
            Some(codec) => part.lend(|part| self.push_compressed(part, false, limit, codec))?,
            None => self.push(part),
        }
        self.fragments -= 1;
        Ok(())
    }

    /// Gives away what is gathered as a piece of the message; `None` if that is nothing and more will come.
    pub(crate) fn take_piece(&mut self, last: bool) -> Result<Option<Message>, ProtocolError> {
        self.validate_frame()?;
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
        let piece = Frame::message(self.payload.split().freeze(), OpCode::Data(data), last);
        Ok(Some(Message::Frame(piece)))
    }

    /// Ends the message.
    pub(crate) fn finish(self) -> Result<Message, ProtocolError> {
        if self.text {
            text::owned(self.payload.into()).map(Message::Text)
        } else {
            Ok(Message::Binary(self.payload.freeze()))
        }
    }
}
