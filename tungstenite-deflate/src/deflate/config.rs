//! Settings of compression.

use std::sync::LazyLock;

use super::context_memory::ContextMemory;
use super::ranges::{Level, WindowBits};
use crate::memory::MemoryBudget;

/// Settings of compression: level, threshold, windows, context takeover, limits, memory.
///
/// ```
/// use tungstenite_deflate::DeflateConfig;
/// use tungstenite_deflate::deflate::Level;
///
/// # fn main() -> Result<(), tungstenite_deflate::deflate::ConfigError> {
/// // Better ratio for some 300 KB of memory per connection in use instead of 8: zlib, with all of the agreed window.
/// let small = DeflateConfig::default().level(Level::new(6)?);
/// // No context at all: each message is compressed alone, and an idle connection holds nothing.
/// let alone = DeflateConfig::default()
///     .server_no_context_takeover(true)
///     .client_no_context_takeover(true);
/// # let _ = (small, alone);
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
    /// Minimum length of a compressed message, in bytes. Default: `None`, which is 16 while a context is kept for our
    /// messages and 96 otherwise.
    ///
    /// With a context, a message of 16 bytes that resembles an earlier one takes a third of its length. Without one,
    /// JSON of 96 bytes becomes a tenth smaller, of 125 bytes a seventh; below, little is gained.
    /// [`Compression::Always`] ignores the threshold.
    pub threshold: Option<usize>,
    /// The server forgets its compression context after each message (RFC 7692 §7.1.1.1). Default: false, since small
    /// messages hardly shrink without those before.
    ///
    /// A server announces it, a client asks for it. A context is taken over only if neither side declines:
    /// [`Agreed`](super::Agreed) has the outcome.
    pub server_no_context_takeover: bool,
    /// The client forgets its compression context after each message (RFC 7692 §7.1.1.2). Default: false.
    ///
    /// A server asks for it, a client announces it. A server asks by itself where the client's window cannot be held to
    /// [`client_max_window_bits`](Self::client_max_window_bits), and where [`memory`](Self::memory) is spent.
    pub client_no_context_takeover: bool,
    /// Maximum LZ77 window that the server compresses with (RFC 7692 §7.1.2.1). Default: 15.
    ///
    /// A server announces less than 15, and a client asks for it. This is what the parameter permits; what a compressor
    /// uses of it is [`encoder_window_bits`](Self::encoder_window_bits).
    pub server_max_window_bits: WindowBits,
    /// Maximum LZ77 window that the client compresses with (RFC 7692 §7.1.2.2). Default: `None`.
    ///
    /// - A client offers `client_max_window_bits`, as browsers do: by default without a value, which lets the server ask
    ///   for any.
    /// - A server holds a window of this size for each client that keeps its context: by default 11, which is 2 KiB. A
    ///   client whose offer does not permit to limit its window (Firefox) is asked to forget its context, unless this is
    ///   15. By default nothing is asked of a client that forgets; a value is asked of it too.
    pub client_max_window_bits: Option<WindowBits>,
    /// Maximum LZ77 window that our own compressor uses of what was agreed, which costs memory while a context is kept.
    /// Default: `None`, which for this crate's own compressor is 11 (2 KiB), in a
    /// [`SharedContext`](super::SharedContext) 12 (4 KiB), and for zlib all that was agreed. This crate's own uses 13
    /// (8 KiB) at most, and searches a history more thoroughly above 2 KiB.
    ///
    /// The peer is not informed: a compressor may always use less. Messages that are compressed without a context use
    /// the agreed window, in memory of the thread.
    pub encoder_window_bits: Option<WindowBits>,
    /// Maximum length of a received message after inflation, in bytes. Default: `None`, the connection's
    /// `max_message_size`.
    ///
    /// The smaller of the two holds. It is counted while the message inflates, over all its frames.
    /// Exceeding it fails the connection with 1009 (message too big), RFC 6455 §7.4.1.
    pub max_inflated_bytes: Option<usize>,
    /// Behaviour of our own messages when [`memory`](Self::memory) is spent and no context of another connection can give
    /// way. Default: [`WhenBudgetSpent::StepDown`].
    pub when_budget_spent: WhenBudgetSpent,
    /// Memory of compression contexts, shared by every connection whose configuration holds a clone of the handle.
    /// Default: one of 64 MiB that all configurations of the process share which set no other, with an idle timeout of
    /// 60 s. That is enough for 6,000 connections that are all in use in both directions.
    ///
    /// If it is spent, contexts that were used least recently give way, see [`ContextMemory`].
    pub memory: ContextMemory,
}

