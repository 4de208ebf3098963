//! Frames of HTTP/2 as bytes, written and read without a library.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// What a client sends first (RFC 9113 §3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Frame types (RFC 9113 §6).
pub mod kind {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const PRIORITY: u8 = 2;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PUSH_PROMISE: u8 = 5;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
}

/// Flags (RFC 9113 §6).
pub const ACK: u8 = 0x1;
pub const END_STREAM: u8 = 0x1;
pub const END_HEADERS: u8 = 0x4;
pub const PADDED: u8 = 0x8;
pub const PRIORITY_FLAG: u8 = 0x20;

/// Error codes (RFC 9113 §7).
pub mod code {
    pub const NO_ERROR: u32 = 0;
    pub const PROTOCOL_ERROR: u32 = 1;
    pub const FLOW_CONTROL_ERROR: u32 = 3;
    pub const STREAM_CLOSED: u32 = 5;
    pub const FRAME_SIZE_ERROR: u32 = 6;
    pub const REFUSED_STREAM: u32 = 7;
    pub const CANCEL: u32 = 8;
    pub const COMPRESSION_ERROR: u32 = 9;
    pub const ENHANCE_YOUR_CALM: u32 = 11;
}

/// Identifiers of settings (RFC 9113 §6.5.2, RFC 8441 §3).
pub mod setting {
    pub const HEADER_TABLE_SIZE: u16 = 1;
    pub const ENABLE_PUSH: u16 = 2;
    pub const MAX_CONCURRENT_STREAMS: u16 = 3;
    pub const INITIAL_WINDOW_SIZE: u16 = 4;
    pub const MAX_FRAME_SIZE: u16 = 5;
    pub const MAX_HEADER_LIST_SIZE: u16 = 6;
    pub const ENABLE_CONNECT_PROTOCOL: u16 = 8;
}

/// A frame that came.
#[derive(Clone, Debug)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    /// A number at `offset` of the payload; `u32::MAX` if it is too short.
    pub fn number(&self, offset: usize) -> u32 {
        let bytes = self.payload.get(offset..offset + 4);
        bytes.map_or(u32::MAX, |bytes| {
            u32::from_be_bytes(bytes.try_into().unwrap())
        })
    }

    /// The status that a header block begins with; 0 where it is not understood.
    pub fn status(&self) -> u16 {
        let mut block = &self.payload[..];
        // The size of the dynamic table may come first (RFC 7541 §6.3).
        while let Some((update @ 0x20..=0x3f, rest)) = block.split_first() {
            let further = rest.iter().take_while(|byte| **byte & 0x80 != 0).count() + 1;
            block = if *update == 0x3f {
                &rest[further..]
            } else {
                rest
            };
        }
        match block {
            [indexed @ 0x88..=0x8e, ..] => {
                [200, 204, 206, 304, 400, 404, 500][usize::from(indexed - 0x88)]
            }
            [0x48 | 0x08, length, rest @ ..] => {
                let value = &rest[..usize::from(length & 0x7f)];
                if length & 0x80 == 0 {
                    return std::str::from_utf8(value).unwrap().parse().unwrap();
                }
                huffman_digits(value)
            }
            _ => 0,
        }
    }
}

/// Three digits in the code of RFC 7541 appendix B: 0 to 2 take five bits, the others six.
fn huffman_digits(bytes: &[u8]) -> u16 {
    let mut bits = bytes
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| u16::from(byte >> bit & 1)));
    let mut number = 0;
    for _ in 0..3 {
        let mut code = 0;
        for _ in 0..5 {
            code = code << 1 | bits.next().unwrap();
        }
        let digit = if code <= 2 {
            code
        } else {
            (code << 1 | bits.next().unwrap()) - 0x19 + 3
        };
        number = number * 10 + digit;
    }
    number
}

/// A frame with a true length.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    lying_frame(kind, flags, stream, payload.len(), payload)
}

