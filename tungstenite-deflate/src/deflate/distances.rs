//! A strict and slow inflater for tests: zlib's decoders accept distances beyond their window, and none of them tells what a
//! message refers to.

use std::ops::Range;

/// Inflates the messages of one direction and panics at whatever RFC 1951 or the window does not permit.
#[derive(Debug)]
pub(super) struct StrictInflater {
    /// The last bytes of the stream.
    plain: Vec<u8>,
    window: usize,
    /// Ranges of `plain` that nothing may refer to.
    hidden: Vec<Range<usize>>,
    /// Offset at which the message in progress begins.
    message: usize,
    /// The farthest reference before the message, in bytes.
    pub(super) reach: usize,
    /// The largest distance of the message.
    pub(super) largest: usize,
}

impl StrictInflater {
    /// For messages that may refer to the last two to the power of `window_bits` bytes.
    pub(super) fn new(window_bits: u8) -> Self {
        Self {
            plain: Vec::new(),
            window: 1 << window_bits,
            hidden: Vec::new(),
            message: 0,
            reach: 0,
            largest: 0,
        }
    }

    /// Forgets all earlier messages: a reference to them is a fault from now on.
    pub(super) fn forget(&mut self) {
        self.plain.clear();
        self.hidden.clear();
    }

    /// From now on nothing may refer to the last message.
    pub(super) fn hide(&mut self) {
        if self.message < self.plain.len() {
            self.hidden.push(self.message..self.plain.len());
        }
    }

    /// Inflates a message, whose last four bytes `00 00 ff ff` were left out (RFC 7692 §7.2.1).
    pub(super) fn message(&mut self, wire: &[u8]) -> &[u8] {
        let surplus = self.plain.len().saturating_sub(self.window);
        if surplus > self.window.max(1 << 16) {
            self.plain.drain(..surplus);
            self.hidden.retain_mut(|range| {
                *range = range.start.saturating_sub(surplus)..range.end.saturating_sub(surplus);
                range.end > 0
            });
        }
        (self.message, self.reach, self.largest) = (self.plain.len(), 0, 0);
        let data = [wire, &[0, 0, 0xff, 0xff]].concat();
        let mut bits = Bits {
            bytes: &data,
            at: 0,
        };
        while bits.at.div_ceil(8) < data.len() {
            assert_eq!(bits.number(1), 0, "the last block of all");
            match bits.number(2) {
                0 => self.stored(&mut bits),
                1 => self.block(
                    &mut bits,
                    &Codes::fixed_literals(),
                    &Codes::fixed_distances(),
                ),
                2 => {
                    let (literals, distances) = dynamic(&mut bits);
                    self.block(&mut bits, &literals, &distances);
                }
                _ => panic!("block type 3"),
            }
        }
        &self.plain[self.message..]
    }

    fn stored(&mut self, bits: &mut Bits<'_>) {
        bits.at = bits.at.next_multiple_of(8);
        let (length, complement) = (bits.number(16), bits.number(16));
        assert_eq!(length ^ complement, 0xffff, "length of a stored block");
        let start = bits.at / 8;
        self.plain
            .extend_from_slice(&bits.bytes[start..start + length]);
        bits.at += length * 8;
    }

    fn block(&mut self, bits: &mut Bits<'_>, literals: &Codes, distances: &Codes) {
        loop {
            let symbol = usize::from(bits.symbol(literals));
            let length = match symbol {
                0..256 => {
                    self.plain.push(symbol.to_le_bytes()[0]);
                    continue;
                }
                256 => return,
                257..265 => symbol - 254,
                265..285 => {
                    let extra = (symbol - 261) / 4;
                    ((4 + (symbol - 261) % 4) << extra) + 3 + bits.number(extra)
                }
                285 => 258,
                _ => panic!("length symbol {symbol}"),
            };
            let symbol = usize::from(bits.symbol(distances));
            let distance = match symbol {
                0..4 => symbol + 1,
                4..30 => {
                    let extra = symbol / 2 - 1;
                    ((2 + symbol % 2) << extra) + bits.number(extra) + 1
                }
                _ => panic!("distance symbol {symbol}"),
            };
            self.copy(length, distance);
        }
    }

    fn copy(&mut self, length: usize, distance: usize) {
        let end = self.plain.len();
        assert!(
            distance <= self.window,
            "distance {distance} in a window of {}",
            self.window
        );
        assert!(distance <= end, "distance {distance} after {end} bytes");
        let from = end - distance;
        let source = from..from + length.min(distance);
        assert!(
            !self
                .hidden
                .iter()
                .any(|hidden| hidden.start < source.end && source.start < hidden.end),
            "refers to a hidden message"
        );
        self.largest = self.largest.max(distance);
        self.reach = self.reach.max(self.message.saturating_sub(from));
        for at in from..from + length {
            self.plain.push(self.plain[at]);
        }
    }
}

/// Bits of a stream, least significant first.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn bit(&mut self) -> usize {
        let bit = self.bytes[self.at / 8] >> (self.at % 8) & 1;
        self.at += 1;
        usize::from(bit)
    }

    fn number(&mut self, bits: usize) -> usize {
        (0..bits).map(|bit| self.bit() << bit).sum()
    }

    /// The next symbol: codes of each length are consecutive numbers (RFC 1951 §3.2.2).
    fn symbol(&mut self, codes: &Codes) -> u16 {
        let (mut code, mut first, mut index) = (0, 0, 0);
        for count in &codes.counts[1..] {
            code = code << 1 | self.bit();
            first <<= 1;
            if code < first + count {
                return codes.symbols[index + code - first];
            }
            index += count;
            first += count;
        }
        panic!("no such code")
    }
}

