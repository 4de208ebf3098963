//! A message that is framed and compressed once, and sent to many.

use std::sync::OnceLock;

use bytes::{Bytes, BytesMut};

use crate::deflate::{Agreed, Codec, Compression, DeflateConfig};
use crate::frame::{Header, Opcode};
use crate::tungstenite::protocol::Role;
use crate::tungstenite::{Message, Utf8Bytes};

/// A data message whose frames are shared by all connections that send the same bytes.
///
/// A server masks nothing, and without context takeover a message compresses alike for everybody with the same window.
/// So one frame is made for connections without compression, and one for each window size that is asked for, each at its
/// first use. Connections with context takeover, clients, and those that cut messages into fragments send it as any
/// other message.
///
/// Share it by reference or in an [`Arc`](std::sync::Arc).
#[derive(Debug)]
pub struct PreparedMessage {
    message: Message,
    config: DeflateConfig,
    plain: OnceLock<Bytes>,
    /// By window bits, from [`MIN_WINDOW_BITS`] on; the inner `None` means that compressing does not pay.
    compressed: [OnceLock<Option<Bytes>>; WINDOWS],
}

const MIN_WINDOW_BITS: u8 = 8;
const WINDOWS: usize = 8;

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
            compressed: std::array::from_fn(|_| OnceLock::new()),
        }
    }

    /// Compresses by `config` (its level and threshold) rather than by the default.
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

    /// The frames for a server's connection without context takeover.
    pub(crate) fn frames(&self, agreed: Option<Agreed>) -> &Bytes {
        let cell = agreed.and_then(|agreed| {
            let index = agreed.server_max_window_bits.checked_sub(MIN_WINDOW_BITS)?;
            self.compressed.get(usize::from(index))
        });
        let compressed = cell
            .zip(agreed)
            .and_then(|(cell, agreed)| cell.get_or_init(|| self.compress(agreed)).as_ref());
        compressed.unwrap_or_else(|| {
            self.plain
                .get_or_init(|| self.frame(false, &self.payload()))
        })
    }

    fn compress(&self, agreed: Agreed) -> Option<Bytes> {
        let mut compressed = BytesMut::new();
        Codec::new(Role::Server, agreed, &self.config)
            .deflate(&self.payload(), Compression::Auto, &mut compressed)
            .then(|| self.frame(true, &compressed))
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
