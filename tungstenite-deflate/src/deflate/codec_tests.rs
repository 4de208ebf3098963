//! Tests of [`Codec`](super::codec::Codec) as the engine uses it.

use bytes::BytesMut;

use super::budget::Budget;
use super::{Agreed, Codec, Compression, Compressor, DeflateConfig, InflateError, WhenBudgetSpent};
use crate::tungstenite::protocol::Role;

/// Parameters without context takeover and with the largest windows.
const PLAIN: Agreed = Agreed {
    server_no_context_takeover: true,
    client_no_context_takeover: true,
    server_max_window_bits: 15,
    client_max_window_bits: 15,
};

/// RFC 7692 §7.2.3, in the order given there: messages that follow one another on a connection with context takeover.
const VECTORS: &[(&str, &[&[u8]])] = &[
    (
        "§7.2.3.1 one block",
        &[&[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]],
    ),
    (
        "§7.2.3.2 sharing the window",
        &[
            &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00],
            &[0xf2, 0x00, 0x11, 0x00, 0x00],
        ],
    ),
    (
        "§7.2.3.3 no compression",
        &[&[
            0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00,
        ]],
    ),
    (
        "§7.2.3.4 BFINAL",
        &[&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00]],
    ),
    (
        "§7.2.3.5 two blocks",
        &[&[
            0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00,
        ]],
    ),
];

/// A receiving client whose peer may or may not keep its context.
fn receiver(keeps: bool) -> Codec {
    let agreed = Agreed {
        server_no_context_takeover: !keeps,
        ..PLAIN
    };
    Codec::new(Role::Client, agreed, &DeflateConfig::default())
}

/// The message that `pieces` make, one frame each.
fn inflate_pieces<'a>(
    codec: &mut Codec,
    pieces: impl Iterator<Item = &'a [u8]>,
    limit: usize,
) -> Result<Vec<u8>, InflateError> {
    let mut out = BytesMut::new();
    for piece in pieces {
        codec.inflate(piece, false, limit, &mut out)?;
    }
    codec.inflate(&[], true, limit, &mut out)?;
    Ok(out.to_vec())
}

#[test]
fn d11_examples_of_the_rfc_inflate_to_hello() {
    for (name, messages) in VECTORS {
        let mut whole = receiver(true);
        let mut bytewise = receiver(true);
        for message in *messages {
            let mut out = BytesMut::new();
            whole.inflate(message, true, 5, &mut out).expect(name);
            assert_eq!(out, "Hello", "{name}, whole");
            assert_eq!(
                inflate_pieces(&mut bytewise, message.chunks(1), 5).expect(name),
                b"Hello",
                "{name}, byte by byte"
            );
        }
        for cut in 0..=messages[0].len() {
            let (head, rest) = messages[0].split_at(cut);
            let got = inflate_pieces(&mut receiver(true), [head, rest].into_iter(), 5).expect(name);
            assert_eq!(got, b"Hello", "{name}, cut at {cut}");
        }
    }
}

#[test]
fn d13_empty_message_inflates_to_nothing() {
    for (name, frames) in [
        ("0x00", &[&[0u8][..]][..]),
        ("empty frame", &[&[]]),
        ("empty frames", &[&[], &[], &[]]),
        ("0x00 in three", &[&[], &[0], &[]]),
    ] {
        for keeps in [true, false] {
            let mut codec = receiver(keeps);
            assert_eq!(
                inflate_pieces(&mut codec, frames.iter().copied(), 0),
                Ok(vec![]),
                "{name}"
            );
            assert_eq!(
                inflate_pieces(&mut codec, VECTORS[0].1.iter().copied(), 5),
                Ok(b"Hello".to_vec()),
                "{name}, then Hello"
            );
        }
    }
}

#[test]
fn empty_message_is_compressed_to_one_zero_byte() {
    for keeps in [true, false] {
        let mut codec = Codec::new(
            Role::Server,
            Agreed {
                server_no_context_takeover: !keeps,
                ..PLAIN
            },
            &DeflateConfig::default(),
        );
        for _ in 0..3 {
            let mut out = BytesMut::from("before");
            assert!(codec.deflate(b"", Compression::Always, &mut out));
            assert_eq!(&out[..], b"before\0", "RFC 7692 §7.2.3.6");
        }
    }
}

