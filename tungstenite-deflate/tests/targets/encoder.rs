//! Compression against flate2: what is sent must inflate to what was given.

use std::time::Instant;

use bytes::Buf;
use flate2::{Decompress, FlushDecompress};
use tungstenite_deflate::tungstenite::Message;
use tungstenite_deflate::tungstenite::protocol::Role;
use tungstenite_deflate::{Agreed, Compression, Connection, DeflateConfig, Options};

use super::{Input, wire};

/// Most messages of one connection.
const MESSAGES: usize = 8;
/// Most bytes of a message: twice a window and more.
const LONGEST: usize = 80 * 1024;

/// The first byte chooses window and context takeover, the rest writes messages, each with its choice of compression.
pub fn encoder(data: &[u8]) {
    let mut input = Input(data);
    let choice = input.byte();
    let takeover = choice & 8 != 0;
    let agreed = Agreed {
        server_no_context_takeover: !takeover,
        client_no_context_takeover: true,
        server_max_window_bits: 9 + (choice & 7) % 7,
        client_max_window_bits: 15,
    };
    let options = Options::default().deflate(Some(DeflateConfig::default()));
    let now = Instant::now();
    let mut connection = Connection::new(Role::Server, options.into(), Some(agreed), now);
    let mut decompress = Decompress::new(false);
    let mut sent = Vec::new();
    for _ in 0..MESSAGES {
        if input.0.is_empty() {
            break;
        }
        let start = sent.len();
        write(&mut input, &mut sent);
        let message = &sent[start..];
        let compression = match input.byte() % 4 {
            0 => Compression::Auto,
            1 => Compression::Never,
            _ => Compression::Always,
        };
        connection
            .send_with(Message::binary(message.to_vec()), compression, now)
            .expect("an open connection");
        let frame = frame(&mut connection);
        assert!(
            frame.payload.len() <= message.len() + 5 * message.len().div_ceil(32 * 1024) + 1,
            "{} bytes for {}",
            frame.payload.len(),
            message.len()
        );
        if !frame.rsv1 {
            assert!(compression != Compression::Always && frame.payload == message);
            continue;
        }
        if !takeover {
            decompress.reset(false);
        }
        assert!(inflated(&mut decompress, &frame.payload, message.len()) == message);
    }
}

/// Appends a message: bytes as they stand, runs, and copies of what was sent before.
fn write(input: &mut Input<'_>, sent: &mut Vec<u8>) {
    let start = sent.len();
    for _ in 0..=input.byte() % 16 {
        let room = LONGEST - (sent.len() - start).min(LONGEST);
        match input.byte() % 4 {
            0 => {
                let count = usize::from(input.byte());
                sent.extend_from_slice(input.take(count.min(room)));
            }
            1 => {
                let (byte, count) = (input.byte(), input.number());
                sent.extend(std::iter::repeat_n(byte, count.min(room)));
            }
            2 => {
                let (back, count) = (input.number() + 1, input.number());
                let Some(from) = sent.len().checked_sub(back) else {
                    continue;
                };
                for at in from..from + count.min(room) {
                    sent.push(sent[at]);
                }
            }
            _ => {
                // Noise, so that windows fill with what does not repeat.
                let (mut state, count) = (input.number() as u64 + 1, input.number());
                for _ in 0..count.min(room) {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    sent.push(state.to_le_bytes()[3]);
                }
            }
        }
    }
}

/// The one frame that waits to be written.
fn frame(connection: &mut Connection) -> wire::Frame {
    let mut written = Vec::new();
    while connection.outgoing().has_remaining() {
        let outgoing = connection.outgoing();
        let chunk = outgoing.chunk().len();
        written.extend_from_slice(outgoing.chunk());
        outgoing.advance(chunk);
    }
    let mut frames = wire::frames(&written, false, true);
    assert_eq!(frames.len(), 1);
    let frame = frames.remove(0);
    assert!(frame.fin);
    frame
}

/// Returns the payload and its tail as flate2 inflates them.
fn inflated(decompress: &mut Decompress, payload: &[u8], length: usize) -> Vec<u8> {
    let data = [payload, &[0, 0, 0xff, 0xff]].concat();
    let before = decompress.total_out();
    let mut out = vec![0; length + 64];
    decompress
        .decompress(&data, &mut out, FlushDecompress::Sync)
        .expect("DEFLATE data");
    out.truncate(usize::try_from(decompress.total_out() - before).expect("within the buffer"));
    out
}
