//! Tests of the compressor against zlib-rs: what it makes must inflate to what it was given.

use bytes::BytesMut;
use flate2::{Compress, Decompress, FlushCompress, FlushDecompress};

use super::{Context, Encoder, header, huffman, symbols};
use crate::deflate::distances;

/// Messages of the differential test. `ENCODER_MESSAGES` and `ENCODER_SEED` choose others for a longer run.
const MESSAGES: usize = 4_000;

/// Marsaglia's xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 11) % bound.max(1) as u64).expect("below a usize")
    }

    fn byte(&mut self) -> u8 {
        self.below(256).to_le_bytes()[0]
    }
}

/// A message of about `length` bytes: noise, few letters, JSON, runs, copies at every distance, or one after another.
fn message(random: &mut Random, length: usize) -> Vec<u8> {
    let kind = random.below(7);
    let mut bytes = Vec::with_capacity(length + 64);
    while bytes.len() < length {
        match if kind == 6 { random.below(6) } else { kind } {
            0 => bytes.push(random.byte()),
            1 => bytes.push(b"etaoin \xe9"[random.below(8)]),
            2 => {
                let (id, value) = (random.below(500), random.below(1_000_000));
                bytes
                    .extend(format!("{{\"id\":{id},\"value\":{value},\"state\":\"ok\"}},").bytes());
            }
            3 => {
                let (byte, run) = (random.byte(), 1 + random.below(600));
                bytes.extend(std::iter::repeat_n(byte, run));
            }
            4 => {
                let back = (1 + random.below(40_000)).min(bytes.len());
                let from = bytes.len() - back;
                for at in from..from + random.below(300).min(back) {
                    bytes.push(bytes[at]);
                }
                bytes.push(random.byte());
            }
            _ => bytes.push(random.below(4).to_le_bytes()[0] | 0xfc),
        }
    }
    bytes.truncate(length);
    bytes
}

/// A length of 0 to 1 MiB, most of them small, many at the edges of what the compressor tells apart.
fn length(random: &mut Random) -> usize {
    const EDGES: [usize; 9] = [0, 4, 64, 1_024, 4_096, 22_528, 32_768, 61_440, 65_536];
    match random.below(4_000) {
        0 => random.below(1 << 20),
        1..40 => random.below(1 << 16),
        40..200 => EDGES[random.below(9)]
            .saturating_add(random.below(9))
            .saturating_sub(4),
        200..1_000 => random.below(4_096),
        _ => random.below(300),
    }
}

/// zlib's decoder, asked for a message.
struct Reader {
    decompress: Decompress,
    out: Vec<u8>,
}

impl Reader {
    fn new() -> Self {
        Self {
            decompress: Decompress::new(false),
            out: Vec::new(),
        }
    }

    /// What `wire` inflates to, with the tail that a sender leaves out.
    fn read(&mut self, wire: &[u8], length: usize) -> &[u8] {
        let data = [wire, &[0, 0, 0xff, 0xff]].concat();
        self.out.resize(length + 64, 0);
        let (read, written) = (self.decompress.total_in(), self.decompress.total_out());
        self.decompress
            .decompress(&data, &mut self.out, FlushDecompress::Sync)
            .expect("DEFLATE data");
        assert_eq!(
            self.decompress.total_in() - read,
            data.len() as u64,
            "all was read"
        );
        let count = usize::try_from(self.decompress.total_out() - written).expect("a slice");
        &self.out[..count]
    }
}

/// The most that a message may take: stored blocks, and the empty block at the end.
fn stored_bound(length: usize) -> usize {
    length + 5 * length.div_ceil(60 * 1024) + 1
}

