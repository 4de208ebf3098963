//! Received bytes to messages: the rules of RFC 6455 §5 and RFC 7692 §6 that need to know what came before.

use bytes::{Buf, BytesMut};

use crate::close;
use crate::deflate::Codec;
use crate::error::ProtocolError;
use crate::frame::{Header, Opcode};
use crate::mask;
use crate::message::Assembly;
use crate::options::Options;
use crate::payload::Payload;
use crate::tungstenite::Message;
use crate::tungstenite::protocol::Role;

/// What a connection knows of the frame and the message that are arriving.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    frame: Option<Arriving>,
    /// A message of which something was taken already; a message in one frame that arrives whole never gets here.
    message: Option<Box<Assembly>>,
}

/// A frame whose header was read and whose payload is not there whole.
#[derive(Clone, Copy, Debug)]
struct Arriving {
    header: Header,
    /// Payload bytes at the start of the buffer that are unmasked.
    unmasked: usize,
    /// Payload bytes at the start of the buffer that are validated if they are text.
    previewed: usize,
}

/// What the rules depend on beside the bytes.
pub(crate) struct Rules<'a> {
    pub(crate) role: Role,
    pub(crate) options: &'a Options,
}

impl Incoming {
    /// Whether a frame or a message has begun and not ended.
    pub(crate) fn is_unfinished(&self) -> bool {
        self.frame.is_some() || self.message.is_some()
    }

    /// Memory that the frames before the one at the start of the buffer take.
    pub(crate) fn held_bytes(&self) -> usize {
        self.message
            .as_ref()
            .map_or(0, |message| message.held_bytes())
    }

    /// Payload bytes that have arrived of the message that has begun, as they came; `buffered` bytes are in the buffer.
    pub(crate) fn message_bytes(&self, buffered: usize) -> u64 {
        let taken = self
            .message
            .as_ref()
            .map_or(0, |message| message.received_bytes());
        let arriving = self
            .frame
            .filter(|frame| !frame.header.opcode.is_control())
            .map_or(0, |_| buffered as u64);
        taken + arriving
    }

    /// Bytes that `buffer` must hold for the frame at its start to be whole; 0 if that is not known yet.
    pub(crate) fn wanted(&self) -> usize {
        self.frame.map_or(0, |frame| {
            usize::try_from(frame.header.length).unwrap_or(usize::MAX)
        })
    }

    /// Takes the next message or control frame out of `buffer` into `received`, which is empty; leaves it so if there is
    /// none whole.
    ///
    /// Not into a result: that would be copied in each of the functions that hand it on, which was a quarter of the time
    /// that a small message takes.
    pub(crate) fn next(
        &mut self,
        buffer: &mut BytesMut,
        rules: &Rules<'_>,
        mut codec: Option<&mut Codec>,
        received: &mut Option<Message>,
    ) -> Result<(), ProtocolError> {
        loop {
            let frame = match self.frame {
                Some(frame) => frame,
                None => match Header::parse(buffer)? {
                    None => return Ok(()),
                    Some((header, end)) => {
                        self.admit(&header, rules, codec.is_some())?;
                        buffer.advance(end);
                        Arriving {
                            header,
                            unmasked: 0,
                            previewed: 0,
                        }
                    }
                },
            };
            let wanted = usize::try_from(frame.header.length).unwrap_or(usize::MAX);
            if buffer.len() < wanted {
                self.frame = Some(unmask(frame, buffer));
                if !rules.options.pieces || buffer.is_empty() {
                    return Ok(());
                }
                self.preview(buffer)?;
                *received = self.take_part(buffer, rules, codec)?;
                return Ok(());
            }
            self.frame = None;
            let payload = Payload {
                buffer,
                length: wanted,
                masking_key: frame.header.masking_key,
                unmasked: frame.unmasked,
            };
            self.take(frame.header, payload, rules, codec.as_deref_mut(), received)?;
            if received.is_some() {
                return Ok(());
            }
        }
    }

