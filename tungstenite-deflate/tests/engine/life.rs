//! Options and agreements, the closing handshake, and what may follow it.

use std::sync::Arc;
use std::time::Instant;

use bytes::{Buf, Bytes, BytesMut};
use tungstenite_deflate::deflate::ContextMemory;
#[cfg(feature = "connect")]
use tungstenite_deflate::dial::Dial;
use tungstenite_deflate::tungstenite::Message;
use tungstenite_deflate::tungstenite::protocol::frame::coding::CloseCode;
use tungstenite_deflate::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tungstenite_deflate::{
    Connection, DeflateConfig, HeadLimits, Limits, MemoryBudget, Options, SendError,
};

use super::{AGREED, SECOND, engine, frames, receive, written};

#[test]
fn what_was_chosen_and_agreed_can_be_asked() {
    let now = Instant::now();
    let options = || Options::default().fragment_bytes(Some(7));
    for agreed in [None, Some(AGREED)] {
        let engine = engine(Role::Server, options(), agreed, now);
        assert_eq!(engine.options().fragment_bytes, Some(7));
        assert_eq!(engine.agreed(), agreed);
        assert_eq!(engine.statistics().is_some(), agreed.is_some());
        assert_eq!(engine.role(), Role::Server);
    }
    assert_eq!(MemoryBudget::new(12_345).limit(), 12_345);
}

#[test]
fn the_transport_is_closed_when_all_is_written_and_by_the_server_first() {
    let now = Instant::now();
    for (role, close) in [
        (Role::Server, &b"\x88\x80\0\0\0\0"[..]),
        (Role::Client, b"\x88\x00"),
    ] {
        let mut engine = engine(role, Options::default(), None, now);
        assert!(!engine.should_close_transport());
        receive(&mut engine, close, now).unwrap();
        assert!(!engine.should_close_transport(), "the answer waits");
        assert!(!written(&mut engine).is_empty());
        assert_eq!(engine.should_close_transport(), role == Role::Server);
        assert!(engine.receive_eof(), "a clean end");
        assert!(engine.should_close_transport());
    }
    let mut failed = engine(Role::Client, Options::default(), None, now);
    let mut buffer = BytesMut::from(&b"\xff\x00 and more"[..]);
    failed.receive(&mut buffer, now).unwrap_err();
    assert!(buffer.is_empty(), "what follows is discarded");
    assert!(!failed.should_close_transport());
    assert!(!failed.receive_eof());
    failed.transmit_failed();
    assert_eq!(failed.outgoing_bytes(), 0);
    assert!(failed.should_close_transport());
    let mut cut = engine(Role::Client, Options::default(), None, now);
    assert!(!cut.receive_eof());
}

#[test]
fn the_reason_of_a_close_is_the_violations_text() {
    let now = Instant::now();
    let mut engine = engine(Role::Server, Options::default(), None, now);
    let error = receive(&mut engine, b"\x81\x00", now).unwrap_err();
    let mut payload = 1002_u16.to_be_bytes().to_vec();
    payload.extend(error.to_string().bytes());
    assert_eq!(frames(&written(&mut engine)), [(0x88, payload)]);
}

#[test]
fn nothing_follows_a_close() {
    let now = Instant::now();
    let close = |code: u16| CloseFrame {
        code: CloseCode::from(code),
        reason: "".into(),
    };
    let mut engine = engine(Role::Server, Options::default(), None, now);
    engine.close(Some(close(4000)), now).unwrap();
    engine.close(Some(close(4001)), now).unwrap();
    for late in [Message::Close(Some(close(4002))), Message::text("late")] {
        let refused = engine.send(late, now);
        assert!(matches!(refused, Err(SendError::AfterClose)), "{refused:?}");
    }
    assert_eq!(
        frames(&written(&mut engine)),
        [(0x88, 4000_u16.to_be_bytes().to_vec())]
    );
}

/// The table of `Options`: what needs a timer is off, frames are bounded as tungstenite does, and all else is equal.
/// Threats R6: a flood of Pings ends both.
#[test]
fn r6_drop_in_options_differ_where_their_table_says() {
    let limits = Limits::default()
        .unfinished_message_timeout(None)
        .head(HeadLimits::default().request_timeout(None));
    let table = Options::default()
        .websocket(WebSocketConfig::default())
        .limits(limits)
        .write_timeout(None)
        .close_timeout(None);
    #[cfg(feature = "connect")]
    let table = table.dial(Dial::default().attempt_delay(None).timeout(None));
    let drop_in = Options::drop_in(None);
    assert_eq!(format!("{drop_in:?}"), format!("{table:?}"));
    for options in [Options::default(), drop_in] {
        let now = Instant::now();
        let mut engine = engine(Role::Client, options, None, now);
        let mut pings = BytesMut::from(&b"\x89\x00".repeat(201)[..]);
        for number in 0..200 {
            let ping = engine.receive(&mut pings, now).unwrap();
            assert_eq!(ping, Some(Message::Ping(Bytes::new())), "{number}");
        }
        let error = engine.receive(&mut pings, now).unwrap_err();
        assert_eq!(error.close_code_number(), 1008, "{error}");
    }
}

