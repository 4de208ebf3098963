//! Payloads of whole frames: out of the buffer that they were read into, unmasked, into memory of their own.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::error::ProtocolError;
use crate::mask;
use crate::text;
use crate::tungstenite::Utf8Bytes;

/// A frame's payload at the start of the buffer that it was read into.
#[derive(Debug)]
pub(super) struct Payload<'a> {
    /// Begins with the payload; frames after it may follow.
    pub(super) buffer: &'a mut BytesMut,
    pub(super) length: usize,
    pub(super) masking_key: Option<[u8; 4]>,
    /// Bytes that are unmasked already.
    pub(super) unmasked: usize,
}

/// Payloads up to this size are copied, so that a message that is kept does not keep the read buffer. An eighth of that
/// buffer: what is kept is at most eight times what the message needs.
const COPY_UP_TO: usize = 8 * 1024;

/// Larger payloads take the buffer with them where nothing else is in it; others leave it to what is read next.
const GIVE_AWAY_ABOVE: usize = 64 * 1024;

impl Payload<'_> {
    /// The payload: copied if it is small, a piece of the buffer if not.
    pub(super) fn into_bytes(self) -> Bytes {
        if self.length <= COPY_UP_TO {
            self.copied().into()
        } else {
            self.piece().freeze()
        }
    }

    /// The payload in memory that holds nothing else.
    fn into_vec(self) -> Vec<u8> {
        if self.is_alone() {
            self.piece().into()
        } else {
            self.copied()
        }
    }

    /// The payload as text; the conversion is the check of its encoding (RFC 6455 §8.1).
    pub(super) fn into_text(self) -> Result<Utf8Bytes, ProtocolError> {
        if self.length <= text::COPY_UP_TO {
            self.lend(text::copied)
        } else {
            text::owned(self.into_vec())
        }
    }

    /// Appends the payload to those of the frames before it.
    pub(super) fn append_to(self, message: &mut BytesMut) {
        if message.is_empty() && self.length > COPY_UP_TO {
            *message = self.piece();
        } else {
            let (buffer, length) = self.unmasked();
            append(&buffer[..length], message);
            buffer.advance(length);
        }
    }

    /// Gives the unmasked payload to `take` and drops it then.
    pub(super) fn lend<T>(self, take: impl FnOnce(&[u8]) -> T) -> T {
        let (buffer, length) = self.unmasked();
        let taken = take(&buffer[..length]);
        buffer.advance(length);
        taken
    }

    /// Gives the unmasked payload to `take` and drops the bytes that it says it took; `None` is all of them.
    pub(super) fn lend_some<E>(
        self,
        take: impl FnOnce(&[u8]) -> Result<Option<usize>, E>,
    ) -> Result<Option<usize>, E> {
        let (buffer, length) = self.unmasked();
        let taken = take(&buffer[..length])?;
        buffer.advance(taken.unwrap_or(length));
        Ok(taken)
    }

    fn copied(self) -> Vec<u8> {
        let mut copy = Vec::with_capacity(self.length);
        let payload = &self.buffer[..self.length];
        match self.masking_key {
            None => append(payload, &mut copy),
            Some(key) => {
                let (unmasked, masked) = payload.split_at(self.unmasked);
                append(unmasked, &mut copy);
                mask::copy(masked, mask::rotated(key, unmasked.len()), &mut copy);
            }
        }
        self.buffer.advance(self.length);
        copy
    }

    fn piece(self) -> BytesMut {
        let alone = self.is_alone();
        let (buffer, length) = self.unmasked();
        if alone {
            std::mem::take(buffer)
        } else {
            buffer.split_to(length)
        }
    }

    /// Returns true if the buffer can go with the payload, which is large, all of its content and most of its memory.
    fn is_alone(&self) -> bool {
        self.length > GIVE_AWAY_ABOVE
            && self.length == self.buffer.len()
            && self.length >= self.buffer.capacity() / 2
    }
}

impl<'a> Payload<'a> {
    /// Unmasks in place what is still masked.
    fn unmasked(self) -> (&'a mut BytesMut, usize) {
        let Self { buffer, length, .. } = self;
        if let Some(key) = self.masking_key {
            mask::apply(&mut buffer[self.unmasked..length], key, self.unmasked);
        }
        (buffer, length)
    }
}

