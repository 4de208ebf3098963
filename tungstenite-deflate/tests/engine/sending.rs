//! The queue: its bound, its order, its fragments, messages prepared for many.

use std::time::Instant;

use bytes::{Buf, Bytes};
use tungstenite_deflate::tungstenite::Message;
use tungstenite_deflate::tungstenite::protocol::frame::coding::CloseCode;
use tungstenite_deflate::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tungstenite_deflate::{Agreed, Options, PreparedMessage, SendError};

use super::{AGREED, engine, frames, receive, written};

#[test]
fn the_queue_is_bounded_to_the_byte() {
    let now = Instant::now();
    // A header is counted with its largest size, 14 bytes, until it is written.
    let config = WebSocketConfig::default()
        .write_buffer_size(0)
        .max_write_buffer_size(114);
    let options = || Options::default().websocket(config);
    for (bytes, fits) in [(100, true), (101, false)] {
        let mut engine = engine(Role::Server, options(), None, now);
        let message = Message::binary(vec![0; bytes]);
        match engine.send(message.clone(), now) {
            Ok(()) => assert!(fits, "{bytes}"),
            Err(SendError::QueueFull(back)) => assert!(!fits && *back == message, "{bytes}"),
            Err(other) => panic!("{other}"),
        }
    }
    // A message made beforehand has its header already: two bytes.
    for (bytes, fits) in [(112, true), (113, false)] {
        let mut engine = engine(Role::Server, options(), None, now);
        let prepared = PreparedMessage::binary(vec![0; bytes]);
        let result = engine.send_prepared(&prepared, now);
        assert_eq!(result.is_ok(), fits, "{bytes}");
        assert_eq!(written(&mut engine).len(), if fits { bytes + 2 } else { 0 });
    }
}

#[test]
fn prepared_messages_are_shared_where_the_bytes_are_the_same_for_all() {
    let now = Instant::now();
    let text = "much ado ".repeat(100);
    let prepared = PreparedMessage::text(text.clone());
    let takeover = Agreed {
        server_no_context_takeover: false,
        ..AGREED
    };
    let fragments = || Options::default().fragment_bytes(Some(400));
    for (role, options, agreed) in [
        (Role::Server, Options::default(), None),
        (Role::Server, Options::default(), Some(AGREED)),
        (Role::Server, Options::default(), Some(takeover)),
        (Role::Server, fragments(), None),
        (Role::Client, Options::default(), None),
        (Role::Client, Options::default(), Some(AGREED)),
    ] {
        let mut sender = engine(role, options.clone(), agreed, now);
        let other = match role {
            Role::Server => Role::Client,
            Role::Client => Role::Server,
        };
        let mut receiver = engine(other, Options::default(), agreed, now);
        let mut sizes = Vec::new();
        for _ in 0..2 {
            sender.send_prepared(&prepared, now).unwrap();
            let bytes = written(&mut sender);
            sizes.push(bytes.len());
            let message = receive(&mut receiver, &bytes, now);
            assert_eq!(message, Ok(Some(Message::text(text.clone()))));
        }
        assert_eq!(sizes[0], sizes[1], "{role:?} {agreed:?}");
        let header = if role == Role::Client { 8 } else { 4 };
        match (agreed, options.fragment_bytes) {
            (None, None) => assert_eq!(sizes[0], text.len() + header),
            (None, Some(_)) => assert_eq!(sizes[0], text.len() + 4 + 4 + 2),
            (Some(_), _) => assert!(sizes[0] < 100, "{sizes:?}"),
        }
    }
    let mut closed = engine(Role::Server, Options::default(), None, now);
    closed.close(None, now).unwrap();
    let refused = closed.send_prepared(&prepared, now);
    assert!(matches!(refused, Err(SendError::AfterClose)), "{refused:?}");
    assert_eq!(frames(&written(&mut closed)), [(0x88, Vec::new())]);
}

#[test]
fn control_frames_carry_125_bytes_and_close_reasons_123() {
    let now = Instant::now();
    for (bytes, fits) in [(125, true), (126, false)] {
        for control in [Message::Ping, Message::Pong] {
            let mut engine = engine(Role::Server, Options::default(), None, now);
            let result = engine.send(control(Bytes::from(vec![7; bytes])), now);
            assert_eq!(result.is_ok(), fits, "{bytes}");
            assert_eq!(frames(&written(&mut engine)).len(), usize::from(fits));
        }
        let frame = CloseFrame {
            code: CloseCode::Normal,
            reason: "r".repeat(bytes - 2).into(),
        };
        let mut engine = engine(Role::Server, Options::default(), None, now);
        assert_eq!(engine.close(Some(frame), now).is_ok(), fits, "{bytes}");
    }
}

