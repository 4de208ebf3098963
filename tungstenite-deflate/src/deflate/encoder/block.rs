//! One block: literals and matches as bits, in the form that takes the fewest (RFC 1951 §3.2.3 to §3.2.7).

use super::bits::{BitWriter, low_bits};
use super::header::Dynamic;
use super::span::SearchRange;
use super::symbols::{
    self, Code, DISTANCES, END_OF_BLOCK, FIXED_DISTANCE_LENGTH, FIXED_DISTANCES, FIXED_LITERALS,
    LITERALS,
};

/// Most bytes of one block before compression: its sequences need room, and one stored block must be enough.
pub(super) const MAX_BLOCK: usize = 60 * 1024;

/// Gathers the literals and matches of a block, and counts their symbols.
#[derive(Debug)]
pub(super) struct Sequences {
    matches: Vec<Sequence>,
    literals: [u32; LITERALS],
    distances: [u32; DISTANCES],
    /// Bytes of all matches.
    matched: usize,
    /// The farthest match before the message, in bytes.
    reach: usize,
}

/// Literals followed by a match.
#[derive(Clone, Copy, Debug)]
struct Sequence {
    literals: u16,
    length: u16,
    distance: u16,
}

impl Default for Sequences {
    fn default() -> Self {
        Self {
            matches: Vec::new(),
            literals: [0; LITERALS],
            distances: [0; DISTANCES],
            matched: 0,
            reach: 0,
        }
    }
}

impl Sequences {
    /// Forgets what was gathered.
    pub(super) fn clear(&mut self) {
        self.matches.clear();
        self.matched = 0;
        self.reach = 0;
    }

    /// Adds the literals from `literals` to `at`, followed by a match of `length` (3 to 258) at `distance` (1 to the window).
    #[inline]
    pub(super) fn add(
        &mut self,
        span: SearchRange<'_>,
        literals: usize,
        at: usize,
        length: usize,
        distance: usize,
    ) {
        self.matched = self.matched.wrapping_add(length);
        let reach = distance.saturating_sub(at.wrapping_sub(span.message));
        self.reach = self.reach.max(reach);
        self.matches.push(Sequence {
            literals: low_bits(at.wrapping_sub(literals)),
            length: low_bits(length),
            distance: low_bits(distance),
        });
    }

    /// Writes the block that was made of `source`, with dynamic codes if it has at least `dynamic_from` symbols and these codes
    /// take fewer bits, or without any code if that takes fewest; and returns how far it refers before the message.
    pub(super) fn write(
        &mut self,
        source: &[u8],
        dynamic_from: usize,
        writer: &mut BitWriter<'_>,
    ) -> usize {
        // Written to see how long it becomes, and taken back if storing the bytes is shorter.
        let before = writer.state();
        let start = writer.length();
        let stored_bits = stored_bits(writer, source.len());
        let symbols = source.len() - self.matched + 2 * self.matches.len();
        if symbols < dynamic_from {
            self.write_fixed(source, writer);
        } else {
            self.write_shorter(source, writer);
        }
        if writer.length() - start <= stored_bits {
            return self.reach;
        }
        // A stored block refers to nothing.
        writer.rewind(before);
        write_stored(source, writer);
        0
    }

    /// Writes the block with the codes that take fewer bits.
    fn write_shorter(&mut self, source: &[u8], writer: &mut BitWriter<'_>) {
        self.count(source);
        let dynamic = Dynamic::new(&self.literals, &self.distances);
        if fixed_bits(&self.literals, &self.distances) <= dynamic.bits {
            self.write_fixed(source, writer);
        } else {
            dynamic.write(writer);
            self.write_coded(source, &dynamic.literals, &dynamic.distances, writer);
        }
    }

    /// Counts the symbols of a block.
    fn count(&mut self, mut source: &[u8]) {
        self.literals.fill(0);
        self.distances.fill(0);
        for sequence in &self.matches {
            let (run, rest) = source.split_at(usize::from(sequence.literals));
            count(run, &mut self.literals);
            let length = usize::from(sequence.length);
            let frequency = &mut self.literals[symbols::length(length).symbol];
            *frequency = frequency.wrapping_add(1);
            let frequency = &mut self.distances[symbols::distance(sequence.distance).symbol];
            *frequency = frequency.wrapping_add(1);
            source = &rest[length..];
        }
        count(source, &mut self.literals);
        self.literals[END_OF_BLOCK] += 1;
    }

    /// Writes the block with fixed codes, not marked as the last.
    fn write_fixed(&self, mut source: &[u8], writer: &mut BitWriter<'_>) {
        // A value of this function's own may stay in registers.
        let mut here = writer.borrowed();
        here.put(0b010, 3);
        for sequence in &self.matches {
            let (run, rest) = source.split_at(usize::from(sequence.literals));
            let length = usize::from(sequence.length);
            put_fixed_literals(run, &mut here);
            let distance = sequence.distance;
            put_match(
                &mut here,
                length,
                distance,
                &FIXED_LITERALS,
                &FIXED_DISTANCES,
            );
            source = &rest[length..];
        }
        put_fixed_literals(source, &mut here);
        put(&mut here, FIXED_LITERALS[END_OF_BLOCK]);
        here.flush();
        let state = here.state();
        writer.rewind(state);
    }

