//! Search for repeated bytes: lazy LZ77 that takes what saves most bits, with one position for each hash
//! (RFC 1951 §4).

use super::bits::low_bits;
use super::block::Sequences;
use super::span::{self, SearchRange, alike, word};

/// Hash table of the positions where four bytes were seen last.
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

impl Table {
    /// A table of two to the power of `bits` entries.
    pub(super) fn new(bits: u32) -> Self {
        Self {
            positions: vec![0; 1 << bits].into_boxed_slice(),
            shift: 32 - bits,
        }
    }

    /// Forgets all positions.
    pub(super) fn clear(&mut self) {
        self.positions.fill(0);
    }

    /// Finds the matches of `span`.
    #[inline]
    pub(super) fn search(&mut self, span: SearchRange<'_>, sequences: &mut Sequences) {
        let buffer = span.buffer;
        let remembered = if buffer.len() > LONG { ALL } else { REMEMBERED };
        let mut at = span.start;
        let mut literals = at;
        // The match at the position before this one, which a better one here would replace.
        let mut earlier = Match::NONE;
        while let Some(word) = word(buffer, at) {
            let found = self.find(span, at, word, earlier);
            if found.gain > earlier.gain {
                earlier = found;
                at = at.wrapping_add(1);
                if found.length < GOOD_LENGTH {
                    continue;
                }
            } else if earlier.length == 0 {
                // Where nothing repeats for long, look at fewer positions.
                at = at.wrapping_add(1 + (at.wrapping_sub(literals) >> SKIP_SHIFT));
                continue;
            }
            literals = earlier.send(span, literals, at, sequences);
            // The position before `at` was searched, and `at` itself unless the match is a long one.
            let unsearched = at.wrapping_add(1).max(literals.saturating_sub(remembered));
            self.remember(span, unsearched, literals);
            at = literals;
            earlier = Match::NONE;
        }
        if earlier.length > 0 {
            earlier.send(span, literals, at, sequences);
        }
    }

    /// The match at `at` that is to be preferred to literals, if there is one; `at` replaces what was found.
    ///
    /// Of all positions of these four bytes the table knows only the last. But the last three bytes of a match and the
    /// one after it lead to where it went on like here: if that is alike from `at` on too, the match becomes longer. So
    /// are `"price":"12` and `"price":"17` told apart, as by chains of positions, but in one or two steps.
    #[expect(
        clippy::inline_always,
        reason = "the body of a loop; a call takes a fifth more time"
    )]
    #[inline(always)]
    fn find(&mut self, span: SearchRange<'_>, at: usize, word: u32, earlier: Match) -> Match {
        let buffer = span.buffer;
        let limit = span.window.min(at);
        let here = span.base.wrapping_add(low_bits(at));
        let entry = &mut self.positions[slot(word, self.shift)];
        let distance = usize::from(here.wrapping_sub(*entry));
        *entry = here;
        if !reaches(buffer, at, word, distance, limit) {
            return Match::NONE;
        }
        let mut best = if distance == earlier.distance {
            earlier.shortened()
        } else {
            Match::measured(buffer, at, distance)
        };
        for _ in 0..MAX_PROBES {
            let across = at.wrapping_add(best.length).wrapping_sub(3);
            let Some(end) = span::word(buffer, across) else {
                break;
            };
            let there = span.base.wrapping_add(low_bits(across));
            let entry = self.positions[slot(end, self.shift)];
            let distance = usize::from(there.wrapping_sub(entry));
            if !reaches(buffer, across, end, distance, limit)
                || span::word(buffer, at.wrapping_sub(distance)) != Some(word)
            {
                break;
            }
            let longer = Match::measured(buffer, at, distance);
            if longer.gain <= best.gain {
                break;
            }
            best = longer;
        }
        best
    }

    /// Remembers the positions from `start` to `end`, which were not searched.
    #[inline]
    pub(super) fn remember(&mut self, span: SearchRange<'_>, start: usize, end: usize) {
        for at in start..end {
            let Some(word) = word(span.buffer, at) else {
                break;
            };
            self.positions[slot(word, self.shift)] = span.base.wrapping_add(low_bits(at));
        }
    }
}

/// A repetition of earlier bytes; of length 0, none.
#[derive(Clone, Copy, Debug)]
struct Match {
    length: usize,
    distance: usize,
    /// Saving against literals, in quarters of a bit.
    gain: usize,
}

impl Match {
    const NONE: Self = Self {
        length: 0,
        distance: 0,
        gain: 0,
    };

    /// Returns the match of `at` with `distance` before, where four bytes are equal; none if literals are shorter.
    #[expect(
        clippy::inline_always,
        reason = "the body of a loop; a call takes a fifth more time"
    )]
    #[inline(always)]
    fn measured(buffer: &[u8], at: usize, distance: usize) -> Self {
        let earlier = at.wrapping_sub(distance).wrapping_add(4);
        let length = alike(buffer, earlier, at.wrapping_add(4)).wrapping_add(4);
        let cost = (4 * (distance | 1).ilog2() as usize).wrapping_add(MATCH_COST);
        Self {
            length,
            distance,
            gain: LITERAL_COST.wrapping_mul(length).saturating_sub(cost),
        }
    }

    /// The same without its first byte.
    #[inline]
    fn shortened(self) -> Self {
        Self {
            length: self.length.wrapping_sub(1),
            gain: self.gain.saturating_sub(LITERAL_COST),
            ..self
        }
    }

    /// Adds the match, whose second byte is at `at`, to `sequences` with the literals before it; and where it ends.
    #[inline]
    fn send(
        self,
        span: SearchRange<'_>,
        literals: usize,
        at: usize,
        sequences: &mut Sequences,
    ) -> usize {
        let start = at.wrapping_sub(1);
        sequences.add(span, literals, start, self.length, self.distance);
        start.wrapping_add(self.length)
    }
}

/// Returns true if bytes `distance` before `at`, no further than `limit`, begin with `word` as well.
#[inline]
fn reaches(buffer: &[u8], at: usize, word: u32, distance: usize, limit: usize) -> bool {
    // 0 is 65,536 and too far.
    distance.wrapping_sub(1) < limit && span::word(buffer, at.wrapping_sub(distance)) == Some(word)
}

/// Knuth's multiplicative hash: the upper bits of a product with the golden ratio.
#[inline]
fn slot(word: u32, shift: u32) -> usize {
    word.wrapping_mul(0x9e37_79b1).wrapping_shr(shift) as usize
}

/// After how many literals without a match every second position is looked at, as a power of two.
const SKIP_SHIFT: u32 = 7;
/// A match of this length is taken without a look at the next position.
const GOOD_LENGTH: usize = 12;
/// Maximum number of longer matches looked for across the end of a match. More than two spare 0.2 % at most.
const MAX_PROBES: usize = 2;
/// Positions that are remembered at the end of a match: its beginning is known from where it was seen before. All would
/// take a tenth more time for 0.8 % fewer bytes.
const REMEMBERED: usize = 4;
/// Larger than any match.
const ALL: usize = 1_000;
/// Above so many bytes to search, all positions of a match are remembered: there bytes count more than time.
const LONG: usize = 32 * 1024;
/// Cost of a literal, in quarters of a bit: some 4 bits in JSON, 5 in text.
const LITERAL_COST: usize = 18;
/// Cost of a match besides the logarithm of its distance, in quarters of a bit. So four bytes are a match up to a
/// distance of 127, five up to 4,095, six at any.
const MATCH_COST: usize = 44;
