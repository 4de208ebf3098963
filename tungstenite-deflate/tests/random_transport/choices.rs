//! Choices that a seed makes: options, the peer's bytes, the program's calls, the end of a transport.

use std::io::ErrorKind;
use std::time::Duration;

use bytes::Bytes;
use tungstenite_deflate::tungstenite::Message;
use tungstenite_deflate::tungstenite::protocol::frame::coding::CloseCode;
use tungstenite_deflate::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tungstenite_deflate::{Agreed, Keepalive, Options};

use super::random::Random;

const KINDS: [ErrorKind; 8] = [
    ErrorKind::BrokenPipe,
    ErrorKind::ConnectionReset,
    ErrorKind::ConnectionAborted,
    ErrorKind::NotConnected,
    ErrorKind::TimedOut,
    ErrorKind::UnexpectedEof,
    ErrorKind::WriteZero,
    ErrorKind::Other,
];

pub(super) fn kind(random: &mut Random) -> ErrorKind {
    KINDS[random.below(KINDS.len())]
}

pub(super) fn options(random: &mut Random) -> Options {
    let config = WebSocketConfig::default().write_buffer_size([0, 100, 128 << 10][random.below(3)]);
    let options = match random.below(3) {
        0 => Options::drop_in(Some(config)),
        1 => Options::default().websocket(config),
        _ => Options::default().websocket(config).keepalive(Some(
            Keepalive::default()
                .ping_interval(Duration::from_secs(3))
                .pong_timeout(Duration::from_secs(2)),
        )),
    };
    options
        .fragment_bytes([None, Some(100)][random.below(2)])
        .pieces(random.below(4) == 0)
}

pub(super) fn agreed(random: &mut Random) -> Option<Agreed> {
    (random.below(2) == 0).then_some(Agreed {
        server_no_context_takeover: random.below(2) == 0,
        client_no_context_takeover: random.below(2) == 0,
        server_max_window_bits: 15,
        client_max_window_bits: 15,
    })
}

fn close_frame(random: &mut Random) -> Option<CloseFrame> {
    (random.below(2) == 0).then(|| CloseFrame {
        code: CloseCode::Away,
        reason: "going".into(),
    })
}

/// Messages that the program sends.
pub(super) fn message(random: &mut Random) -> Message {
    let length = [0, 5, 120, 700, 20_000][random.below(5)];
    match random.below(10) {
        0 => Message::Close(close_frame(random)),
        1 => Message::Ping(Bytes::from(vec![1; length.min(125)])),
        2 => Message::Pong(Bytes::from(vec![2; length.min(125)])),
        3..6 => Message::text("x".repeat(length)),
        _ => Message::binary(vec![3; length]),
    }
}

/// A frame of the other side of `role`; a key of zeros masks nothing.
pub(super) fn frame(role: Role, first: u8, payload: &[u8]) -> Vec<u8> {
    let masked = if role == Role::Server { 0x80 } else { 0 };
    let mut frame = vec![first];
    match u16::try_from(payload.len()).unwrap() {
        short @ 0..126 => frame.push(masked | u8::try_from(short).unwrap()),
        long => {
            frame.push(masked | 0x7e);
            frame.extend(long.to_be_bytes());
        }
    }
    if role == Role::Server {
        frame.extend([0; 4]);
    }
    frame.extend(payload);
    frame
}

/// Bytes that the peer sends: messages whole and in fragments, control frames, now and then a Close or a violation.
pub(super) fn incoming(random: &mut Random, role: Role) -> Vec<u8> {
    let payload = vec![b'x'; [0, 3, 125, 400, 9000][random.below(5)]];
    let control = &payload[..payload.len().min(125)];
    match random.below(14) {
        0 => frame(role, 0x88, &1000_u16.to_be_bytes()),
        1 => frame(role, 0x88, b""),
        2 => frame(role, 0x83, b""),
        3 => frame(role, 0x81, b"\xff"),
        4..6 => frame(role, 0x89, control),
        6 => frame(role, 0x8a, control),
        7 => [
            frame(role, 0x01, &payload),
            frame(role, 0x89, control),
            frame(role, 0x80, &payload),
        ]
        .concat(),
        8 => frame(role, 0x01, &payload),
        9 => frame(role, 0x80, &payload),
        _ => frame(role, 0x82, &payload),
    }
}