/// Compression of one message, beside what [`DeflateConfig`] says for all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// As the configuration says: at or above the threshold, and only if that makes it smaller.
    ///
    /// With context takeover a message that grew is sent compressed all the same: taking it back would cost the
    /// context, and the growth is some 5 bytes for every 2 KiB (RFC 1951 §3.2.4).
    ///
    /// A connection that follows a [`SharedContext`](super::SharedContext) sends messages of its own uncompressed while
    /// they are fewer bytes than the stream's.
    #[default]
    Auto,
    /// Compressed whatever its size, if the extension was agreed.
    Always,
    /// Never compressed: for a message that holds a secret beside text of somebody else's choosing (CRIME, BREACH). The
    /// context does not learn of it.
    Never,
    /// Compressed by itself, if that makes it smaller: it refers to no other message, and no other message to it. For a
    /// long message with a secret, none of which is of somebody else's choosing: its length tells how it compresses by
    /// itself, and no more.
    Isolated,
}

/// Compressor of our messages. The peer's are inflated by zlib-rs in any case.
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
            threshold: None,
            server_no_context_takeover: false,
            client_no_context_takeover: false,
            server_max_window_bits: WindowBits::MAX,
            client_max_window_bits: None,
            encoder_window_bits: None,
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
    pub fn threshold(mut self, bytes: impl Into<Option<usize>>) -> Self {
        self.threshold = bytes.into();
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

    /// Sets [`Self::encoder_window_bits`].
    pub fn encoder_window_bits(mut self, bits: impl Into<Option<WindowBits>>) -> Self {
        self.encoder_window_bits = bits.into();
        self
    }

    /// Sets [`Self::max_inflated_bytes`].
    pub fn max_inflated_bytes(mut self, bytes: impl Into<Option<usize>>) -> Self {
        self.max_inflated_bytes = bytes.into();
        self
    }

    /// Sets [`Self::memory`].
    pub fn memory(mut self, memory: impl Into<ContextMemory>) -> Self {
        self.memory = memory.into();
        self
    }

    /// Sets [`Self::when_budget_spent`].
    pub fn when_budget_spent(mut self, policy: WhenBudgetSpent) -> Self {
        self.when_budget_spent = policy;
        self
    }

    /// Returns the threshold of messages that have a context, or that have none.
    pub(crate) fn threshold_for(&self, in_context: bool) -> usize {
        let default = if in_context {
            THRESHOLD_IN_CONTEXT
        } else {
            THRESHOLD_ALONE
        };
        self.threshold.unwrap_or(default)
    }

    /// Returns the window of our context where `agreed` bits are permitted.
    pub(super) fn context_window(&self, agreed: u8) -> u8 {
        if self.is_own() {
            return self.own_context_window(agreed);
        }
        let limit = self.encoder_window_bits.unwrap_or(WindowBits::MAX);
        agreed.min(limit.get())
    }

    /// Returns the same for our own compressor.
    fn own_context_window(&self, agreed: u8) -> u8 {
        let limit = self.encoder_window_bits.unwrap_or(DEFAULT_WINDOW);
        agreed.min(limit.get())
    }

    /// Returns the same for a context that many connections share.
    pub(super) fn shared_context_window(&self, agreed: u8) -> u8 {
        let limit = self.encoder_window_bits.unwrap_or(SHARED_WINDOW);
        agreed.min(limit.get())
    }

    /// Returns zlib's level, or `None` for our own compressor.
    pub(crate) fn zlib_level(&self) -> Option<u8> {
        (!self.is_own()).then(|| self.level.get())
    }

    /// Reports if messages are compressed by this crate's own compressor.
    pub(super) fn is_own(&self) -> bool {
        self.compressor == Compressor::ByLevel && self.level == Level::MIN
    }
}

/// Shared by all configurations that set no budget of their own.
static DEFAULT_MEMORY: LazyLock<ContextMemory> =
    LazyLock::new(|| MemoryBudget::new(64 * 1024 * 1024).into());

/// Threshold where our messages have a context, in bytes.
const THRESHOLD_IN_CONTEXT: usize = 16;
/// The same where they have none.
const THRESHOLD_ALONE: usize = 96;
/// Window of a context where none was chosen: four fifths of what 32 KiB saves, for a seventh of the memory.
pub(super) const DEFAULT_WINDOW: WindowBits = match WindowBits::new(11) {
    Ok(bits) => bits,
    Err(_) => WindowBits::MAX,
};
/// The same of a context that many connections share: its memory is one room's, and its search one for all receivers. Chat
/// lines take 4 % fewer bytes than with 2 KiB; with 8 KiB a newcomer would wait too long for the shared frames.
const SHARED_WINDOW: WindowBits = match WindowBits::new(12) {
    Ok(bits) => bits,
    Err(_) => WindowBits::MAX,
};
