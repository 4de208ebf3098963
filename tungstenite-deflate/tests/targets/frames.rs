//! Frame decoding: how the bytes are cut makes no difference.

use std::sync::Arc;
use std::time::Instant;

use bytes::{Buf, BytesMut};
use tungstenite_deflate::tungstenite::Message;
use tungstenite_deflate::tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite_deflate::{Agreed, Connection, DeflateConfig, Options, ProtocolError};

use super::{Input, wire};

/// Result of a connection for its input.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    /// Messages, in order.
    pub messages: Vec<Message>,
    /// The violation that ended it.
    pub error: Option<ProtocolError>,
    /// Frames that it wrote.
    pub written: Vec<wire::Frame>,
}

impl Outcome {
    fn fail(&mut self, error: ProtocolError) {
        assert!(self.error.is_none(), "{error:?} after {:?}", self.error);
        self.error = Some(error);
    }
}

/// Small limits, so that the fuzzer reaches them.
pub fn options() -> Arc<Options> {
    let mut websocket = WebSocketConfig::default();
    websocket.max_message_size = Some(16 * 1024);
    websocket.max_frame_size = Some(8 * 1024);
    Arc::new(Options::from(websocket).deflate(Some(DeflateConfig::default())))
}

/// permessage-deflate with or without context takeover on both sides.
pub fn agreed(takeover: bool) -> Agreed {
    Agreed {
        server_no_context_takeover: !takeover,
        client_no_context_takeover: !takeover,
        server_max_window_bits: 15,
        client_max_window_bits: 15,
    }
}

/// Role and extension by the first byte, the rest are received bytes: whole, one by one, and cut in pieces.
pub fn frames(data: &[u8]) {
    let mut input = Input(data);
    let choice = input.byte();
    let role = if choice & 1 == 0 {
        Role::Server
    } else {
        Role::Client
    };
    let agreed = (choice & 2 != 0).then(|| agreed(choice & 4 != 0));
    let piece = usize::from(choice >> 3) + 1;
    let whole = receive(role, agreed, input.0.chunks(input.0.len().max(1)));
    assert_eq!(
        receive(role, agreed, input.0.chunks(piece)),
        whole,
        "in pieces of {piece}"
    );
    if input.0.len() < 256 {
        assert_eq!(
            receive(role, agreed, input.0.chunks(1)),
            whole,
            "byte by byte"
        );
    }
}

/// Feeds pieces to a fresh connection until it has enough.
pub fn receive<'a>(
    role: Role,
    agreed: Option<Agreed>,
    pieces: impl Iterator<Item = &'a [u8]>,
) -> Outcome {
    let now = Instant::now();
    let mut connection = Connection::new(role, options(), agreed, now);
    let mut buffer = BytesMut::new();
    let mut outcome = Outcome {
        messages: Vec::new(),
        error: None,
        written: Vec::new(),
    };
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match connection.receive(&mut buffer, now) {
                Ok(Some(message)) => {
                    assert!(message.len() <= 16 * 1024, "{} bytes", message.len());
                    assert!(
                        outcome.error.is_none(),
                        "a message after {:?}",
                        outcome.error
                    );
                    outcome.messages.push(message);
                }
                Ok(None) => break,
                Err(error) => outcome.fail(error),
            }
        }
        if let Err(error) = connection.handle_wait(&mut buffer) {
            outcome.fail(error);
        }
        assert!(
            buffer.len() <= 8 * 1024 + 14,
            "an incomplete frame is within the limits"
        );
    }
    let mut written = Vec::new();
    while connection.outgoing().has_remaining() {
        let outgoing = connection.outgoing();
        written.extend_from_slice(outgoing.chunk());
        let taken = outgoing.chunk().len();
        outgoing.advance(taken);
    }
    outcome.written = wire::frames(&written, role == Role::Client, agreed.is_some());
    if let Some(error) = &outcome.error {
        let last = outcome.written.last().and_then(wire::Frame::close_code);
        assert_eq!(
            last,
            Some(error.close_code_number()),
            "the Close that answers {error:?}"
        );
    }
    outcome
}

/// Payload bytes that a connection waits for behind this header; `None` if it is refused or not whole.
pub fn wanted(role: Role, header: &[u8]) -> Option<usize> {
    let now = Instant::now();
    let mut connection = Connection::new(role, options(), None, now);
    let mut buffer = BytesMut::from(header);
    match connection.receive(&mut buffer, now) {
        Ok(None) => Some(connection.bytes_wanted(&buffer)).filter(|wanted| *wanted > 0),
        Ok(Some(_)) | Err(_) => None,
    }
}
