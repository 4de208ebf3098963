//! Both directions' compression of one connection.

use bytes::BytesMut;

use super::config::{Compression, DeflateConfig, MIN_WINDOW_BITS, WhenBudgetSpent};
use super::deflater::{Deflater, NotDeflated};
use super::inflater::{InflateError, Inflater};
use super::negotiate::Agreed;
use super::pool;
use crate::tungstenite::protocol::Role;

/// Both directions' compression of one connection.
#[derive(Debug)]
pub(crate) struct Codec {
    level: u8,
    threshold: usize,
    /// Base-2 logarithm of the window that our messages must keep to, 8 to 15.
    window_bits: u8,
    when_budget_spent: WhenBudgetSpent,
    /// Our messages may refer to earlier ones.
    keeps_outgoing: bool,
    /// The peer's messages may refer to earlier ones.
    keeps_incoming: bool,
    /// The compressor whose context is that of this connection.
    deflater: Option<Box<Deflater>>,
    /// The decompressor whose context is that of this connection, or that of the message in progress.
    inflater: Option<Box<Inflater>>,
}

impl Codec {
    /// Nothing is allocated before the first compressed message of a direction.
    pub(crate) fn new(role: Role, agreed: Agreed, config: &DeflateConfig) -> Self {
        let server = (
            agreed.server_max_window_bits,
            !agreed.server_no_context_takeover,
        );
        let client = (
            agreed.client_max_window_bits,
            !agreed.client_no_context_takeover,
        );
        let ((window_bits, keeps_outgoing), (_, keeps_incoming)) = match role {
            Role::Server => (server, client),
            Role::Client => (client, server),
        };
        Self {
            level: config.get_level(),
            threshold: config.get_threshold(),
            window_bits,
            when_budget_spent: config.get_when_budget_spent(),
            keeps_outgoing,
            keeps_incoming,
            deflater: None,
            inflater: None,
        }
    }

    /// Appends the compressed form of a whole message to `out` (without the final `00 00 ff ff`, RFC 7692 §7.2.1) and
    /// returns true, or leaves `out` as it was and returns false if the message goes uncompressed.
    pub(crate) fn deflate(
        &mut self,
        payload: &[u8],
        choice: Compression,
        out: &mut BytesMut,
    ) -> bool {
        let bound = match choice {
            Compression::Never => return false,
            Compression::Auto if payload.len() < self.threshold => return false,
            Compression::Auto => Some(payload.len()),
            Compression::Always => None,
        };
        if self.window_bits < MIN_WINDOW_BITS {
            return payload.len() <= 1 << self.window_bits
                && self.deflate_alone(payload, bound, out);
        }
        if self.keeps_outgoing {
            self.deflate_in_context(payload, out)
        } else {
            self.deflate_alone(payload, bound, out)
        }
    }

    /// Compresses without a context, by a compressor of the thread.
    ///
    /// A window of 8 is no problem for a message that is not longer than such a window: no distance can exceed it.
    fn deflate_alone(&self, payload: &[u8], bound: Option<usize>, out: &mut BytesMut) -> bool {
        let window_bits = self.window_bits.max(MIN_WINDOW_BITS);
        pool::with_deflater(self.level, window_bits, |deflater| {
            deflater.message(payload, bound, out).is_ok()
        })
    }

    /// Compresses with what was sent before as context. A message that grows by this is sent all the same: the peer
    /// must see what our context will hold.
    fn deflate_in_context(&mut self, payload: &[u8], out: &mut BytesMut) -> bool {
        let deflater = self
            .deflater
            .get_or_insert_with(|| Box::new(Deflater::new(self.level, self.window_bits)));
        match deflater.message(payload, None, out) {
            Ok(()) => true,
            Err(NotDeflated::TooLong | NotDeflated::Failed) => {
                self.deflater = None;
                false
            }
        }
    }

    /// Appends the inflated form of one frame's payload to `out`, which holds what the message's earlier frames gave;
    /// `fin` ends the message (RFC 7692 §7.2.2). `out` never grows past `limit` bytes: the error comes first.
    ///
    /// # Errors
    /// The message is too long or not valid. The context is dropped; the connection must be failed.
    pub(crate) fn inflate(
        &mut self,
        payload: &[u8],
        fin: bool,
        limit: usize,
        out: &mut BytesMut,
    ) -> Result<(), InflateError> {
        let mut inflater = self.inflater.take().unwrap_or_else(pool::take_inflater);
        inflater.frame(payload, fin, limit, out)?;
        if fin && !self.keeps_incoming {
            pool::return_inflater(inflater);
        } else {
            self.inflater = Some(inflater);
        }
        Ok(())
    }
}
