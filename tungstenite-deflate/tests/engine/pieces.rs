//! Messages that are received in pieces.

use std::time::Instant;

use bytes::BytesMut;
use tungstenite_deflate::tungstenite::Message;
use tungstenite_deflate::tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite_deflate::tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite_deflate::{Limits, Options, ProtocolError};

use super::{AGREED, engine, random, written};

/// The pieces of a message are counted together, and the parts of a frame are one fragment.
#[test]
fn pieces_are_held_to_the_limits_of_their_message() {
    let now = Instant::now();
    let receiver = || {
        let config = WebSocketConfig::default().max_message_size(Some(100));
        let limits = Limits::default().max_fragments(Some(2));
        let options = Options::default().websocket(config).limits(limits);
        engine(Role::Client, options.pieces(true), None, now)
    };
    let (mut one, mut buffer) = (receiver(), BytesMut::from(&b"\x02\x3c"[..]));
    for _ in 0..60 {
        buffer.extend_from_slice(b"x");
        assert!(one.receive(&mut buffer, now).unwrap().is_some());
    }
    buffer.extend_from_slice(b"\x80\x28");
    assert_eq!(one.receive(&mut buffer, now), Ok(None), "60 and 40 are 100");
    let (mut two, mut buffer) = (receiver(), BytesMut::from(&b"\x02\x3c"[..]));
    buffer.resize(62, b'x');
    assert!(two.receive(&mut buffer, now).unwrap().is_some());
    buffer.extend_from_slice(b"\x80\x29");
    let (bytes, allowed) = (101, 100);
    let expected = ProtocolError::MessageTooLong { bytes, allowed };
    assert_eq!(two.receive(&mut buffer, now), Err(expected));
    let mut amid = BytesMut::from(&b"\x81\x02a\xc3"[..]);
    let result = receiver().receive(&mut amid, now);
    assert_eq!(
        result,
        Err(ProtocolError::InvalidUtf8),
        "text ends amid a character"
    );
    let (mut three, mut buffer) = (
        receiver(),
        BytesMut::from(&b"\x02\x01a\x00\x01b\x80\x01c"[..]),
    );
    for _ in 0..2 {
        assert!(three.receive(&mut buffer, now).unwrap().is_some());
    }
    let expected = ProtocolError::TooManyFragments { allowed: 2 };
    assert_eq!(three.receive(&mut buffer, now), Err(expected));
}

/// A control frame is no piece: it comes when it is whole, also between the pieces of a message.
#[test]
fn control_frames_come_whole_between_pieces() {
    let now = Instant::now();
    for role in [Role::Server, Role::Client] {
        let mut engine = engine(role, Options::default().pieces(true), None, now);
        // A key of zeros masks nothing.
        let header = |first: u8, length: u8| match role {
            Role::Server => vec![first, 0x80 | length, 0, 0, 0, 0],
            Role::Client => vec![first, length],
        };
        let mut buffer = BytesMut::from(&header(0x02, 3)[..]);
        buffer.extend_from_slice(b"one");
        assert!(engine.receive(&mut buffer, now).unwrap().is_some());
        buffer.extend_from_slice(&header(0x89, 4));
        for byte in *b"pin" {
            buffer.extend_from_slice(&[byte]);
            assert_eq!(engine.receive(&mut buffer, now), Ok(None));
        }
        assert_eq!(buffer, &b"pin"[..], "what is there waits for the rest");
        buffer.extend_from_slice(b"g");
        let ping = Message::Ping((&b"ping"[..]).into());
        assert_eq!(engine.receive(&mut buffer, now), Ok(Some(ping)));
    }
}

/// An empty frame gives no piece unless it ends the message.
#[test]
fn empty_frames_give_no_piece_but_the_last() {
    let now = Instant::now();
    let mut engine = engine(Role::Client, Options::default().pieces(true), None, now);
    let mut buffer = BytesMut::from(&b"\x01\x00\x00\x00\x00\x02hi\x00\x00\x80\x00"[..]);
    let mut pieces = Vec::new();
    while let Some(Message::Frame(piece)) = engine.receive(&mut buffer, now).unwrap() {
        pieces.push((piece.header().opcode, piece.into_payload()));
    }
    let (first, last) = (OpCode::Data(Data::Text), OpCode::Data(Data::Continue));
    assert_eq!(pieces, [(first, "hi".into()), (last, "".into())]);
}

/// A compressed frame is inflated as it arrives, once there is enough of it to be worth a decompressor.
#[test]
fn compressed_frames_come_in_pieces_before_they_are_whole() {
    let now = Instant::now();
    let mut random = random();
    let payload: Vec<u8> = (0..60_000)
        .map(|_| u8::try_from(random(200)).unwrap())
        .collect();
    for (sends, receives) in [(Role::Server, Role::Client), (Role::Client, Role::Server)] {
        let mut sender = engine(sends, Options::default(), Some(AGREED), now);
        sender.send(Message::binary(payload.clone()), now).unwrap();
        let options = Options::default().pieces(true);
        let mut receiver = engine(receives, options, Some(AGREED), now);
        let (mut buffer, mut gathered, mut early) = (BytesMut::new(), Vec::new(), 0);
        let sent = written(&mut sender);
        assert!(sent[0] == 0xc2 && sent.len() < payload.len());
        for part in sent.chunks(5000) {
            buffer.extend_from_slice(part);
            while let Some(Message::Frame(piece)) = receiver.receive(&mut buffer, now).unwrap() {
                gathered.extend_from_slice(piece.payload());
                early += usize::from(!piece.header().is_final);
                assert_eq!(gathered.len() == payload.len(), piece.header().is_final);
            }
            assert!(buffer.is_empty(), "what arrived is taken");
        }
        assert!(gathered == payload);
        assert!(early > 5, "{early} pieces before the last");
    }
}

/// Test for the error that is expected.
type Check<'a> = &'a dyn Fn(&ProtocolError) -> bool;

/// A fault in a part of a frame is reported before the frame is whole.
#[test]
fn a_part_of_a_frame_that_is_wrong_fails_at_once() {
    let now = Instant::now();
    let invalid_deflate =
        |error: &ProtocolError| matches!(error, ProtocolError::InvalidDeflate { .. });
    let invalid_utf8 = |error: &ProtocolError| *error == ProtocolError::InvalidUtf8;
    // A block of type 3, and a stored block of 20,480 bytes that are no text; long enough to be inflated before the end.
    let no_block = vec![0xff; 20_000];
    let no_text = [&[0, 0, 0x50, 0xff, 0xaf][..], &no_block].concat();
    let cases: [(u8, &[u8], Check<'_>); 3] = [
        (0x81, b"text \xc3\x28", &invalid_utf8),
        (0xc2, &no_block, &invalid_deflate),
        (0xc1, &no_text, &invalid_utf8),
    ];
    for role in [Role::Server, Role::Client] {
        for (first, payload, check) in cases {
            let options = Options::default().pieces(true);
            let mut engine = engine(role, options, Some(AGREED), now);
            let header: &[u8] = match role {
                Role::Server => &[first, 0xfe, 0x60, 0, 0, 0, 0, 0],
                Role::Client => &[first, 0x7e, 0x60, 0],
            };
            let mut buffer = BytesMut::from(header);
            buffer.extend_from_slice(payload);
            let error = loop {
                match engine.receive(&mut buffer, now) {
                    Ok(Some(_)) => {}
                    Ok(None) => panic!("{first:x} waits for more"),
                    Err(error) => break error,
                }
            };
            assert!(check(&error), "{first:x}: {error}");
            assert_eq!(error.close_code_number(), 1007);
        }
    }
}
