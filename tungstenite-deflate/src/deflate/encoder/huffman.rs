//! Huffman codes of limited length from the frequencies of symbols (RFC 1951 §3.2.2).

use super::bits::low_bits;
use super::symbols::{Code, LITERALS};

/// Longest code of literals, lengths and distances.
pub(super) const MAX_BITS: u8 = 15;

/// Chooses a code for each symbol that occurs, of at most `limit` bits, and gives how many bits they take in all.
///
/// `lengths` and `codes` are empty before, and stay so for the other symbols. At least two symbols get a code, as zlib
/// does it: a decoder might refuse a set of one or none.
pub(super) fn choose_codes(
    frequencies: &[u32],
    limit: u8,
    lengths: &mut [u8],
    codes: &mut [Code],
) -> usize {
    let mut keys = [0_u32; LITERALS];
    let used = sorted_symbols(frequencies, &mut keys);
    let keys = &keys[..used];
    let mut weights = [0_u32; LITERALS];
    for (weight, key) in weights.iter_mut().zip(keys) {
        *weight = key >> SYMBOL_BITS;
    }
    let mut counts = [0; DEPTHS];
    count_lengths(&mut weights[..used], &mut counts);
    keep_to_limit(&mut counts, usize::from(limit));
    // The rarest symbols come first and get the longest codes.
    let mut bits = 0_usize;
    let mut rarest_first = keys.iter();
    for length in (1..=limit).rev() {
        let count = counts[usize::from(length)] as usize;
        for key in rarest_first.by_ref().take(count) {
            lengths[(key & SYMBOL_MASK) as usize] = length;
            bits = bits.wrapping_add((key >> SYMBOL_BITS) as usize * usize::from(length));
        }
    }
    number(&counts, lengths, codes);
    bits
}

/// Puts the symbols that occur into `keys`, the rarest first, and gives their number.
fn sorted_symbols(frequencies: &[u32], keys: &mut [u32; LITERALS]) -> usize {
    let mut used = 0;
    for (first, group) in (0..).step_by(GROUP).zip(frequencies.chunks(GROUP)) {
        // Most groups have no symbol that occurs.
        if group.first_chunk() == Some(&[0_u32; GROUP]) {
            continue;
        }
        for (symbol, &frequency) in (first..).zip(group) {
            if frequency > 0 {
                keys[used] = frequency << SYMBOL_BITS | symbol;
                used += 1;
            }
        }
    }
    for symbol in 0..2 {
        if used < 2 && frequencies[symbol as usize] == 0 {
            keys[used] = 1 << SYMBOL_BITS | symbol;
            used += 1;
        }
    }
    keys[..used].sort_unstable();
    used
}

/// Counts the codes of each length in an optimal code, from at least two weights in ascending order.
///
/// Moffat and Katajainen, "In-place calculation of minimum-redundancy codes" (1995): `tree` holds weights of leaves,
/// then weights and parents of inner nodes, then their depths.
fn count_lengths(tree: &mut [u32], counts: &mut [u32; DEPTHS]) {
    let n = tree.len();
    let (mut root, mut leaf) = (0, 0);
    for next in 0..n - 1 {
        let mut weight = 0;
        for _ in 0..2 {
            let inner = root < next && (leaf >= n || tree[root] < tree[leaf]);
            if inner {
                weight += tree[root];
                tree[root] = u32::from(low_bits(next));
                root += 1;
            } else {
                weight += tree[leaf];
                leaf += 1;
            }
        }
        tree[next] = weight;
    }
    tree[n - 2] = 0;
    for next in (0..n - 2).rev() {
        tree[next] = tree[tree[next] as usize] + 1;
    }
    // Of the nodes at a depth, those that are not inner ones are leaves.
    let (mut nodes, mut depth) = (1, 0);
    let mut inner_nodes = tree[..n - 1].iter().rev().peekable();
    while nodes > 0 {
        let mut inner = 0;
        while inner_nodes.next_if(|&&at| at == depth).is_some() {
            inner += 1;
        }
        counts[(depth as usize).min(DEPTHS - 1)] += nodes - inner;
        nodes = 2 * inner;
        depth += 1;
    }
}

/// Shortens codes above `limit`, and lengthens others until the set is complete again (Kraft's sum is 1).
fn keep_to_limit(counts: &mut [u32; DEPTHS], limit: usize) {
    let above: u32 = counts[limit + 1..].iter().sum();
    if above == 0 {
        return;
    }
    counts[limit + 1..].fill(0);
    counts[limit] += above;
    // In units of a code of the longest length.
    let mut sum: u32 = (1..=limit)
        .map(|length| counts[length] << (limit - length))
        .sum();
    while sum > 1 << limit {
        // One code of the longest length and one of a shorter become two that are one longer than that.
        counts[limit] -= 1;
        let longest_below = (1..limit).rev().find(|&length| counts[length] > 0);
        if let Some(length) = longest_below {
            counts[length] -= 1;
            counts[length + 1] += 2;
        }
        sum -= 1;
    }
}

/// The canonical codes of these lengths (§3.2.2), turned round for sending.
fn number(counts: &[u32; DEPTHS], lengths: &[u8], codes: &mut [Code]) {
    let mut next = [0_u16; MAX_BITS as usize + 1];
    for length in 2..next.len() {
        next[length] = (next[length - 1] + low_bits(counts[length - 1] as usize)) << 1;
    }
    for (codes, lengths) in codes.chunks_mut(GROUP).zip(lengths.chunks(GROUP)) {
        if lengths.first_chunk() == Some(&[0_u8; GROUP]) {
            continue;
        }
        for (code, &length) in codes.iter_mut().zip(lengths) {
            if length > 0 {
                let next = &mut next[usize::from(length)];
                *code = Code {
                    bits: reversed(*next) >> (16 - length),
                    count: u16::from(length),
                };
                *next = next.wrapping_add(1);
            }
        }
    }
}

/// The bits in the opposite order.
fn reversed(bits: u16) -> u16 {
    let [low, high] = bits.to_le_bytes().map(|byte| REVERSED[usize::from(byte)]);
    u16::from_le_bytes([high, low])
}

/// Each byte with its bits in the opposite order.
static REVERSED: [u8; 256] = reversed_bytes();

const fn reversed_bytes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0_u8;
    loop {
        table[byte as usize] = byte.reverse_bits();
        if byte == u8::MAX {
            return table;
        }
        byte += 1;
    }
}

/// More than the depths that a tree over 60 KiB of symbols can have: a leaf at depth n has weights like Fibonacci numbers
/// beside it.
const DEPTHS: usize = 32;
/// Symbols that are passed over together if none of them occurs.
const GROUP: usize = 8;
/// Room of a symbol beneath its frequency.
const SYMBOL_BITS: u32 = 9;
const SYMBOL_MASK: u32 = (1 << SYMBOL_BITS) - 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_reversed() {
        let table = reversed_bytes();
        assert_eq!(table, REVERSED);
        for (byte, reversed) in (0_u8..=255).zip(table) {
            let bits = format!("{byte:08b}");
            assert_eq!(
                bits.chars().rev().collect::<String>(),
                format!("{reversed:08b}")
            );
        }
    }
}
