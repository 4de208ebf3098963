//! Search for repeated bytes in a context: lazy LZ77 over chains of positions (RFC 1951 §4).

use super::block::Sequences;
use super::span::{SearchRange, alike, word};

/// Positions at which three bytes stand: the last one by their hash, and from each position the one before it.
///
/// Positions are counted from the beginning of the stream and kept modulo 65,536. Nothing is cleared when bytes leave
/// the history: an outdated entry gives a distance that is too large or not larger than the one before it, which ends the
/// search, or it leads to bytes that differ. All bytes are compared before a match is used.
#[derive(Debug)]
pub(super) struct Chains {
    /// By hash; empty until the first position is entered.
    heads: Vec<u16>,
    /// By position, as a ring whose length is a power of two.
    links: Vec<u16>,
    /// Base-2 logarithm of the maximum number of links.
    ring_bits: u32,
}

/// A repetition; of length 0, none.
#[derive(Clone, Copy, Debug)]
struct Match {
    length: usize,
    distance: usize,
    /// Quarters of a bit saved, compared with literals.
    gain: usize,
}

const NONE: Match = Match {
    length: 0,
    distance: 0,
    gain: 0,
};

impl Chains {
    /// Chains through the last two to the power of `ring_bits` bytes.
    pub(super) fn new(ring_bits: u32) -> Self {
        Self {
            heads: Vec::new(),
            links: Vec::new(),
            ring_bits,
        }
    }

    /// Bytes allocated.
    pub(super) fn allocated_bytes(&self) -> usize {
        2 * (self.heads.capacity() + self.links.capacity())
    }

    /// Maximum of [`allocated_bytes`](Self::allocated_bytes).
    #[cfg(test)]
    pub(super) fn max_bytes(ring_bits: u32) -> usize {
        2 * ((1 << head_bits(ring_bits)) + (1 << ring_bits))
    }

    /// Largest distance that the links can follow.
    pub(super) fn ring(&self) -> usize {
        1 << self.ring_bits
    }

    /// Makes the tables large enough for the position `end`.
    fn grow(&mut self, end: u16) {
        if self.heads.is_empty() {
            self.heads = vec![0; 1 << head_bits(self.ring_bits)];
        }
        let needed = usize::from(end).next_power_of_two().max(MIN_LINKS);
        let wanted = if needed > self.ring() / 4 {
            self.ring()
        } else {
            needed
        };
        if wanted > self.links.len() {
            self.links.reserve_exact(wanted - self.links.len());
            self.links.resize(wanted, 0);
        }
    }

    /// Finds the matches of `span` and enters its positions. A literal takes `literal_cost` quarters of a bit.
    pub(super) fn search(
        &mut self,
        span: SearchRange<'_>,
        literal_cost: usize,
        found: &mut Sequences,
    ) {
        let mut tables = self.tables(span, literal_cost);
        let buffer = span.buffer;
        let mut at = span.start;
        let mut literals = at;
        while let Some(here) = word(buffer, at) {
            let mut best = tables.find(at, here, MIN_LENGTH);
            if best.length == 0 {
                // Where nothing repeats for long, look at fewer positions.
                at = at.wrapping_add(1 + (at.wrapping_sub(literals) >> SKIP_SHIFT));
                continue;
            }
            let mut entered = at.wrapping_add(1);
            while best.length < GOOD_LENGTH {
                let Some(next) = word(buffer, at.wrapping_add(1)) else {
                    break;
                };
                let later = tables.find(at.wrapping_add(1), next, best.length);
                entered = at.wrapping_add(2);
                if later.gain <= best.gain {
                    break;
                }
                best = later;
                at = at.wrapping_add(1);
            }
            found.add(span, literals, at, best.length, best.distance);
            at = at.wrapping_add(best.length);
            literals = at;
            tables.enter(entered, at);
        }
    }

    /// Enters all positions of `span` without a search.
    pub(super) fn enter(&mut self, span: SearchRange<'_>) {
        self.tables(span, 0).enter(span.start, span.buffer.len());
    }

    /// Takes the positions of `span` out again; the last ones entered.
    pub(super) fn remove(&mut self, span: SearchRange<'_>) {
        let tables = self.tables(span, 0);
        for at in (span.start..span.buffer.len()).rev() {
            let Some(word) = word(span.buffer, at) else {
                continue;
            };
            let position = span.position(at);
            let head = &mut tables.heads[slot(word, tables.shift)];
            if *head == position {
                *head = tables.links[usize::from(position) & tables.mask];
            }
        }
    }

    fn tables<'a>(&'a mut self, span: SearchRange<'a>, literal_cost: usize) -> Tables<'a> {
        self.grow(span.position(span.buffer.len()));
        Tables {
            mask: self.links.len() - 1,
            shift: 32 - head_bits(self.ring_bits),
            limit: span.window.min(self.ring()),
            max_candidates: max_candidates(self.ring_bits),
            heads: &mut self.heads,
            links: &mut self.links,
            span,
            literal_cost,
        }
    }
}

