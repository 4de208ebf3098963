//! What can be chosen about compression.

use std::sync::LazyLock;

use crate::memory::MemoryBudget;

/// How messages are compressed: level, threshold, windows, context takeover, limits, memory.
///
/// ```
/// use tungstenite_deflate::DeflateConfig;
///
/// # fn main() -> Result<(), tungstenite_deflate::deflate::ConfigError> {
/// // Better ratio for many small messages of one connection, for up to 64 KB of memory each; with zlib from level 2 on,
/// // which is slower and smaller, up to 312 KB.
/// let config = DeflateConfig::default()
///     .server_no_context_takeover(false)
///     .client_no_context_takeover(false)
///     .threshold(32)
///     .level(4)?;
/// # let _ = config;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeflateConfig {
    level: u8,
    compressor: Compressor,
    threshold: usize,
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: u8,
    client_max_window_bits: Option<u8>,
    max_inflated_bytes: Option<usize>,
    when_budget_spent: WhenBudgetSpent,
    memory: MemoryBudget,
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

/// A value that [`DeflateConfig`] cannot take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The level is not one that DEFLATE compressors know.
    #[error("compression level {seen}, allowed are 1 (fast) to 9 (small)")]
    Level {
        /// What was given.
        seen: u8,
    },
    /// The window is not one that this side can compress with.
    #[error(
        "{parameter}={seen}, allowed are 9 to 15 (RFC 7692 §7.1.2; no compressor here can keep to 8)"
    )]
    WindowBits {
        /// The parameter's name in RFC 7692.
        parameter: &'static str,
        /// What was given.
        seen: u8,
    },
}

impl Default for DeflateConfig {
    fn default() -> Self {
        Self {
            level: DEFAULT_LEVEL,
            compressor: Compressor::default(),
            threshold: DEFAULT_THRESHOLD,
            server_no_context_takeover: true,
            client_no_context_takeover: true,
            server_max_window_bits: MAX_WINDOW_BITS,
            client_max_window_bits: None,
            max_inflated_bytes: None,
            when_budget_spent: WhenBudgetSpent::StepDown,
            memory: DEFAULT_MEMORY.clone(),
        }
    }
}

impl DeflateConfig {
    /// How hard the compressor tries, 1 (fast) to 9 (small). Default: 1, which is this crate's own compressor unless
    /// [`compressor`](Self::compressor) says otherwise; 2 to 9 are levels of zlib.
    ///
    /// # Errors
    /// The level is not in that range.
    pub fn level(self, level: u8) -> Result<Self, ConfigError> {
        match level {
            1..=9 => Ok(Self { level, ..self }),
            seen => Err(ConfigError::Level { seen }),
        }
    }

    /// What compresses at which level. Default: [`Compressor::ByLevel`].
    pub fn compressor(self, compressor: Compressor) -> Self {
        Self { compressor, ..self }
    }

    /// Smallest message that is compressed, in bytes. Default: 96.
    ///
    /// Without context takeover JSON of that length becomes a tenth smaller, of 125 bytes a seventh; below, little is
    /// gained. With it, 32 is a good choice.
    /// [`Compression::Always`] does not ask for it.
    pub fn threshold(self, threshold: usize) -> Self {
        Self { threshold, ..self }
    }

    /// The server forgets its compression context after each message (RFC 7692 §7.1.1.1). Default: true, so that an
    /// idle connection holds no context.
    ///
    /// A server announces it, a client asks for it.
    pub fn server_no_context_takeover(self, on: bool) -> Self {
        Self {
            server_no_context_takeover: on,
            ..self
        }
    }

    /// The client forgets its compression context after each message (RFC 7692 §7.1.1.2). Default: true, so that an
    /// idle connection holds no context.
    ///
    /// A server asks for it, a client announces it.
    pub fn client_no_context_takeover(self, on: bool) -> Self {
        Self {
            client_no_context_takeover: on,
            ..self
        }
    }

    /// Base-2 logarithm of the largest LZ77 window the server compresses with (RFC 7692 §7.1.2.1). Default: 15.
    ///
    /// # Errors
    /// The value is not in 9 to 15.
    pub fn server_max_window_bits(self, bits: u8) -> Result<Self, ConfigError> {
        let server_max_window_bits = checked("server_max_window_bits", bits)?;
        Ok(Self {
            server_max_window_bits,
            ..self
        })
    }