#[test]
fn messages_are_cut_into_fragments_and_every_byte_is_counted() {
    let now = Instant::now();
    let options = || Options::default().fragment_bytes(Some(10));
    for (bytes, expected) in [
        (10, &[(0x82, 10)][..]),
        (11, &[(0x02, 10), (0x80, 1)]),
        (20, &[(0x02, 10), (0x80, 10)]),
        (21, &[(0x02, 10), (0x00, 10), (0x80, 1)]),
    ] {
        let mut engine = engine(Role::Server, options(), None, now);
        engine.send(Message::binary(vec![7; bytes]), now).unwrap();
        let frames = frames(&written(&mut engine));
        let shape: Vec<(u8, usize)> = frames.iter().map(|(f, p)| (*f, p.len())).collect();
        assert_eq!(shape, expected);
        assert_eq!(engine.outgoing_bytes(), 0);
    }
    // A Ping goes between the fragments, a Close behind the messages; a header is counted with 14 bytes until it is framed.
    let mut engine = engine(Role::Server, options(), None, now);
    engine.send(Message::binary(vec![7; 25]), now).unwrap();
    assert_eq!(engine.outgoing_bytes(), 25 + 14);
    engine.send(Message::text("behind"), now).unwrap();
    assert_eq!(engine.outgoing_bytes(), 25 + 14 + 6 + 14);
    engine.send(Message::Ping(Bytes::new()), now).unwrap();
    assert_eq!(engine.outgoing_bytes(), 25 + 14 + 6 + 14 + 2);
    engine.close(None, now).unwrap();
    let order: Vec<u8> = frames(&written(&mut engine))
        .iter()
        .map(|(f, _)| *f)
        .collect();
    assert_eq!(order, [0x89, 0x02, 0x00, 0x80, 0x81, 0x88]);
    assert_eq!(engine.outgoing_bytes(), 0);
}

/// No more is framed ahead than the transport is likely to take, so that a Ping need not wait for all of a message.
#[test]
fn fragments_are_framed_16_kib_ahead() {
    let now = Instant::now();
    let options = Options::default().fragment_bytes(Some(1020));
    let mut engine = engine(Role::Server, options, None, now);
    engine.send(Message::binary(vec![7; 100_000]), now).unwrap();
    // Each fragment takes 1,024 bytes with its header.
    assert_eq!(engine.outgoing().remaining(), 16 * 1024);
    let whole = engine.outgoing_bytes();
    assert_eq!(whole, 16 * 1024 + 100_000 - 16 * 1020 + 14);
    engine.outgoing().advance(16 * 1024);
    assert_eq!(engine.outgoing_bytes(), whole - 16 * 1024);
}

#[test]
fn what_is_left_of_several_messages_is_counted() {
    let now = Instant::now();
    let options = Options::default().fragment_bytes(Some(10_000));
    let mut engine = engine(Role::Server, options, None, now);
    engine.send(Message::binary(vec![7; 10]), now).unwrap();
    assert_eq!(engine.outgoing_bytes(), 12, "framed at once");
    for bytes in [15_000, 50_000] {
        engine.send(Message::binary(vec![7; bytes]), now).unwrap();
    }
    // Both fragments of the first, and one of the second.
    assert_eq!(engine.outgoing().remaining(), 12 + 15_008 + 10_004);
    assert_eq!(engine.outgoing_bytes(), 12 + 15_008 + 10_004 + 40_014);
}

#[test]
fn r6_thirty_two_pongs_wait_and_the_last() {
    let now = Instant::now();
    let mut engine = engine(Role::Server, Options::default(), None, now);
    for number in 0..40_u8 {
        let ping = [0x89, 0x81, 0, 0, 0, 0, number];
        receive(&mut engine, &ping, now).unwrap();
        // Looking at what waits writes nothing.
        assert!(engine.outgoing().has_remaining());
        assert_eq!(engine.outgoing_bytes(), 3 * usize::from(number + 1).min(32));
    }
    let pongs: Vec<u8> = frames(&written(&mut engine))
        .iter()
        .map(|(_, p)| p[0])
        .collect();
    assert_eq!(pongs, (0..32).chain([39]).collect::<Vec<u8>>());
}

/// RFC 6455 §7.4: what is reserved, or not in 1000 to 4999; 1005 stands for no code at all.
#[test]
fn codes_that_must_not_be_sent_are_refused_and_the_connection_stays_open() {
    let now = Instant::now();
    for role in [Role::Server, Role::Client] {
        for code in [0, 999, 1004, 1006, 1015, 2999, 5000, u16::MAX] {
            let frame = CloseFrame {
                code: code.into(),
                reason: "".into(),
            };
            let mut engine = engine(role, Options::default(), None, now);
            let by_message = engine.send(Message::Close(Some(frame.clone())), now);
            for refused in [by_message, engine.close(Some(frame), now)] {
                match refused {
                    Err(SendError::InvalidCloseCode { code: seen }) => assert_eq!(seen, code),
                    other => panic!("{code}: {other:?}"),
                }
            }
            assert!(engine.is_open());
            assert_eq!(engine.outgoing_bytes(), 0);
        }
    }
}