/// Appends `bytes` to `out`.
///
/// In pieces, since glibc copies longer runs with `rep movsb`, which AMD's Zen 3 and Zen 4 do 26 times slower where the
/// target stands 1 to 15 bytes after the source, page for page (glibc's bug 30994). What is allocated next to a buffer
/// of whole pages, to hold what stands after a frame's header in it, stands just there.
pub(crate) fn append(bytes: &[u8], out: &mut impl BufMut) {
    for piece in bytes.chunks(PIECE_BYTES) {
        out.put_slice(piece);
    }
}

/// Short enough for glibc to copy with vectors.
const PIECE_BYTES: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    /// On both sides of every size at which something is done in another way.
    const LENGTHS: [usize; 14] = [
        0, 1, 63, 64, 255, 256, 2047, 2048, 2049, 8192, 8193, 65_536, 65_537, 300_000,
    ];

    /// ASCII with characters of two to four bytes in it, cut where a character ends.
    fn plain(length: usize) -> Vec<u8> {
        let mut text = "Olá, 世界 🌍 ".repeat(length / 20 + 1);
        while text.len() > length {
            text.pop();
        }
        text.push_str(&"x".repeat(length - text.len()));
        text.into()
    }

    /// A buffer with `payload` in it, of which `unmasked` bytes are unmasked, and `behind` what follows it.
    fn buffer(payload: &[u8], key: Option<[u8; 4]>, unmasked: usize, behind: &[u8]) -> BytesMut {
        let mut buffer = BytesMut::with_capacity(payload.len() + behind.len());
        buffer.extend_from_slice(payload);
        if let Some(key) = key {
            mask::apply(&mut buffer[unmasked..], key, unmasked);
        }
        buffer.extend_from_slice(behind);
        buffer
    }

    /// A payload that came without a key.
    fn unmasked(length: usize, buffer: &mut BytesMut) -> Payload<'_> {
        Payload {
            buffer,
            length,
            masking_key: None,
            unmasked: 0,
        }
    }

    /// Every way out of the buffer gives the payload and leaves what is after it, wherever a read ended before.
    #[test]
    fn payloads_come_out_as_they_were_meant() {
        for length in LENGTHS {
            let expected = plain(length);
            for key in [None, Some(KEY)] {
                for unmasked in [0, 1, length / 2, length] {
                    for behind in [&b""[..], b"next"] {
                        let check = |take: &dyn Fn(Payload<'_>) -> Vec<u8>, before: &[u8]| {
                            let mut buffer = buffer(&expected, key, unmasked.min(length), behind);
                            let payload = Payload {
                                buffer: &mut buffer,
                                length,
                                masking_key: key,
                                unmasked: unmasked.min(length),
                            };
                            let taken = take(payload);
                            assert!(taken == [before, &expected].concat(), "{length} {unmasked}");
                            assert_eq!(buffer, behind);
                        };
                        check(&|payload| payload.into_bytes().into(), b"");
                        check(&|payload| payload.lend(<[u8]>::to_vec), b"");
                        let text = |payload: Payload<'_>| payload.into_text().unwrap();
                        check(&|payload| text(payload).as_bytes().to_vec(), b"");
                        for before in [&b""[..], b"before "] {
                            let gathered = |payload: Payload<'_>| {
                                let mut message = BytesMut::from(before);
                                payload.append_to(&mut message);
                                message.into()
                            };
                            check(&gathered, before);
                        }
                    }
                }
            }
        }
    }

    /// A message that is kept holds at most twice its memory, also of a buffer that the caller made large; the thread's
    /// buffer stays with the thread.
    #[test]
    fn large_texts_take_a_buffer_that_they_fill_along() {
        for (length, capacity, taken) in [
            (65_536, 65_536, false),
            (65_537, 65_537, true),
            (100_000, 200_000, true),
            (100_000, 200_002, false),
        ] {
            let mut buffer = BytesMut::with_capacity(capacity);
            buffer.extend_from_slice(&plain(length));
            let address = buffer.as_ptr();
            let payload = unmasked(length, &mut buffer);
            let text = payload.into_text().unwrap();
            assert_eq!(text.len(), length);
            assert_eq!(text.as_ptr() == address, taken, "{length} of {capacity}");
        }
    }

    #[test]
    fn small_first_fragments_leave_the_buffer() {
        for (length, shared) in [(8192, false), (8193, true)] {
            let mut buffer = BytesMut::from(&plain(length + 1)[..]);
            let address = buffer.as_ptr();
            let payload = unmasked(length, &mut buffer);
            let mut message = BytesMut::new();
            payload.append_to(&mut message);
            assert_eq!(message.as_ptr() == address, shared, "{length}");
        }
    }
}