#[test]
fn every_level_and_window_gives_the_message_back() {
    let zlib = (1..=9).map(|level| (level, Compressor::Zlib));
    for (level, compressor) in zlib.chain([(1, Compressor::ByLevel)]) {
        for bits in 9..=15 {
            for keeps in [true, false] {
                let config = DeflateConfig::default()
                    .level(level)
                    .unwrap()
                    .compressor(compressor);
                let agreed = Agreed {
                    server_no_context_takeover: !keeps,
                    server_max_window_bits: bits,
                    ..PLAIN
                };
                let mut sender = Codec::new(Role::Server, agreed, &config);
                let mut receiver = Codec::new(Role::Client, agreed, &config);
                for message in samples() {
                    let mut wire = BytesMut::new();
                    assert!(sender.deflate(&message, Compression::Always, &mut wire));
                    let mut out = BytesMut::new();
                    receiver
                        .inflate(&wire, true, message.len(), &mut out)
                        .expect("our own data");
                    assert!(
                        out == message,
                        "{compressor:?} at level {level}, window {bits}, takeover {keeps}, {} bytes",
                        message.len()
                    );
                }
            }
        }
    }
}

/// Messages of many lengths, half of them compressible.
fn samples() -> Vec<Vec<u8>> {
    let mut seed = 0x1234_5678_9abc_def0_u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let lengths = [
        1, 2, 125, 126, 300, 4_000, 16_383, 16_384, 16_385, 65_535, 100_000,
    ];
    lengths
        .iter()
        .flat_map(|&length| {
            let noise: Vec<u8> = (0..length).map(|_| random().to_le_bytes()[3]).collect();
            let text: Vec<u8> = (0..length)
                .map(|_| b"{\"value\": 1, }"[usize::try_from(random() % 14).unwrap()])
                .collect();
            [noise, text]
        })
        .collect()
}

/// A codec of each side for the same parameters.
fn pair(agreed: Agreed, config: &DeflateConfig) -> (Codec, Codec) {
    (
        Codec::new(Role::Server, agreed, config),
        Codec::new(Role::Client, agreed, config),
    )
}

/// What `codec` makes of a message, compressed whatever its size.
fn deflated(codec: &mut Codec, message: &[u8]) -> BytesMut {
    let mut wire = BytesMut::new();
    assert!(codec.deflate(message, Compression::Always, &mut wire));
    wire
}

/// What `codec` makes of a compressed message in one frame.
fn inflated(codec: &mut Codec, wire: &[u8], limit: usize) -> Result<BytesMut, InflateError> {
    let mut out = BytesMut::new();
    codec.inflate(wire, true, limit, &mut out).map(|()| out)
}

/// A message of JSON in which `number` makes a difference.
fn line(number: usize) -> String {
    format!(
        "{{\"event\": \"position\", \"drone\": {}, \"altitude\": {}, \"state\": \"hovering\"}}",
        number % 7,
        number * 31 % 1_009
    )
}

#[test]
fn d3_server_window_is_honoured() {
    let words = samples()[19][..16_000].repeat(2);
    let lines: Vec<u8> = (0..300)
        .flat_map(|number| line(number).into_bytes())
        .collect();
    let zeros = vec![0; 40_000];
    for bits in 9..=15 {
        for (compressor, level, keeps) in [
            (Compressor::ByLevel, 1, true),
            (Compressor::ByLevel, 1, false),
            (Compressor::Zlib, 1, true),
            (Compressor::Zlib, 1, false),
            (Compressor::Zlib, 2, true),
            (Compressor::Zlib, 6, true),
            (Compressor::Zlib, 9, false),
        ] {
            let agreed = Agreed {
                server_no_context_takeover: !keeps,
                server_max_window_bits: bits,
                ..PLAIN
            };
            let config = DeflateConfig::default()
                .level(level)
                .unwrap()
                .compressor(compressor);
            let (mut server, mut client) = pair(agreed, &config);
            let mut used = 0;
            for payload in [&words, &lines, &zeros] {
                let wire = deflated(&mut server, payload);
                let largest = super::distances::largest(&[&wire[..], &[0, 0, 0xff, 0xff]].concat());
                assert!(
                    largest <= 1 << bits,
                    "distance {largest} at window {bits}, {compressor:?} at level {level}"
                );
                used = used.max(largest);
                assert!(inflated(&mut client, &wire, payload.len()).unwrap() == payload);
            }
            // zlib stays 262 bytes short of its window.
            assert!(
                used > (1 << bits) / 3,
                "only {used} at window {bits}, {compressor:?} at level {level}"
            );
        }
    }
}

