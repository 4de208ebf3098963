//! What was sent before, as one piece of memory (RFC 7692 §7.2.3.2).

use super::super::received::grown;
use super::low_bits;

/// The last bytes sent, with room for the next message behind them.
///
/// A message is appended and searched in place. When the room is used up the oldest bytes go, so that between two
/// messages at least [`keep`](Self::keep) bytes are there, if so many were sent.
#[derive(Debug)]
pub(super) struct History {
    bytes: Vec<u8>,
    /// Position of the first byte in the stream, modulo 65,536.
    base: u16,
    capacity: usize,
}

impl History {
    /// An empty history that takes up to `capacity` bytes of memory, and only as much as was sent.
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            bytes: Vec::new(),
            base: 0,
            capacity,
        }
    }

    /// Bytes that are kept when the oldest go: all but a fifth, so that they are seldom moved.
    fn keep(&self) -> usize {
        self.capacity / 5 * 4
    }

    /// Appends a message, and gives where it begins; or nothing if it is too long for this memory.
    pub(super) fn append(&mut self, message: &[u8]) -> Option<usize> {
        if self.bytes.len() + message.len() > self.capacity {
            if self.keep() + message.len() > self.capacity {
                return None;
            }
            self.drop_oldest(self.bytes.len() - self.keep());
        }
        let start = self.bytes.len();
        let needed = start + message.len();
        if needed > self.bytes.capacity() {
            let room = grown(needed, self.capacity);
            self.bytes.reserve_exact(room - start);
        }
        self.bytes.extend_from_slice(message);
        Some(start)
    }

    /// Takes over what a longer memory holds, whose first byte is at position `base` in the stream.
    pub(super) fn replace(&mut self, longer: &[u8], base: u16) {
        let (dropped, kept) = longer.split_at(longer.len().saturating_sub(self.keep()));
        self.base = base.wrapping_add(low_bits(dropped.len()));
        self.bytes.clear();
        self.bytes.reserve_exact(grown(kept.len(), self.capacity));
        self.bytes.extend_from_slice(kept);
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn base(&self) -> u16 {
        self.base
    }

    /// What it allocated, in bytes.
    #[cfg(test)]
    pub(super) fn allocated(&self) -> usize {
        self.bytes.capacity()
    }

    fn drop_oldest(&mut self, count: usize) {
        self.bytes.copy_within(count.., 0);
        self.bytes.truncate(self.bytes.len() - count);
        self.base = self.base.wrapping_add(low_bits(count));
    }
}
