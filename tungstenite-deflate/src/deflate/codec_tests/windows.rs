//! Windows that both sides keep to.

use bytes::BytesMut;

use super::{PLAIN, deflated, inflated, line, pair, samples};
use crate::deflate::{
    Agreed, Compression, Compressor, DeflateConfig, Level, WindowBits, distances,
};

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
                .encoder_window_bits(WindowBits::MAX)
                .level(Level::new(level).unwrap())
                .compressor(compressor);
            let (mut server, mut client) = pair(agreed, &config);
            let mut used = 0;
            for payload in [&words, &lines, &zeros] {
                let wire = deflated(&mut server, payload);
                let largest = distances::largest(&[&wire[..], &[0, 0, 0xff, 0xff]].concat());
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

/// The server of this crate never asks for 8, others may (RFC 7692 §7.1.2.2).
#[test]
fn d4_client_held_to_a_window_of_8_keeps_to_it() {
    let agreed = |forgets| Agreed {
        client_no_context_takeover: forgets,
        client_max_window_bits: 8,
        ..PLAIN
    };
    let zlib = DeflateConfig::default().compressor(Compressor::Zlib);
    for (config, compresses_long) in [(DeflateConfig::default(), true), (zlib, false)] {
        for forgets in [false, true] {
            let (mut server, mut client) = pair(agreed(forgets), &config);
            for length in [1, 10, 255, 256] {
                let message = vec![b'a'; length];
                let wire = deflated(&mut client, &message);
                assert!(distances::largest(&[&wire[..], &[0, 0, 0xff, 0xff]].concat()) <= 256);
                assert_eq!(inflated(&mut server, &wire, length).unwrap(), message);
            }
            let mut out = BytesMut::new();
            let long = line(7).repeat(20).into_bytes();
            let compressed = client.deflate(&long, Compression::Always, &mut out);
            assert_eq!(compressed, compresses_long, "{config:?}");
            assert_eq!(out.is_empty(), !compresses_long);
            if compressed {
                assert!(inflated(&mut server, &out, long.len()).unwrap() == long);
                assert!(
                    out.len() < long.len() / 4,
                    "{} of {}",
                    out.len(),
                    long.len()
                );
            }
        }
    }
}

#[test]
fn matches_in_the_context_past_the_agreed_window_are_refused() {
    let agreed = |bits| Agreed {
        client_no_context_takeover: false,
        client_max_window_bits: bits,
        ..PLAIN
    };
    let noise = &samples()[10][..1_500];
    let config = DeflateConfig::default().encoder_window_bits(WindowBits::MAX);
    for (bits, understood) in [(15, true), (11, true), (10, false)] {
        let mut client = pair(agreed(15), &config).1;
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