#[test]
fn d4_client_held_to_a_window_of_8_sends_only_short_messages_compressed() {
    let agreed = Agreed {
        client_no_context_takeover: false,
        client_max_window_bits: 8,
        ..PLAIN
    };
    let (mut server, mut client) = pair(agreed, &DeflateConfig::default());
    for length in [1, 10, 255, 256] {
        let message = vec![b'a'; length];
        let wire = deflated(&mut client, &message);
        assert!(super::distances::largest(&[&wire[..], &[0, 0, 0xff, 0xff]].concat()) < 256);
        assert_eq!(inflated(&mut server, &wire, length).unwrap(), message);
    }
    let mut out = BytesMut::new();
    assert!(!client.deflate(&[b'a'; 257], Compression::Always, &mut out));
    assert!(out.is_empty());
}

#[test]
fn d5_contexts_are_reset_exactly_if_agreed() {
    for (server_forgets, client_forgets, level) in [
        (false, false, 1),
        (false, false, 2),
        (false, true, 1),
        (true, false, 2),
        (true, true, 1),
        (true, true, 2),
    ] {
        let agreed = Agreed {
            server_no_context_takeover: server_forgets,
            client_no_context_takeover: client_forgets,
            ..PLAIN
        };
        let config = DeflateConfig::default().level(level).unwrap();
        let (mut server, mut client) = pair(agreed, &config);
        let (mut from_server, mut from_client) = (0, 0);
        for number in 0..1_000 {
            let message = line(number);
            let wire = deflated(&mut server, message.as_bytes());
            from_server += wire.len();
            assert_eq!(inflated(&mut client, &wire, 1_000).unwrap(), message);
            // A message that needs no context can be read by a decompressor that has none.
            let alone = inflated(&mut receiver(false), &wire, 1_000);
            assert_eq!(
                alone.is_ok_and(|alone| alone == message),
                server_forgets || number == 0,
                "message {number}"
            );
            let wire = deflated(&mut client, message.as_bytes());
            from_client += wire.len();
            assert_eq!(inflated(&mut server, &wire, 1_000).unwrap(), message);
        }
        assert_eq!(
            from_server > 30_000,
            server_forgets,
            "{from_server} bytes from the server"
        );
        assert_eq!(
            from_client > 30_000,
            client_forgets,
            "{from_client} bytes from the client"
        );
    }
}

/// A message of zeros that is 1,000 times as long as its compressed form.
fn bomb(length: usize) -> BytesMut {
    deflated(
        &mut Codec::new(
            Role::Server,
            PLAIN,
            &DeflateConfig::default().level(9).unwrap(),
        ),
        &vec![0; length],
    )
}

#[test]
fn d8_inflation_stops_at_the_limit() {
    let bomb = bomb(16 << 20);
    assert!(bomb.len() < 17_000, "{}", bomb.len());
    for keeps in [true, false] {
        for frames in [1, 2, 1_000] {
            let mut codec = receiver(keeps);
            let mut out = BytesMut::new();
            let size = bomb.len().div_ceil(frames);
            let result = bomb
                .chunks(size)
                .try_for_each(|frame| codec.inflate(frame, false, 1_000_000, &mut out));
            let result = result.and_then(|()| codec.inflate(&[], true, 1_000_000, &mut out));
            assert_eq!(
                result,
                Err(InflateError::TooLong { limit: 1_000_000 }),
                "{frames} frames"
            );
            assert!(
                out.len() <= 1_000_000,
                "{} bytes in {frames} frames",
                out.len()
            );
            assert!(
                out.capacity() <= 2_100_000,
                "{} bytes of room in {frames} frames",
                out.capacity()
            );
        }
    }
}

#[test]
fn d8_earlier_messages_do_not_count_for_the_limit() {
    let agreed = Agreed {
        server_no_context_takeover: false,
        ..PLAIN
    };
    let (mut server, mut client) = pair(agreed, &DeflateConfig::default());
    for _ in 0..10 {
        let wire = deflated(&mut server, &[0; 1_000]);
        assert_eq!(inflated(&mut client, &wire, 1_000).unwrap().len(), 1_000);
    }
    let wire = deflated(&mut server, &[0; 1_001]);
    assert_eq!(
        inflated(&mut client, &wire, 1_000),
        Err(InflateError::TooLong { limit: 1_000 })
    );
}

