//! Memory of contexts, and behaviour when the budget is spent.

use bytes::BytesMut;

use super::{PLAIN, deflated, inflate_pieces, inflated, line, pair, samples};
use crate::deflate::{
    Agreed, Codec, Compression, Compressor, DeflateConfig, Statistics, WhenBudgetSpent, negotiate,
};
use crate::memory::MemoryBudget;
use crate::tungstenite::protocol::Role;

#[test]
fn d16_contexts_are_made_at_first_use_and_counted() {
    let memory = MemoryBudget::new(1 << 30);
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
        let mut server = Codec::new(Role::Server, agreed, &config.clone().memory(memory.clone()));
        let mut client = Codec::new(Role::Client, agreed, &config);
        assert_eq!(server.statistics(), Statistics::default());
        assert_eq!(memory.used(), 0);
        deflated(&mut server, b"Hello");
        let wire = deflated(&mut client, b"Hello");
        inflated(&mut server, &wire, 5).unwrap();
        let seen = server.statistics();
        assert_eq!(
            (seen.contexts, seen.context_bytes > 5),
            (contexts, contexts > 0)
        );
        assert!(seen.context_bytes <= memory.used());
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
        assert_eq!(memory.used(), 0);
    }
}

#[test]
fn d16_both_contexts_stay_within_10_kib_by_default() {
    let memory = MemoryBudget::new(1 << 30);
    let config = DeflateConfig::default();
    let offer = "permessage-deflate; client_max_window_bits";
    let (keeps, _) = negotiate::accept_offers([offer], &config).unwrap();
    let mut server = Codec::new(Role::Server, keeps, &config.clone().memory(memory.clone()));
    let mut client = Codec::new(Role::Client, keeps, &config);
    for message in samples() {
        let wire = deflated(&mut server, &message);
        assert!(inflated(&mut client, &wire, message.len()).unwrap() == message);
        let wire = deflated(&mut client, &message);
        assert!(inflated(&mut server, &wire, message.len()).unwrap() == message);
        let held = server.statistics().context_bytes;
        assert!(held <= 10 * 1024, "{held} bytes");
    }
    assert!(
        server.statistics().context_bytes > 4 * 1024,
        "all were used"
    );
}

#[test]
fn d16_peers_context_takes_what_was_sent_and_at_most_a_window() {
    let memory = MemoryBudget::new(1 << 30);
    for bits in [9, 12, 15] {
        let agreed = Agreed {
            client_no_context_takeover: false,
            client_max_window_bits: bits,
            ..PLAIN
        };
        let config = DeflateConfig::default();
        let mut server = Codec::new(Role::Server, agreed, &config.clone().memory(memory.clone()));
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
            assert_eq!((memory.used(), server.statistics().contexts), (held, 1));
        }
    }
    assert_eq!(memory.used(), 0);
}

#[test]
fn d16_unfinished_messages_hold_a_decompressor_from_16_kib_on() {
    let memory = MemoryBudget::new(1 << 30);
    let message: Vec<u8> = samples().concat();
    let wire = deflated(&mut pair(PLAIN, &DeflateConfig::default()).0, &message);
    let mut codec = Codec::new(
        Role::Client,
        PLAIN,
        &DeflateConfig::default().memory(memory.clone()),
    );
    let mut out = BytesMut::new();
    for (at, frame) in wire.chunks(1_024).enumerate() {
        codec
            .inflate(frame, false, message.len(), &mut out)
            .unwrap();
        let held = codec.unfinished_bytes();
        assert_eq!(held > 40_000, (at + 1) * 1_024 > 16 * 1024, "frame {at}");
        assert!(held >= 1_024, "the beginning counts: {held}");
    }
    codec.inflate(&[], true, message.len(), &mut out).unwrap();
    assert!(out == message);
    assert_eq!(
        (
            codec.unfinished_bytes(),
            codec.statistics().received.wire_bytes
        ),
        (0, wire.len() as u64)
    );
}

#[test]
fn d16_spent_budget_steps_down_or_sends_uncompressed() {
    let memory = MemoryBudget::new(1 << 20);
    let agreed = Agreed {
        server_no_context_takeover: false,
        client_no_context_takeover: true,
        ..PLAIN
    };
    let message = line(3).repeat(4);
    let stepping = DeflateConfig::default();
    let counted = stepping.clone().memory(memory.clone());
    let mut server = Codec::new(Role::Server, agreed, &counted);
    let mut client = Codec::new(Role::Client, agreed, &stepping);
    let alone = deflated(&mut pair(PLAIN, &stepping).0, message.as_bytes()).len();
    let mut others = memory.reservation();
    for (taken, smaller) in [
        (1 << 20, false),
        (1 << 20, false),
        (0, false),
        (0, true),
        (1 << 20, true),
    ] {
        others.resize(taken);
        let wire = deflated(&mut server, message.as_bytes());
        assert_eq!(inflated(&mut client, &wire, 1_000).unwrap(), message);
        assert_eq!(
            wire.len() < alone,
            smaller,
            "{} bytes, {alone} alone",
            wire.len()
        );
    }
    let plain = counted.when_budget_spent(WhenBudgetSpent::Uncompressed);
    let mut server = Codec::new(Role::Server, agreed, &plain);
    assert!(!server.deflate(
        message.as_bytes(),
        Compression::Always,
        &mut BytesMut::new()
    ));
    // The peer's messages are read all the same.
    let wire = deflated(&mut client, message.as_bytes());
    assert_eq!(inflated(&mut server, &wire, 1_000).unwrap(), message);
    assert_eq!(server.statistics().contexts, 0);
}
