//! What can be chosen about compression.

use std::sync::LazyLock;

use super::ranges::{Level, WindowBits};
use crate::memory::MemoryBudget;

/// How messages are compressed: level, threshold, windows, context takeover, limits, memory.
///
/// ```
/// use tungstenite_deflate::DeflateConfig;
/// use tungstenite_deflate::deflate::Level;
///
/// # fn main() -> Result<(), tungstenite_deflate::deflate::ConfigError> {
/// // Better ratio for many small messages of one connection, for up to 64 KB of memory each; with zlib from level 2 on,
/// // which is slower and smaller, up to 312 KB.
/// let config = DeflateConfig::default()
///     .server_no_context_takeover(false)
///     .client_no_context_takeover(false)
///     .threshold(32)
///     .level(Level::new(4)?);
/// # let _ = config;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeflateConfig {
    /// Effort of the compressor. Default: 1, which is this crate's own compressor unless
    /// [`compressor`](Self::compressor) says otherwise; 2 to 9 are levels of zlib.
    pub level: Level,
    /// Compressor at each level. Default: [`Compressor::ByLevel`].
    pub compressor: Compressor,
    /// Minimum length of a compressed message, in bytes. Default: 96.
    ///
    /// Without context takeover JSON of that length becomes a tenth smaller, of 125 bytes a seventh; below, little is
    /// gained. With it, 32 is a good choice.
    /// [`Compression::Always`] does not ask for it.
    pub threshold: usize,
    /// The server forgets its compression context after each message (RFC 7692 §7.1.1.1). Default: true, so that an
    /// idle connection holds no context.
    ///
    /// A server announces it, a client asks for it.
    pub server_no_context_takeover: bool,
    /// The client forgets its compression context after each message (RFC 7692 §7.1.1.2). Default: true, so that an
    /// idle connection holds no context.
    ///
    /// A server asks for it, a client announces it.
    pub client_no_context_takeover: bool,
    /// Maximum LZ77 window that the server compresses with (RFC 7692 §7.1.2.1). Default: 15.
    pub server_max_window_bits: WindowBits,
    /// Maximum LZ77 window that the client compresses with (RFC 7692 §7.1.2.2). Default: `None`, which is 15.
    ///
    /// A client that sets it lets the server ask for less, also with 15: `client_max_window_bits` is then offered
    /// without a value. By default the parameter is not offered, as some servers choke on it.
    pub client_max_window_bits: Option<WindowBits>,
    /// Maximum length of a received message after inflation, in bytes. Default: `None`, the connection's
    /// `max_message_size`.
    ///
    /// The smaller of the two holds. It is counted while the message inflates, over all its frames.
    /// Exceeding it fails the connection with 1009 (message too big), RFC 6455 §7.4.1.
    pub max_inflated_bytes: Option<usize>,
    /// Behaviour of our own context when [`memory`](Self::memory) is spent. Default: [`WhenBudgetSpent::StepDown`].
    pub when_budget_spent: WhenBudgetSpent,
    /// Budget of the memory that compression contexts take, shared by every connection whose configuration holds a
    /// clone of it. Default: one of 256 MiB that all configurations of the process share which set no other: contexts
    /// of both directions for about 4,000 connections with the largest windows, or 850 at levels of zlib.
    ///
    /// When it is spent our own messages follow [`when_budget_spent`](Self::when_budget_spent) and negotiation asks the
    /// peer to forget its context. A peer that was allowed to keep it had its window reserved at once; the connection
    /// fails with 1013 (try again later) in the rare case that others took the rest during its handshake.
    pub memory: MemoryBudget,
}

/// Whether one message is compressed, beside what [`DeflateConfig`] says for all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// As the configuration says: at or above the threshold, and only if that makes it smaller.
    ///
    /// With context takeover a message that grew is sent compressed all the same: taking it back would cost the
    /// context, and the growth is some 5 bytes for every 2 KiB (RFC 1951 §3.2.4).
    #[default]
    Auto,
    /// Compressed whatever its size, if the extension was agreed.
    Always,
    /// Never compressed: for a message that holds a secret beside text of somebody else's choosing (CRIME, BREACH).
    Never,
}

