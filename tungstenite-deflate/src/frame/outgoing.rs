//! The queue of outgoing frames: encoded, in order, written vectored.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes, BytesMut};

use super::Header;
use crate::{mask, spare};

/// Encoded frames waiting for the transport.
///
/// Small payloads are copied behind their header into one run of bytes, so that many frames go out in one write and one
/// TLS record; payloads from [`SHARE_FROM`] bytes on are shared, not copied. Holds nothing when empty.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    /// Sealed pieces, the oldest first.
    pieces: VecDeque<Bytes>,
    /// The run that small frames are still appended to; comes after `pieces`.
    open: BytesMut,
    /// Bytes in `pieces`.
    sealed_bytes: usize,
}

/// Payloads of so many bytes or more are queued as they are rather than copied.
const SHARE_FROM: usize = 8 * 1024;

impl Outgoing {
    /// Queues one frame; its payload is masked if the header carries a key.
    pub(crate) fn push(&mut self, header: &Header, payload: Bytes) {
        debug_assert_eq!(header.length, payload.len() as u64);
        self.push_header(header, payload.len());
        match header.masking_key {
            None if payload.len() < SHARE_FROM => self.open.extend_from_slice(&payload),
            None => self.push_shared(payload),
            Some(key) if payload.len() < SHARE_FROM => mask::copy(&payload, key, &mut self.open),
            Some(key) => match payload.try_into_mut() {
                Ok(mut payload) => {
                    mask::apply(&mut payload, key, 0);
                    self.push_shared(payload.freeze());
                }
                Err(payload) => {
                    self.open.reserve(payload.len());
                    mask::copy(&payload, key, &mut self.open);
                }
            },
        }
    }

    /// Queues bytes that are whole frames already.
    pub(crate) fn push_encoded(&mut self, frames: &Bytes) {
        if frames.len() < SHARE_FROM {
            self.reserve(frames.len());
            self.open.extend_from_slice(frames);
        } else {
            self.push_shared(frames.clone());
        }
    }

    fn push_header(&mut self, header: &Header, payload_bytes: usize) {
        let mut bytes = [0; Header::MAX_BYTES];
        let end = header.write(&mut bytes);
        let copied = if payload_bytes < SHARE_FROM {
            payload_bytes
        } else {
            0
        };
        self.reserve(end + copied);
        self.open.extend_from_slice(&bytes[..end]);
    }

    /// Makes room in the open run, which is the thread's while the queue is not empty.
    fn reserve(&mut self, bytes: usize) {
        if self.open.capacity() == 0 {
            self.open = spare::borrow(&spare::WRITE, bytes);
        } else {
            self.open.reserve(bytes);
        }
    }

    fn push_shared(&mut self, piece: Bytes) {
        self.seal();
        self.sealed_bytes += piece.len();
        self.pieces.push_back(piece);
    }

    /// Ends the open run, so that what comes next stands behind it.
    fn seal(&mut self) {
        if !self.open.is_empty() {
            self.sealed_bytes += self.open.len();
            self.pieces.push_back(self.open.split().freeze());
        }
    }

    /// Bytes that wait.
    pub(crate) fn len(&self) -> usize {
        self.sealed_bytes + self.open.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Drops what waits: the transport is gone.
    pub(crate) fn clear(&mut self) {
        spare::give_back(&spare::WRITE, std::mem::take(&mut self.open));
        *self = Self::default();
    }
}

impl Buf for Outgoing {
    fn remaining(&self) -> usize {
        self.len()
    }

    fn chunk(&self) -> &[u8] {
        self.pieces.front().map_or(&self.open, |piece| piece)
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let open: &[u8] = &self.open;
        let chunks = self
            .pieces
            .iter()
            .map(|piece| &piece[..])
            .chain((!open.is_empty()).then_some(open));
        let mut used = 0;
        for (slice, chunk) in slices.iter_mut().zip(chunks) {
            *slice = IoSlice::new(chunk);
            used += 1;
        }
        used
    }

    fn advance(&mut self, mut written: usize) {
        while let Some(piece) = self.pieces.front_mut() {
            let step = written.min(piece.len());
            piece.advance(step);
            self.sealed_bytes -= step;
            written -= step;
            if !piece.is_empty() {
                return;
            }
            self.pieces.pop_front();
        }
        self.open.advance(written);
        if self.open.is_empty() {
            self.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Opcode;

    fn header(masking_key: Option<[u8; 4]>, length: usize) -> Header {
        Header {
            fin: true,
            rsv1: false,
            opcode: Opcode::Binary,
            masking_key,
            length: length as u64,
        }
    }

    #[test]
    fn small_and_large_frames_keep_their_order_under_partial_writes() {
        for step in [13, 4096, 100_000] {
            let mut outgoing = Outgoing::default();
            let mut expected = Vec::new();
            for (i, length) in [0, 5, SHARE_FROM, 3, SHARE_FROM - 1, 70_000, 1]
                .into_iter()
                .enumerate()
            {
                let payload = Bytes::from(vec![u8::try_from(i).unwrap(); length]);
                let mut bytes = [0; Header::MAX_BYTES];
                let end = header(None, length).write(&mut bytes);
                expected.extend_from_slice(&bytes[..end]);
                expected.extend_from_slice(&payload);
                outgoing.push(&header(None, length), payload);
            }
            assert_eq!(outgoing.len(), expected.len());
            let mut written = Vec::new();
            while outgoing.has_remaining() {
                let mut slices = [IoSlice::new(&[]); 4];
                let used = outgoing.chunks_vectored(&mut slices);
                let mut left = step;
                for slice in &slices[..used] {
                    let taken = left.min(slice.len());
                    written.extend_from_slice(&slice[..taken]);
                    left -= taken;
                }
                let count = step - left;
                outgoing.advance(count);
            }
            assert!(written == expected);
            assert_eq!(outgoing.open.capacity(), 0, "an empty queue holds nothing");
        }
    }

    #[test]
    fn masked_frames_unmask_to_their_payload() {
        for length in [0, 1, 31, 32, 33, SHARE_FROM, SHARE_FROM + 5] {
            for shared in [false, true] {
                let payload = Bytes::from(vec![0x5a; length]);
                let kept = shared.then(|| payload.clone());
                let mut outgoing = Outgoing::default();
                outgoing.push(&header(Some([9, 8, 7, 6]), length), payload);
                let bytes = outgoing.copy_to_bytes(outgoing.remaining());
                let (header, end) = Header::parse(&bytes).unwrap().unwrap();
                let mut unmasked = bytes[end..].to_vec();
                mask::apply(&mut unmasked, header.masking_key.unwrap(), 0);
                assert_eq!(unmasked, vec![0x5a; length]);
                drop(kept);
            }
        }
    }
}
