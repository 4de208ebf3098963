//! Long messages that inflate in steps, so that one does not keep a thread for itself.

use std::time::Instant;

use bytes::BytesMut;
use tungstenite_deflate::tungstenite::Message;
use tungstenite_deflate::tungstenite::protocol::Role;
use tungstenite_deflate::{Agreed, Connection, Options, ReceiveStep};

use super::{AGREED, engine, frames, random, written};

const MIB: usize = 1 << 20;
/// Bytes that come out of one step, and what a single call of zlib may add.
const STEP: usize = 128 * 1024 + 32 * 1024;
const TAKEOVER: Agreed = Agreed {
    server_no_context_takeover: false,
    client_no_context_takeover: false,
    ..AGREED
};

/// A frame of the server with a payload of any length.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length @ ..126), _) => bytes.push(length),
        (_, Ok(length)) => {
            bytes.push(126);
            bytes.extend(length.to_be_bytes());
        }
        _ => {
            bytes.push(127);
            bytes.extend((payload.len() as u64).to_be_bytes());
        }
    }
    bytes.extend(payload);
    bytes
}

/// A frame for `role`, which a client masks with a key of zeros.
fn frame_to(role: Role, first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = frame(first, payload);
    if role == Role::Server {
        bytes[1] |= 0x80;
        let header = bytes.len() - payload.len();
        bytes.splice(header..header, [0; 4]);
    }
    bytes
}

/// Returns the message at the start of `buffer`, and how often it paused before.
fn steps(engine: &mut Connection, buffer: &mut BytesMut, now: Instant) -> (Option<Message>, usize) {
    let mut pauses = 0;
    loop {
        match engine.receive_step(buffer, now).unwrap() {
            ReceiveStep::Message(message) => return (Some(message), pauses),
            ReceiveStep::Paused => pauses += 1,
            ReceiveStep::Incomplete => return (None, pauses),
        }
    }
}

/// Texts that compress to little and to much.
fn texts() -> Vec<String> {
    let mut random = random();
    let noise = (0..MIB / 4).map(|_| char::from(b' ' + u8::try_from(random(90)).unwrap()));
    vec![
        "a".repeat(MIB),
        "á".repeat(MIB / 2),
        "to be or not to be, ".repeat(MIB / 20),
        noise.collect(),
        "a".repeat(STEP / 2),
    ]
}

#[test]
fn a_long_message_pauses_again_and_again_and_is_the_same_in_the_end() {
    let now = Instant::now();
    for agreed in [AGREED, TAKEOVER] {
        let options = || Options::default();
        let mut sender = engine(Role::Server, options(), Some(agreed), now);
        let mut stepping = engine(Role::Client, options(), Some(agreed), now);
        let mut whole = engine(Role::Client, options(), Some(agreed), now);
        // Twice, so that the second one refers to what the first one left.
        for text in texts().into_iter().chain(texts()) {
            sender.send(Message::text(text.clone()), now).unwrap();
            let (first, payload) = frames(&written(&mut sender)).remove(0);
            assert_eq!(first, 0xc1, "compressed");
            // Whole, in two frames, in small ones that wait for more, and with an empty one at the end.
            for sizes in [
                vec![payload.len()],
                vec![1],
                vec![payload.len() / 2],
                vec![100; 160],
                vec![payload.len(), 0],
            ] {
                if agreed == TAKEOVER && sizes.len() != 160 {
                    continue;
                }
                let mut wire = BytesMut::new();
                let mut rest = &payload[..];
                for (number, size) in sizes.iter().enumerate() {
                    let (part, behind) = rest.split_at((*size).min(rest.len()));
                    rest = behind;
                    let fin = if number + 1 == sizes.len() && rest.is_empty() {
                        0x80
                    } else {
                        0
                    };
                    let opcode = if number == 0 { 0x41 } else { 0 };
                    wire.extend_from_slice(&frame(fin | opcode, part));
                }
                if !rest.is_empty() {
                    wire.extend_from_slice(&frame(0x80, rest));
                }
                // A Ping behind it comes behind it.
                wire.extend_from_slice(b"\x89\0");
                let mut copy = wire.clone();
                let (message, pauses) = steps(&mut stepping, &mut wire, now);
                assert_eq!(message, Some(Message::text(text.clone())), "{sizes:?}");
                assert!(
                    pauses >= text.len() / STEP,
                    "{pauses} pauses, {}",
                    text.len()
                );
                let (ping, _) = steps(&mut stepping, &mut wire, now);
                assert_eq!(ping, Some(Message::Ping("".into())));
                assert!(wire.is_empty() && steps(&mut stepping, &mut wire, now).0.is_none());
                assert_eq!(whole.receive(&mut copy, now), Ok(message));
                whole.receive(&mut copy, now).unwrap();
            }
        }
        assert_eq!(
            stepping.statistics().unwrap().received,
            whole.statistics().unwrap().received
        );
    }
}

