//! Frames and messages that are not there whole, and the limits on them.

use std::time::Instant;

use bytes::{Buf, Bytes, BytesMut};
use tungstenite_deflate::tungstenite::Message;
use tungstenite_deflate::tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite_deflate::{Limits, MemoryBudget, Options, PreparedMessage, ProtocolError};

use super::{engine, receive, written};

/// A long message is one frame by default, and a peer with default options takes it.
#[test]
fn what_default_options_send_default_options_receive() {
    let now = Instant::now();
    for (role, other) in [(Role::Client, Role::Server), (Role::Server, Role::Client)] {
        let message = Message::binary(vec![7; 17 << 20]);
        let mut sender = engine(role, Options::default(), None, now);
        sender.send(message.clone(), now).unwrap();
        let mut peer = engine(other, Options::default(), None, now);
        let received = receive(&mut peer, &written(&mut sender), now);
        assert!(received == Ok(Some(message)), "{role:?}");
    }
}

#[test]
fn a_frame_that_is_not_whole_says_what_it_wants() {
    let now = Instant::now();
    let mut engine = engine(Role::Client, Options::default(), None, now);
    let mut buffer = BytesMut::from(&b"\x82\x64"[..]);
    assert_eq!(engine.bytes_wanted(&buffer), 0);
    for arrived in 0..100 {
        assert_eq!(engine.receive(&mut buffer, now), Ok(None));
        assert_eq!(engine.bytes_wanted(&buffer), 100 - arrived);
        buffer.extend_from_slice(b"x");
    }
    assert!(engine.receive(&mut buffer, now).unwrap().is_some());
    assert_eq!(engine.bytes_wanted(&buffer), 0);
}

#[test]
fn r4_fragments_and_what_is_buffered_count_as_held() {
    let now = Instant::now();
    let memory = MemoryBudget::new(20_000);
    let options =
        Options::default().limits(Limits::default().unfinished_memory(Some(memory.clone())));
    let mut engine = engine(Role::Client, options, None, now);
    let mut fragment = vec![0x02, 126];
    fragment.extend(10_000_u16.to_be_bytes());
    fragment.extend(vec![7; 10_000]);
    receive(&mut engine, &fragment, now).unwrap();
    let mut wait = |capacity| engine.handle_wait(&mut BytesMut::with_capacity(capacity));
    wait(100).unwrap();
    let used = memory.used();
    assert!((10_100..15_000).contains(&used), "{used}");
    wait(5_000).unwrap();
    assert_eq!(memory.used(), used + 4_900);
    let error = wait(20_000).unwrap_err();
    assert_eq!(error, ProtocolError::UnfinishedMemory { allowed: 20_000 });
    assert_eq!(memory.used(), 0, "given back");
    let close = &written(&mut engine)[2..];
    assert_eq!(close.len(), 4 + 2 + error.to_string().len());
}

/// A large message that fills its buffer takes it along instead of being copied, also where it was waited for and text
/// was looked at meanwhile. What stands at its start before the frame, a header, must not be in the way.
#[test]
fn large_messages_take_their_buffer_along() {
    let now = Instant::now();
    for opcode in [1, 2] {
        for first in [0, 1, 50_000] {
            let mut engine = engine(Role::Client, Options::default(), None, now);
            let mut buffer = BytesMut::from(&[0x80 | opcode, 127][..]);
            buffer.extend_from_slice(&100_000_u64.to_be_bytes());
            assert_eq!(engine.receive(&mut buffer, now), Ok(None));
            assert!(buffer.is_empty());
            buffer = BytesMut::with_capacity(100_000);
            let address = buffer.as_ptr();
            buffer.extend_from_slice(&vec![b'x'; first]);
            assert_eq!(engine.receive(&mut buffer, now), Ok(None));
            engine.handle_wait(&mut buffer).unwrap();
            assert_eq!(engine.bytes_wanted(&buffer), 100_000 - first);
            buffer.extend_from_slice(&vec![b'x'; 100_000 - first]);
            let result = engine.receive(&mut buffer, now).unwrap();
            let Some(message) = result else {
                panic!("no message but {result:?}");
            };
            assert_eq!(message.len(), 100_000);
            assert_eq!(message.into_data().as_ptr(), address, "{opcode} {first}");
            assert_eq!(buffer.capacity(), 0);
        }
    }
}