#[test]
fn d9_limit_is_exact() {
    for length in [0, 1, 100, 16_383, 16_384, 16_385, 32_768, 100_000_usize] {
        for message in [vec![7; length], samples().concat()[..length].to_vec()] {
            let wire = deflated(&mut pair(PLAIN, &DeflateConfig::default()).0, &message);
            for limit in [length, length + 1, usize::MAX] {
                assert!(
                    inflated(&mut receiver(false), &wire, limit).unwrap() == message,
                    "{length} bytes, limit {limit}"
                );
            }
            for limit in [length.saturating_sub(1), length / 2, 0]
                .into_iter()
                .filter(|&limit| limit < length)
            {
                let result = inflated(&mut receiver(false), &wire, limit);
                assert_eq!(
                    result,
                    Err(InflateError::TooLong { limit }),
                    "{length} bytes"
                );
            }
        }
    }
}

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
            &mut pair(PLAIN, &DeflateConfig::default().level(level).unwrap()).0,
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
                &mut pair(PLAIN, &DeflateConfig::default().level(level).unwrap()).0,
                &sample,
            )
        })
        .collect();
    let mut refused = 0;
    for round in 0..5_000 {
        let mut wire = originals[random(originals.len())].to_vec();
        for _ in 0..=random(4) {
            let place = random(wire.len());
            match random(3) {
                0 => wire[place] ^= 1 << random(8),
                1 => wire.truncate(place.max(1)),
                _ => wire.insert(place, u8::try_from(random(256)).unwrap()),
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

/// `pieces` compressed by zlib with each piece flushed in its own way.
fn flushed(level: u32, pieces: &[(&[u8], flate2::FlushCompress)]) -> Vec<u8> {
    let mut compress = flate2::Compress::new(flate2::Compression::new(level), false);
    let mut wire = Vec::with_capacity(1 << 20);
    for &(piece, flush) in pieces {
        let start = compress.total_in();
        compress.compress_vec(piece, &mut wire, flush).unwrap();
        assert_eq!(compress.total_in() - start, piece.len() as u64);
        assert!(wire.len() < wire.capacity());
        if flush == flate2::FlushCompress::Finish {
            compress.reset();
        }
    }
    wire
}

#[test]
fn d11_every_flush_mode_and_a_tail_left_on_decode() {
    use flate2::FlushCompress::{Finish, Full, None, Partial, Sync};
    let messages = samples();
    let [a, b, c] = [&messages[9][..], &messages[6][..], &messages[13][..]];
    let whole = [a, b, c].concat();
    for level in 0..=9 {
        for modes in [
            [None, None, Sync],
            [Sync, Full, Sync],
            [Full, Partial, Full],
            [Partial, Sync, Full],
            [Finish, Sync, Sync],
            [Sync, Finish, Full],
            [Finish, Finish, Finish],
        ] {
            let mut wire = flushed(level, &[(a, modes[0]), (b, modes[1]), (c, modes[2])]);
            let finished = modes[2] == Finish;
            let with_tail = wire.clone();
            if !finished {
                assert!(wire.ends_with(&[0, 0, 0xff, 0xff]), "{modes:?}");
                wire.truncate(wire.len() - 4);
            }
            let mut with_zero = with_tail.clone();
            with_zero.push(0);
            let forms = [
                ("plain", &wire, true),
                ("with tail", &with_tail, true),
                ("with 0x00", &with_zero, finished),
            ];
            for (name, form, _) in forms.into_iter().filter(|form| form.2) {
                for keeps in [true, false] {
                    // Twice: what follows must be read as well.
                    let mut codec = receiver(keeps);
                    for turn in 0..2 {
                        let out = inflated(&mut codec, form, whole.len())
                            .unwrap_or_else(|error| panic!("{modes:?} {name} {level}: {error}"));
                        assert!(
                            out == whole,
                            "{modes:?} {name} at level {level}, turn {turn}"
                        );
                        let out =
                            inflate_pieces(&mut codec, form.chunks(997), whole.len()).unwrap();
                        assert!(
                            out == whole,
                            "{modes:?} {name} at level {level} in frames, turn {turn}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn d12_final_blocks_reset_the_context() {
    let hello_final = VECTORS[3].1[0];
    let good: &[(&str, &[u8], &str)] = &[
        ("RFC 7692 §7.2.3.4", hello_final, "Hello"),
        ("without the 0x00 behind it", &hello_final[..7], "Hello"),
        (
            "two final blocks",
            &[&hello_final[..7], &hello_final[..7]].concat(),
            "HelloHello",
        ),
        (
            "final, then a block that is not",
            &[&hello_final[..7], VECTORS[0].1[0]].concat(),
            "HelloHello",
        ),
        (
            "final stored block",
            &[
                0x01, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00,
            ],
            "Hello",
        ),
        ("final empty block made of the tail", &[0x01], ""),
    ];
    for (name, wire, text) in good {
        for keeps in [true, false] {
            let mut codec = receiver(keeps);
            for _ in 0..3 {
                assert_eq!(inflated(&mut codec, wire, 10).expect(name), text, "{name}");
                assert_eq!(
                    inflate_pieces(&mut codec, wire.chunks(1), 10).expect(name),
                    text.as_bytes(),
                    "{name}, byte by byte"
                );
                assert_eq!(
                    inflated(&mut codec, VECTORS[0].1[0], 10).expect(name),
                    "Hello",
                    "after {name}"
                );
            }
        }
    }
    let bad: &[(&str, &[u8])] = &[
        (
            "block type 3 behind it",
            &[&hello_final[..7], &[0x07, 0x00]].concat(),
        ),
        (
            "text behind it",
            &[&hello_final[..7], b"text that is no block"].concat(),
        ),
        (
            "a match into the time before it",
            &[&hello_final[..7], VECTORS[1].1[1]].concat(),
        ),
        ("two zeros behind it", &[hello_final, &[0]].concat()),
    ];
    for (name, wire) in bad {
        let result = inflated(&mut receiver(true), wire, 100);
        assert!(
            matches!(result, Err(InflateError::Invalid(_))),
            "{name}: {result:?}"
        );
    }
}

#[test]
fn d14_uncompressed_message_leaves_the_context_alone() {
    let agreed = Agreed {
        server_no_context_takeover: false,
        ..PLAIN
    };
    let (mut server, mut client) = pair(agreed, &DeflateConfig::default());
    let mut sizes = Vec::new();
    for number in 0..4 {
        let wire = deflated(&mut server, line(1).as_bytes());
        assert_eq!(inflated(&mut client, &wire, 100).unwrap(), line(1));
        sizes.push(wire.len());
        assert!(!server.deflate(
            line(number).repeat(9).as_bytes(),
            Compression::Never,
            &mut BytesMut::new()
        ));
        assert!(!server.deflate(b"short", Compression::Auto, &mut BytesMut::new()));
    }
    assert!(sizes[3] < sizes[0] / 4, "{sizes:?}");
    assert_eq!(server.statistics().sent_uncompressed, 8);
}

#[test]
fn d16_contexts_are_made_at_first_use_and_counted() {
    static BUDGET: Budget = Budget::new(1 << 30);
    let keeps = Agreed {
        server_no_context_takeover: false,
        client_no_context_takeover: false,
        ..PLAIN
    };
    for (agreed, contexts, compressor) in [
        (keeps, 2, Compressor::ByLevel),
        (keeps, 2, Compressor::Zlib),
        (PLAIN, 0, Compressor::ByLevel),
        (PLAIN, 0, Compressor::Zlib),
    ] {
        let config = DeflateConfig::default().compressor(compressor);
        let mut server = Codec::with_budget(Role::Server, agreed, &config, &BUDGET);
        let mut client = Codec::new(Role::Client, agreed, &config);
        assert_eq!(server.statistics(), super::Statistics::default());
        deflated(&mut server, b"Hello");
        let wire = deflated(&mut client, b"Hello");
        inflated(&mut server, &wire, 5).unwrap();
        let seen = server.statistics();
        assert_eq!(
            (seen.contexts, seen.context_bytes > 5),
            (contexts, contexts > 0)
        );
        assert_eq!(seen.context_bytes, BUDGET.used());
        assert_eq!(
            (
                seen.sent.messages,
                seen.sent.bytes,
                seen.received.messages,
                seen.received.bytes
            ),
            (1, 5, 1, 5)
        );
        assert_eq!((seen.sent.wire_bytes, seen.received.wire_bytes), (7, 7));
        drop(server);
        assert_eq!(BUDGET.used(), 0);
    }
}

#[test]
fn d16_both_contexts_stay_within_64_kib_by_default() {
    static BUDGET: Budget = Budget::new(1 << 30);
    let keeps = Agreed {
        server_no_context_takeover: false,
        client_no_context_takeover: false,
        ..PLAIN
    };
    let config = DeflateConfig::default();
    let mut server = Codec::with_budget(Role::Server, keeps, &config, &BUDGET);
    let mut client = Codec::new(Role::Client, keeps, &config);
    for message in samples() {
        let wire = deflated(&mut server, &message);
        assert!(inflated(&mut client, &wire, message.len()).unwrap() == message);
        let wire = deflated(&mut client, &message);
        assert!(inflated(&mut server, &wire, message.len()).unwrap() == message);
        let held = server.statistics().context_bytes;
        assert!(held <= 64 * 1024, "{held} bytes");
    }
    assert!(
        server.statistics().context_bytes > 60 * 1024,
        "all were used"
    );
}

#[test]
fn d16_peers_context_takes_what_was_sent_and_at_most_a_window() {
    static BUDGET: Budget = Budget::new(1 << 30);
    for bits in [9, 12, 15] {
        let agreed = Agreed {
            client_no_context_takeover: false,
            client_max_window_bits: bits,
            ..PLAIN
        };
        let config = DeflateConfig::default();
        let mut server = Codec::with_budget(Role::Server, agreed, &config, &BUDGET);
        let mut client = Codec::new(Role::Client, agreed, &config);
        let mut sent = 0;
        for (number, message) in samples().into_iter().cycle().take(60).enumerate() {
            let wire = deflated(&mut client, &message);
            // Some in one frame, some in several, of which the long ones need a decompressor for a while.
            let piece = [usize::MAX, 1_000, 7][number % 3];
            let got = inflate_pieces(&mut server, wire.chunks(piece), message.len());
            assert!(
                got.as_deref() == Ok(&message),
                "message {number}, window {bits}"
            );
            sent += message.len();
            let held = server.statistics().context_bytes;
            assert!(
                held <= (4 * sent).min(1 << bits),
                "{held} bytes for window {bits}"
            );
            assert_eq!((BUDGET.used(), server.statistics().contexts), (held, 1));
        }
        assert_eq!(BUDGET.used(), 1 << bits);
    }
    assert_eq!(BUDGET.used(), 0);
}

#[test]
fn matches_in_the_context_past_the_agreed_window_are_refused() {
    let agreed = |bits| Agreed {
        client_no_context_takeover: false,
        client_max_window_bits: bits,
        ..PLAIN
    };
    let noise = &samples()[10][..1_500];
    for (bits, understood) in [(15, true), (11, true), (10, false)] {
        let mut client = pair(agreed(15), &DeflateConfig::default()).1;
        let mut server = pair(agreed(bits), &DeflateConfig::default()).0;
        let first = deflated(&mut client, noise);
        assert!(inflated(&mut server, &first, 1_500).unwrap() == noise);
        let again = deflated(&mut client, noise);
        assert!(again.len() < 100, "one long match");
        assert_eq!(
            inflated(&mut server, &again, 1_500).is_ok(),
            understood,
            "window {bits}"
        );
    }
}

#[test]
fn d16_unfinished_messages_hold_a_decompressor_from_16_kib_on() {
    static BUDGET: Budget = Budget::new(1 << 30);
    let message: Vec<u8> = samples().concat();
    let wire = deflated(&mut pair(PLAIN, &DeflateConfig::default()).0, &message);
    let mut codec = Codec::with_budget(Role::Client, PLAIN, &DeflateConfig::default(), &BUDGET);
    let mut out = BytesMut::new();
    for (at, frame) in wire.chunks(1_000).enumerate() {
        codec
            .inflate(frame, false, message.len(), &mut out)
            .unwrap();
        assert_eq!(
            BUDGET.used() > 0,
            (at + 1) * 1_000 > 16 * 1024,
            "frame {at}"
        );
    }
    codec.inflate(&[], true, message.len(), &mut out).unwrap();
    assert!(out == message);
    assert_eq!(
        (BUDGET.used(), codec.statistics().received.wire_bytes),
        (0, wire.len() as u64)
    );
}

#[test]
fn d16_spent_budget_steps_down_or_sends_uncompressed() {
    static BUDGET: Budget = Budget::new(0);
    let agreed = Agreed {
        server_no_context_takeover: false,
        client_no_context_takeover: false,
        ..PLAIN
    };
    let message = line(3).repeat(4);
    let stepping = DeflateConfig::default();
    let mut server = Codec::with_budget(Role::Server, agreed, &stepping, &BUDGET);
    let mut client = Codec::new(Role::Client, agreed, &stepping);
    let alone = deflated(&mut pair(PLAIN, &stepping).0, message.as_bytes()).len();
    for (budget, smaller) in [
        (0, false),
        (0, false),
        (1 << 20, false),
        (1 << 20, true),
        (0, true),
    ] {
        BUDGET.set_limit(budget);
        let wire = deflated(&mut server, message.as_bytes());
        assert_eq!(inflated(&mut client, &wire, 1_000).unwrap(), message);
        assert_eq!(
            wire.len() < alone,
            smaller,
            "{} bytes, {alone} alone",
            wire.len()
        );
    }
    BUDGET.set_limit(0);
    let plain = DeflateConfig::default().when_budget_spent(WhenBudgetSpent::Uncompressed);
    let mut server = Codec::with_budget(Role::Server, agreed, &plain, &BUDGET);
    assert!(!server.deflate(
        message.as_bytes(),
        Compression::Always,
        &mut BytesMut::new()
    ));
    // The peer's messages are read all the same.
    let wire = deflated(&mut client, message.as_bytes());
    assert_eq!(inflated(&mut server, &wire, 1_000).unwrap(), message);
    assert_eq!(server.statistics().contexts, 1);
}

#[test]
fn auto_compresses_only_what_gets_smaller() {
    let noise = samples()
        .into_iter()
        .find(|sample| sample.len() == 4_000)
        .unwrap();
    let text = line(1).repeat(10);
    let threshold = DeflateConfig::default().get_threshold();
    let (mut server, _) = pair(PLAIN, &DeflateConfig::default());
    let mut out = BytesMut::from("before");
    assert!(
        !server.deflate(&noise, Compression::Auto, &mut out),
        "noise"
    );
    assert!(
        !server.deflate(
            &text.as_bytes()[..threshold - 1],
            Compression::Auto,
            &mut out
        ),
        "below the threshold"
    );
    assert!(
        !server.deflate(text.as_bytes(), Compression::Never, &mut out),
        "not wanted"
    );
    assert_eq!(out, "before");
    assert!(
        server.deflate(&text.as_bytes()[..threshold], Compression::Auto, &mut out),
        "at the threshold"
    );
    let (mut server, _) = pair(PLAIN, &DeflateConfig::default().threshold(0));
    assert!(
        !server.deflate(b"", Compression::Auto, &mut out),
        "nothing is smaller than nothing"
    );
    assert!(server.statistics().sent.ratio().is_none());
    let seen = pair(PLAIN, &DeflateConfig::default()).1.statistics();
    assert_eq!(seen, super::Statistics::default());
}

#[test]
fn auto_keeps_the_context_over_messages_that_grow() {
    let agreed = Agreed {
        server_no_context_takeover: false,
        ..PLAIN
    };
    let (mut server, mut client) = pair(agreed, &DeflateConfig::default());
    for message in samples().into_iter().chain([
        line(1).repeat(9).into_bytes(),
        line(1).repeat(9).into_bytes(),
    ]) {
        let mut wire = BytesMut::new();
        let compressed = server.deflate(&message, Compression::Auto, &mut wire);
        assert_eq!(
            compressed,
            message.len() >= DeflateConfig::default().get_threshold()
        );
        if compressed {
            assert!(
                wire.len() <= message.len() + 6 + message.len() / 300,
                "{} of {}",
                wire.len(),
                message.len()
            );
            assert!(inflated(&mut client, &wire, message.len()).unwrap() == message);
        }
    }
}

#[test]
fn codec_moves_between_threads() {
    fn is_send<T: Send + Sync + 'static>() {}
    is_send::<Codec>();
}

/// What stands in the buffer already is neither counted nor compared.
#[test]
fn messages_are_appended() {
    let text = b"to be or not to be ".repeat(30);
    for level in [1, 6] {
        let config = DeflateConfig::default().level(level).unwrap();
        let mut codec = Codec::new(Role::Server, PLAIN, &config);
        let mut out = BytesMut::from(&[7; 600][..]);
        assert!(codec.deflate(&text, Compression::Auto, &mut out));
        let sent = codec.statistics().sent;
        assert_eq!(sent.wire_bytes, out.len() as u64 - 600);
    }
}
