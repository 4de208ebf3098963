//! Choice of the messages to compress, statistics, contexts and limits.

use std::time::Instant;

use bytes::BytesMut;
use tungstenite_deflate::deflate::{Compressor, ConfigError, Level, WindowBits};
use tungstenite_deflate::tungstenite::Message;
use tungstenite_deflate::tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite_deflate::{
    Agreed, Compression, DeflateConfig, Options, PreparedMessage, ProtocolError,
};

use super::{AGREED, engine, frames, random, receive, written};

#[test]
fn prepared_messages_are_compressed_as_they_are_told() {
    let now = Instant::now();
    let text = "much ado ".repeat(100);
    for (threshold, compressed) in [(900, true), (901, false)] {
        let config = DeflateConfig::default().threshold(threshold);
        let prepared = PreparedMessage::text(text.clone()).deflate(config);
        let mut sender = engine(Role::Server, Options::default(), Some(AGREED), now);
        sender.send_prepared(&prepared, now).unwrap();
        let frames = frames(&written(&mut sender));
        assert_eq!(frames[0].0 == 0xc1, compressed, "{threshold}");
        assert_eq!(frames[0].1.len() < text.len(), compressed, "{threshold}");
    }
}

/// A message is sent compressed if that makes it shorter, by one byte at least, and never else.
#[test]
fn compressed_messages_are_shorter() {
    let now = Instant::now();
    let mut random = random();
    for level in [1, 2, 6] {
        let config = DeflateConfig::default().threshold(0);
        let options = Options::default().deflate(Some(config.level(Level::new(level).unwrap())));
        let mut sender = engine(Role::Server, options, Some(AGREED), now);
        let mut by_one = 0;
        for number in 0..2000 {
            let mut payload = vec![7; number % 20];
            payload.extend((0..number % 50).map(|_| u8::try_from(random(256)).unwrap()));
            sender.send(Message::binary(payload.clone()), now).unwrap();
            let (first, sent) = frames(&written(&mut sender)).remove(0);
            if first == 0xc2 {
                assert!(sent.len() < payload.len(), "level {level}");
                by_one += usize::from(sent.len() + 1 == payload.len());
            } else {
                assert_eq!(sent, payload);
            }
        }
        assert!(by_one > 0, "level {level}: none at the bound");
    }
}

#[test]
fn statistics_count_every_byte_on_both_sides() {
    let now = Instant::now();
    let mut random = random();
    let letters = (0..30_000).map(|_| char::from(b'a' + u8::try_from(random(26)).unwrap()));
    let text: String = letters.collect();
    let options = Options::default().fragment_bytes(Some(500));
    let mut sender = engine(Role::Server, options, Some(AGREED), now);
    let mut receiver = engine(Role::Client, Options::default(), Some(AGREED), now);
    sender.send(Message::text(text.clone()), now).unwrap();
    let bytes = written(&mut sender);
    let payloads: usize = frames(&bytes)
        .iter()
        .map(|(_, payload)| payload.len())
        .sum();
    let message = Message::text(text.clone());
    assert_eq!(receive(&mut receiver, &bytes, now), Ok(Some(message)));
    let counted = receiver.statistics().unwrap().received;
    assert_eq!(counted, sender.statistics().unwrap().sent);
    assert_eq!((counted.messages, counted.bytes), (1, text.len() as u64));
    assert_eq!(counted.wire_bytes, payloads as u64);
}

/// A compressor of zlib's that is kept for a connection is counted with what it takes, by its window.
#[test]
fn d16_zlibs_contexts_are_counted_and_as_good_as_their_level() {
    let now = Instant::now();
    let mut random = random();
    let words: Vec<String> = (0..200).map(|_| random(65_536).to_string()).collect();
    let text: String = (0..8000).map(|_| &words[random(200)][..]).collect();
    let sent = |level: u8, bits: u8| {
        let config = DeflateConfig::default().level(Level::new(level).unwrap());
        let agreed = Agreed {
            server_no_context_takeover: false,
            server_max_window_bits: bits,
            ..AGREED
        };
        let options = Options::default().deflate(Some(config));
        let mut sender = engine(Role::Server, options, Some(agreed), now);
        sender.send(Message::text(text.clone()), now).unwrap();
        let statistics = sender.statistics().unwrap();
        assert_eq!(statistics.contexts, 1);
        (written(&mut sender).len(), statistics.context_bytes)
    };
    let [(fast, small), (good, large)] = [sent(2, 15), sent(9, 15)];
    assert!(good < fast, "{good} and {fast} bytes");
    assert_eq!(small, large, "of the same window");
    assert!(large > 149_000, "{large}");
    assert_eq!(large - sent(2, 9).1, (4 << 15) - (4 << 9));
}

