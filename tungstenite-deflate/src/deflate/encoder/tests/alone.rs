//! Messages without context, and what holds for each message.

use bytes::BytesMut;
use flate2::{Compress, FlushCompress};

use super::{Random, Reader, feed, length, message};
use crate::deflate::distances;
use crate::deflate::encoder::{Context, Demand, Encoder};

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
            // Nothing in between stands twice or replaces the phrase's positions in the table.
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
fn examples_of_the_rfc_come_out_as_they_stand_there() {
    let mut encoder = Encoder::default();
    let mut context = Context::new(15, 11);
    let mut wire = BytesMut::new();
    encoder.encode_in(&mut context, b"Hello", Demand::Always, &mut wire);
    // RFC 7692 §7.2.3.1.
    assert_eq!(wire[..], [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]);
    wire.clear();
    encoder.encode_in(&mut context, b"Hello", Demand::Always, &mut wire);
    // §7.2.3.2: zlib sends a literal first, as it does not look at the position before this message's second byte.
    assert_eq!(wire[..], [0x02, 0x13, 0x00, 0x00]);
    wire.clear();
    encoder.encode(b"", 15, &mut wire);
    assert_eq!(wire[..], [0x00], "§7.2.3.6");
}
