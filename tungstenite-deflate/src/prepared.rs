//! A message that is framed and compressed once, and sent to many.

use std::sync::OnceLock;

use bytes::{Bytes, BytesMut};

use crate::deflate::{self, Codec, DeflateConfig, InStream, Sent, SharedContext};
use crate::frame::{Header, Opcode};
use crate::tungstenite::{Message, Utf8Bytes};

/// A data message whose frames are shared by all connections that send the same bytes.
///
/// A server masks nothing, and without history a message compresses alike for everybody with the same window.
/// So one frame is made for connections without compression, and one for each window size that is asked for, each at its
/// first use. Clients, and connections that cut messages into fragments, send it as any other message.
///
/// Small messages hardly shrink without history: make those of a stream with
/// [`SharedContext::text`](SharedContext::text), which are compressed once for all as well, and with history.
///
/// Share it by reference or in an [`Arc`](std::sync::Arc).
#[derive(Debug)]
pub struct PreparedMessage {
    message: Message,
    config: DeflateConfig,
    plain: OnceLock<Bytes>,
    /// By window bits, from [`MIN_WINDOW_BITS`] on; the inner `None` means that no compressor keeps to the window.
    alone: [OnceLock<Option<Compressed>>; WINDOWS],
    stream: Option<Part>,
}

/// A message as a part of a stream.
#[derive(Debug)]
struct Part {
    context: SharedContext,
    /// The inner `None` means that the message is no part of the stream.
    frame: OnceLock<Option<(Bytes, InStream)>>,
}

/// A frame without history.
#[derive(Debug)]
struct Compressed {
    frame: Bytes,
    wire_bytes: usize,
}

const MIN_WINDOW_BITS: u8 = 8;
const WINDOWS: usize = 8;

// Here, so that contexts do not import the messages made with them.
impl SharedContext {
    /// Returns a text message of this stream.
    pub fn text(&self, text: impl Into<Utf8Bytes>) -> PreparedMessage {
        PreparedMessage::of_stream(self.clone(), Message::Text(text.into()))
    }

    /// Returns a binary message of this stream.
    pub fn binary(&self, payload: impl Into<Bytes>) -> PreparedMessage {
        PreparedMessage::of_stream(self.clone(), Message::Binary(payload.into()))
    }
}

impl PreparedMessage {
    /// A text message.
    pub fn text(text: impl Into<Utf8Bytes>) -> Self {
        Self::new(Message::Text(text.into()))
    }

    /// A binary message.
    pub fn binary(payload: impl Into<Bytes>) -> Self {
        Self::new(Message::Binary(payload.into()))
    }

    fn new(message: Message) -> Self {
        Self {
            message,
            config: DeflateConfig::default(),
            plain: OnceLock::new(),
            alone: std::array::from_fn(|_| OnceLock::new()),
            stream: None,
        }
    }

    /// A message of a stream.
    pub(crate) fn of_stream(context: SharedContext, message: Message) -> Self {
        Self {
            config: context.config().clone(),
            stream: Some(Part {
                context,
                frame: OnceLock::new(),
            }),
            ..Self::new(message)
        }
    }

    /// Compresses by `config` (its level and threshold) rather than by the default. The history of a [`SharedContext`]
    /// keeps its own.
    pub fn deflate(self, config: DeflateConfig) -> Self {
        Self { config, ..self }
    }

    /// The message itself.
    pub fn message(&self) -> &Message {
        &self.message
    }

    fn payload(&self) -> Bytes {
        self.message.clone().into_data()
    }

    /// The frame for a server's connection, and what to note of it.
    pub(crate) fn frames(&self, codec: Option<&Codec>) -> (&Bytes, Sent) {
        let Some(codec) = codec else {
            return (self.plain(), Sent::Uncompressed);
        };
        if codec.keeps_outgoing() {
            if let Some(stream) = &self.stream {
                return self.in_stream(stream, codec);
            }
            if codec.spares(self.message.len()) {
                return (self.plain(), Sent::Spared);
            }
        }
        let alone = self.message.len() >= self.config.threshold_for(false);
        let alone = alone.then(|| self.alone(codec.window_bits())).flatten();
        match alone.filter(|alone| alone.wire_bytes < self.message.len()) {
            Some(alone) => alone.sent(None),
            None => (self.plain(), Sent::Uncompressed),
        }
    }

    /// The same for a message of a stream and a connection with context takeover.
    ///
    /// Everybody's window gets the message, if it is a part of the stream, also where its frame grows.
    fn in_stream<'a>(&'a self, stream: &'a Part, codec: &Codec) -> (&'a Bytes, Sent) {
        let compressed = stream.frame.get_or_init(|| self.compress_in(stream));
        let Some((frame, message)) = compressed else {
            return (self.plain(), Sent::Uncompressed);
        };
        let position = Some(message.position());
        if codec.admits(message, stream.context.config()) {
            let wire_bytes = message.wire_bytes();
            return (
                frame,
                Sent::Compressed {
                    wire_bytes,
                    position,
                },
            );
        }
        match self.alone(codec.window_bits()) {
            Some(alone) => alone.sent(position),
            None => (self.plain(), Sent::Uncompressed),
        }
    }

    fn compress_in(&self, stream: &Part) -> Option<(Bytes, InStream)> {
        let (payload, message) = stream.context.compress(&self.payload())?;
        Some((self.frame(true, &payload), message))
    }

    fn plain(&self) -> &Bytes {
        self.plain
            .get_or_init(|| self.frame(false, &self.payload()))
    }

    fn alone(&self, window_bits: u8) -> Option<&Compressed> {
        let index = window_bits.checked_sub(MIN_WINDOW_BITS)?;
        let cell = self.alone.get(usize::from(index))?;
        cell.get_or_init(|| self.compress_alone(window_bits))
            .as_ref()
    }

    fn compress_alone(&self, window_bits: u8) -> Option<Compressed> {
        let mut payload = BytesMut::new();
        let level = self.config.zlib_level();
        deflate::deflate_alone(
            level,
            window_bits,
            &self.payload(),
            usize::MAX,
            &mut payload,
        )
        .then(|| Compressed {
            frame: self.frame(true, &payload),
            wire_bytes: payload.len(),
        })
    }

    fn frame(&self, rsv1: bool, payload: &[u8]) -> Bytes {
        let length = payload.len() as u64;
        let opcode = if self.message.is_text() {
            Opcode::Text
        } else {
            Opcode::Binary
        };
        let header = Header {
            fin: true,
            rsv1,
            opcode,
            masking_key: None,
            length,
        };
        let mut bytes = [0; Header::MAX_BYTES];
        let end = header.write(&mut bytes);
        [&bytes[..end], payload].concat().into()
    }
}

impl Compressed {
    fn sent(&self, position: Option<deflate::Position>) -> (&Bytes, Sent) {
        let wire_bytes = self.wire_bytes;
        (
            &self.frame,
            Sent::Compressed {
                wire_bytes,
                position,
            },
        )
    }
}