/// The history that a peer may refer to has half as much again as capacity, and its whole window from a fourth of it on.
#[test]
fn d16_peers_context_grows_with_what_was_sent() {
    let now = Instant::now();
    let agreed = Agreed {
        server_no_context_takeover: false,
        ..AGREED
    };
    for (bytes, context) in [(0, 0), (1000, 1500), (8192, 12_288), (8193, 32_768)] {
        let mut sender = engine(Role::Server, Options::default(), Some(agreed), now);
        let mut receiver = engine(Role::Client, Options::default(), Some(agreed), now);
        sender
            .send_with(Message::binary(vec![7; bytes]), Compression::Always, now)
            .unwrap();
        receive(&mut receiver, &written(&mut sender), now).unwrap();
        let statistics = receiver.statistics().unwrap();
        assert_eq!(statistics.context_bytes, context, "{bytes}");
    }
}

#[test]
fn contexts_are_shown_by_name() {
    let now = Instant::now();
    let agreed = Agreed {
        server_no_context_takeover: false,
        client_no_context_takeover: false,
        ..AGREED
    };
    let config = DeflateConfig::default().level(Level::new(6).unwrap());
    let options = Options::default().deflate(Some(config));
    let mut engine = engine(Role::Server, options, Some(agreed), now);
    engine
        .send(Message::text("long ".repeat(100)), now)
        .unwrap();
    assert!(format!("{engine:?}").contains("Deflater"), "{engine:?}");
    // The beginning of a message in a stored block, too long to wait for its end.
    let mut begun = [
        &[0x42, 0xfe, 0x50, 0x05, 0, 0, 0, 0][..],
        &[0, 0, 0x50, 0xff, 0xaf],
    ]
    .concat();
    begun.resize(8 + 0x5005, 7);
    receive(&mut engine, &begun, now).unwrap();
    assert!(format!("{engine:?}").contains("Inflater"), "{engine:?}");
}

/// Threats D9: the error tells how much it was at least, and how much is allowed.
#[test]
fn d9_a_message_that_inflates_too_far_says_so() {
    let now = Instant::now();
    let mut sender = engine(Role::Server, Options::default(), Some(AGREED), now);
    sender.send(Message::binary(vec![7; 10_000]), now).unwrap();
    let bytes = written(&mut sender);
    let config = WebSocketConfig::default().max_message_size(Some(9_000));
    let options = Options::default().websocket(config);
    let mut receiver = engine(Role::Client, options, Some(AGREED), now);
    let (least, allowed) = (9_001, 9_000);
    let expected = ProtocolError::MessageTooLong {
        bytes: least,
        allowed,
    };
    assert_eq!(receive(&mut receiver, &bytes, now), Err(expected));
}

/// Threats D9: a compressed message may take what a flush after every byte adds to it, in one frame and in many.
#[test]
fn d9_compressed_bytes_are_limited_too() {
    const LIMIT: usize = 5_000;
    const ALLOWED: usize = 8 * LIMIT + 64;
    let now = Instant::now();
    let config = WebSocketConfig::default()
        .max_message_size(Some(LIMIT))
        .max_frame_size(None);
    let header = |first: u8, length: usize| {
        let length = u16::try_from(length).expect("a short length");
        [&[first, 126], &length.to_be_bytes()[..]].concat()
    };
    let fails = |bytes: &[u8]| {
        let options = Options::default().websocket(config);
        let mut engine = engine(Role::Client, options, Some(AGREED), now);
        let mut buffer = BytesMut::from(bytes);
        loop {
            match engine.receive(&mut buffer, now) {
                Ok(Some(_)) => {}
                Ok(None) => return false,
                Err(ProtocolError::MessageTooLong { .. }) => return true,
                Err(other) => panic!("{other}"),
            }
        }
    };
    assert!(!fails(&header(0xc2, ALLOWED)));
    assert!(fails(&header(0xc2, ALLOWED + 1)));
    assert!(!fails(&header(0x82, LIMIT)));
    assert!(fails(&header(0x82, LIMIT + 1)));
    // Empty stored blocks: five bytes that inflate to nothing.
    let nothing = [0, 0, 0, 0xff, 0xff].repeat(200);
    let begun = [&header(0x42, 1000)[..], &nothing].concat();
    let more = |length| {
        [
            &begun[..],
            &header(0x00, 1000),
            &nothing,
            &header(0x80, length),
        ]
        .concat()
    };
    assert!(!fails(&more(ALLOWED - 2000)));
    assert!(fails(&more(ALLOWED - 1999)));
    let plain = [&header(0x02, 1000)[..], &[7; 1000]].concat();
    let more = |length| {
        [
            &plain[..],
            &header(0x00, 1000),
            &[7; 1000],
            &header(0x80, length),
        ]
        .concat()
    };
    assert!(!fails(&more(LIMIT - 2000)));
    assert!(fails(&more(LIMIT - 1999)));
}