/// Large payloads are pieces of the buffer and of the message; small ones are copied, so that they keep neither alive.
#[test]
fn payloads_of_8_kib_are_shared_rather_than_copied() {
    let now = Instant::now();
    for (bytes, shared) in [(8191, false), (8192, true)] {
        let payload = Bytes::from(vec![7; bytes]);
        let address = payload.as_ptr();
        let kept = payload.clone();
        let mut sender = engine(Role::Server, Options::default(), None, now);
        sender.send(Message::binary(payload), now).unwrap();
        sender.outgoing().advance(4);
        assert_eq!(sender.outgoing_bytes(), bytes);
        assert_eq!(
            sender.outgoing().chunk().as_ptr() == address,
            shared,
            "{bytes}"
        );
        drop(kept);
        let prepared = PreparedMessage::binary(vec![7; bytes - 4]);
        let mut senders = [0, 1].map(|_| engine(Role::Server, Options::default(), None, now));
        for sender in &mut senders {
            sender.send_prepared(&prepared, now).unwrap();
        }
        let addresses = senders
            .each_mut()
            .map(|sender| sender.outgoing().chunk().as_ptr());
        assert_eq!(addresses[0] == addresses[1], shared, "{bytes}");
        // A client masks a message in place where nobody else holds it.
        let payload = vec![7; bytes];
        let address = payload.as_ptr();
        let mut sender = engine(Role::Client, Options::default(), None, now);
        sender.send(Message::binary(payload), now).unwrap();
        sender.outgoing().advance(8);
        assert_eq!(
            sender.outgoing().chunk().as_ptr() == address,
            shared,
            "{bytes}"
        );
    }
    for (bytes, shared) in [(8192_u16, false), (8193, true)] {
        let mut receiver = engine(Role::Client, Options::default(), None, now);
        let mut buffer = BytesMut::from(&b"\x82\x7e"[..]);
        buffer.extend_from_slice(&bytes.to_be_bytes());
        buffer.resize(4 + usize::from(bytes), 7);
        let address = buffer[4..].as_ptr();
        let result = receiver.receive(&mut buffer, now).unwrap();
        let Some(message) = result else {
            panic!("{result:?}");
        };
        assert_eq!(message.into_data().as_ptr() == address, shared, "{bytes}");
    }
}

/// Threats R3: a sixty-fourth of the largest message, and never less than 1,024.
#[test]
fn r3_fragments_are_bounded_by_the_largest_message() {
    let now = Instant::now();
    for (limit, allowed) in [(1000, 1024), (640_000, 10_000)] {
        let config = WebSocketConfig::default().max_message_size(Some(limit));
        let mut receiver = engine(
            Role::Client,
            Options::default().websocket(config),
            None,
            now,
        );
        let mut buffer = BytesMut::from(&b"\x02\x00"[..]);
        buffer.extend_from_slice(&b"\x00\x00"[..].repeat(allowed - 1));
        assert_eq!(receiver.receive(&mut buffer, now), Ok(None), "{limit}");
        buffer.extend_from_slice(b"\x00\x00");
        let expected = ProtocolError::TooManyFragments { allowed };
        assert_eq!(receiver.receive(&mut buffer, now), Err(expected));
    }
}

#[test]
fn unmasked_frames_are_accepted_by_a_server_that_is_told_to() {
    let now = Instant::now();
    let config = WebSocketConfig::default().accept_unmasked_frames(true);
    let mut engine = engine(
        Role::Server,
        Options::default().websocket(config),
        None,
        now,
    );
    let hello = Ok(Some(Message::text("Hello")));
    assert_eq!(receive(&mut engine, b"\x81\x05Hello", now), hello);
    assert_eq!(
        receive(
            &mut engine,
            b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
            now
        ),
        hello
    );
}