/// The tables together with the bytes that they describe, for one search.
struct Tables<'a> {
    heads: &'a mut [u16],
    links: &'a mut [u16],
    mask: usize,
    shift: u32,
    span: SearchRange<'a>,
    /// Largest distance.
    limit: usize,
    max_candidates: usize,
    literal_cost: usize,
}

impl Tables<'_> {
    /// Enters the position `at`, and returns the one before it with the same hash.
    #[inline]
    fn replace_head(&mut self, at: usize, word: u32) -> u16 {
        let position = self.span.position(at);
        let head = &mut self.heads[slot(word, self.shift)];
        let before = std::mem::replace(head, position);
        self.links[usize::from(position) & self.mask] = before;
        before
    }

    /// Enters the positions from `start` to `end`.
    #[inline]
    fn enter(&mut self, start: usize, end: usize) {
        let mut position = self.span.position(start);
        let Some(mut rest) = self.span.buffer.get(start..) else {
            return;
        };
        for _ in start..end {
            let Some(four) = rest.first_chunk() else {
                break;
            };
            let head = &mut self.heads[slot(u32::from_le_bytes(*four), self.shift)];
            self.links[usize::from(position) & self.mask] = std::mem::replace(head, position);
            position = position.wrapping_add(1);
            rest = &rest[1..];
        }
    }

    /// Enters `at`, and returns the match of at least `min_length` bytes there that saves most.
    #[inline]
    fn find(&mut self, at: usize, word: u32, min_length: usize) -> Match {
        let buffer = self.span.buffer;
        let mut candidate = self.replace_head(at, word);
        let lowest = at.saturating_sub(self.limit);
        // Each candidate must come before the one before it.
        let mut above_lowest = at.wrapping_sub(lowest);
        let mut best = NONE;
        // A better match has this byte in common too.
        let mut last = min_length.wrapping_sub(1);
        let Some(mut wanted) = buffer.get(at.wrapping_add(last)) else {
            return NONE;
        };
        for _ in 0..self.max_candidates {
            let earlier = usize::from(candidate.wrapping_sub(self.span.base));
            let above = earlier.wrapping_sub(lowest);
            if above >= above_lowest {
                break;
            }
            above_lowest = above;
            if buffer[earlier.wrapping_add(last)] == *wanted {
                let length = self.length(earlier, at, word);
                let distance = at.wrapping_sub(earlier);
                let gain = self.gain(length, distance);
                if length > last && gain > best.gain {
                    best = Match {
                        length,
                        distance,
                        gain,
                    };
                    last = length;
                    match buffer.get(at.wrapping_add(last)) {
                        Some(next) if length < NICE_LENGTH => wanted = next,
                        _ => break,
                    }
                }
            }
            candidate = self.links[usize::from(candidate) & self.mask];
        }
        best
    }

    /// The number of bytes from `earlier` and from `at` on that are alike, 0 if fewer than three.
    #[inline]
    fn length(&self, earlier: usize, at: usize, here: u32) -> usize {
        let buffer = self.span.buffer;
        let difference = word(buffer, earlier).unwrap_or(!here) ^ here;
        let length = if difference == 0 {
            alike(buffer, earlier.wrapping_add(4), at.wrapping_add(4)).wrapping_add(4)
        } else if difference.trailing_zeros() >= 24 {
            3
        } else {
            return 0;
        };
        if earlier < self.span.after_gaps {
            self.span.without_gaps(earlier, length)
        } else {
            length
        }
    }

    /// Quarters of a bit that a match saves, compared with literals.
    #[inline]
    fn gain(&self, length: usize, distance: usize) -> usize {
        let cost = (4 * (distance | 1).ilog2() as usize).wrapping_add(MATCH_COST);
        self.literal_cost.wrapping_mul(length).saturating_sub(cost)
    }
}

/// Knuth's multiplicative hash of the first three bytes.
#[inline]
fn slot(word: u32, shift: u32) -> usize {
    (word << 8).wrapping_mul(0x9e37_79b1).wrapping_shr(shift) as usize
}

/// Base-2 logarithm of the number of hashes: a quarter of the bytes in the ring.
const fn head_bits(ring_bits: u32) -> u32 {
    ring_bits - 2
}

/// Positions of one hash that are compared, at most: 8 in a history of up to 2 KiB, as many more as it is longer.
fn max_candidates(ring_bits: u32) -> usize {
    1 << ring_bits.saturating_sub(8).max(3)
}

/// Shortest match of DEFLATE.
const MIN_LENGTH: usize = 3;
/// A match of this length is used without a look at the next position.
const GOOD_LENGTH: usize = 16;
/// A match of this length ends the search for a longer one.
const NICE_LENGTH: usize = 64;
/// After how many literals every second position is looked at, as a power of two.
const SKIP_SHIFT: u32 = 7;
/// Quarters of a bit that a match takes, without the logarithm of its distance: codes of 7 and 5 bits, and one extra bit
/// fewer than that logarithm.
const MATCH_COST: usize = 44;
/// Links that are allocated at first.
const MIN_LINKS: usize = 64;