/// What compresses our messages. The peer's are inflated by zlib-rs in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compressor {
    /// At level 1 this crate's own, made for small messages; at levels 2 to 9 zlib-rs.
    ///
    /// Ours needs no clearing between messages and 31 KB instead of 150 to 280 for a context. JSON takes as few bytes as with
    /// zlib-rs at level 6 without takeover, and fewer than at level 2 with it; text as at
    /// level 2 or 3, binary data 1 % more than at level 2.
    #[default]
    ByLevel,
    /// zlib-rs at every level, through flate2 where messages have no context.
    Zlib,
}

/// The behaviour of a connection that agreed to context takeover for its own messages when
/// [`DeflateConfig::memory`] has nothing left for its context.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenBudgetSpent {
    /// Compress each message by itself with a compressor of the thread (RFC 7692 §7.1.1 allows a sender to forget).
    #[default]
    StepDown,
    /// Send uncompressed: less work than a worse ratio is worth.
    Uncompressed,
}

impl Default for DeflateConfig {
    fn default() -> Self {
        Self {
            level: Level::MIN,
            compressor: Compressor::default(),
            threshold: DEFAULT_THRESHOLD,
            server_no_context_takeover: true,
            client_no_context_takeover: true,
            server_max_window_bits: WindowBits::MAX,
            client_max_window_bits: None,
            max_inflated_bytes: None,
            when_budget_spent: WhenBudgetSpent::StepDown,
            memory: DEFAULT_MEMORY.clone(),
        }
    }
}

impl DeflateConfig {
    /// Sets [`Self::level`].
    pub fn level(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    /// Sets [`Self::compressor`].
    pub fn compressor(mut self, compressor: Compressor) -> Self {
        self.compressor = compressor;
        self
    }

    /// Sets [`Self::threshold`].
    pub fn threshold(mut self, threshold: usize) -> Self {
        self.threshold = threshold;
        self
    }

    /// Sets [`Self::server_no_context_takeover`].
    pub fn server_no_context_takeover(mut self, forgets: bool) -> Self {
        self.server_no_context_takeover = forgets;
        self
    }

    /// Sets [`Self::client_no_context_takeover`].
    pub fn client_no_context_takeover(mut self, forgets: bool) -> Self {
        self.client_no_context_takeover = forgets;
        self
    }

    /// Sets [`Self::server_max_window_bits`].
    pub fn server_max_window_bits(mut self, bits: WindowBits) -> Self {
        self.server_max_window_bits = bits;
        self
    }

    /// Sets [`Self::client_max_window_bits`].
    pub fn client_max_window_bits(mut self, bits: impl Into<Option<WindowBits>>) -> Self {
        self.client_max_window_bits = bits.into();
        self
    }

    /// Sets [`Self::max_inflated_bytes`].
    pub fn max_inflated_bytes(mut self, bytes: impl Into<Option<usize>>) -> Self {
        self.max_inflated_bytes = bytes.into();
        self
    }

    /// Sets [`Self::memory`].
    pub fn memory(mut self, memory: MemoryBudget) -> Self {
        self.memory = memory;
        self
    }

    /// Sets [`Self::when_budget_spent`].
    pub fn when_budget_spent(mut self, policy: WhenBudgetSpent) -> Self {
        self.when_budget_spent = policy;
        self
    }

    /// Reports if messages are compressed by this crate's own compressor.
    pub(super) fn is_own(&self) -> bool {
        self.compressor == Compressor::ByLevel && self.level == Level::MIN
    }
}

/// Shared by all configurations that set no budget of their own.
static DEFAULT_MEMORY: LazyLock<MemoryBudget> =
    LazyLock::new(|| MemoryBudget::new(256 * 1024 * 1024));

const DEFAULT_THRESHOLD: usize = 96;