    /// Judges a header by what came before and by the limits, before any of its payload is looked at.
    fn admit(
        &self,
        header: &Header,
        rules: &Rules<'_>,
        deflate: bool,
    ) -> Result<(), ProtocolError> {
        if header.rsv1 && !(deflate && matches!(header.opcode, Opcode::Text | Opcode::Binary)) {
            return Err(ProtocolError::ReservedBits { bits: 0b100 });
        }
        match (rules.role, header.masking_key) {
            (Role::Server, None) if !rules.options.websocket.accept_unmasked_frames => {
                return Err(ProtocolError::UnmaskedFrame);
            }
            (Role::Client, Some(_)) => return Err(ProtocolError::MaskedFrame),
            _ => {}
        }
        match (header.opcode, &self.message) {
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
                (message.wire_bytes, compressed_allowance(max_message))
            }
            Some(message) => (message.len(), max_message),
            None if header.rsv1 => (0, compressed_allowance(max_message)),
            None => (0, max_message),
        };
        let bytes = before.saturating_add(header.length);
        if bytes > allowed as u64 {
            return Err(ProtocolError::MessageTooLong {
                bytes,
                allowed: max_message,
            });
        }
        let fragments = self.message.as_ref().map_or(0, |message| message.fragments) + 1;
        let max_fragments = options.max_fragments();
        if fragments > max_fragments {
            return Err(ProtocolError::TooManyFragments {
                allowed: max_fragments,
            });
        }
        Ok(())
    }

    /// Validates what is there of an unfinished frame, if it is text.
    ///
    /// Done before there is a wait for more of it; what comes without a wait is validated once, when it is whole.
    pub(crate) fn preview(&mut self, buffer: &[u8]) -> Result<(), ProtocolError> {
        let Some(mut frame) = self.frame else {
            return Ok(());
        };
        if frame.header.opcode.is_control() || frame.unmasked == frame.previewed {
            return Ok(());
        }
        let fresh = &buffer[frame.previewed..frame.unmasked];
        frame.previewed = frame.unmasked;
        self.frame = Some(frame);
        self.message_for(&frame.header).preview(fresh)
    }

    /// Takes what has arrived and was previewed of a frame, as a piece of its message.
    fn take_part(
        &mut self,
        buffer: &mut BytesMut,
        rules: &Rules<'_>,
        codec: Option<&mut Codec>,
    ) -> Result<Option<Message>, ProtocolError> {
        let Some(mut frame) = self.frame.filter(|frame| frame.previewed > 0) else {
            return Ok(None);
        };
        let part = Payload {
            buffer,
            length: frame.previewed,
            masking_key: None,
            unmasked: frame.previewed,
        };
        frame.header.length -= part.length as u64;
        frame.header.masking_key = frame
            .header
            .masking_key
            .map(|key| mask::rotated(key, part.length));
        (frame.unmasked, frame.previewed) = (0, 0);
        self.frame = Some(frame);
        let message = self.message_for(&frame.header);
        message.push_part(part, rules.options.max_inflated_bytes(), codec)?;
        message.take_piece(false)
    }

    /// The message that the frame belongs to, begun if this is its first frame.
    fn message_for(&mut self, header: &Header) -> &mut Assembly {
        self.message.get_or_insert_with(|| {
            Box::new(Assembly::new(header.opcode == Opcode::Text, header.rsv1))
        })
    }

    /// Takes a whole frame, and the message that it ends.
    fn take(
        &mut self,
        header: Header,
        payload: Payload<'_>,
        rules: &Rules<'_>,
        codec: Option<&mut Codec>,
        received: &mut Option<Message>,
    ) -> Result<(), ProtocolError> {
        let in_one_frame =
            self.message.is_none() && header.fin && !header.rsv1 && !rules.options.pieces;
        *received = match header.opcode {
            Opcode::Text if in_one_frame => Some(Message::Text(payload.into_text()?)),
            Opcode::Binary if in_one_frame => Some(Message::Binary(payload.into_bytes())),
            Opcode::Ping => Some(Message::Ping(payload.into_bytes())),
            Opcode::Pong => Some(Message::Pong(payload.into_bytes())),
            Opcode::Close => Some(Message::Close(payload.lend(close::parse)?)),
            Opcode::Continuation | Opcode::Text | Opcode::Binary => {
                self.take_fragment(header, payload, rules, codec)?
            }
        };
        Ok(())
    }

    /// Takes a frame of a message that is gathered or compressed.
    fn take_fragment(
        &mut self,
        header: Header,
        payload: Payload<'_>,
        rules: &Rules<'_>,
        codec: Option<&mut Codec>,
    ) -> Result<Option<Message>, ProtocolError> {
        let message = self.message_for(&header);
        if message.is_compressed() {
            let codec = codec.expect("`admit` refuses RSV1 without a codec");
            let limit = rules.options.max_inflated_bytes();
            payload.lend(|frame| message.push_compressed(frame, header.fin, limit, codec))?;
        } else {
            message.push(payload);
        }
        if rules.options.pieces {
            let piece = message.take_piece(header.fin)?;
            if header.fin {
                self.message = None;
            }
            return Ok(piece);
        }
        if header.fin {
            let message = self
                .message
                .take()
                .expect("`message_for` has just given it");
            return message.finish().map(Some);
        }
        message.validate_frame()?;
        Ok(None)
    }
}

/// Unmasks what is there of a frame while it is still in the cache.
fn unmask(mut frame: Arriving, buffer: &mut BytesMut) -> Arriving {
    if let (Some(key), false) = (frame.header.masking_key, frame.header.opcode.is_control()) {
        mask::apply(&mut buffer[frame.unmasked..], key, frame.unmasked);
    }
    if !frame.header.opcode.is_control() {
        frame.unmasked = buffer.len();
    }
    frame
}

/// Maximum bytes on the wire of a compressed message that inflates to `max_message` bytes. A compressor that is flushed
/// after every byte (RFC 7692 §7.2.1) takes 7 for each; more is padding without end, which inflates to nothing.
fn compressed_allowance(max_message: usize) -> usize {
    max_message.saturating_mul(8).saturating_add(64)
}