/// Canonical codes (RFC 1951 §3.2.2).
struct Codes {
    /// The number of codes of each length.
    counts: [usize; 16],
    /// The symbols in the order of their codes.
    symbols: Vec<u16>,
}

impl Codes {
    fn new(lengths: &[u8]) -> Self {
        let mut counts = [0; 16];
        let mut symbols = Vec::new();
        for length in 1..=15_u8 {
            let before = symbols.len();
            symbols.extend(
                (0_u16..)
                    .zip(lengths)
                    .filter_map(|(symbol, &seen)| (seen == length).then_some(symbol)),
            );
            counts[usize::from(length)] = symbols.len() - before;
        }
        let sum: usize = (1..=15).map(|length| counts[length] << (15 - length)).sum();
        assert!(sum <= 1 << 15, "more codes than fit");
        Self { counts, symbols }
    }

    fn fixed_literals() -> Self {
        let lengths = [[8; 144].as_slice(), &[9; 112], &[7; 24], &[8; 8]].concat();
        Self::new(&lengths)
    }

    fn fixed_distances() -> Self {
        Self::new(&[5; 30])
    }
}

/// Codes of literals and lengths, and of distances, of a block with dynamic codes (RFC 1951 §3.2.7).
fn dynamic(bits: &mut Bits<'_>) -> (Codes, Codes) {
    let (literals, distances, count) =
        (bits.number(5) + 257, bits.number(5) + 1, bits.number(4) + 4);
    assert!(literals <= 286 && distances <= 30, "HLIT and HDIST");
    let mut lengths = [0; 19];
    for symbol in [
        16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
    ]
    .into_iter()
    .take(count)
    {
        lengths[symbol] = bits.number(3).to_le_bytes()[0];
    }
    let length_codes = Codes::new(&lengths);
    let mut all: Vec<u8> = Vec::new();
    while all.len() < literals + distances {
        let (value, times) = match bits.symbol(&length_codes) {
            16 => (all[all.len() - 1], 3 + bits.number(2)),
            17 => (0, 3 + bits.number(3)),
            18 => (0, 11 + bits.number(7)),
            length => (length.to_le_bytes()[0], 1),
        };
        all.extend(std::iter::repeat_n(value, times));
    }
    assert_eq!(all.len(), literals + distances, "a run past the end");
    assert!(all[256] > 0, "a block without end");
    (Codes::new(&all[..literals]), Codes::new(&all[literals..]))
}

/// The largest distance of the matches in `data`, a message with its last four bytes.
pub(super) fn largest(data: &[u8]) -> usize {
    let mut inflater = StrictInflater::new(15);
    inflater.plain = vec![0; 1 << 15];
    inflater.message(&data[..data.len() - 4]);
    inflater.largest
}

#[test]
fn distances_are_those_that_were_made() {
    // RFC 7692 §7.2.3.2: the second Hello is a match with distance 5; then one of two dynamic blocks by zlib.
    assert_eq!(
        largest(&[0xf2, 0x00, 0x11, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff]),
        5
    );
    assert_eq!(
        largest(&[
            0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00, 0x00, 0xff, 0xff
        ]),
        0
    );
    for distance in [300, 5_000, 30_000] {
        let message = repeated_after(distance);
        let wire = deflated(&message);
        assert_eq!(largest(&wire), distance);
        let mut inflater = StrictInflater::new(15);
        assert!(inflater.message(&wire[..wire.len() - 4]) == message);
        assert_eq!(inflater.reach, 0);
    }
}

/// Noise of few letters, followed by its first 200 bytes at this distance.
fn repeated_after(distance: usize) -> Vec<u8> {
    let mut seed = 1_u32;
    let noise: Vec<u8> = (0..distance)
        .map(|_| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            b'a' + u8::try_from(seed >> 28).unwrap()
        })
        .collect();
    [noise.as_slice(), &noise[..200]].concat()
}

/// By zlib, with the tail.
fn deflated(message: &[u8]) -> Vec<u8> {
    let mut wire = Vec::with_capacity(2 * message.len());
    flate2::Compress::new(flate2::Compression::best(), false)
        .compress_vec(message, &mut wire, flate2::FlushCompress::Sync)
        .unwrap();
    wire
}

#[test]
#[should_panic(expected = "distance 300 in a window of 256")]
fn distances_past_the_window_are_refused() {
    let wire = deflated(&repeated_after(300));
    StrictInflater::new(8).message(&wire[..wire.len() - 4]);
}

/// RFC 7692 §7.2.3.2: Hello twice, the second of which refers to the first.
const HELLOS: [&[u8]; 2] = [
    &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00],
    &[0xf2, 0x00, 0x11, 0x00, 0x00],
];

#[test]
fn reach_is_counted_from_the_message() {
    let mut inflater = StrictInflater::new(15);
    assert_eq!(inflater.message(HELLOS[0]), b"Hello");
    assert_eq!(inflater.message(HELLOS[1]), b"Hello");
    // Its H is a literal.
    assert_eq!(inflater.reach, 4);
}

#[test]
#[should_panic(expected = "after 1 bytes")]
fn distances_past_what_was_forgotten_are_refused() {
    let mut inflater = StrictInflater::new(15);
    inflater.message(HELLOS[0]);
    inflater.forget();
    inflater.message(HELLOS[1]);
}

#[test]
#[should_panic(expected = "hidden")]
fn references_to_hidden_messages_are_refused() {
    let mut inflater = StrictInflater::new(15);
    inflater.message(HELLOS[0]);
    inflater.hide();
    inflater.message(HELLOS[1]);
}