/// A frame that says it has `length` bytes.
pub fn lying_frame(kind: u8, flags: u8, stream: u32, length: usize, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(length).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

pub fn data(stream: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    frame(kind::DATA, flags, stream, payload)
}

/// A whole header block; `END_HEADERS` comes by itself.
pub fn headers(stream: u32, flags: u8, block: &[u8]) -> Vec<u8> {
    frame(kind::HEADERS, flags | END_HEADERS, stream, block)
}

pub fn priority(stream: u32, dependency: u32, weight: u8) -> Vec<u8> {
    let mut payload = dependency.to_be_bytes().to_vec();
    payload.push(weight);
    frame(kind::PRIORITY, 0, stream, &payload)
}

pub fn rst_stream(stream: u32, code: u32) -> Vec<u8> {
    frame(kind::RST_STREAM, 0, stream, &code.to_be_bytes())
}

pub fn settings(values: &[(u16, u32)]) -> Vec<u8> {
    let mut payload = Vec::new();
    for (identifier, value) in values {
        payload.extend(identifier.to_be_bytes());
        payload.extend(value.to_be_bytes());
    }
    frame(kind::SETTINGS, 0, 0, &payload)
}

pub fn ping(flags: u8, payload: [u8; 8]) -> Vec<u8> {
    frame(kind::PING, flags, 0, &payload)
}

pub fn goaway(last: u32, code: u32) -> Vec<u8> {
    let payload = [last.to_be_bytes(), code.to_be_bytes()].concat();
    frame(kind::GOAWAY, 0, 0, &payload)
}

pub fn window_update(stream: u32, increment: u32) -> Vec<u8> {
    frame(kind::WINDOW_UPDATE, 0, stream, &increment.to_be_bytes())
}

pub fn continuation(stream: u32, flags: u8, block: &[u8]) -> Vec<u8> {
    frame(kind::CONTINUATION, flags, stream, block)
}

/// A string of HPACK without Huffman coding (RFC 7541 §5.2).
pub fn string(text: &[u8]) -> Vec<u8> {
    let mut bytes = integer(0, 7, text.len());
    bytes.extend(text);
    bytes
}

/// An integer with a prefix of `bits` bits behind `pattern` (RFC 7541 §5.1).
pub fn integer(pattern: u8, bits: u32, value: usize) -> Vec<u8> {
    let most = (1_usize << bits) - 1;
    if value < most {
        return vec![pattern | u8::try_from(value).unwrap()];
    }
    let mut bytes = vec![pattern | u8::try_from(most).unwrap()];
    let mut rest = value - most;
    while rest >= 0x80 {
        bytes.push(u8::try_from(rest & 0x7f).unwrap() | 0x80);
        rest >>= 7;
    }
    bytes.push(u8::try_from(rest).unwrap());
    bytes
}

/// A literal field without indexing and with its name written out (RFC 7541 §6.2.2).
pub fn literal(name: &[u8], value: &[u8]) -> Vec<u8> {
    [vec![0], string(name), string(value)].concat()
}

/// A header block of literals.
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    fields
        .iter()
        .flat_map(|(name, value)| literal(name.as_bytes(), value.as_bytes()))
        .collect()
}

/// The four pseudo-fields of a request.
pub fn request(method: &str, path: &str) -> Vec<u8> {
    block(&[
        (":method", method),
        (":scheme", "https"),
        (":authority", "localhost"),
        (":path", path),
    ])
}

/// A GET that is answered with 200, and further `fields`.
pub fn get(fields: &[(&str, &str)]) -> Vec<u8> {
    [request("GET", "/healthz"), block(fields)].concat()
}

/// The head of a POST whose body the server waits for, and further `fields`.
pub fn post(fields: &[(&str, &str)]) -> Vec<u8> {
    let head = request("POST", "/rooms/rules/messages");
    [
        head,
        block(&[("content-type", "application/json")]),
        block(fields),
    ]
    .concat()
}

/// An extended CONNECT for a WebSocket (RFC 8441 §4).
pub fn websocket(path: &str) -> Vec<u8> {
    let protocol = [(":protocol", "websocket"), ("sec-websocket-version", "13")];
    let pseudo = request("CONNECT", path);
    [pseudo, block(&protocol)].concat()
}

/// A client's side of the connection.
pub struct Peer {
    stream: TlsStream<TcpStream>,
    unread: Vec<u8>,
    /// Everything that came.
    pub frames: Vec<Frame>,
}

impl Peer {
    pub fn new(stream: TlsStream<TcpStream>) -> Self {
        Self {
            stream,
            unread: Vec::new(),
            frames: Vec::new(),
        }
    }

    /// Sends `bytes`; the server may be gone already, which the reader will notice.
    pub async fn write(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
        let _ = self.stream.flush().await;
    }

    /// The next frame; `None` once the server has closed.
    pub async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.take() {
                self.frames.push(frame.clone());
                return Some(frame);
            }
            match self.stream.read_buf(&mut self.unread).await {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// A whole frame out of what was read.
    fn take(&mut self) -> Option<Frame> {
        let (head, rest) = self.unread.split_at_checked(9)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let payload = rest.get(..length)?.to_vec();
        let frame = Frame {
            kind: head[3],
            flags: head[4],
            stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
            payload,
        };
        self.unread.drain(..9 + length);
        Some(frame)
    }

    /// Reads until `wanted` comes; false if the server closes before.
    pub async fn until(&mut self, wanted: impl Fn(&Frame) -> bool) -> bool {
        while let Some(frame) = self.next().await {
            if wanted(&frame) {
                return true;
            }
        }
        false
    }
}
