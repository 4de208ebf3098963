//! One compression context for many receivers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::BytesMut;

use super::config::{DeflateConfig, WhenBudgetSpent};
use super::encoder::Demand;
use super::hold::Hold;
use super::kept::{Kind, Outgoing};
use super::pool;
use super::run::Position;

/// A compression context that the receivers of one stream of messages share: a chat room, a feed, a topic.
///
/// With context takeover a message is usually compressed once for each connection, because each has a context of its own.
/// But a frame is right for every receiver whose window holds what the frame refers to (RFC 7692 §7.2.3.2), and
/// those who follow a stream hold the same bytes. So each message is compressed once, with the messages of the stream
/// before it as history, and its frame is shared:
///
/// ```text
///                  ┌─ compressed once in the stream's history ─┬─► member, here for 100 messages
///  message ────────┤                                           └─► member, here for 50 messages
///                  ├─ compressed once by itself, if needed ──────► newcomer, until its window holds enough
///                  └─ uncompressed, if needed ───────────────────► member without permessage-deflate
/// ```
///
/// A newcomer's window gets the same bytes from frames without history, and after some 4 KiB of them it gets the shared
/// frames. A connection needs 32 bytes of bookkeeping for this; the context takes up to 15 KB once, counts against
/// [`DeflateConfig::memory`] and gives way as contexts of connections do, without any message failing.
///
/// | receiver | gets |
/// |---|---|
/// | server's connection with context takeover | the shared frame, or the one without history |
/// | server's connection with `server_no_context_takeover` | the one without history, if it is smaller |
/// | window too small for the shared frame's distances | the one without history |
/// | permessage-deflate declined | the uncompressed frame |
/// | client's connection, or [`fragment_bytes`](crate::Options::fragment_bytes) | its own, as for any message |
///
/// # Other messages
/// A compressed message to one receiver alone enters its window, and the receiver has to start anew. So messages of
/// [`Compression::Auto`](super::Compression::Auto) go uncompressed to receivers that follow a stream, as long as they are
/// fewer bytes than the stream's (and 2 KiB at a time). The same holds for two streams on one connection: followed in
/// turns, each message ends the other's run, and all go without history.
///
/// # Order
/// A message enters the stream when the first receiver with context takeover queues it. Every receiver should queue the
/// messages in the same order, as those of a broadcast channel do. Frames are right in any order: a receiver that misses
/// a message, or gets it late, gets frames without history for a while.
///
/// # Secrets
/// Everybody's messages share the history: put no secret into one. See [Secrets](super#secrets).
///
/// ```
/// use tungstenite_deflate::{DeflateConfig, SharedContext};
///
/// let room = SharedContext::new(&DeflateConfig::default());
/// let message = room.text(r#"{"from":"Ana","text":"Bom dia!"}"#);
/// // For each member: socket.feed_prepared(&message).await?;
/// assert!(message.message().is_text());
/// ```
#[derive(Clone, Debug)]
pub struct SharedContext {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// From 1 on; no other context of the process has it.
    number: u64,
    config: DeflateConfig,
    stream: Mutex<Stream>,
}

/// State that is locked while a message is compressed.
#[derive(Debug)]
struct Stream {
    hold: Hold,
    /// Bytes of the messages so far.
    position: u64,
}

/// The compressed form of a message that refers to those before it in its stream.
#[derive(Debug)]
pub(crate) struct InStream {
    wire_bytes: usize,
    position: Position,
    /// The farthest reference before the message, in bytes.
    reach: usize,
}

impl SharedContext {
    /// Creates a context that compresses by `config`: its threshold, windows, memory and behaviour when that is spent.
    ///
    /// The history is compressed by this crate's own compressor at every level; the level is that of frames without
    /// history.
    pub fn new(config: &DeflateConfig) -> Self {
        static NUMBERS: AtomicU64 = AtomicU64::new(1);
        let memory = &config.memory;
        let hold = Hold::new(Kind::History, memory, memory.budget().reservation());
        Self {
            shared: Arc::new(Shared {
                number: NUMBERS.fetch_add(1, Ordering::Relaxed),
                config: config.clone(),
                stream: Mutex::new(Stream { hold, position: 0 }),
            }),
        }
    }

    pub(crate) fn config(&self) -> &DeflateConfig {
        &self.shared.config
    }

    /// Compresses the stream's next message; `None` if it goes uncompressed to everybody, and is no part of the stream.
    pub(crate) fn compress(&self, payload: &[u8]) -> Option<(BytesMut, InStream)> {
        let config = &self.shared.config;
        if payload.len() < config.threshold_for(true) {
            return None;
        }
        // Nothing panics while it is held; a poisoned stream is whole all the same.
        let stream = self.shared.stream.lock();
        let mut stream = stream.unwrap_or_else(PoisonError::into_inner);
        let mut out = BytesMut::new();
        let reach = self.encode(&stream.hold, payload, &mut out)?;
        let position = Position {
            stream: self.shared.number,
            start: stream.position,
            bytes: payload.len(),
        };
        stream.position += payload.len() as u64;
        let message = InStream {
            wire_bytes: out.len(),
            position,
            reach,
        };
        Some((out, message))
    }

    /// Appends the compressed form, and returns how far it refers before the message.
    fn encode(&self, hold: &Hold, payload: &[u8], out: &mut BytesMut) -> Option<usize> {
        let config = &self.shared.config;
        let window_bits = config.server_max_window_bits.get();
        let mut kept = hold.lock();
        let windows = [window_bits, config.shared_context_window(window_bits)];
        if let Some(Outgoing::Own(context)) = hold.history(&mut kept, None, windows) {
            let reach = pool::with_encoder(|encoder| {
                encoder.encode_in(context, payload, Demand::WhenItPays, out)
            });
            if !hold.settle(&mut kept) {
                kept.clear();
            }
            return reach;
        }
        let alone = config.when_budget_spent == WhenBudgetSpent::StepDown
            && payload.len() >= config.threshold_for(false);
        let level = config.zlib_level();
        (alone && pool::deflate_alone(level, window_bits, payload, payload.len(), out)).then_some(0)
    }
}

impl InStream {
    /// Bytes of the compressed payload.
    pub(crate) fn wire_bytes(&self) -> usize {
        self.wire_bytes
    }

    pub(crate) fn position(&self) -> Position {
        self.position
    }

    pub(super) fn reach(&self) -> usize {
        self.reach
    }

    /// Reports if no distance of it exceeds a window of two to the power of `window_bits`.
    pub(super) fn fits(&self, window_bits: u8, config: &DeflateConfig) -> bool {
        window_bits >= config.server_max_window_bits.get()
            || self.reach + self.position.bytes <= 1 << window_bits
    }
}
