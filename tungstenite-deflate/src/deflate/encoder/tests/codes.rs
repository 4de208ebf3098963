//! Huffman codes and the headers that tell them.

use super::Random;
use crate::deflate::encoder::{bits::BitWriter, header, huffman, symbols};

#[test]
fn code_lengths_are_complete_and_within_the_limit() {
    let mut random = Random(11);
    for round in 0..2_000 {
        let symbols = 2 + random.below(symbols::LITERALS - 1);
        let limit = if symbols <= 19 && round % 2 == 0 {
            7
        } else {
            15
        };
        // Weights that grow like Fibonacci numbers give the deepest trees.
        let (mut frequencies, mut a, mut b) = (vec![0; symbols], 1, 1);
        for frequency in &mut frequencies {
            *frequency = match round % 3 {
                0 if b < 20_000 => {
                    (a, b) = (b, a + b);
                    b
                }
                1 => {
                    let bits = random.below(15);
                    u32::try_from(random.below(1 << bits)).expect("small")
                }
                _ => u32::from(random.below(5) == 0),
            };
        }
        let mut lengths = vec![0; symbols];
        let mut codes = vec![symbols::Code::default(); symbols];
        let bits = huffman::choose_codes(&frequencies, limit, &mut lengths, &mut codes);
        let sum: u32 = lengths
            .iter()
            .filter(|&&length| length > 0)
            .map(|&length| 1 << (limit - length))
            .sum();
        assert_eq!(sum, 1 << limit, "Kraft's sum, {lengths:?}");
        assert!(
            frequencies
                .iter()
                .zip(&lengths)
                .all(|(&f, &length)| f == 0 || length > 0)
        );
        let used: usize = frequencies
            .iter()
            .zip(&lengths)
            .map(|(&frequency, &length)| frequency as usize * usize::from(length))
            .sum();
        // Symbols that were added count as if they occurred once.
        assert!(bits - used <= 2, "{bits} bits, {used} used");
    }
}

#[test]
fn headers_take_as_many_bits_as_they_say() {
    let mut random = Random(5);
    for _ in 0..500 {
        let mut literals = [0; symbols::LITERALS];
        let mut distances = [0; symbols::DISTANCES];
        literals[symbols::END_OF_BLOCK] = 1;
        for _ in 0..random.below(60) {
            literals[random.below(symbols::LITERALS)] += 1;
            distances[random.below(symbols::DISTANCES)] += u32::from(random.below(2) == 0);
        }
        let dynamic = header::Dynamic::new(&literals, &distances);
        let mut room = [0; 1_024];
        let mut writer = BitWriter::new(&mut room);
        dynamic.write(&mut writer);
        let coded: usize = literals
            .iter()
            .zip(&dynamic.literals)
            .chain(distances.iter().zip(&dynamic.distances))
            .map(|(&frequency, code)| frequency.max(1) as usize * usize::from(code.count))
            .sum();
        assert_eq!(dynamic.bits, writer.length() + coded);
    }
}
