//! The largest distance in DEFLATE data (RFC 1951), for tests: zlib's decoders take distances beyond their window.

use std::collections::HashMap;

/// Codes by (length, bits).
type Codes = HashMap<(u8, u16), u16>;

/// Bits of a stream, least significant first.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn bit(&mut self) -> u16 {
        let bit = self.bytes[self.at / 8] >> (self.at % 8) & 1;
        self.at += 1;
        u16::from(bit)
    }

    fn number(&mut self, bits: u16) -> usize {
        (0..bits)
            .map(|place| usize::from(self.bit()) << place)
            .sum()
    }

    fn symbol(&mut self, codes: &Codes) -> u16 {
        let (mut length, mut bits) = (0, 0);
        loop {
            length += 1;
            bits = bits << 1 | self.bit();
            assert!(length < 16, "no such code");
            if let Some(&symbol) = codes.get(&(length, bits)) {
                return symbol;
            }
        }
    }
}

/// Canonical codes from their lengths (RFC 1951 §3.2.2).
fn codes(lengths: &[u8]) -> Codes {
    let mut codes = Codes::new();
    let mut next = 0;
    for length in 1..=15 {
        next <<= 1;
        for (symbol, _) in lengths
            .iter()
            .enumerate()
            .filter(|(_, seen)| **seen == length)
        {
            codes.insert((length, next), u16::try_from(symbol).unwrap());
            next += 1;
        }
    }
    codes
}

/// Codes of literals and lengths, and of distances, of a block with dynamic codes (RFC 1951 §3.2.7).
fn dynamic(bits: &mut Bits<'_>) -> (Codes, Codes) {
    let (literals, distances, count) =
        (bits.number(5) + 257, bits.number(5) + 1, bits.number(4) + 4);
    let mut lengths = [0; 19];
    for place in [
        16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
    ]
    .into_iter()
    .take(count)
    {
        lengths[place] = u8::try_from(bits.number(3)).unwrap();
    }
    let length_codes = codes(&lengths);
    let mut all: Vec<u8> = Vec::new();
    while all.len() < literals + distances {
        let (value, times) = match bits.symbol(&length_codes) {
            16 => (all[all.len() - 1], 3 + bits.number(2)),
            17 => (0, 3 + bits.number(3)),
            18 => (0, 11 + bits.number(7)),
            length => (u8::try_from(length).unwrap(), 1),
        };
        all.extend(std::iter::repeat_n(value, times));
    }
    (codes(&all[..literals]), codes(&all[literals..]))
}

/// The largest distance of the matches in `data`, which ends at a block boundary.
pub(super) fn largest(data: &[u8]) -> usize {
    let fixed: Vec<u8> = (0..288)
        .map(|symbol| {
            [8, 9, 7, 8][[144, 256, 280]
                .iter()
                .filter(|&&edge| symbol >= edge)
                .count()]
        })
        .collect();
    let mut bits = Bits { bytes: data, at: 0 };
    let mut largest = 0;
    while bits.at + 10 <= data.len() * 8 {
        bits.bit();
        let (literals, distances) = match bits.number(2) {
            0 => {
                bits.at = bits.at.next_multiple_of(8);
                let length = bits.number(16);
                bits.at += 16 + length * 8;
                continue;
            }
            1 => (codes(&fixed), codes(&[5; 30])),
            2 => dynamic(&mut bits),
            _ => panic!("block type 3"),
        };
        loop {
            let symbol = bits.symbol(&literals);
            match symbol {
                0..256 => continue,
                256 => break,
                257..265 | 285 => 0,
                _ => bits.number((symbol - 261) / 4),
            };
            let symbol = bits.symbol(&distances);
            let distance = if symbol < 4 {
                usize::from(symbol) + 1
            } else {
                let extra = symbol / 2 - 1;
                ((2 + usize::from(symbol % 2)) << extra) + bits.number(extra) + 1
            };
            largest = largest.max(distance);
        }
    }
    largest
}

#[test]
fn distances_are_those_that_were_made() {
    // RFC 7692 §7.2.3.2: the second Hello is a match with distance 5; then one of two dynamic blocks by zlib.
    assert_eq!(
        largest(&[0xf2, 0x00, 0x11, 0x00, 0x00, 0x00, 0xff, 0xff]),
        5
    );
    assert_eq!(
        largest(&[
            0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00, 0x00, 0xff, 0xff
        ]),
        0
    );
    for distance in [300, 5_000, 30_000] {
        let mut seed = 1_u32;
        let noise: Vec<u8> = (0..distance)
            .map(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                b'a' + u8::try_from(seed >> 28).unwrap()
            })
            .collect();
        let mut encoder =
            flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
        std::io::Write::write_all(&mut encoder, &[noise.as_slice(), &noise[..200]].concat())
            .unwrap();
        assert_eq!(largest(&encoder.finish().unwrap()), distance);
    }
}
