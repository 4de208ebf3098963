//! Both directions' compression of one connection.

use std::time::Instant;

use bytes::BytesMut;

use super::config::{Compression, DeflateConfig, WhenBudgetSpent};
use super::context_memory::{ContextMemory, Promise};
use super::encoder::{Demand, Encoder};
use super::hold::Hold;
use super::inflater::{self, InflateError, Inflater};
use super::kept::{Kind, Outgoing};
use super::negotiate::Agreed;
use super::pool;
use super::received;
use super::run::{Position, Run};
use super::shared::InStream;
use super::statistics::Statistics;
use crate::memory::MemoryBudget;
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
    /// Base-2 logarithm of the window that our context uses of it.
    context_bits: u8,
    /// Minimum length of a compressed message, in bytes: with a context, and without one.
    threshold: [usize; 2],
    /// The part of the peer's window that is a shared context's.
    run: Run,
    /// The context of our messages, from the first one on.
    outgoing: Option<Hold>,
    /// The peer's window, from its first message on.
    received: Option<Hold>,
    /// Notes that the peer was promised that window, until the connection ends.
    _promise: Option<Promise>,
    /// Largest window of the peer's messages, as base-2 logarithm.
    incoming_window_bits: u8,
    /// The decompressor of the message in progress.
    incoming: Option<Box<Inflater>>,
    /// The compressed beginning of a message that is not worth a decompressor yet.
    beginning: Vec<u8>,
    statistics: Statistics,
    memory: ContextMemory,
    /// Budget that contexts count against: a part of the memory, or all of it.
    budget: MemoryBudget,
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
        let ((window_bits, keeps_outgoing), (incoming_window_bits, keeps_incoming)) = match role {
            Role::Server => (server, client),
            Role::Client => (client, server),
        };
        let memory = config.memory.clone();
        Self {
            level: config.zlib_level(),
            window_bits,
            when_budget_spent: config.when_budget_spent,
            keeps_outgoing,
            keeps_incoming,
            context_bits: config.context_window(window_bits),
            threshold: [true, false].map(|kept| config.threshold_for(kept)),
            run: Run::default(),
            outgoing: None,
            received: None,
            _promise: keeps_incoming
                .then(|| memory.promise(received::window_bytes(incoming_window_bits))),
            incoming_window_bits,
            incoming: None,
            beginning: Vec::new(),
            statistics: Statistics::default(),
            budget: memory.budget().clone(),
            memory,
        }
    }

    /// Counts contexts against `budget` instead; for a codec that has none yet.
    pub(crate) fn set_memory(&mut self, budget: MemoryBudget) {
        self.budget = budget;
    }

    /// Lets contexts of this and other connections give way that are idle at `now`. Returns when to look again.
    pub(crate) fn release_idle(&self, now: Instant) -> Option<Instant> {
        self.memory.release_idle(now);
        now.checked_add(self.memory.idle_timeout()? / LOOKS)
    }

    /// Reports if contexts give way with time.
    pub(crate) fn uses_clock(&self) -> bool {
        self.memory.idle_timeout().is_some()
    }

    /// Reports if a context of this connection can give way.
    pub(crate) fn can_give_way(&self) -> bool {
        let holds = [&self.outgoing, &self.received];
        holds.into_iter().flatten().any(Hold::can_give_way)
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
            Compression::Auto if self.run.spares(payload.len()) => {
                self.run.spend(payload.len());
                false
            }
            Compression::Auto => self.deflate_from(self.threshold, payload, payload.len(), out),
            Compression::Always => self.deflate_from([0, 0], payload, usize::MAX, out),
            Compression::Isolated => self.deflate_isolated(payload, out),
        };
        if compressed {
            self.run.end();
            self.statistics
                .sent
                .add(1, payload.len(), out.len() - start);
        } else {
            self.statistics.sent_uncompressed += 1;
        }
        compressed
    }

    /// Compresses a message that is long enough for a context, or for none, and leaves `out` as it was otherwise.
    /// Without a context the result is shorter than `bound` bytes.
    fn deflate_from(
        &mut self,
        [in_context, alone]: [usize; 2],
        payload: &[u8],
        bound: usize,
        out: &mut BytesMut,
    ) -> bool {
        if self.keeps_outgoing && self.window_bits >= pool::smallest_window(self.level) {
            if payload.len() < in_context {
                return false;
            }
            if let Some(compressed) = self.deflate_in_context(payload, bound, out) {
                return compressed;
            }
            if self.when_budget_spent == WhenBudgetSpent::Uncompressed {
                return false;
            }
        }
        payload.len() >= alone && self.deflate_alone(payload, bound, out)
    }

    /// Compresses without a context, and sees to it that no later message refers to this one.
    fn deflate_isolated(&self, payload: &[u8], out: &mut BytesMut) -> bool {
        let compressed =
            payload.len() >= self.threshold[1] && self.deflate_alone(payload, payload.len(), out);
        if compressed {
            self.skip(payload.len());
        }
        compressed
    }

    /// Compresses without a context, by a compressor of the thread.
    fn deflate_alone(&self, payload: &[u8], bound: usize, out: &mut BytesMut) -> bool {
        pool::deflate_alone(self.level, self.window_bits, payload, bound, out)
    }

    /// Counts bytes that our context does not know: the peer's window has them now, after what was before.
    fn skip(&self, bytes: usize) {
        if let Some(hold) = &self.outgoing {
            hold.skip(bytes);
        }
    }

    /// Compresses with what was sent before as context; `None` if no memory is left for one. A message that grows by this
    /// may be sent all the same: later ones refer to it.
    fn deflate_in_context(
        &mut self,
        payload: &[u8],
        bound: usize,
        out: &mut BytesMut,
    ) -> Option<bool> {
        let (memory, budget) = (&self.memory, &self.budget);
        let hold = self
            .outgoing
            .get_or_insert_with(|| Hold::new(Kind::History, memory, budget.reservation()));
        let mut kept = hold.lock();
        let windows = [self.window_bits, self.context_bits];
        let (compressed, fits) = match hold.history(&mut kept, self.level, windows)? {
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
        if !fits || !hold.settle(&mut kept) {
            kept.clear();
        }
        Some(compressed)
    }

    /// Appends the inflated form of one frame's payload to `out`, which holds what the message's earlier frames gave;
    /// `fin` ends the message (RFC 7692 §7.2.2). `out` never grows past `limit` bytes: the error comes first.
    ///
    /// Pauses when [`STEP_BYTES`](inflater::STEP_BYTES) came out, and returns the bytes of `payload` taken then; the caller
    /// gives the rest again, with `fin` as before.
    ///
    /// Up to [`BEGINNING_BYTES`] of a message in several frames wait for more before they are inflated, so that many unfinished messages do not hold a decompressor each.
    ///
    /// # Errors
    /// The message is too long or not valid. The context is dropped; the connection must be failed.
    pub(crate) fn inflate_step(
        &mut self,
        payload: &[u8],
        fin: bool,
        limit: usize,
        out: &mut BytesMut,
    ) -> Result<Option<usize>, InflateError> {
        let start = out.len();
        let mut paused = None;
        if fin || self.incoming.is_some() || self.beginning.len() + payload.len() > BEGINNING_BYTES
        {
            paused = self.inflate_frame(payload, fin, limit, out)?;
        } else {
            self.beginning.extend_from_slice(payload);
        }
        self.statistics.received.add(
            u64::from(fin && paused.is_none()),
            out.len() - start,
            paused.unwrap_or(payload.len()),
        );
        Ok(paused)
    }

    /// Inflates what waited together with the frame, as far as one step goes; returns the bytes of `payload` taken if it pauses.
    fn inflate_frame(
        &mut self,
        payload: &[u8],
        fin: bool,
        limit: usize,
        out: &mut BytesMut,
    ) -> Result<Option<usize>, InflateError> {
        let mut beginning = std::mem::take(&mut self.beginning);
        let mut inflater = if let Some(inflater) = self.incoming.take() {
            inflater
        } else {
            let mut inflater = pool::take_inflater();
            if let Some(hold) = &self.received {
                let mut content = hold.lock();
                let window = content.window(self.incoming_window_bits)?;
                inflater.remember(window.parts())?;
            }
            inflater
        };
        let start = out.len();
        let paused = match inflater.frame(&beginning, false, limit, out)? {
            None => inflater.frame(payload, fin, limit, out)?,
            Some(taken) => {
                beginning.drain(..taken);
                self.beginning = beginning;
                Some(0)
            }
        };
        if self.keeps_incoming {
            self.keep_received(inflater.take_beginning(), start, out)?;
        }
        if fin && paused.is_none() {
            pool::return_inflater(inflater);
        } else {
            self.incoming = Some(inflater);
        }
        Ok(paused)
    }

    /// Adds to the peer's window what one call appended to `out` from `start` on.
    ///
    /// # Errors
    /// The window is lost, which would be a fault of ours.
    fn keep_received(
        &mut self,
        beginning: Option<usize>,
        start: usize,
        out: &[u8],
    ) -> Result<(), InflateError> {
        let (memory, budget) = (&self.memory, &self.budget);
        let hold = self
            .received
            .get_or_insert_with(|| Hold::new(Kind::Window, memory, budget.reservation()));
        let mut content = hold.lock();
        let window = content.window(self.incoming_window_bits)?;
        let start = match beginning {
            Some(beginning) => {
                window.clear();
                beginning.max(start)
            }
            None => start,
        };
        window.append(&out[start..]);
        hold.settle_promised(&mut content);
        Ok(())
    }

    /// Returns the counts of messages alone.
    pub(crate) fn counted(&self) -> Statistics {
        self.statistics
    }

    /// Returns counts of what compression did so far.
    pub(crate) fn statistics(&self) -> Statistics {
        let contexts = [
            self.outgoing.as_ref().and_then(Hold::allocated),
            self.incoming.as_ref().map(|_| inflater::BYTES),
            self.received.as_ref().and_then(Hold::allocated),
        ];
        Statistics {
            contexts: contexts.iter().flatten().map(|_| 1).sum(),
            context_bytes: contexts.into_iter().flatten().sum(),
            ..self.statistics
        }
    }
}