    /// Writes what comes after the header of a block.
    fn write_coded(
        &self,
        mut source: &[u8],
        literals: &[Code; LITERALS],
        distances: &[Code; DISTANCES],
        writer: &mut BitWriter<'_>,
    ) {
        // A value of this function's own may stay in registers.
        let mut here = writer.borrowed();
        for sequence in &self.matches {
            let (run, rest) = source.split_at(usize::from(sequence.literals));
            let length = usize::from(sequence.length);
            put_literals(run, literals, &mut here);
            put_match(&mut here, length, sequence.distance, literals, distances);
            source = &rest[length..];
        }
        put_literals(source, literals, &mut here);
        put(&mut here, literals[END_OF_BLOCK]);
        here.flush();
        let state = here.state();
        writer.rewind(state);
    }
}

/// Bits of a block with fixed codes, but for the extra bits (§3.2.6).
fn fixed_bits(literals: &[u32; LITERALS], distances: &[u32; DISTANCES]) -> usize {
    let sum = |frequencies: &[u32]| {
        frequencies
            .iter()
            .fold(0_u32, |sum, &one| sum.wrapping_add(one))
    };
    let bits = 8 * (sum(&literals[..144]) + sum(&literals[280..]))
        + 9 * sum(&literals[144..256])
        + 7 * sum(&literals[256..280])
        + u32::from(FIXED_DISTANCE_LENGTH) * sum(distances);
    3 + bits as usize
}

/// Bits of a stored block here.
pub(super) fn stored_bits(writer: &BitWriter<'_>, length: usize) -> usize {
    let header_end = writer.length() + 3;
    header_end.next_multiple_of(8) - writer.length() + 32 + length * 8
}

/// Writes a block without compression (§3.2.4); `source` is at most 65,535 bytes.
pub(super) fn write_stored(source: &[u8], writer: &mut BitWriter<'_>) {
    let length = low_bits(source.len());
    writer.flush();
    writer.put(0b000, 3);
    writer.align();
    writer.put_bytes(&length.to_le_bytes());
    writer.put_bytes(&(!length).to_le_bytes());
    writer.put_bytes(source);
}

/// Counts literals.
#[inline]
fn count(run: &[u8], literals: &mut [u32; LITERALS]) {
    for &literal in run {
        let frequency = &mut literals[usize::from(literal)];
        *frequency = frequency.wrapping_add(1);
    }
}

/// Writes literals with fixed codes, four at a time where they are ASCII.
#[inline]
fn put_fixed_literals(run: &[u8], writer: &mut BitWriter<'_>) {
    let mut fours = run.chunks_exact(4);
    for four in fours.by_ref() {
        let word = u32::from_le_bytes([four[0], four[1], four[2], four[3]]);
        if word & 0x8080_8080 == 0 {
            // Codes of 8 bits from 0x30 on, each turned round.
            let codes = word.wrapping_add(0x3030_3030).reverse_bits().swap_bytes();
            writer.put(u64::from(codes), 32);
        } else {
            for &literal in four {
                put(writer, FIXED_LITERALS[usize::from(literal)]);
            }
        }
        writer.flush();
    }
    for &literal in fours.remainder() {
        put(writer, FIXED_LITERALS[usize::from(literal)]);
    }
    writer.flush();
}

#[expect(
    clippy::inline_always,
    reason = "the writer stays in registers, which takes a fifth less time"
)]
#[inline(always)]
fn put_literals(run: &[u8], literals: &[Code; LITERALS], writer: &mut BitWriter<'_>) {
    let mut threes = run.chunks_exact(3);
    for three in threes.by_ref() {
        for &literal in three {
            put(writer, literals[usize::from(literal)]);
        }
        writer.flush();
    }
    for &literal in threes.remainder() {
        put(writer, literals[usize::from(literal)]);
    }
    writer.flush();
}

#[expect(
    clippy::inline_always,
    reason = "the writer stays in registers, which takes a fifth less time"
)]
#[inline(always)]
fn put_match(
    writer: &mut BitWriter<'_>,
    length: usize,
    distance: u16,
    literals: &[Code; LITERALS],
    distances: &[Code; DISTANCES],
) {
    // At most 15 + 5 + 15 + 13 bits.
    let length = symbols::length(length);
    put(writer, literals[length.symbol]);
    put(writer, length.extra);
    let distance = symbols::distance(distance);
    put(writer, distances[distance.symbol]);
    put(writer, distance.extra);
    writer.flush();
}

#[inline]
fn put(writer: &mut BitWriter<'_>, code: Code) {
    writer.put(u64::from(code.bits), u32::from(code.count));
}
