//! Bytes sent before, as one piece of memory (RFC 7692 §7.2.3.2).

use super::bits::low_bits;
use super::span::{Gap, SearchRange};
use crate::deflate::growth::grown;

/// The last bytes sent, with free space for the next message after them.
///
/// A message is appended and searched in place. When the memory is used up the oldest bytes go, so that between two
/// messages at least [`keep`](Self::keep) bytes are there, if so many were sent:
///
/// ```text
///  base                                   start of the message
///  |  older messages  | gap | newer ones  |  message  |  free  |
///                      ^ bytes that the peer has and the history does not
/// ```
#[derive(Debug)]
pub(super) struct History {
    bytes: Vec<u8>,
    /// Position of the first byte in the stream, modulo 65,536.
    base: u16,
    capacity: usize,
    /// Ranges of the bytes that stand for what the history does not know.
    gaps: Vec<Gap>,
}

impl History {
    /// An empty history that takes up to `capacity` bytes of memory, and only as much as was sent.
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            bytes: Vec::new(),
            base: 0,
            capacity,
            gaps: Vec::new(),
        }
    }

    /// Bytes that are kept when the oldest go: all but a seventeenth, so that they are seldom moved.
    fn keep(&self) -> usize {
        self.capacity / 17 * 16
    }

    /// Appends a message, and returns where it begins; or nothing if it is too long for this memory.
    pub(super) fn append(&mut self, message: &[u8]) -> Option<usize> {
        if self.bytes.len() + message.len() > self.capacity {
            if self.keep() + message.len() > self.capacity {
                return None;
            }
            self.drop_oldest(self.bytes.len() - self.keep());
        }
        let start = self.bytes.len();
        self.reserve(message.len());
        self.bytes.extend_from_slice(message);
        Some(start)
    }

    /// Takes the bytes from `start` on back.
    pub(super) fn truncate(&mut self, start: usize) {
        self.bytes.truncate(start);
    }

    /// Takes over what a longer memory holds, which begins with the bytes of this one.
    pub(super) fn replace(&mut self, longer: &[u8]) {
        let (dropped, kept) = longer.split_at(longer.len().saturating_sub(self.keep()));
        self.base = self.base.wrapping_add(low_bits(dropped.len()));
        self.shift_gaps(dropped.len());
        self.bytes.clear();
        self.reserve(kept.len());
        self.bytes.extend_from_slice(kept);
    }

    /// Moves the bytes that are known to be the peer's `bytes` further back, and returns whether any are left.
    pub(super) fn skip(&mut self, bytes: usize) -> bool {
        if bytes >= self.keep() {
            return false;
        }
        let surplus = (self.bytes.len() + bytes).saturating_sub(self.capacity);
        let surplus = if surplus > 0 {
            self.bytes.len() + bytes - self.keep()
        } else {
            0
        };
        self.drop_oldest(surplus);
        let start = self.bytes.len();
        self.reserve(bytes);
        self.bytes.resize(start + bytes, 0);
        self.gaps.push(start..start + bytes);
        true
    }

    /// The bytes to search, from `start` on in `buffer`, which begins with those of the history.
    pub(super) fn span<'a>(
        &'a self,
        buffer: &'a [u8],
        start: usize,
        window: usize,
    ) -> SearchRange<'a> {
        SearchRange {
            buffer,
            start,
            base: self.base,
            window,
            message: start,
            gaps: &self.gaps,
            after_gaps: self.after_gaps(),
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes that were sent after the last gap.
    pub(super) fn newest(&self) -> &[u8] {
        &self.bytes[self.after_gaps()..]
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Bytes allocated.
    pub(super) fn allocated_bytes(&self) -> usize {
        self.bytes.capacity() + self.gaps.capacity() * size_of::<Gap>()
    }

    fn after_gaps(&self) -> usize {
        self.gaps.last().map_or(0, |gap| gap.end)
    }

    /// Makes the memory large enough for `more` bytes, which fit into the capacity.
    fn reserve(&mut self, more: usize) {
        let needed = self.bytes.len() + more;
        if needed > self.bytes.capacity() {
            let wanted = grown(needed, self.capacity);
            self.bytes.reserve_exact(wanted - self.bytes.len());
        }
    }

    fn drop_oldest(&mut self, count: usize) {
        self.bytes.copy_within(count.., 0);
        self.bytes.truncate(self.bytes.len() - count);
        self.base = self.base.wrapping_add(low_bits(count));
        self.shift_gaps(count);
    }

    /// Follows the removal of the first `count` bytes.
    fn shift_gaps(&mut self, count: usize) {
        self.gaps.retain_mut(|gap| {
            *gap = gap.start.saturating_sub(count)..gap.end.saturating_sub(count);
            gap.end > 0
        });
    }
}
