//! Frames as bytes (RFC 9113 §4, §6).

/// The client's connection preface (RFC 9113 §3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Frame types (RFC 9113 §6).
pub mod kind {
    /// `DATA`.
    pub const DATA: u8 = 0;
    /// `HEADERS`.
    pub const HEADERS: u8 = 1;
    /// `PRIORITY`.
    pub const PRIORITY: u8 = 2;
    /// `RST_STREAM`.
    pub const RST_STREAM: u8 = 3;
    /// `SETTINGS`.
    pub const SETTINGS: u8 = 4;
    /// `PUSH_PROMISE`.
    pub const PUSH_PROMISE: u8 = 5;
    /// `PING`.
    pub const PING: u8 = 6;
    /// `GOAWAY`.
    pub const GOAWAY: u8 = 7;
    /// `WINDOW_UPDATE`.
    pub const WINDOW_UPDATE: u8 = 8;
    /// `CONTINUATION`.
    pub const CONTINUATION: u8 = 9;
}

/// Flags (RFC 9113 §6).
pub const ACK: u8 = 0x1;
/// `END_STREAM`.
pub const END_STREAM: u8 = 0x1;
/// `END_HEADERS`.
pub const END_HEADERS: u8 = 0x4;
/// `PADDED`.
pub const PADDED: u8 = 0x8;
/// `PRIORITY_FLAG`.
pub const PRIORITY_FLAG: u8 = 0x20;

/// Error codes (RFC 9113 §7).
pub mod code {
    /// `NO_ERROR`.
    pub const NO_ERROR: u32 = 0;
    /// `PROTOCOL_ERROR`.
    pub const PROTOCOL_ERROR: u32 = 1;
    /// `FLOW_CONTROL_ERROR`.
    pub const FLOW_CONTROL_ERROR: u32 = 3;
    /// `STREAM_CLOSED`.
    pub const STREAM_CLOSED: u32 = 5;
    /// `FRAME_SIZE_ERROR`.
    pub const FRAME_SIZE_ERROR: u32 = 6;
    /// `REFUSED_STREAM`.
    pub const REFUSED_STREAM: u32 = 7;
    /// `CANCEL`.
    pub const CANCEL: u32 = 8;
    /// `COMPRESSION_ERROR`.
    pub const COMPRESSION_ERROR: u32 = 9;
    /// `ENHANCE_YOUR_CALM`.
    pub const ENHANCE_YOUR_CALM: u32 = 11;
}

/// Identifiers of settings (RFC 9113 §6.5.2, RFC 8441 §3).
pub mod setting {
    /// `SETTINGS_HEADER_TABLE_SIZE`.
    pub const HEADER_TABLE_SIZE: u16 = 1;
    /// `SETTINGS_ENABLE_PUSH`.
    pub const ENABLE_PUSH: u16 = 2;
    /// `SETTINGS_MAX_CONCURRENT_STREAMS`.
    pub const MAX_CONCURRENT_STREAMS: u16 = 3;
    /// `SETTINGS_INITIAL_WINDOW_SIZE`.
    pub const INITIAL_WINDOW_SIZE: u16 = 4;
    /// `SETTINGS_MAX_FRAME_SIZE`.
    pub const MAX_FRAME_SIZE: u16 = 5;
    /// `SETTINGS_MAX_HEADER_LIST_SIZE`.
    pub const MAX_HEADER_LIST_SIZE: u16 = 6;
    /// `SETTINGS_ENABLE_CONNECT_PROTOCOL`.
    pub const ENABLE_CONNECT_PROTOCOL: u16 = 8;
}

/// A frame that came.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Its type.
    pub kind: u8,
    /// Its flags.
    pub flags: u8,
    /// Its stream, the reserved bit included.
    pub stream: u32,
    /// Its payload.
    pub payload: Vec<u8>,
}

impl Frame {
    /// Takes a whole frame from the front of `bytes`; `None` while there is none.
    pub fn take(bytes: &mut Vec<u8>) -> Option<Self> {
        let (head, rest) = bytes.split_at_checked(9)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let frame = Self {
            kind: head[3],
            flags: head[4],
            stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
            payload: rest.get(..length)?.to_vec(),
        };
        bytes.drain(..9 + length);
        Some(frame)
    }

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

/// A DATA frame.
pub fn data(stream: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    frame(kind::DATA, flags, stream, payload)
}

/// A whole header block; `END_HEADERS` comes by itself.
pub fn headers(stream: u32, flags: u8, block: &[u8]) -> Vec<u8> {
    frame(kind::HEADERS, flags | END_HEADERS, stream, block)
}

/// A PRIORITY frame.
pub fn priority(stream: u32, dependency: u32, weight: u8) -> Vec<u8> {
    let mut payload = dependency.to_be_bytes().to_vec();
    payload.push(weight);
    frame(kind::PRIORITY, 0, stream, &payload)
}

/// A `RST_STREAM` frame.
pub fn rst_stream(stream: u32, code: u32) -> Vec<u8> {
    frame(kind::RST_STREAM, 0, stream, &code.to_be_bytes())
}

/// One setting (RFC 9113 §6.5.1).
pub fn one_setting(identifier: u16, value: u32) -> [u8; 6] {
    let (identifier, value) = (identifier.to_be_bytes(), value.to_be_bytes());
    [
        identifier[0],
        identifier[1],
        value[0],
        value[1],
        value[2],
        value[3],
    ]
}

/// A SETTINGS frame.
pub fn settings(values: &[(u16, u32)]) -> Vec<u8> {
    let payload: Vec<[u8; 6]> = values
        .iter()
        .map(|(identifier, value)| one_setting(*identifier, *value))
        .collect();
    frame(kind::SETTINGS, 0, 0, payload.as_flattened())
}

/// A PING frame.
pub fn ping(flags: u8, payload: [u8; 8]) -> Vec<u8> {
    frame(kind::PING, flags, 0, &payload)
}

/// A GOAWAY frame.
pub fn goaway(last: u32, code: u32) -> Vec<u8> {
    let payload = [last.to_be_bytes(), code.to_be_bytes()].concat();
    frame(kind::GOAWAY, 0, 0, &payload)
}

/// A `WINDOW_UPDATE` frame.
pub fn window_update(stream: u32, increment: u32) -> Vec<u8> {
    frame(kind::WINDOW_UPDATE, 0, stream, &increment.to_be_bytes())
}

/// A CONTINUATION frame.
pub fn continuation(stream: u32, flags: u8, block: &[u8]) -> Vec<u8> {
    frame(kind::CONTINUATION, flags, stream, block)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_those_of_the_rfc() {
        let mut bytes = settings(&[(setting::INITIAL_WINDOW_SIZE, 0x0102_0304)]);
        assert_eq!(bytes, [0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 1, 2, 3, 4]);
        bytes.push(0xff);
        let frame = Frame::take(&mut bytes).unwrap();
        assert_eq!((frame.kind, frame.payload.len()), (kind::SETTINGS, 6));
        assert_eq!(
            (Frame::take(&mut bytes).is_none(), bytes),
            (true, vec![0xff])
        );
    }
}
