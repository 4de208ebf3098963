//! The alphabets of DEFLATE: literals, lengths and distances (RFC 1951 §3.2.5, §3.2.6).

use super::bits::low_bits;

/// A code, or extra bits: the bits as they are sent from the lowest on, with their number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Code {
    pub(super) bits: u16,
    pub(super) count: u16,
}

/// A symbol with its extra bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Symbol {
    pub(super) symbol: usize,
    pub(super) extra: Code,
}

/// Symbols of literals and lengths.
pub(super) const LITERALS: usize = 286;
/// Symbols of distances.
pub(super) const DISTANCES: usize = 30;
/// The symbol that ends a block.
pub(super) const END_OF_BLOCK: usize = 256;
/// Longest match.
pub(super) const MAX_LENGTH: usize = 258;

/// Extra bits of the length symbols from 257 on.
const LENGTH_EXTRA: [u16; 29] = [
    0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
];

/// The symbol and extra bits of each length, from 3 on.
static LENGTHS: [(u16, Code); 256] = lengths();

const fn lengths() -> [(u16, Code); 256] {
    let mut table = [(0, Code { bits: 0, count: 0 }); 256];
    let (mut symbol, mut length) = (0, 0);
    while symbol < 28 {
        let count = LENGTH_EXTRA[symbol];
        let mut bits = 0;
        while bits < 1 << count && length < 256 {
            table[length] = (257 + low_bits(symbol), Code { bits, count });
            length += 1;
            bits += 1;
        }
        symbol += 1;
    }
    // 258 has a symbol of its own.
    table[255] = (285, Code { bits: 0, count: 0 });
    table
}

/// The symbol of a match's length, which is in 3 to 258.
#[inline]
pub(super) fn length(length: usize) -> Symbol {
    let (symbol, extra) = LENGTHS[length.wrapping_sub(3) & 0xff];
    Symbol {
        symbol: usize::from(symbol),
        extra,
    }
}

/// The symbol of a match's distance, which is in 1 to 32,768.
#[inline]
pub(super) fn distance(distance: u16) -> Symbol {
    let from_zero = distance.wrapping_sub(1);
    if from_zero < 4 {
        return Symbol {
            symbol: usize::from(from_zero),
            extra: Code::default(),
        };
    }
    // Two symbols for each power of two.
    let log = from_zero.ilog2();
    let count = log.wrapping_sub(1);
    let half = from_zero.wrapping_shr(count);
    Symbol {
        symbol: (2 * log as usize).wrapping_add(usize::from(half & 1)),
        extra: Code {
            bits: from_zero.wrapping_sub(half.wrapping_shl(count)),
            count: low_bits(count as usize),
        },
    }
}

/// Length of a fixed code of literals and lengths (§3.2.6).
pub(super) const fn fixed_length(symbol: usize) -> u16 {
    match symbol {
        144..256 => 9,
        256..280 => 7,
        _ => 8,
    }
}

/// Length of all fixed codes of distances (§3.2.6).
pub(super) const FIXED_DISTANCE_LENGTH: u16 = 5;

/// The fixed codes of literals and lengths (§3.2.6).
pub(super) static FIXED_LITERALS: [Code; LITERALS] = fixed_literals();
/// The fixed codes of distances (§3.2.6).
pub(super) static FIXED_DISTANCES: [Code; DISTANCES] = fixed_distances();

const fn fixed_literals() -> [Code; LITERALS] {
    let mut codes = [Code { bits: 0, count: 0 }; LITERALS];
    let mut symbol = 0;
    while symbol < LITERALS {
        let code = low_bits(match symbol {
            0..144 => 0x30 + symbol,
            144..256 => 0x190 + symbol - 144,
            256..280 => symbol - 256,
            _ => 0xc0 + symbol - 280,
        });
        let count = fixed_length(symbol);
        codes[symbol] = Code {
            bits: code.reverse_bits() >> (16 - count),
            count,
        };
        symbol += 1;
    }
    codes
}

const fn fixed_distances() -> [Code; DISTANCES] {
    let mut codes = [Code { bits: 0, count: 0 }; DISTANCES];
    let mut symbol = 0;
    while symbol < DISTANCES {
        let count = FIXED_DISTANCE_LENGTH;
        codes[symbol] = Code {
            bits: low_bits(symbol).reverse_bits() >> (16 - count),
            count,
        };
        symbol += 1;
    }
    codes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 1951 §3.2.5: the shortest length of each symbol from 257 on, with its number of extra bits.
    const SHORTEST: [(usize, u16); 29] = [
        (3, 0),
        (4, 0),
        (5, 0),
        (6, 0),
        (7, 0),
        (8, 0),
        (9, 0),
        (10, 0),
        (11, 1),
        (13, 1),
        (15, 1),
        (17, 1),
        (19, 2),
        (23, 2),
        (27, 2),
        (31, 2),
        (35, 3),
        (43, 3),
        (51, 3),
        (59, 3),
        (67, 4),
        (83, 4),
        (99, 4),
        (115, 4),
        (131, 5),
        (163, 5),
        (195, 5),
        (227, 5),
        (258, 0),
    ];

    #[test]
    fn lengths_are_those_of_the_rfc() {
        let table = lengths();
        assert_eq!(table, LENGTHS);
        for length in 3..=MAX_LENGTH {
            let index = SHORTEST.partition_point(|(shortest, _)| *shortest <= length) - 1;
            let (shortest, count) = SHORTEST[index];
            let (symbol, extra) = table[length - 3];
            assert_eq!(usize::from(symbol), 257 + index, "{length}");
            let bits = low_bits(length - shortest);
            assert_eq!(extra, Code { bits, count }, "{length}");
        }
    }

    /// RFC 1951 §3.2.6: for each range of symbols the first code, as it is read from its highest bit on.
    const FIXED: [(std::ops::Range<usize>, &str); 4] = [
        (0..144, "00110000"),
        (144..256, "110010000"),
        (256..280, "0000000"),
        (280..286, "11000000"),
    ];

    #[test]
    fn fixed_codes_are_those_of_the_rfc() {
        let sent = |code: Code| -> String {
            let bit = |at| if code.bits >> at & 1 == 1 { '1' } else { '0' };
            (0..code.count).map(bit).collect()
        };
        let literals = fixed_literals();
        assert_eq!(literals, FIXED_LITERALS);
        for (symbols, first) in FIXED {
            let first_code = usize::from_str_radix(first, 2).unwrap();
            for symbol in symbols.clone() {
                let code = first_code + symbol - symbols.start;
                assert_eq!(
                    sent(literals[symbol]),
                    format!("{code:0width$b}", width = first.len())
                );
                assert_eq!(usize::from(fixed_length(symbol)), first.len());
            }
        }
        let distances = fixed_distances();
        assert_eq!(distances, FIXED_DISTANCES);
        for (symbol, code) in distances.into_iter().enumerate() {
            assert_eq!(sent(code), format!("{symbol:05b}"));
        }
    }
}
