//! Tests of [`Codec`](super::codec::Codec) as the engine uses it.

use bytes::BytesMut;

use super::{Agreed, Codec, Compression, DeflateConfig, InflateError};
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
    for level in 1..=9 {
        for bits in 9..=15 {
            for keeps in [true, false] {
                let config = DeflateConfig::default().level(level).unwrap();
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
                        "level {level}, window {bits}, takeover {keeps}, {} bytes",
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
