//! permessage-deflate (RFC 7692): negotiation, compression and bounded inflation.

use bytes::BytesMut;

use crate::tungstenite::protocol::Role;

/// What both sides agreed on for one connection (RFC 7692 §7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// The server resets its compression context after each message (§7.1.1.1).
    pub server_no_context_takeover: bool,
    /// The client resets its compression context after each message (§7.1.1.2).
    pub client_no_context_takeover: bool,
    /// Base-2 logarithm of the server's LZ77 window, 8 to 15 (§7.1.2.1).
    pub server_max_window_bits: u8,
    /// Base-2 logarithm of the client's LZ77 window, 8 to 15 (§7.1.2.2).
    pub client_max_window_bits: u8,
}

/// Whether one message is compressed, beside what [`DeflateConfig`] says for all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// As the configuration says: at or above the threshold, and only if that makes it smaller.
    #[default]
    Auto,
    /// Compressed whatever its size, if the extension was agreed.
    Always,
    /// Never compressed: for a message that holds a secret beside text of somebody else's choosing.
    Never,
}

/// How messages are compressed (level, threshold, windows, takeover, limits, memory).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct DeflateConfig {}

/// Why a compressed message could not be inflated.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum InflateError {
    /// The message would be longer than `limit` bytes.
    TooLong { limit: usize },
    /// The bytes are not DEFLATE data, or end amid a block.
    Invalid(&'static str),
}

/// Both directions' compression of one connection.
#[derive(Debug)]
pub(crate) struct Codec {}

impl Codec {
    /// Nothing is allocated before the first compressed message of a direction.
    pub(crate) fn new(_role: Role, _agreed: Agreed, _config: &DeflateConfig) -> Self {
        Self {}
    }

    /// Appends the compressed form of a whole message to `out` (without the final `00 00 ff ff`, RFC 7692 §7.2.1) and
    /// returns true, or leaves `out` as it was and returns false if the message goes uncompressed.
    pub(crate) fn deflate(&mut self, _payload: &[u8], _choice: Compression, _out: &mut BytesMut) -> bool {
        false
    }

    /// Appends the inflated form of one frame's payload to `out`, which holds what the message's earlier frames gave;
    /// `fin` ends the message (RFC 7692 §7.2.2). `out` never grows past `limit` bytes (plus nothing: the error comes first).
    pub(crate) fn inflate(&mut self, _payload: &[u8], _fin: bool, _limit: usize, _out: &mut BytesMut) -> Result<(), InflateError> {
        Err(InflateError::Invalid("not yet written"))
    }
}
