//! Bytes that are not DEFLATE data, or end too soon.

use bytes::BytesMut;

use super::{PLAIN, VECTORS, deflated, inflate_pieces, inflated, line, pair, receiver, samples};
use crate::deflate::{DeflateConfig, InflateError, Level};

#[test]
fn d10_invalid_data_is_refused() {
    let cases: &[(&str, &[u8])] = &[
        ("block type 3", &[0x06, 0x00]),
        ("block type 3, final", &[0x07, 0x00]),
        (
            "stored lengths that differ",
            &[
                0x00, 0x05, 0x00, 0x00, 0x00, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00,
            ],
        ),
        (
            "stored block cut short",
            &[0x00, 0x50, 0x00, 0xaf, 0xff, 0x48],
        ),
        (
            "distance before the first byte",
            &[0xf2, 0x00, 0x11, 0x00, 0x00],
        ),
        ("too many codes", &[0xfc, 0xff, 0xff, 0xff, 0x00]),
        (
            "codes that are too many for their length",
            &[0x04, 0x80, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00],
        ),
        ("fixed codes cut short", &[0xf2, 0x48, 0xcd]),
        ("a single byte amid a block", &[0xf2]),
        ("dynamic header cut short", &[0x04, 0xc0]),
        ("only the tail's beginning", &[0x00, 0x00]),
    ];
    for (name, wire) in cases {
        for keeps in [true, false] {
            let mut codec = receiver(keeps);
            let result = inflated(&mut codec, wire, 10_000);
            assert!(
                matches!(result, Err(InflateError::Invalid(_))),
                "{name}: {result:?}"
            );
            assert!(
                matches!(
                    inflate_pieces(&mut receiver(keeps), wire.chunks(1), 10_000),
                    Err(InflateError::Invalid(_))
                ),
                "{name}, byte by byte"
            );
            assert_eq!(codec.statistics().contexts, 0, "{name}");
            assert_eq!(
                inflated(&mut codec, VECTORS[0].1[0], 5).unwrap(),
                "Hello",
                "after {name}"
            );
        }
    }
}

#[test]
fn d10_messages_cut_short_are_refused() {
    let lines: Vec<u8> = (0..40)
        .flat_map(|number| line(number).into_bytes())
        .collect();
    for level in [1, 2, 6] {
        let wire = deflated(
            &mut pair(
                PLAIN,
                &DeflateConfig::default().level(Level::new(level).unwrap()),
            )
            .0,
            &lines,
        );
        for length in 1..wire.len() {
            let result = inflated(&mut receiver(false), &wire[..length], 10_000);
            assert!(
                matches!(result, Err(InflateError::Invalid(_))),
                "level {level}, {length} of {}: {result:?}",
                wire.len()
            );
        }
    }
}

#[test]
fn d10_mutated_streams_never_panic_nor_pass_the_limit() {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % below as u64).unwrap()
    };
    let originals: Vec<BytesMut> = (1..=9)
        .flat_map(|level| {
            samples()
                .into_iter()
                .take(8)
                .map(move |sample| (level, sample))
        })
        .map(|(level, sample)| {
            deflated(
                &mut pair(
                    PLAIN,
                    &DeflateConfig::default().level(Level::new(level).unwrap()),
                )
                .0,
                &sample,
            )
        })
        .collect();
    let mut refused = 0;
    for round in 0..5_000 {
        let mut wire = originals[random(originals.len())].to_vec();
        for _ in 0..=random(4) {
            let index = random(wire.len());
            match random(3) {
                0 => wire[index] ^= 1 << random(8),
                1 => wire.truncate(index.max(1)),
                _ => wire.insert(index, u8::try_from(random(256)).unwrap()),
            }
        }
        let mut codec = receiver(round % 2 == 0);
        let mut out = BytesMut::new();
        let size = 1 + random(wire.len());
        let result = wire
            .chunks(size)
            .try_for_each(|frame| codec.inflate(frame, false, 4_500, &mut out));
        let result = result.and_then(|()| codec.inflate(&[], true, 4_500, &mut out));
        assert!(out.len() <= 4_500);
        refused += usize::from(result.is_err());
        // In one frame it is the same, but for the words of the error.
        let whole = inflated(&mut receiver(round % 2 == 0), &wire, 4_500);
        match (&whole, &result) {
            (Err(InflateError::Invalid(_)), Err(InflateError::Invalid(_))) => {}
            (Ok(whole), Ok(())) => assert_eq!(whole, &out),
            (whole, result) => assert_eq!(whole.as_ref().err(), result.as_ref().err()),
        }
    }
    assert!(
        (2_000..5_000).contains(&refused),
        "{refused} of 5,000 refused"
    );
}
