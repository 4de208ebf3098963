//! Messages inflate to what they were, whoever compressed them.

use bytes::BytesMut;

use super::{PLAIN, VECTORS, inflate_pieces, inflated, receiver, samples};
use crate::deflate::{Agreed, Codec, Compression, Compressor, DeflateConfig, Level, WindowBits};
use crate::tungstenite::protocol::Role;

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
                    .encoder_window_bits(WindowBits::MAX)
                    .level(Level::new(level).unwrap())
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
