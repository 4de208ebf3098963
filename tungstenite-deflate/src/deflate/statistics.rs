//! Counts of compression for one connection.

/// Counts of one connection, both directions; sizes are of payloads, without frame headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Compressed messages sent.
    pub sent: CompressedMessages,
    /// Compressed messages received; their frames count as they arrive.
    pub received: CompressedMessages,
    /// Messages sent uncompressed: too short, no smaller, not wanted or without room in the budget.
    pub sent_uncompressed: u64,
    /// Compression contexts held now: our own, the peer's, and the decompressor of a message in progress.
    pub contexts: u8,
    /// Memory of these contexts, in bytes.
    pub context_bytes: usize,
}

/// Compressed messages of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompressedMessages {
    /// Compressed messages.
    pub messages: u64,
    /// Their bytes before compression.
    pub bytes: u64,
    /// Their bytes on the wire.
    pub wire_bytes: u64,
}

impl CompressedMessages {
    /// Wire bytes per byte of message, less than 1 where compression pays; `None` before the first byte.
    pub fn ratio(&self) -> Option<f64> {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a ratio is for people; 53 bits of petabytes are enough"
        )]
        let ratio = self.wire_bytes as f64 / self.bytes as f64;
        (self.bytes > 0).then_some(ratio)
    }

    /// Counts a message, or a part of one with `messages` 0.
    pub(super) fn add(&mut self, messages: u64, bytes: usize, wire_bytes: usize) {
        self.messages += messages;
        self.bytes += bytes as u64;
        self.wire_bytes += wire_bytes as u64;
    }
}
