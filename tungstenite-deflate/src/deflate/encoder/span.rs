//! The bytes that a search covers, and comparisons of them.

use std::ops::Range;

use super::bits::low_bits;
use super::symbols::MAX_LENGTH;

/// The corpus to search.
#[derive(Clone, Copy, Debug)]
pub(super) struct SearchRange<'a> {
    /// The history that matches may refer to, then the bytes to compress.
    pub(super) buffer: &'a [u8],
    /// Offset at which the latter begins.
    pub(super) start: usize,
    /// Position of the buffer's first byte in the stream, modulo 65,536.
    pub(super) base: u16,
    /// Largest distance.
    pub(super) window: usize,
    /// Index of the first byte of the message, of which `start` may begin a later block.
    pub(super) message: usize,
    /// Ranges of the buffer to which no match may refer, in ascending order.
    pub(super) gaps: &'a [Gap],
    /// Index after the last gap, or 0.
    pub(super) after_gaps: usize,
}

/// A range of the history whose bytes are not known to it.
pub(super) type Gap = Range<usize>;

impl SearchRange<'_> {
    /// Position in the stream of the byte at `at`, modulo 65,536.
    #[inline]
    pub(super) fn position(&self, at: usize) -> u16 {
        self.base.wrapping_add(low_bits(at))
    }

    /// Returns the number of the `length` bytes from `at` on before the next gap; 0 if fewer than three.
    #[cold]
    pub(super) fn without_gaps(&self, at: usize, length: usize) -> usize {
        let next = self.gaps.iter().find(|gap| gap.end > at);
        let known = next.map_or(length, |gap| gap.start.saturating_sub(at).min(length));
        if known < 3 { 0 } else { known }
    }
}

/// The four bytes at `at`.
#[inline]
pub(super) fn word(buffer: &[u8], at: usize) -> Option<u32> {
    let bytes = buffer.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*bytes))
}

/// Returns the number of equal bytes at `earlier` and `at`, at most what extends a match of four bytes to the maximum.
pub(super) fn alike(buffer: &[u8], earlier: usize, at: usize) -> usize {
    let end = buffer.len().min(at + MAX_LENGTH - 4);
    let (earlier, here) = (&buffer[earlier..end], &buffer[at..end]);
    let mut length = 0_usize;
    while let (Some(a), Some(b)) = (chunk(earlier, length), chunk(here, length)) {
        let difference = a ^ b;
        if difference != 0 {
            return length + (difference.trailing_zeros() / 8) as usize;
        }
        length = length.wrapping_add(8);
    }
    while length < here.len() && earlier[length] == here[length] {
        length = length.wrapping_add(1);
    }
    length
}

#[inline]
fn chunk(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u64::from_le_bytes(*bytes))
}