#[test]
fn choices_are_kept() {
    let config = WebSocketConfig::default().max_message_size(Some(7));
    let options = Options::drop_in(Some(config));
    assert_eq!(options.websocket.max_message_size, Some(7));
    let deflate = DeflateConfig::default().threshold(7);
    for options in [Options::from(deflate.clone()), Some(deflate).into()] {
        assert_eq!(options.deflate.unwrap().threshold, Some(7));
    }
    let head = HeadLimits::default().max_bytes(7);
    let head = head.max_fields(8).max_target_bytes(9);
    let limits = Limits::default().unfinished_message_timeout(Some(SECOND));
    let limits = limits.head(head);
    assert_eq!(limits.unfinished_message_timeout, Some(SECOND));
    let head = limits.head;
    assert_eq!(
        (head.max_bytes, head.max_fields, head.max_target_bytes),
        (7, 8, 9)
    );
}

/// RFC 6455 §7.1.5: the peer's code, 1005 for a Close without one, 1006 if none came.
#[test]
fn how_it_ended_is_told_by_the_code() {
    let now = Instant::now();
    let cases: [(&[u8], CloseCode); 4] = [
        (&[0x03, 0xe9], CloseCode::Away),
        (&[0x0b, 0xb8, b'!'], CloseCode::Iana(3000)),
        (&[], CloseCode::Status),
        (&[0x03], CloseCode::Abnormal),
    ];
    for role in [Role::Server, Role::Client] {
        for (payload, code) in cases {
            let mut engine = engine(role, Options::default(), None, now);
            assert_eq!(engine.closed(), None, "it is open");
            let length = u8::try_from(payload.len()).unwrap();
            let header: &[u8] = match role {
                Role::Server => &[0x88, 0x80 | length, 0, 0, 0, 0],
                Role::Client => &[0x88, length],
            };
            let valid = receive(&mut engine, &[header, payload].concat(), now).is_ok();
            assert_eq!(engine.closed().unwrap().code(), code, "{payload:x?}");
            assert_eq!(engine.receive_eof(), valid);
            assert_eq!(engine.closed().unwrap().code(), code, "{payload:x?}");
        }
        let mut engine = engine(role, Options::default(), None, now);
        engine.close(None, now).unwrap();
        assert!(!engine.receive_eof());
        assert_eq!(engine.closed().unwrap().code(), CloseCode::Abnormal);
    }
}

/// Support for targets without a clock, such as `wasm32-unknown-unknown`.
#[test]
fn without_deadlines_no_clock_is_read() {
    let no_clock = || -> Instant { panic!("the clock is read") };
    let memory = ContextMemory::new(MemoryBudget::new(1 << 20), None);
    let deflate = DeflateConfig::default().memory(memory);
    for role in [Role::Server, Role::Client] {
        for agreed in [None, Some(AGREED)] {
            let limits = Options::drop_in(None).limits.control_rate(None);
            let options = Options::drop_in(None)
                .limits(limits)
                .deflate(Some(deflate.clone()));
            let mut engine = Connection::new(role, Arc::new(options), agreed, no_clock);
            let length = |payload: &[u8]| u8::try_from(payload.len()).unwrap();
            let frame = |first: u8, payload: &[u8]| match role {
                Role::Server => [&[first, 0x80 | length(payload), 0, 0, 0, 0], payload].concat(),
                Role::Client => [&[first, length(payload)], payload].concat(),
            };
            let mut received = BytesMut::new();
            for frame in [frame(0x01, b"a"), frame(0x89, b"?"), frame(0x8a, b"!")] {
                received.extend_from_slice(&frame);
                while engine.receive(&mut received, no_clock).unwrap().is_some() {}
                engine.pause_receiving(no_clock);
                engine.resume_receiving(no_clock);
                engine.handle_wait(&mut received).unwrap();
            }
            engine
                .send(Message::text("x".repeat(500)), no_clock)
                .unwrap();
            // The transport takes one byte, then waits.
            engine.outgoing().advance(1);
            engine.handle_written(no_clock);
            written(&mut engine);
            engine.handle_written(no_clock);
            assert!(engine.next_timeout().is_none());
            engine.close(None, no_clock).unwrap();
            received.extend_from_slice(&frame(0x80, b"b"));
            received.extend_from_slice(&frame(0x88, b""));
            assert_eq!(
                engine.receive(&mut received, no_clock),
                Ok(Some(Message::text("ab")))
            );
            assert_eq!(
                engine.receive(&mut received, no_clock),
                Ok(Some(Message::Close(None)))
            );
            assert!(engine.receive_eof());
        }
    }
}
