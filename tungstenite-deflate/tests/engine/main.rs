//! The engine's bounds to the byte, its getters and its queue, seen from outside; what arrives is in vectors.rs.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod compression;
mod deadlines;
mod life;
mod pieces;
mod receiving;
mod sending;
mod shared;
mod steps;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use tungstenite_deflate::tungstenite::Message;
use tungstenite_deflate::tungstenite::protocol::Role;
use tungstenite_deflate::{Agreed, Connection, Options, ProtocolError};

const AGREED: Agreed = Agreed {
    server_no_context_takeover: true,
    client_no_context_takeover: true,
    server_max_window_bits: 15,
    client_max_window_bits: 15,
};
const SECOND: Duration = Duration::from_secs(1);

fn engine(role: Role, options: Options, agreed: Option<Agreed>, now: Instant) -> Connection {
    Connection::new(role, Arc::new(options), agreed, now)
}

/// All that waits to be written, as the transport takes it.
fn written(engine: &mut Connection) -> Vec<u8> {
    let mut bytes = Vec::new();
    while engine.outgoing().has_remaining() {
        let outgoing = engine.outgoing();
        bytes.extend_from_slice(&outgoing.copy_to_bytes(outgoing.remaining()));
    }
    bytes
}

/// First bytes and payloads of a server's frames.
fn frames(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let (first, short) = (bytes[0], usize::from(bytes[1]));
        bytes.advance(2);
        let length = match short {
            126 => usize::from(bytes.get_u16()),
            127 => usize::try_from(bytes.get_u64()).expect("a length"),
            short => short,
        };
        frames.push((first, bytes[..length].to_vec()));
        bytes.advance(length);
    }
    frames
}

fn receive(
    engine: &mut Connection,
    bytes: &[u8],
    now: Instant,
) -> Result<Option<Message>, ProtocolError> {
    engine.receive(&mut BytesMut::from(bytes), now)
}

/// Marsaglia's xorshift.
fn random() -> impl FnMut(usize) -> usize {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from((state >> 33) % below as u64).expect("below a usize")
    }
}
