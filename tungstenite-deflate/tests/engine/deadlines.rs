//! Events that put a deadline off, and those that end it.

use std::time::Instant;

use bytes::BytesMut;
use tungstenite_deflate::deflate::ContextMemory;
use tungstenite_deflate::tungstenite::Message;
use tungstenite_deflate::tungstenite::protocol::Role;
use tungstenite_deflate::{Agreed, DeflateConfig, Keepalive, MemoryBudget, Options};

use super::{AGREED, SECOND, engine, frames, written};

/// A call without new bytes is no sign of life; a byte is.
#[test]
fn only_what_arrives_puts_off_the_ping() {
    let begun = Instant::now();
    let keepalive = Keepalive::default().ping_interval(10 * SECOND);
    let options = Options::default().keepalive(Some(keepalive));
    let mut engine = engine(Role::Client, options, None, begun);
    assert_eq!(engine.next_timeout(), Some(begun + 10 * SECOND));
    let mut buffer = BytesMut::from(&b"\x82\x64"[..]);
    engine.receive(&mut buffer, begun + SECOND).unwrap();
    assert_eq!(engine.next_timeout(), Some(begun + 11 * SECOND));
    engine.receive(&mut buffer, begun + 2 * SECOND).unwrap();
    assert_eq!(engine.next_timeout(), Some(begun + 11 * SECOND));
    buffer.extend_from_slice(b"x");
    engine.receive(&mut buffer, begun + 3 * SECOND).unwrap();
    assert_eq!(engine.next_timeout(), Some(begun + 13 * SECOND));
    engine.receive(&mut buffer, begun + 4 * SECOND).unwrap();
    assert_eq!(engine.next_timeout(), Some(begun + 13 * SECOND));
    engine.handle_timeout(begun + 12 * SECOND).unwrap();
    assert_eq!(engine.outgoing_bytes(), 0);
    engine.handle_timeout(begun + 13 * SECOND).unwrap();
    assert_eq!(
        frames(&unmasked(&written(&mut engine))),
        [(0x89, Vec::new())]
    );
    assert_eq!(
        engine.next_timeout(),
        Some(begun + 23 * SECOND),
        "for the Pong"
    );
}

/// A client's frames without payload, as a server would write them.
fn unmasked(bytes: &[u8]) -> Vec<u8> {
    bytes
        .chunks(6)
        .flat_map(|frame| [frame[0], frame[1] & 0x7f])
        .collect()
}

#[test]
fn a_message_that_ends_takes_its_deadline_with_it() {
    let now = Instant::now();
    let mut receiver = engine(Role::Client, Options::default(), None, now);
    let mut buffer = BytesMut::from(&b"\x82\x02a"[..]);
    assert_eq!(receiver.receive(&mut buffer, now), Ok(None));
    assert_eq!(receiver.next_timeout(), Some(now + 30 * SECOND));
    buffer.extend_from_slice(b"b");
    assert!(receiver.receive(&mut buffer, now).unwrap().is_some());
    assert_eq!(receiver.receive(&mut buffer, now), Ok(None));
    assert_eq!(receiver.next_timeout(), None);
    receiver.handle_timeout(now + 60 * SECOND).unwrap();
    assert!(receiver.is_open());
    receiver.close(None, now).unwrap();
    assert!(!receiver.is_open());
}

/// A context is looked for until it has given way; before and after it a silent connection has no deadline.
#[test]
fn a_connection_without_a_context_has_no_deadline() {
    let begun = Instant::now();
    let memory = ContextMemory::new(MemoryBudget::new(1 << 20), Some(60 * SECOND));
    let deflate = DeflateConfig::default().memory(memory);
    let options = Options::default().deflate(Some(deflate));
    let agreed = Agreed {
        server_no_context_takeover: false,
        ..AGREED
    };
    let mut server = engine(Role::Server, options, Some(agreed), begun);
    assert_eq!(server.next_timeout(), None, "before the first message");
    for round in 0..2 {
        let begun = begun + round * 3600 * SECOND;
        server
            .send(Message::text("much ado ".repeat(100)), begun)
            .unwrap();
        written(&mut server);
        server.handle_written(begun);
        let mut now = begun;
        while let Some(due) = server.next_timeout() {
            assert_eq!(server.statistics().unwrap().contexts, 1);
            now = now.max(due);
            server.handle_timeout(now).unwrap();
            assert!(now - begun < 120 * SECOND, "it is idle for 60 s");
        }
        assert!(now - begun >= 60 * SECOND, "{:?}", now - begun);
        assert_eq!(server.statistics().unwrap().contexts, 0);
    }
}

/// tokio-tungstenite waits for ever, and so does who takes its options.
#[test]
fn without_timeouts_nothing_is_ever_due() {
    let now = Instant::now();
    for role in [Role::Server, Role::Client] {
        let mut engine = engine(role, Options::drop_in(None), None, now);
        let unfinished: &[u8] = match role {
            Role::Server => &[0x01, 0x82, 0, 0, 0, 0, b'h'],
            Role::Client => &[0x01, 0x02, b'h'],
        };
        let mut buffer = BytesMut::from(unfinished);
        assert_eq!(engine.receive(&mut buffer, now), Ok(None));
        assert_eq!(engine.next_timeout(), None, "amid a message");
        engine.close(None, now).unwrap();
        assert_eq!(engine.next_timeout(), None, "amid the closing handshake");
        engine.handle_timeout(now + 1_000_000 * SECOND).unwrap();
        assert!(!engine.is_receiving_over());
    }
}