/// RFC 7692 §7.2.1: a compressor may be flushed as often as it likes.
#[test]
fn a_message_that_is_flushed_often_arrives() {
    const BYTES: usize = 90_000;
    let now = Instant::now();
    for flushed_every in [1, 2, 10, 1000, BYTES] {
        let mut compressor = flate2::Compress::new(flate2::Compression::fast(), false);
        let mut compressed = Vec::with_capacity(8 * BYTES + 64);
        for part in vec![b'x'; BYTES].chunks(flushed_every) {
            compressor
                .compress_vec(part, &mut compressed, flate2::FlushCompress::Sync)
                .unwrap();
        }
        compressed.truncate(compressed.len() - 4);
        let length = compressed.len() as u64;
        let header = [&[0xc2, 127][..], &length.to_be_bytes()].concat();
        let short = [&[0xc2, 126][..], &length.to_be_bytes()[6..]].concat();
        let header = if length > 0xffff { header } else { short };
        let config = WebSocketConfig::default().max_message_size(Some(100_000));
        let options = Options::default().websocket(config);
        let mut engine = engine(Role::Client, options, Some(AGREED), now);
        let received = receive(&mut engine, &[header, compressed].concat(), now);
        let expected = Message::binary(vec![b'x'; BYTES]);
        assert!(received == Ok(Some(expected)), "every {flushed_every}");
    }
}

/// Levels and windows that no compressor here has are refused, with what was seen.
#[test]
fn choices_are_checked_and_kept() {
    let default = DeflateConfig::default;
    for seen in 0..=u8::MAX {
        let level = Level::new(seen).map(|level| default().level(level).level.get());
        let refused = Err(ConfigError::Level { seen });
        assert_eq!(
            level,
            if (1..=9).contains(&seen) {
                Ok(seen)
            } else {
                refused
            }
        );
        let bits = WindowBits::new(seen).map(|bits| {
            let config = default()
                .server_max_window_bits(bits)
                .client_max_window_bits(bits);
            assert_eq!(config.client_max_window_bits, Some(bits));
            config.server_max_window_bits.get()
        });
        let refused = Err(ConfigError::WindowBits { seen });
        assert_eq!(
            bits,
            if (9..=15).contains(&seen) {
                Ok(seen)
            } else {
                refused
            }
        );
    }
    let refused = WindowBits::new(8).unwrap_err().to_string();
    assert!(refused.starts_with("window of 8 bits, allowed are 9 to 15"));
    assert_eq!(default().compressor, Compressor::ByLevel);
    let zlib = default().compressor(Compressor::Zlib);
    assert_eq!(zlib.compressor, Compressor::Zlib);
    for bytes in [None, Some(7)] {
        let config = default().max_inflated_bytes(bytes);
        assert_eq!(config.max_inflated_bytes, bytes);
    }
}

/// Threats D9: the smaller of the two limits holds, and that of inflation for compressed messages alone.
#[test]
fn d9_inflated_messages_may_be_held_to_a_limit_of_their_own() {
    let now = Instant::now();
    let payload = vec![7; 1000];
    for (inflated, message, limit) in [
        (Some(999), None, 999),
        (Some(1000), None, 1000),
        (Some(2000), Some(999), 999),
        (None, Some(1000), 1000),
        (None, None, 1000),
    ] {
        let config = WebSocketConfig::default().max_message_size(message);
        let deflate = DeflateConfig::default().max_inflated_bytes(inflated);
        let options = Options::default().websocket(config).deflate(Some(deflate));
        for role in [Role::Server, Role::Client] {
            let sends = if role == Role::Server {
                Role::Client
            } else {
                Role::Server
            };
            for compression in [Compression::Always, Compression::Never] {
                let mut sender = engine(sends, Options::default(), Some(AGREED), now);
                let message = Message::binary(payload.clone());
                sender.send_with(message.clone(), compression, now).unwrap();
                let mut receiver = engine(role, options.clone(), Some(AGREED), now);
                let result = receive(&mut receiver, &written(&mut sender), now);
                let plain = compression == Compression::Never;
                if limit >= payload.len() || (plain && config.max_message_size.is_none()) {
                    assert_eq!(result, Ok(Some(message)));
                } else {
                    let error = result.unwrap_err();
                    assert_eq!(error.close_code_number(), 1009, "{error}");
                }
            }
        }
    }
}
