//! HTTP/2 written by hand, so that every rule of it can be broken.

mod hpack;
mod peer;

pub(crate) use hpack::Block;
pub(crate) use peer::{Peer, Seen, Sent};

/// A frame of RFC 9113 §4.1.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len())
        .unwrap_or(u32::MAX)
        .to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// One setting of RFC 9113 §6.5.1.
pub(crate) fn setting(name: u16, value: u32) -> [u8; 6] {
    let (name, value) = (name.to_be_bytes(), value.to_be_bytes());
    [name[0], name[1], value[0], value[1], value[2], value[3]]
}

/// DATA.
pub(crate) const DATA: u8 = 0;
/// HEADERS.
pub(crate) const HEADERS: u8 = 1;
/// `RST_STREAM`.
pub(crate) const RST_STREAM: u8 = 3;
/// SETTINGS.
pub(crate) const SETTINGS: u8 = 4;
/// PING.
pub(crate) const PING: u8 = 6;
/// GOAWAY.
pub(crate) const GOAWAY: u8 = 7;
/// `WINDOW_UPDATE`.
pub(crate) const WINDOW_UPDATE: u8 = 8;
/// CONTINUATION.
pub(crate) const CONTINUATION: u8 = 9;

/// The stream has no more to say.
pub(crate) const END_STREAM: u8 = 1;
/// An acknowledgement.
pub(crate) const ACK: u8 = 1;
/// The header block is whole.
pub(crate) const END_HEADERS: u8 = 4;

/// `SETTINGS_INITIAL_WINDOW_SIZE`.
pub(crate) const INITIAL_WINDOW_SIZE: u16 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_those_of_the_rfc() {
        let bytes = frame(SETTINGS, 0, 0, &setting(INITIAL_WINDOW_SIZE, 0x0102_0304));
        assert_eq!(bytes, [0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 1, 2, 3, 4]);
    }
}
