//! One block: literals and matches as bits, in the form that takes the fewest (RFC 1951 §3.2.3 to §3.2.7).

use super::bits::BitWriter;
use super::header::Dynamic;
use super::low_bits;
use super::matcher::Sink;
use super::symbols::{
    self, Code, DISTANCES, END_OF_BLOCK, FIXED_DISTANCE_LENGTH, FIXED_DISTANCES, FIXED_LITERALS,
    LITERALS,
};

/// Most bytes of one block before compression: its sequences need room, and one stored block must be enough.
pub(super) const MAX_BLOCK: usize = 60 * 1024;

/// Writes literals and matches with fixed codes as they are found.
#[derive(Debug)]
pub(super) struct FixedSink<'a, 'b>(&'a mut BitWriter<'b>);

impl<'a, 'b> FixedSink<'a, 'b> {
    /// Begins the block, which is not marked as the last.
    pub(super) fn begin(writer: &'a mut BitWriter<'b>) -> Self {
        writer.put(0b010, 3);
        Self(writer)
    }

    #[inline]
    fn literals(&mut self, literals: &[u8]) {
        let mut fours = literals.chunks_exact(4);
        for four in fours.by_ref() {
            let word = u32::from_le_bytes([four[0], four[1], four[2], four[3]]);
            if word & 0x8080_8080 == 0 {
                // ASCII: codes of 8 bits from 0x30 on, each turned round.
                let codes = word.wrapping_add(0x3030_3030).reverse_bits().swap_bytes();
                self.0.put(u64::from(codes), 32);
            } else {
                for &literal in four {
                    put(self.0, FIXED_LITERALS[usize::from(literal)]);
                }
            }
            self.0.flush();
        }
        for &literal in fours.remainder() {
            put(self.0, FIXED_LITERALS[usize::from(literal)]);
        }
        self.0.flush();
    }
}

impl Sink for FixedSink<'_, '_> {
    #[inline]
    fn sequence(&mut self, literals: &[u8], length: usize, distance: usize) {
        self.literals(literals);
        put_match(
            self.0,
            length,
            low_bits(distance),
            &FIXED_LITERALS,
            &FIXED_DISTANCES,
        );
    }

    fn end(&mut self, literals: &[u8]) {
        self.literals(literals);
        put(self.0, FIXED_LITERALS[END_OF_BLOCK]);
        self.0.flush();
    }
}

/// Gathers the literals and matches of a block, and counts their symbols.
#[derive(Debug)]
pub(super) struct Sequences {
    matches: Vec<Sequence>,
    literals: [u32; LITERALS],
    distances: [u32; DISTANCES],
    /// Extra bits of all lengths and distances.
    extra_bits: usize,
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
            extra_bits: 0,
        }
    }
}

impl Sink for Sequences {
    #[inline]
    fn sequence(&mut self, literals: &[u8], length: usize, distance: usize) {
        self.count(literals);
        let length_symbol = symbols::length(length);
        let distance_symbol = symbols::distance(low_bits(distance));
        self.literals[length_symbol.symbol] += 1;
        self.distances[distance_symbol.symbol] += 1;
        self.extra_bits += usize::from(length_symbol.extra.count + distance_symbol.extra.count);
        self.matches.push(Sequence {
            literals: low_bits(literals.len()),
            length: low_bits(length),
            distance: low_bits(distance),
        });
    }

    fn end(&mut self, literals: &[u8]) {
        self.count(literals);
        self.literals[END_OF_BLOCK] += 1;
    }
}

impl Sequences {
    /// Forgets what was gathered.
    pub(super) fn clear(&mut self) {
        self.matches.clear();
        self.literals.fill(0);
        self.distances.fill(0);
        self.extra_bits = 0;
    }

    /// Counts literals.
    #[inline]
    fn count(&mut self, literals: &[u8]) {
        for &literal in literals {
            let frequency = &mut self.literals[usize::from(literal)];
            *frequency = frequency.wrapping_add(1);
        }
    }

    /// Writes the block that was made of `source` in the shortest of the three forms.
    pub(super) fn write(&self, source: &[u8], writer: &mut BitWriter<'_>) {
        let dynamic = Dynamic::new(&self.literals, &self.distances);
        let fixed_bits = fixed_bits(&self.literals, &self.distances);
        let coded_bits = self.extra_bits + fixed_bits.min(dynamic.bits);
        if coded_bits >= stored_bits(writer, source.len()) {
            write_stored(source, writer);
        } else if fixed_bits <= dynamic.bits {
            writer.put(0b010, 3);
            self.write_coded(source, &FIXED_LITERALS, &FIXED_DISTANCES, writer);
        } else {
            dynamic.write(writer);
            self.write_coded(source, &dynamic.literals, &dynamic.distances, writer);
        }
    }

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
