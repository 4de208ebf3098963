//! Both directions' compression of one connection.

use bytes::BytesMut;

use super::config::{Compression, DeflateConfig, WhenBudgetSpent};
use super::deflater::{self, Deflater};
use super::encoder::{Context, Demand, Encoder};
use super::inflater::{self, InflateError, Inflater};
use super::negotiate::Agreed;
use super::pool;
use super::ranges::WindowBits;
use super::received::{self, Received};
use super::statistics::Statistics;
use crate::memory::{MemoryBudget, MemoryReservation};
use crate::tungstenite::protocol::Role;

/// Both directions' compression of one connection.
#[derive(Debug)]
pub(crate) struct Codec {
    /// zlib's level, or `None` for our own compressor.
    level: Option<u8>,
    /// Base-2 logarithm of the window that our messages must keep to, 8 to 15.
    window_bits: u8,
    when_budget_spent: WhenBudgetSpent,
    /// Our messages may refer to earlier ones.
    keeps_outgoing: bool,
    /// The peer's messages may refer to earlier ones.
    keeps_incoming: bool,
    threshold: usize,
    /// The compressor whose context is that of this connection.
    outgoing: Option<Held>,
    /// What the peer sent before, if it takes its context over.
    received: Option<Received>,
    /// The memory that was promised to the peer for that, a window of it.
    promised: Option<MemoryReservation>,
    /// Largest window of the peer's messages, as base-2 logarithm.
    incoming_window_bits: u8,
    /// The decompressor of the message in progress.
    incoming: Option<Box<Inflater>>,
    /// The compressed beginning of a message that is not worth a decompressor yet.
    beginning: Vec<u8>,
    statistics: Statistics,
    memory: MemoryBudget,
}

/// A context of our own together with its memory.
#[derive(Debug)]
struct Held {
    context: Outgoing,
    reservation: MemoryReservation,
}

/// What compresses with the messages before as context.
#[derive(Debug)]
enum Outgoing {
    Own(Box<Context>),
    Zlib(Box<Deflater<zlib_rs::Deflate>>),
}

impl Codec {
    /// Nothing is allocated before the first compressed message of a direction; the peer's context is reserved.
    pub(crate) fn new(role: Role, agreed: Agreed, config: &DeflateConfig) -> Self {
        let server = (
            agreed.server_max_window_bits,
            !agreed.server_no_context_takeover,
        );
        let client = (
            agreed.client_max_window_bits,
            !agreed.client_no_context_takeover,
        );
        let ((window_bits, keeps_outgoing), (incoming_window_bits, keeps_incoming)) = match role {
            Role::Server => (server, client),
            Role::Client => (client, server),
        };
        let mut codec = Self {
            level: (!config.is_own()).then(|| config.level.get()),
            window_bits,
            when_budget_spent: config.when_budget_spent,
            keeps_outgoing,
            keeps_incoming,
            threshold: config.threshold,
            outgoing: None,
            received: None,
            promised: None,
            incoming_window_bits,
            incoming: None,
            beginning: Vec::new(),
            statistics: Statistics::default(),
            memory: config.memory.clone(),
        };
        codec.reserve_peers_context();
        codec
    }

    /// Counts contexts against `memory` instead; for a codec that has none yet.
    pub(crate) fn set_memory(&mut self, memory: MemoryBudget) {
        self.memory = memory;
        self.promised = None;
        self.reserve_peers_context();
    }

    /// Reserves what the peer was promised, as far as it is left; [`keep_received`](Self::keep_received) tries again.
    fn reserve_peers_context(&mut self) {
        if self.keeps_incoming && self.promised.is_none() {
            let bytes = received::window_bytes(self.incoming_window_bits);
            self.promised = self.memory.reserve(bytes).ok();
        }
    }

    /// Memory of a message that is in the middle of its frames.
    pub(crate) fn unfinished_bytes(&self) -> usize {
        let inflater = self.incoming.as_ref().map_or(0, |_| inflater::BYTES);
        inflater + self.beginning.capacity()
    }

    /// Appends the compressed form of a whole message to `out` (without the final `00 00 ff ff`, RFC 7692 §7.2.1) and
    /// returns true, or leaves `out` as it was and returns false if the message goes uncompressed.
    pub(crate) fn deflate(
        &mut self,
        payload: &[u8],
        choice: Compression,
        out: &mut BytesMut,
    ) -> bool {
        let start = out.len();
        let compressed = match choice {
            Compression::Never => false,
            Compression::Auto => {
                payload.len() >= self.threshold && self.deflate_below(payload, payload.len(), out)
            }
            Compression::Always => self.deflate_below(payload, usize::MAX, out),
        };
        if compressed {
            self.statistics
                .sent
                .add(1, payload.len(), out.len() - start);
        } else {
            self.statistics.sent_uncompressed += 1;
        }
        compressed
    }

    /// Compresses to less than `bound` bytes, or leaves `out` as it was.
    fn deflate_below(&mut self, payload: &[u8], bound: usize, out: &mut BytesMut) -> bool {
        // No compressor keeps to a window of 8, but no distance can exceed it in a message not longer than that.
        if self.window_bits < MIN_WINDOW_BITS {
            return payload.len() <= 1 << self.window_bits
                && self.deflate_alone(payload, bound, out);
        }
        if !self.keeps_outgoing {
            return self.deflate_alone(payload, bound, out);
        }
        match (self.take_context(), self.when_budget_spent) {
            (Some(held), _) => self.deflate_in_context(held, payload, bound, out),
            (None, WhenBudgetSpent::StepDown) => self.deflate_alone(payload, bound, out),
            (None, WhenBudgetSpent::Uncompressed) => false,
        }
    }

