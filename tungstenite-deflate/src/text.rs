//! Bytes to text. The conversion is the check of its encoding (RFC 6455 §8.1).

use faststr::FastStr;

use crate::error::ProtocolError;
use crate::tungstenite::Utf8Bytes;

/// Texts up to this size cost less to copy than to hand on in the memory that they are in.
pub(crate) const COPY_UP_TO: usize = 2 * 1024;

/// The text as a copy of its own.
pub(crate) fn copied(bytes: &[u8]) -> Result<Utf8Bytes, ProtocolError> {
    simdutf8::basic::from_utf8(bytes)
        .map(Utf8Bytes::from)
        .map_err(|_| ProtocolError::InvalidUtf8)
}

/// The text in the memory that it is in, if it is worth it.
///
/// The standard library would take one character after the other where they are not ASCII; `FastStr` is the safe way to
/// take simdutf8's word for owned bytes.
pub(crate) fn owned(bytes: Vec<u8>) -> Result<Utf8Bytes, ProtocolError> {
    if bytes.len() <= COPY_UP_TO {
        return copied(&bytes);
    }
    FastStr::from_vec_u8(bytes)
        .map(|text| Utf8Bytes::from(String::from(text)))
        .map_err(|_| ProtocolError::InvalidUtf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A wrong byte at each position of a text, short enough to be copied or not, is found, as the standard library does.
    #[test]
    fn texts_are_what_the_standard_library_says_they_are() {
        for length in [0, 1, 31, 64, 65, 700, COPY_UP_TO, COPY_UP_TO + 1] {
            let mut text = "é世🌍a".repeat(length / 10);
            text.push_str(&"x".repeat(length - text.len()));
            assert_eq!(text.len(), length);
            assert_eq!(owned(text.clone().into()).unwrap(), text);
            for at in 0..text.len() {
                for wrong in [0x00, 0x80, 0xc0, 0xff] {
                    let mut bytes = text.clone().into_bytes();
                    bytes[at] = wrong;
                    let expected = std::str::from_utf8(&bytes);
                    let (copied, owned) = (copied(&bytes), owned(bytes.clone()));
                    assert_eq!(copied.as_deref().ok(), expected.ok(), "{length} {at}");
                    assert_eq!(owned.as_deref().ok(), expected.ok(), "{length} {at}");
                }
            }
        }
    }
}
