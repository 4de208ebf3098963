//! Inflation against flate2: what is accepted must be what DEFLATE says, and within the limit.

use flate2::{Decompress, FlushDecompress, Status};
use tungstenite_deflate::tungstenite::Message;
use tungstenite_deflate::tungstenite::protocol::Role;

use super::{Input, frames};

/// Most bytes a message may have, as in [`frames::options`].
const LIMIT: usize = 16 * 1024;

/// The first byte chooses how the rest, one compressed message, is cut into frames.
pub fn inflate(data: &[u8]) {
    let mut input = Input(data);
    let choice = input.byte();
    let pieces = usize::from(choice & 0x0f) + 1;
    let payload = &input.0[..input.0.len().min(8 * 1024)];
    let piece = payload.len().div_ceil(pieces).max(1);
    let mut cut: Vec<&[u8]> = payload.chunks(piece).collect();
    if cut.is_empty() {
        cut.push(&[]);
    }
    let last = cut.len() - 1;
    let wire: Vec<u8> = cut
        .iter()
        .enumerate()
        .flat_map(|(at, piece)| frame(at == 0, at == last, piece))
        .collect();
    let outcome = frames::receive(
        Role::Client,
        Some(frames::agreed(choice & 0x10 != 0)),
        std::iter::once(&wire[..]),
    );
    let Some(Message::Binary(message)) = outcome.messages.first() else {
        assert!(
            outcome.messages.is_empty() && outcome.error.is_some(),
            "neither a message nor an error: {outcome:?}"
        );
        return;
    };
    assert!(message.len() <= LIMIT);
    let (expected, ended) = reference(payload);
    if ended {
        // Behind a final block ours begins anew (RFC 7692 §7.2.3.4), the reference stops.
        assert!(
            message.starts_with(&expected),
            "differs from flate2 before the final block"
        );
    } else {
        assert_eq!(message[..], expected[..], "differs from flate2");
    }
}

/// A server's frame of a compressed binary message.
fn frame(first: bool, fin: bool, payload: &[u8]) -> Vec<u8> {
    let head = u8::from(fin) << 7 | if first { 0x42 } else { 0 };
    let mut frame = vec![head];
    match u16::try_from(payload.len()) {
        Ok(short @ 0..126) => frame.push(short.to_be_bytes()[1]),
        Ok(length) => {
            frame.push(126);
            frame.extend_from_slice(&length.to_be_bytes());
        }
        Err(_) => unreachable!("payloads are cut at 8 KiB"),
    }
    frame.extend_from_slice(payload);
    frame
}

/// Returns the payload and its tail as flate2 inflates them, and true if a final block ended it.
fn reference(payload: &[u8]) -> (Vec<u8>, bool) {
    let mut bytes = payload.to_vec();
    bytes.extend_from_slice(&[0, 0, 0xff, 0xff]);
    let mut decompress = Decompress::new(false);
    let mut out = vec![0; LIMIT + 1024];
    let status = decompress.decompress(&bytes, &mut out, FlushDecompress::Sync);
    let length = usize::try_from(decompress.total_out()).expect("within the buffer");
    out.truncate(length);
    (out, matches!(status, Ok(Status::StreamEnd)))
}