    /// Base-2 logarithm of the largest LZ77 window the client compresses with (RFC 7692 §7.1.2.2). Default: 15.
    ///
    /// A client that sets it lets the server ask for less, also with 15: `client_max_window_bits` is then offered
    /// without a value. By default the parameter is not offered, as some servers choke on it.
    ///
    /// # Errors
    /// The value is not in 9 to 15.
    pub fn client_max_window_bits(self, bits: u8) -> Result<Self, ConfigError> {
        let client_max_window_bits = Some(checked("client_max_window_bits", bits)?);
        Ok(Self {
            client_max_window_bits,
            ..self
        })
    }

    /// Largest message accepted after inflation, in bytes. Default: `None`, the connection's `max_message_size`.
    ///
    /// The smaller of the two holds. It is counted while the message inflates, over all its frames.
    /// Exceeding it fails the connection with 1009 (message too big), RFC 6455 §7.4.1.
    pub fn max_inflated_bytes(self, bytes: Option<usize>) -> Self {
        Self {
            max_inflated_bytes: bytes,
            ..self
        }
    }

    /// Budget of the memory that compression contexts take, shared by every connection whose configuration holds a
    /// clone of it. Default: one of 256 MiB that all configurations of the process share which set no other: contexts
    /// of both directions for about 4,000 connections with the largest windows, or 850 at levels of zlib.
    ///
    /// When it is spent our own messages follow [`when_budget_spent`](Self::when_budget_spent) and negotiation asks the
    /// peer to forget its context. A peer that was allowed to keep it had its window reserved at once; the connection
    /// fails with 1013 (try again later) in the rare case that others took the rest during its handshake.
    pub fn memory(self, memory: MemoryBudget) -> Self {
        Self { memory, ..self }
    }

    /// Behaviour of our own context when [`memory`](Self::memory) is spent. Default: [`WhenBudgetSpent::StepDown`].
    pub fn when_budget_spent(self, policy: WhenBudgetSpent) -> Self {
        Self {
            when_budget_spent: policy,
            ..self
        }
    }

    /// The level chosen, 1 to 9.
    pub fn get_level(&self) -> u8 {
        self.level
    }

    /// What was chosen to compress.
    pub fn get_compressor(&self) -> Compressor {
        self.compressor
    }

    /// Whether messages are compressed by this crate's own compressor.
    pub(super) fn is_own(&self) -> bool {
        self.compressor == Compressor::ByLevel && self.level == 1
    }

    /// The threshold chosen, in bytes.
    pub fn get_threshold(&self) -> usize {
        self.threshold
    }

    /// Whether the server is to forget its context after each message.
    pub fn get_server_no_context_takeover(&self) -> bool {
        self.server_no_context_takeover
    }

    /// Whether the client is to forget its context after each message.
    pub fn get_client_no_context_takeover(&self) -> bool {
        self.client_no_context_takeover
    }

    /// The server's largest window, as base-2 logarithm.
    pub fn get_server_max_window_bits(&self) -> u8 {
        self.server_max_window_bits
    }

    /// The client's largest window, as base-2 logarithm.
    pub fn get_client_max_window_bits(&self) -> u8 {
        self.client_max_window_bits.unwrap_or(MAX_WINDOW_BITS)
    }

    /// Whether a client's offer has `client_max_window_bits`.
    pub(super) fn offers_client_window(&self) -> bool {
        self.client_max_window_bits.is_some()
    }

    /// The limit on inflated messages, if one was set.
    pub fn get_max_inflated_bytes(&self) -> Option<usize> {
        self.max_inflated_bytes
    }

    /// The budget of contexts.
    pub fn get_memory(&self) -> &MemoryBudget {
        &self.memory
    }

    /// The policy for a spent budget.
    pub fn get_when_budget_spent(&self) -> WhenBudgetSpent {
        self.when_budget_spent
    }
}

/// `bits`, if this side can compress with such a window.
fn checked(parameter: &'static str, bits: u8) -> Result<u8, ConfigError> {
    match bits {
        MIN_WINDOW_BITS..=MAX_WINDOW_BITS => Ok(bits),
        seen => Err(ConfigError::WindowBits { parameter, seen }),
    }
}

/// Smallest window zlib can compress with: it refuses 8 (RFC 7692 §7.1.2 allows that too).
pub(super) const MIN_WINDOW_BITS: u8 = 9;
/// Largest window of DEFLATE, 32 KiB (RFC 1951 §2).
pub(super) const MAX_WINDOW_BITS: u8 = 15;

/// Shared by all configurations that set no budget of their own.
static DEFAULT_MEMORY: LazyLock<MemoryBudget> =
    LazyLock::new(|| MemoryBudget::new(256 * 1024 * 1024));

const DEFAULT_LEVEL: u8 = 1;
const DEFAULT_THRESHOLD: usize = 96;
