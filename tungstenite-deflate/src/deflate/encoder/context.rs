//! State of a connection between messages, if it takes its context over.

use super::chains::Chains;
use super::history::History;
use super::investment::Investment;

/// The bytes sent before, and an index of each three of them.
#[derive(Debug)]
pub(in super::super) struct Context {
    pub(super) history: History,
    pub(super) chains: Chains,
    pub(super) investment: Investment,
    /// Base-2 logarithm of the largest distance.
    pub(super) window_bits: u8,
    history_bits: u8,
}

impl Context {
    /// An empty context for a peer that keeps a window of two to the power of `window_bits` (8 to 15), in which messages
    /// refer to about the last two to the power of `history_bits` bytes before them.
    ///
    /// The history is no longer than the window, nor than [`MAX_HISTORY_BITS`] say. A message that is longer than the
    /// history may refer to all of the window within itself.
    pub(in super::super) fn new(window_bits: u8, history_bits: u8) -> Self {
        let history_bits = history_bits.min(window_bits).clamp(8, MAX_HISTORY_BITS);
        Self {
            history: History::new(history_bytes(history_bits)),
            chains: Chains::new(u32::from(history_bits)),
            investment: Investment::default(),
            window_bits,
            history_bits,
        }
    }

    /// Maximum of [`allocated_bytes`](Self::allocated_bytes), but for gaps.
    #[cfg(test)]
    pub(in super::super) fn max_bytes(window_bits: u8, history_bits: u8) -> usize {
        let history_bits = history_bits.min(window_bits).clamp(8, MAX_HISTORY_BITS);
        size_of::<Self>() + history_bytes(history_bits) + Chains::max_bytes(u32::from(history_bits))
    }

    /// Bytes allocated at the moment, with the context itself.
    pub(in super::super) fn allocated_bytes(&self) -> usize {
        size_of::<Self>() + self.history.allocated_bytes() + self.chains.allocated_bytes()
    }

    /// Forgets what was sent before and frees its memory. The peer need not know (RFC 7692 §7.1.1).
    pub(in super::super) fn forget(&mut self) {
        self.history = History::new(self.history.capacity());
        self.chains = Chains::new(u32::from(self.history_bits));
    }

    /// Counts `bytes` that were sent compressed, but not with this context: they are in the peer's window, and no later
    /// message refers to them.
    pub(in super::super) fn skip(&mut self, bytes: usize) {
        if bytes > 0 && !self.history.bytes().is_empty() && !self.history.skip(bytes) {
            self.forget();
        }
    }

    /// Adds a message that was not searched, or its last bytes if it is long.
    pub(super) fn remember(&mut self, message: &[u8]) {
        let (_, tail) = message.split_at(message.len().saturating_sub(self.history.capacity()));
        let start = self.history.append(tail).unwrap_or_else(|| {
            self.forget();
            self.history.replace(tail);
            0
        });
        let span = self.history.span(self.history.bytes(), start, 0);
        self.chains.enter(span);
    }
}

/// Memory for the history: a sixteenth more than is kept, so that it is seldom moved.
fn history_bytes(history_bits: u8) -> usize {
    (1 << history_bits) + (1 << history_bits >> 4)
}

/// The longest history, 8 KiB: a context takes 31 KB.
const MAX_HISTORY_BITS: u8 = 13;