/// # Prepared messages
impl Codec {
    /// Base-2 logarithm of the window that our messages must keep to, 8 to 15.
    pub(crate) fn window_bits(&self) -> u8 {
        self.window_bits
    }

    /// Reports if the peer's window goes on from our message to the next.
    pub(crate) fn keeps_outgoing(&self) -> bool {
        self.keeps_outgoing
    }

    /// Reports if the peer holds what this form of a message refers to.
    pub(crate) fn admits(&self, message: &InStream, config: &DeflateConfig) -> bool {
        self.keeps_outgoing
            && message.fits(self.window_bits, config)
            && self.run.holds(message.position(), message.reach())
    }

    /// Reports if a message of `bytes` that is no part of a stream should go uncompressed, for the sake of one.
    pub(crate) fn spares(&self, bytes: usize) -> bool {
        self.run.spares(bytes)
    }

    /// Notes that a message of `bytes` was sent by frames that were made before.
    pub(crate) fn note_prepared(&mut self, bytes: usize, sent: Sent) {
        match sent {
            Sent::Uncompressed => self.statistics.sent_uncompressed += 1,
            Sent::Spared => {
                self.run.spend(bytes);
                self.statistics.sent_uncompressed += 1;
            }
            Sent::Compressed {
                wire_bytes,
                position,
            } => {
                if self.keeps_outgoing {
                    self.skip(bytes);
                    match position {
                        Some(position) => self.run.extend(position),
                        None => self.run.end(),
                    }
                }
                self.statistics.sent.add(1, bytes, wire_bytes);
            }
        }
    }
}

/// The form in which a prepared message was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// As it is.
    Uncompressed,
    /// As it is, for the sake of a shared context.
    Spared,
    /// Compressed.
    Compressed {
        /// Bytes of the payload.
        wire_bytes: usize,
        /// Position in a stream, if the message is a part of one.
        position: Option<Position>,
    },
}

/// Looks for idle contexts within their timeout: they stay at most so much longer.
const LOOKS: u32 = 4;
/// Most compressed bytes of an unfinished message that wait for more, in bytes: a third of what a decompressor takes.
const BEGINNING_BYTES: usize = 16 * 1024;