#[test]
fn every_message_inflates_to_itself() {
    let count = std::env::var("ENCODER_MESSAGES")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(MESSAGES);
    let seed = std::env::var("ENCODER_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(0x2545_f491_4f6c_dd1d);
    let mut random = Random(seed);
    let mut encoder = Encoder::default();
    let mut done = 0;
    while done < count {
        // One connection.
        let bits = 8 + random.below(8).to_le_bytes()[0];
        let mut context = (random.below(3) > 0).then(|| Context::new(bits));
        let mut reader = Reader::new();
        for number in 0..=random.below(60) {
            let length = length(&mut random);
            let message = message(&mut random, length);
            let mut wire = BytesMut::new();
            if let Some(context) = &mut context {
                encoder.encode_in(context, &message, &mut wire);
            } else {
                encoder.encode(&message, bits, &mut wire);
                reader.decompress.reset(false);
            }
            assert!(
                reader.read(&wire, length) == message,
                "seed {seed}, message {done}: {length} bytes at window {bits}, number {number}"
            );
            assert!(
                wire.len() <= stored_bound(length),
                "{} bytes of {length}",
                wire.len()
            );
            if length < 3_000 || done % 16 == 0 {
                let largest = distances::largest(&[&wire, &[0, 0, 0xff, 0xff][..]].concat());
                assert!(largest <= 1 << bits, "distance {largest} at window {bits}");
            }
            done += 1;
        }
    }
}

#[test]
fn every_length_inflates_to_itself_at_every_window() {
    let mut random = Random(23);
    let mut encoder = Encoder::default();
    let edges = [32 << 10, 60 << 10, (64 << 10) - 1, 92 << 10];
    let around = edges.into_iter().flat_map(|edge| edge - 1..=edge + 1);
    let lengths: Vec<usize> = (0..=600).chain(around).collect();
    for bits in 8..=15 {
        let mut context = Context::new(bits);
        let [mut kept, mut alone] = [Reader::new(), Reader::new()];
        for &length in &lengths {
            let message = feed(&mut random, length);
            let mut wire = BytesMut::new();
            encoder.encode_in(&mut context, &message, &mut wire);
            assert!(kept.read(&wire, length) == message, "{length}, kept {bits}");
            wire.clear();
            encoder.encode(&message, bits, &mut wire);
            alone.decompress.reset(false);
            assert!(alone.read(&wire, length) == message, "{length} at {bits}");
            let largest = distances::largest(&[&wire, &[0, 0, 0xff, 0xff][..]].concat());
            assert!(largest <= 1 << bits, "distance {largest} at window {bits}");
        }
    }
}

/// JSON like a market's feed: most of it repeats, but for numbers, of which many begin alike.
fn feed(random: &mut Random, length: usize) -> Vec<u8> {
    const KINDS: [&str; 4] = ["trade", "quote", "order", "cancel"];
    let mut text = String::from("[");
    while text.len() < length {
        let record = format!(
            "{{\"id\":{},\"type\":\"{}\",\"price\":\"{}.{:02}\",\"user\":\"u-{:08x}\",\"ts\":17000{:08}}},",
            random.below(1 << 24),
            KINDS[random.below(4)],
            random.below(1 << 16),
            random.below(100),
            random.below(1 << 32),
            random.below(100_000_000),
        );
        text.push_str(&record);
    }
    text.truncate(length);
    text.into_bytes()
}

#[test]
fn json_takes_as_few_bytes_as_with_zlib_at_level_6() {
    let mut random = Random(17);
    let mut encoder = Encoder::default();
    for (length, count) in [(125, 400), (1_024, 100), (16_384, 8), (1 << 20, 1)] {
        let (mut ours, mut zlib) = (0, 0);
        for _ in 0..count {
            let message = feed(&mut random, length);
            let mut wire = BytesMut::new();
            encoder.encode(&message, 15, &mut wire);
            ours += wire.len();
            let mut compress = Compress::new(flate2::Compression::new(6), false);
            let mut wire = Vec::with_capacity(2 * length + 64);
            compress
                .compress_vec(&message, &mut wire, FlushCompress::Sync)
                .expect("room for all");
            zlib += wire.len() - 4;
        }
        assert!(
            ours * 100 <= zlib * 101,
            "{ours} bytes, zlib's {zlib}, {length} each"
        );
    }
}

#[test]
fn distances_reach_to_the_end_of_the_window_and_no_further() {
    for bits in 8..=15 {
        let window = 1_usize << bits;
        let mut random = Random(7 + u64::from(bits));
        let phrase: Vec<u8> = (0..40).map(|_| random.byte()).collect();
        for (distance, found) in [(window - 1, true), (window, true), (window + 1, false)] {
            // Nothing in between stands twice or takes the phrase's places in the table.
            let gap: Vec<u8> = std::iter::repeat_n(0, distance - phrase.len()).collect();
            let message = [&phrase[..], &gap, &phrase].concat();
            let mut wire = BytesMut::new();
            Encoder::default().encode(&message, bits, &mut wire);
            let largest = distances::largest(&[&wire, &[0, 0, 0xff, 0xff][..]].concat());
            assert_eq!(largest == distance, found, "{distance} at window {bits}");
            assert!(Reader::new().read(&wire, message.len()) == message);
        }
    }
}

#[test]
fn equal_messages_give_equal_bytes_whatever_came_before() {
    let mut random = Random(99);
    let mut busy = Encoder::default();
    for round in 0..400 {
        let length = length(&mut random).min(100_000);
        let other = message(&mut random, length);
        busy.encode(&other, 15, &mut BytesMut::new());
        let length = self::length(&mut random).min(100_000);
        let message = message(&mut random, length);
        let [mut again, mut fresh] = [BytesMut::new(), BytesMut::new()];
        busy.encode(&message, 15, &mut again);
        Encoder::default().encode(&message, 15, &mut fresh);
        assert!(again == fresh, "round {round}, {length} bytes");
    }
}

#[test]
fn contexts_take_no_more_memory_than_they_say() {
    for bits in 8..=15 {
        let mut random = Random(3);
        let mut encoder = Encoder::default();
        let mut context = Context::new(bits);
        let said = Context::bytes(bits);
        for _ in 0..300 {
            let length = length(&mut random);
            let message = message(&mut random, length);
            encoder.encode_in(&mut context, &message, &mut BytesMut::new());
            let taken =
                size_of::<Context>() + context.history.allocated() + context.table.allocated();
            assert!(taken <= said, "{taken} of {said} bytes at window {bits}");
        }
        assert!(said <= 32 * 1024, "{said} bytes at window {bits}");
    }
    let mut context = Context::new(15);
    Encoder::default().encode_in(&mut context, b"Hello", &mut BytesMut::new());
    assert!(
        context.history.allocated() <= 16,
        "grows with what was sent"
    );
}

#[test]
fn examples_of_the_rfc_come_out_as_they_stand_there() {
    let mut encoder = Encoder::default();
    let mut context = Context::new(15);
    let mut wire = BytesMut::new();
    encoder.encode_in(&mut context, b"Hello", &mut wire);
    // RFC 7692 §7.2.3.1.
    assert_eq!(wire[..], [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]);
    wire.clear();
    encoder.encode_in(&mut context, b"Hello", &mut wire);
    // §7.2.3.2: zlib sends a literal first, as it does not look at the position before this message's second byte.
    assert_eq!(wire[..], [0x02, 0x13, 0x00, 0x00]);
    wire.clear();
    encoder.encode(b"", 15, &mut wire);
    assert_eq!(wire[..], [0x00], "§7.2.3.6");
}

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
        let mut writer = super::BitWriter::new(&mut room);
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
