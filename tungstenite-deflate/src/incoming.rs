//! Received bytes to messages: the rules of RFC 6455 §5 and RFC 7692 §6 that need to know what came before.

use bytes::{Buf, Bytes, BytesMut};

use crate::close;
use crate::deflate::Codec;
use crate::error::ProtocolError;
use crate::frame::{Header, Opcode};
use crate::mask;
use crate::message::{self, Assembly};
use crate::options::Options;
use crate::tungstenite::Message;
use crate::tungstenite::protocol::{CloseFrame, Role};

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

/// What a whole frame amounts to.
#[derive(Debug)]
pub(crate) enum Item {
    /// A whole data message.
    Data(Message),
    Ping(Bytes),
    Pong(Bytes),
    Close(Option<CloseFrame>),
}

/// What the rules depend on beside the bytes.
pub(crate) struct Rules<'a> {
    pub(crate) role: Role,
    pub(crate) options: &'a Options,
}

/// Payloads up to this size are unmasked into memory of their own, so that a message that is kept does not keep the
/// read buffer. An eighth of that buffer: what is kept is at most eight times what the message needs.
const COPY_UP_TO: usize = 8 * 1024;

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

    /// Bytes that `buffer` must hold for the frame at its start to be whole; 0 if that is not known yet.
    pub(crate) fn wanted(&self) -> usize {
        self.frame.map_or(0, |frame| {
            usize::try_from(frame.header.length).unwrap_or(usize::MAX)
        })
    }

    /// Takes the next message or control frame out of `buffer`; `None` if it is not there whole.
    pub(crate) fn next(
        &mut self,
        buffer: &mut BytesMut,
        rules: &Rules<'_>,
        mut codec: Option<&mut Codec>,
    ) -> Result<Option<Item>, ProtocolError> {
        loop {
            let frame = match self.frame {
                Some(frame) => frame,
                None => match Header::parse(buffer)? {
                    None => return Ok(None),
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
                    return Ok(None);
                }
                self.preview(buffer)?;
                return self.take_part(buffer, rules, codec);
            }
            self.frame = None;
            if let Some(item) = self.take(frame, wanted, buffer, rules, codec.as_deref_mut())? {
                return Ok(Some(item));
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
    ) -> Result<Option<Item>, ProtocolError> {
        let Some(mut frame) = self.frame.filter(|frame| frame.previewed > 0) else {
            return Ok(None);
        };
        let part = buffer.split_to(frame.previewed);
        frame.header.length -= part.len() as u64;
        frame.header.masking_key = frame
            .header
            .masking_key
            .map(|key| mask::rotated(key, part.len()));
        (frame.unmasked, frame.previewed) = (0, 0);
        self.frame = Some(frame);
        let message = self.message_for(&frame.header);
        message.push_part(part, rules.options.max_inflated_bytes(), codec)?;
        Ok(message.take_piece(false)?.map(Item::Data))
    }

    /// The message that the frame belongs to, begun if this is its first frame.
    fn message_for(&mut self, header: &Header) -> &mut Assembly {
        self.message.get_or_insert_with(|| {
            Box::new(Assembly::new(header.opcode == Opcode::Text, header.rsv1))
        })
    }

    /// Takes a whole frame's payload out of `buffer`.
    fn take(
        &mut self,
        frame: Arriving,
        length: usize,
        buffer: &mut BytesMut,
        rules: &Rules<'_>,
        codec: Option<&mut Codec>,
    ) -> Result<Option<Item>, ProtocolError> {
        let header = &frame.header;
        match header.opcode {
            Opcode::Ping => return Ok(Some(Item::Ping(payload(frame, length, buffer).freeze()))),
            Opcode::Pong => return Ok(Some(Item::Pong(payload(frame, length, buffer).freeze()))),
            Opcode::Close => {
                return Ok(Some(Item::Close(close::parse(
                    &payload(frame, length, buffer).freeze(),
                )?)));
            }
            Opcode::Continuation | Opcode::Text | Opcode::Binary => {}
        }
        if self.message.is_none() && header.fin && !header.rsv1 && !rules.options.pieces {
            let payload = payload(frame, length, buffer).freeze();
            return message::whole(header.opcode == Opcode::Text, payload)
                .map(|message| Some(Item::Data(message)));
        }
        let message = self.message_for(header);
        if message.is_compressed() {
            let codec = codec.expect("`admit` refuses RSV1 without a codec");
            if let Some(key) = header.masking_key {
                mask::apply(&mut buffer[frame.unmasked..length], key, frame.unmasked);
            }
            message.push_compressed(
                &buffer[..length],
                header.fin,
                rules.options.max_inflated_bytes(),
                codec,
            )?;
            buffer.advance(length);
        } else {
            message.push(payload(frame, length, buffer));
        }
        if rules.options.pieces {
            let piece = message.take_piece(header.fin)?;
            if header.fin {
                self.message = None;
            }
            return Ok(piece.map(Item::Data));
        }
        if header.fin {
            let message = self
                .message
                .take()
                .expect("`message_for` has just given it");
            return message.finish().map(|message| Some(Item::Data(message)));
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

/// Takes the unmasked payload of a whole frame out of `buffer`: a copy if it is small, a piece of the buffer if not.
fn payload(frame: Arriving, length: usize, buffer: &mut BytesMut) -> BytesMut {
    let key = frame.header.masking_key;
    let copies = length <= COPY_UP_TO;
    if copies && frame.unmasked == 0 {
        let mut copy = BytesMut::with_capacity(length);
        match key {
            Some(key) => mask::copy(&buffer[..length], key, &mut copy),
            None => copy.extend_from_slice(&buffer[..length]),
        }
        buffer.advance(length);
        return copy;
    }
    if let Some(key) = key {
        mask::apply(&mut buffer[frame.unmasked..length], key, frame.unmasked);
    }
    let piece = buffer.split_to(length);
    if copies {
        BytesMut::from(&piece[..])
    } else {
        piece
    }
}

/// Most bytes a compressed message of `max_message` bytes may take: stored blocks add 5 bytes for each 16 KiB at worst.
fn compressed_allowance(max_message: usize) -> usize {
    max_message
        .saturating_add(max_message / 1024)
        .saturating_add(64)
}