/// Headers of the frames behind a pause do not count as arrived: a count that included them went down again, and its
/// subtraction overflowed.
#[test]
fn headers_behind_a_pause_do_not_count_as_arrived() {
    let now = Instant::now();
    let mut sender = engine(Role::Server, Options::default(), Some(AGREED), now);
    // Longer than what is kept until its end, so that it pauses before.
    let text = texts().swap_remove(3);
    sender.send(Message::text(text.clone()), now).unwrap();
    let (_, payload) = frames(&written(&mut sender)).remove(0);
    for (role, pieces) in [
        (Role::Client, false),
        (Role::Server, false),
        (Role::Client, true),
        (Role::Server, true),
    ] {
        for first in [payload.len() / 2, payload.len() / 4 * 3, payload.len() - 1] {
            let (begin, rest) = payload.split_at(first);
            let mut wire = frame_to(role, 0x41, begin);
            let parts: Vec<_> = rest.chunks(100).collect();
            for (number, part) in parts.iter().enumerate() {
                let opcode = if number + 1 == parts.len() { 0x80 } else { 0 };
                wire.extend(frame_to(role, opcode, part));
                if number % 64 == 0 {
                    wire.extend(frame_to(role, 0x89, b""));
                }
            }
            // The last bytes come one by one.
            let (sure, late) = wire.split_at(wire.len() - 40);
            let options = Options::default().pieces(pieces);
            let mut receiver = engine(role, options, Some(AGREED), now);
            let mut buffer = BytesMut::from(sure);
            let mut content = Vec::new();
            let mut read = |buffer: &mut BytesMut| {
                while let (Some(message), _) = steps(&mut receiver, buffer, now) {
                    match message {
                        Message::Frame(piece) => content.extend_from_slice(piece.payload()),
                        Message::Text(whole) => content.extend_from_slice(whole.as_bytes()),
                        other => assert!(other.is_ping()),
                    }
                }
            };
            read(&mut buffer);
            for byte in late {
                buffer.extend_from_slice(&[*byte]);
                read(&mut buffer);
            }
            assert!(content == text.as_bytes(), "{role:?}, {pieces}, {first}");
        }
    }
}

#[test]
fn pieces_of_a_long_message_are_no_longer_than_a_step() {
    let now = Instant::now();
    let mut sender = engine(Role::Server, Options::default(), Some(AGREED), now);
    let mut receiver = engine(
        Role::Client,
        Options::default().pieces(true),
        Some(AGREED),
        now,
    );
    let text = "b".repeat(MIB);
    sender.send(Message::text(text.clone()), now).unwrap();
    let mut wire = BytesMut::from(&written(&mut sender)[..]);
    let mut content = Vec::new();
    while let (Some(Message::Frame(piece)), _) = steps(&mut receiver, &mut wire, now) {
        assert!(piece.payload().len() <= STEP, "{}", piece.payload().len());
        let is_last = piece.header().is_final;
        content.extend_from_slice(piece.payload());
        assert_eq!(is_last, content.len() == text.len());
    }
    assert_eq!(content, text.as_bytes());
}
