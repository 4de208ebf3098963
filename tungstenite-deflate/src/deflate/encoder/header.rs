//! The codes of a block with dynamic codes, as they stand at its beginning (RFC 1951 §3.2.7).

use super::bits::{BitWriter, low_bits};
use super::huffman::{self, MAX_BITS};
use super::symbols::{Code, DISTANCES, END_OF_BLOCK, LITERALS};

/// The codes of one block, and how they are sent.
#[derive(Debug)]
pub(super) struct Dynamic {
    pub(super) literals: [Code; LITERALS],
    pub(super) distances: [Code; DISTANCES],
    /// Codes of literals and lengths that are sent, HLIT + 257.
    literal_count: usize,
    /// Codes of distances that are sent, HDIST + 1.
    distance_count: usize,
    /// Lengths of both, with runs put together: symbols of the third alphabet, each with its extra bits.
    runs: [(u8, u16); LITERALS + DISTANCES],
    run_count: usize,
    run_codes: [Code; RUN_SYMBOLS],
    /// Codes of the third alphabet that are sent, HCLEN + 4.
    run_code_count: usize,
    /// Bits of the whole block but for the extra bits of lengths and distances.
    pub(super) bits: usize,
}

impl Dynamic {
    /// The best codes for these frequencies, of which the end of the block has one.
    pub(super) fn new(literals: &[u32; LITERALS], distances: &[u32; DISTANCES]) -> Self {
        let mut lengths = [0; LITERALS + DISTANCES];
        let (literal_lengths, distance_lengths) = lengths.split_at_mut(LITERALS);
        let mut literal_codes = [Code::default(); LITERALS];
        let mut distance_codes = [Code::default(); DISTANCES];
        let bits = huffman::choose_codes(literals, MAX_BITS, literal_lengths, &mut literal_codes)
            + huffman::choose_codes(distances, MAX_BITS, distance_lengths, &mut distance_codes);
        let mut new = Self {
            literals: literal_codes,
            distances: distance_codes,
            literal_count: sent_lengths(literal_lengths, END_OF_BLOCK + 1),
            distance_count: sent_lengths(distance_lengths, 1),
            runs: [(0, 0); LITERALS + DISTANCES],
            run_count: 0,
            run_codes: [Code::default(); RUN_SYMBOLS],
            run_code_count: 0,
            bits,
        };
        // Runs go over the border between the two.
        let literal_count = new.literal_count;
        lengths.copy_within(LITERALS..LITERALS + new.distance_count, literal_count);
        new.find_runs(&lengths[..literal_count + new.distance_count]);
        new.choose_run_codes();
        new
    }

    fn find_runs(&mut self, lengths: &[u8]) {
        let mut rest = lengths;
        while let Some(&length) = rest.first() {
            let run = rest.iter().take_while(|&&other| other == length).count();
            let taken = match (length, run) {
                (0, 11..) => {
                    let taken = run.min(138);
                    self.add_run(18, taken - 11);
                    taken
                }
                (0, 3..) => {
                    self.add_run(17, run - 3);
                    run
                }
                (1.., 4..) => {
                    // The first of them, then copies of it.
                    let copies = (run - 1).min(6);
                    self.add_run(length, 0);
                    self.add_run(16, copies - 3);
                    copies + 1
                }
                _ => {
                    self.add_run(length, 0);
                    1
                }
            };
            rest = &rest[taken..];
        }
    }

    fn add_run(&mut self, symbol: u8, extra: usize) {
        self.runs[self.run_count] = (symbol, low_bits(extra));
        self.run_count += 1;
    }

    fn choose_run_codes(&mut self) {
        let mut frequencies = [0; RUN_SYMBOLS];
        let mut extra = 0;
        for &(symbol, _) in &self.runs[..self.run_count] {
            frequencies[usize::from(symbol)] += 1;
            extra += run_extra(symbol) as usize;
        }
        let mut lengths = [0; RUN_SYMBOLS];
        let codes = huffman::choose_codes(
            &frequencies,
            MAX_RUN_BITS,
            &mut lengths,
            &mut self.run_codes,
        );
        self.run_code_count = ORDER
            .iter()
            .rposition(|&symbol| lengths[symbol] > 0)
            .map_or(4, |last| last + 1)
            .max(4);
        self.bits += 3 + 5 + 5 + 4 + 3 * self.run_code_count + codes + extra;
    }

    /// Begins the block, which is not marked as the last.
    pub(super) fn write(&self, writer: &mut BitWriter<'_>) {
        writer.put(0b100, 3);
        writer.put((self.literal_count - 257) as u64, 5);
        writer.put((self.distance_count - 1) as u64, 5);
        writer.put((self.run_code_count - 4) as u64, 4);
        writer.flush();
        for &symbol in &ORDER[..self.run_code_count] {
            writer.put(u64::from(self.run_codes[symbol].count), 3);
            writer.flush();
        }
        for &(symbol, extra) in &self.runs[..self.run_count] {
            let code = self.run_codes[usize::from(symbol)];
            writer.put(u64::from(code.bits), u32::from(code.count));
            writer.put(u64::from(extra), run_extra(symbol));
            writer.flush();
        }
    }
}

/// Returns the number of lengths that are sent: all up to the last that is not 0, and at least `at_least`.
fn sent_lengths(lengths: &[u8], at_least: usize) -> usize {
    lengths
        .iter()
        .rposition(|&length| length > 0)
        .map_or(at_least, |last| at_least.max(last + 1))
}

/// Extra bits of a symbol of the third alphabet.
fn run_extra(symbol: u8) -> u32 {
    match symbol {
        16 => 2,
        17 => 3,
        18 => 7,
        _ => 0,
    }
}

/// Symbols of the third alphabet: lengths 0 to 15 and three kinds of runs.
const RUN_SYMBOLS: usize = 19;
/// Longest code of the third alphabet.
const MAX_RUN_BITS: u8 = 7;
/// The order in which the lengths of its codes are sent.
const ORDER: [usize; RUN_SYMBOLS] = [
    16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
];
