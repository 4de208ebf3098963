//! Search for repeated bytes: greedy LZ77 with one place to look at for each position (RFC 1951 §4).

use super::low_bits;
use super::symbols::MAX_LENGTH;

/// Where four bytes were seen last, by their hash.
///
/// Positions are counted from the beginning of the stream and kept modulo 65,536. Nothing is ever cleared for a message:
/// a position that is out of date shows by its distance, which then goes past what there is, or by its bytes, which are
/// compared in any case.
#[derive(Debug)]
pub(super) struct Table {
    positions: Box<[u16]>,
    /// Bits of a hash that are not used.
    shift: u32,
}

/// What is searched.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span<'a> {
    /// What matches may refer to, then what is to be compressed.
    pub(super) buffer: &'a [u8],
    /// Where the latter begins.
    pub(super) start: usize,
    /// Position of the buffer's first byte in the stream, modulo 65,536.
    pub(super) base: u16,
    /// Largest distance.
    pub(super) window: usize,
}

/// What takes the literals and matches, in their order.
pub(super) trait Sink {
    /// Literals followed by a match of `length` (4 to 258) at `distance` (1 to the window).
    fn sequence(&mut self, literals: &[u8], length: usize, distance: usize);
    /// The literals behind the last match.
    fn end(&mut self, literals: &[u8]);
}

impl Table {
    /// A table of two to the power of `bits` places.
    pub(super) fn new(bits: u32) -> Self {
        Self {
            positions: vec![0; 1 << bits].into_boxed_slice(),
            shift: 32 - bits,
        }
    }

    /// What it allocated, in bytes.
    #[cfg(test)]
    pub(super) fn allocated(&self) -> usize {
        self.positions.len() * 2
    }

    /// Forgets all positions.
    pub(super) fn clear(&mut self) {
        self.positions.fill(0);
    }

    /// What a table of two to the power of `bits` places allocates, in bytes.
    pub(super) fn bytes(bits: u32) -> usize {
        2 << bits
    }

    /// Finds the matches of `span`.
    #[inline]
    pub(super) fn search(&mut self, span: Span<'_>, sink: &mut impl Sink) {
        let Span {
            buffer,
            start,
            base,
            window,
        } = span;
        let Self { positions, shift } = self;
        let mut at = start;
        let mut literals = start;
        // A match at the position before this one, which a longer one here would replace.
        let mut earlier = Match::NONE;
        while let Some(word) = word(buffer, at) {
            let place = &mut positions[slot(word, *shift)];
            let here = base.wrapping_add(low_bits(at));
            let distance = usize::from(here.wrapping_sub(*place));
            *place = here;
            // 0 is 65,536 and too far.
            let length = if distance.wrapping_sub(1) < window.min(at) {
                match_length(buffer, at.wrapping_sub(distance), at, word)
            } else {
                0
            };
            if length > earlier.length {
                earlier = Match { length, distance };
                at = at.wrapping_add(1);
                if length < GOOD_LENGTH {
                    continue;
                }
            } else if earlier.length == 0 {
                // Where nothing repeats for long, look at fewer positions.
                at = at.wrapping_add(1 + (at.wrapping_sub(literals) >> SKIP_SHIFT));
                continue;
            }
            // `at` is behind the first byte of the match.
            let start = at - 1;
            sink.sequence(&buffer[literals..start], earlier.length, earlier.distance);
            literals = start + earlier.length;
            for inside in (at + 1..literals).step_by(INSERT_STEP) {
                let Some(word) = self::word(buffer, inside) else {
                    break;
                };
                positions[slot(word, *shift)] = base.wrapping_add(low_bits(inside));
            }
            at = literals;
            earlier = Match::NONE;
        }
        if earlier.length > 0 {
            let start = at - 1;
            sink.sequence(&buffer[literals..start], earlier.length, earlier.distance);
            literals = start + earlier.length;
        }
        sink.end(&buffer[literals..]);
    }
}

/// What repeats; of length 0, nothing.
#[derive(Clone, Copy, Debug)]
struct Match {
    length: usize,
    distance: usize,
}

impl Match {
    const NONE: Self = Self {
        length: 0,
        distance: 0,
    };
}

/// The four bytes at `at`.
#[inline]
fn word(buffer: &[u8], at: usize) -> Option<u32> {
    let bytes = buffer.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*bytes))
}

/// Knuth's multiplicative hash: the upper bits of a product with the golden ratio.
#[inline]
fn slot(word: u32, shift: u32) -> usize {
    word.wrapping_mul(0x9e37_79b1).wrapping_shr(shift) as usize
}

/// How far the bytes at `earlier` and `at` are alike; 0 if the first four, of which `word` are those at `at`, are not.
#[inline]
fn match_length(buffer: &[u8], earlier: usize, at: usize, word: u32) -> usize {
    if self::word(buffer, earlier) == Some(word) {
        4 + alike(buffer, earlier + 4, at + 4)
    } else {
        0
    }
}

/// How far the bytes at `earlier` and `at` are alike, as far as a match goes that began four bytes before.
fn alike(buffer: &[u8], earlier: usize, at: usize) -> usize {
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

/// After how many literals without a match every second position is looked at, as a power of two.
const SKIP_SHIFT: u32 = 7;
/// A match of this length is taken without a look at the next position.
const GOOD_LENGTH: usize = 16;
/// Within a match every so many positions are remembered: all of them cost a fourth more time for 0.3 % fewer bytes, and
/// push other positions out of a small table.
const INSERT_STEP: usize = 2;
