//! Frames to messages: the rules that depend on the frames before (RFC 6455 §5.4, §5.5; RFC 7692 §6).

use super::decoder::Frame;
use super::message::PartialMessage;
use crate::close;
use crate::deflate::Codec;
use crate::error::ProtocolError;
use crate::frame::{Header, Opcode};
use crate::options::Options;
use crate::tungstenite::Message;
use crate::tungstenite::protocol::Role;

/// Turns frames into messages, and keeps the message that is incomplete.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    /// A message of which something was taken already; a message in one frame that arrives whole never gets here.
    message: Option<Box<PartialMessage>>,
    /// Bytes of the frame taken last that are left for the next call, if inflation has paused in the middle of it.
    left: Option<usize>,
}

/// Settings and state that the rules depend on besides the bytes.
#[derive(Clone, Copy)]
pub(crate) struct Rules<'a> {
    pub(crate) role: Role,
    pub(crate) options: &'a Options,
    /// permessage-deflate was agreed.
    pub(crate) deflate: bool,
}

impl Assembler {
    pub(super) fn is_unfinished(&self) -> bool {
        self.message.is_some()
    }

    /// Returns the memory of the incomplete message, in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        self.message.as_ref().map_or(0, |it| it.memory_bytes())
    }

    /// Returns the payload bytes taken of the incomplete message, before inflation.
    pub(super) fn received_bytes(&self) -> u64 {
        self.message.as_ref().map_or(0, |it| it.received_bytes())
    }

    /// Checks a header against what came before and against the limits, before any of its payload is looked at.
    pub(super) fn admit(&self, header: &Header, rules: Rules<'_>) -> Result<(), ProtocolError> {
        // RSV1 marks the first frame of a compressed message, and nothing else (RFC 7692 §6).
        let begins_message = matches!(header.opcode, Opcode::Text | Opcode::Binary);
        if header.rsv1 && !(rules.deflate && begins_message) {
            return Err(ProtocolError::ReservedBits { bits: 0b100 });
        }
        // Clients mask, servers do not (§5.1).
        match (rules.role, header.masking_key) {
            (Role::Server, None) if !rules.options.websocket.accept_unmasked_frames => {
                return Err(ProtocolError::UnmaskedFrame);
            }
            (Role::Client, Some(_)) => return Err(ProtocolError::MaskedFrame),
            _ => {}
        }
        match (header.opcode, &self.message) {
            // Control frames may come between the fragments of a message (§5.4).
            (Opcode::Close | Opcode::Ping | Opcode::Pong, _) => Ok(()),
            (Opcode::Continuation, None) => Err(ProtocolError::UnexpectedContinuation),
            (Opcode::Text, Some(_)) => Err(ProtocolError::ExpectedContinuation { text: true }),
            (Opcode::Binary, Some(_)) => Err(ProtocolError::ExpectedContinuation { text: false }),
            (Opcode::Continuation | Opcode::Text | Opcode::Binary, _) => {
                self.check_limits(header, rules.options)
            }
        }
    }

    fn check_limits(&self, header: &Header, options: &Options) -> Result<(), ProtocolError> {
        let max_frame = options.websocket.max_frame_size.unwrap_or(usize::MAX);
        if header.length > max_frame as u64 {
            return Err(ProtocolError::MessageTooLong {
                bytes: header.length,
                allowed: max_frame,
            });
        }
        let max_message = options.max_message_bytes();
        let (before, allowed) = match &self.message {
            Some(message) if message.is_compressed() => {
                (message.received_bytes(), max_compressed_bytes(max_message))
            }
            Some(message) => (message.len(), max_message),
            None if header.rsv1 => (0, max_compressed_bytes(max_message)),
            None => (0, max_message),
        };
        let bytes = before.saturating_add(header.length);
        if bytes > allowed as u64 {
            return Err(ProtocolError::MessageTooLong {
                bytes,
                allowed: max_message,
            });
        }
        let fragments = self.message.as_ref().map_or(0, |it| it.fragments()) + 1;
        let allowed = options.max_fragments();
        if fragments > allowed {
            return Err(ProtocolError::TooManyFragments { allowed });
        }
        Ok(())
    }

    /// Returns the bytes of the frame taken last that are still in the buffer, once, if inflation has paused in the middle of
    /// it.
    pub(super) fn take_left(&mut self) -> Option<usize> {
        self.left.take()
    }

    /// Takes an admitted frame; returns the message that it completes, if any. [`take_left`](Self::take_left) tells how
    /// much of a compressed one was not taken.
    pub(super) fn take(
        &mut self,
        frame: Frame<'_>,
        rules: Rules<'_>,
        codec: Option<&mut Codec>,
    ) -> Result<Option<Message>, ProtocolError> {
        let Header { fin, rsv1, .. } = frame.header;
        // Nothing to gather, inflate or hand out in pieces: the payload is the message.
        let alone = self.message.is_none() && fin && !rsv1 && !rules.options.pieces;
        Ok(Some(match frame.header.opcode {
            Opcode::Text if alone => Message::Text(frame.payload.into_text()?),
            Opcode::Binary if alone => Message::Binary(frame.payload.into_bytes()),
            Opcode::Ping => Message::Ping(frame.payload.into_bytes()),
            Opcode::Pong => Message::Pong(frame.payload.into_bytes()),
            Opcode::Close => Message::Close(frame.payload.lend(close::parse)?),
            Opcode::Continuation | Opcode::Text | Opcode::Binary => {
                return self.take_fragment(frame, rules.options, codec);
            }
        }))
    }

    /// Takes a frame of a message that is gathered, inflated or handed out in pieces.
    fn take_fragment(
        &mut self,
        frame: Frame<'_>,
        options: &Options,
        codec: Option<&mut Codec>,
    ) -> Result<Option<Message>, ProtocolError> {
        let mut last = frame.header.fin && frame.complete;
        let mut left = None;
        let message = self.message_of(&frame.header);
        if message.is_compressed() {
            let codec = codec.expect("`admit` refuses RSV1 without a codec");
            left = message.push_compressed(frame, options.max_inflated_bytes(), codec)?;
            last &= left.is_none();
        } else {
            message.push(frame);
        }
        if options.pieces {
            let piece = message.take_piece(last)?;
            self.left = left;
            if last {
                self.message = None;
            }
            return Ok(piece);
        }
        if !last {
            message.validate()?;
            self.left = left;
            return Ok(None);
        }
        let message = self.message.take();
        message.map(|it| it.finish()).transpose()
    }

    /// Validates the text in `bytes`, which have arrived of an incomplete frame and will come again with
    /// [`take`](Self::take).
    pub(super) fn preview(&mut self, header: Header, bytes: &[u8]) -> Result<(), ProtocolError> {
        self.message_of(&header).preview(bytes)
    }

    /// Returns the message that the frame belongs to, begun if this is its first frame.
    fn message_of(&mut self, header: &Header) -> &mut PartialMessage {
        self.message.get_or_insert_with(|| {
            Box::new(PartialMessage::new(
                header.opcode == Opcode::Text,
                header.rsv1,
            ))
        })
    }
}

/// Returns the limit on the wire of a compressed message that may inflate to `max_message` bytes. A compressor that is
/// flushed after every byte (RFC 7692 §7.2.1) takes 7 for each; more is endless padding, which inflates to nothing.
fn max_compressed_bytes(max_message: usize) -> usize {
    max_message.saturating_mul(8).saturating_add(64)
}