    /// This connection's compressor, made at its first message; `None` if the budget has no room for it.
    fn take_context(&mut self) -> Option<Held> {
        if self.outgoing.is_some() {
            return self.outgoing.take();
        }
        let bits = self.window_bits;
        let bytes = match self.level {
            None => Context::max_bytes(bits, bits),
            Some(_) => deflater::own_bytes(bits),
        };
        let reservation = self.memory.reserve(bytes).ok()?;
        let context = match self.level {
            None => Outgoing::Own(Box::new(Context::new(bits, bits))),
            Some(level) => Outgoing::Zlib(Box::new(Deflater::own(level, bits))),
        };
        Some(Held {
            context,
            reservation,
        })
    }

    /// Compresses without a context, by a compressor of the thread.
    fn deflate_alone(&self, payload: &[u8], bound: usize, out: &mut BytesMut) -> bool {
        let window_bits = self.window_bits.max(MIN_WINDOW_BITS);
        let Some(level) = self.level else {
            let start = out.len();
            pool::with_encoder(|encoder| encoder.encode(payload, window_bits, out));
            let fits = out.len() - start < bound;
            if !fits {
                out.truncate(start);
            }
            return fits;
        };
        pool::with_deflater(level, window_bits, |deflater| {
            deflater.message(payload, bound, out)
        })
    }

    /// Compresses with what was sent before as context. A message that grows by this may be sent all the same: later ones
    /// refer to it.
    fn deflate_in_context(
        &mut self,
        mut held: Held,
        payload: &[u8],
        bound: usize,
        out: &mut BytesMut,
    ) -> bool {
        let (compressed, fits) = match &mut held.context {
            Outgoing::Own(context) => {
                let demand = if bound == usize::MAX {
                    Demand::Always
                } else {
                    Demand::WhenItPays
                };
                let encode =
                    |encoder: &mut Encoder| encoder.encode_in(context, payload, demand, out);
                (pool::with_encoder(encode).is_some(), true)
            }
            Outgoing::Zlib(deflater) => {
                let compressed = deflater.message(payload, usize::MAX, out);
                (compressed, compressed)
            }
        };
        // One of zlib that refused holds what the peer's does not.
        self.outgoing = fits.then_some(held);
        compressed
    }

    /// Appends the inflated form of one frame's payload to `out`, which holds what the message's earlier frames gave;
    /// `fin` ends the message (RFC 7692 §7.2.2). `out` never grows past `limit` bytes: the error comes first.
    ///
    /// Up to [`BEGINNING_BYTES`] of a message in several frames wait for more before they are inflated, so that many unfinished messages do not hold a decompressor each.
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
        let start = out.len();
        if fin || self.incoming.is_some() || self.beginning.len() + payload.len() > BEGINNING_BYTES
        {
            self.inflate_frame(payload, fin, limit, out)?;
        } else {
            self.beginning.extend_from_slice(payload);
        }
        self.statistics
            .received
            .add(u64::from(fin), out.len() - start, payload.len());
        Ok(())
    }

    /// Inflates what waited together with the frame.
    fn inflate_frame(
        &mut self,
        payload: &[u8],
        fin: bool,
        limit: usize,
        out: &mut BytesMut,
    ) -> Result<(), InflateError> {
        let beginning = std::mem::take(&mut self.beginning);
        let mut inflater = if let Some(inflater) = self.incoming.take() {
            inflater
        } else {
            let mut inflater = pool::take_inflater();
            if let Some(received) = &self.received {
                inflater.remember(received.parts())?;
            }
            inflater
        };
        let start = out.len();
        inflater.frame(&beginning, false, limit, out)?;
        inflater.frame(payload, fin, limit, out)?;
        if self.keeps_incoming {
            self.keep_received(inflater.take_beginning(), start, out)?;
        }
        if fin {
            pool::return_inflater(inflater);
        } else {
            self.incoming = Some(inflater);
        }
        Ok(())
    }

    /// Adds to the peer's context what one call appended to `out` from `start` on.
    ///
    /// # Errors
    /// Nothing was left to be reserved when the connection began, nor is it now.
    fn keep_received(
        &mut self,
        beginning: Option<usize>,
        start: usize,
        out: &[u8],
    ) -> Result<(), InflateError> {
        let bits = self.incoming_window_bits;
        self.reserve_peers_context();
        if self.promised.is_none() {
            let limit = self.memory.limit();
            return Err(InflateError::Memory { limit });
        }
        let context = self.received.get_or_insert_with(|| Received::new(bits));
        let start = match beginning {
            Some(beginning) => {
                context.clear();
                beginning.max(start)
            }
            None => start,
        };
        context.append(&out[start..]);
        Ok(())
    }

    /// What compression did so far.
    pub(crate) fn statistics(&self) -> Statistics {
        let contexts = [
            self.outgoing.as_ref().map(|held| held.reservation.bytes()),
            self.incoming.as_ref().map(|_| inflater::BYTES),
            self.received.as_ref().map(Received::allocated),
        ];
        Statistics {
            contexts: contexts.iter().flatten().map(|_| 1).sum(),
            context_bytes: contexts.into_iter().flatten().sum(),
            ..self.statistics
        }
    }
}

/// Smallest window that a compressor keeps to.
const MIN_WINDOW_BITS: u8 = WindowBits::MIN.get();
/// Most compressed bytes of an unfinished message that wait for more, in bytes: a third of what a decompressor takes.
const BEGINNING_BYTES: usize = 16 * 1024;
