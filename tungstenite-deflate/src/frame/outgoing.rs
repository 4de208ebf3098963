//! The queue of outgoing frames: encoded, in order, written vectored.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};

use super::Header;
use crate::mask;

/// Encoded frames waiting for the transport.
///
/// Small payloads are copied after their header into one run of bytes, so that many frames go out in one write and one
/// TLS record; payloads from [`SHARE_FROM`] bytes on are shared, not copied. Holds nothing when empty: what frames wait
/// in is lent by the thread.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    waiting: Option<Box<Waiting>>,
    /// Bytes that the transport has taken so far.
    written_bytes: u64,
}

/// Output that waits: `run`, with each shared payload at its position in it.
#[derive(Debug, Default)]
struct Waiting {
    /// Headers and small payloads, one after the other.
    run: Vec<u8>,
    /// Bytes at the start of `run` that are written.
    written: usize,
    shared: VecDeque<Shared>,
    /// Bytes of the payloads in `shared`.
    shared_bytes: usize,
}

/// A payload that is not copied.
#[derive(Debug)]
struct Shared {
    /// Its offset in `run`; never within what is written.
    at: usize,
    /// Never empty.
    payload: Bytes,
}

thread_local! {
    /// Small frames wait here for the moment between their making and their writing.
    static SPARE: Cell<Option<Box<Waiting>>> = const { Cell::new(None) };
}

/// Payloads of so many bytes or more are queued as they are rather than copied.
const SHARE_FROM: usize = 8 * 1024;

/// Most memory that a thread keeps to lend it.
const MAX_SPARE_BYTES: usize = 256 * 1024;

impl Outgoing {
    /// Queues one frame; its payload is masked if the header carries a key.
    pub(crate) fn push(&mut self, header: &Header, payload: Bytes) {
        debug_assert_eq!(header.length, payload.len() as u64);
        let mut bytes = [0; Header::MAX_BYTES];
        let end = header.write(&mut bytes);
        let waiting = self.waiting();
        if payload.len() < SHARE_FROM {
            waiting.reserve(end + payload.len());
            waiting.run.extend_from_slice(&bytes[..end]);
            match header.masking_key {
                None => waiting.run.extend_from_slice(&payload),
                Some(key) => mask::copy(&payload, key, &mut waiting.run),
            }
        } else {
            waiting.reserve(end);
            waiting.run.extend_from_slice(&bytes[..end]);
            waiting.share(match header.masking_key {
                None => payload,
                Some(key) => masked(payload, key),
            });
        }
    }

    /// Queues bytes that are whole frames already.
    pub(crate) fn push_encoded(&mut self, frames: &Bytes) {
        if frames.len() >= SHARE_FROM {
            self.waiting().share(frames.clone());
        } else if !frames.is_empty() {
            let waiting = self.waiting();
            waiting.reserve(frames.len());
            waiting.run.extend_from_slice(frames);
        }
    }

    /// Returns the queued output, borrowed from the thread if there was none.
    fn waiting(&mut self) -> &mut Waiting {
        self.waiting
            .get_or_insert_with(|| SPARE.take().unwrap_or_default())
    }

    /// Bytes that the transport has taken so far.
    pub(crate) fn written_bytes(&self) -> u64 {
        self.written_bytes
    }

    /// Bytes that wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.as_ref().map_or(0, |waiting| waiting.len())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_none()
    }

    /// Drops what waits: it is written, or the transport is gone.
    pub(crate) fn clear(&mut self) {
        if let Some(mut waiting) = self.waiting.take() {
            waiting.clear();
            if waiting.memory() <= MAX_SPARE_BYTES {
                SPARE.set(Some(waiting));
            }
        }
    }
}

impl Waiting {
    fn len(&self) -> usize {
        self.run.len() - self.written + self.shared_bytes
    }

    /// Makes room in the run; what is written of it gives way before it grows.
    fn reserve(&mut self, bytes: usize) {
        let room = self.run.capacity() - self.run.len();
        // No more is moved than was written since the last time, so that moving costs less than writing.
        if room < bytes && self.written >= self.run.len() - self.written {
            self.run.drain(..self.written);
            for shared in &mut self.shared {
                shared.at -= self.written;
            }
            self.written = 0;
        }
        self.run.reserve(bytes);
    }

    /// Appends a payload without copying it.
    fn share(&mut self, payload: Bytes) {
        self.shared_bytes += payload.len();
        self.shared.push_back(Shared {
            at: self.run.len(),
            payload,
        });
    }

    /// Bytes that stand one after the other in memory, from the first that waits.
    fn chunk(&self) -> &[u8] {
        match self.shared.front() {
            None => &self.run[self.written..],
            Some(shared) if shared.at == self.written => &shared.payload,
            Some(shared) => &self.run[self.written..shared.at],
        }
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut free = slices.iter_mut();
        let mut used = 0;
        let mut put = |chunk: &'a [u8]| {
            if chunk.is_empty() {
                return true;
            }
            let Some(slice) = free.next() else {
                return false;
            };
            *slice = IoSlice::new(chunk);
            used += 1;
            true
        };
        let mut at = self.written;
        for shared in &self.shared {
            if !(put(&self.run[at..shared.at]) && put(&shared.payload)) {
                return used;
            }
            at = shared.at;
        }
        put(&self.run[at..]);
        used
    }

    /// Takes away the first `count` bytes, which are there.
    fn advance(&mut self, mut count: usize) {
        while let Some(shared) = self.shared.front_mut() {
            let step = count.min(shared.at - self.written);
            self.written += step;
            count -= step;
            if self.written < shared.at {
                return;
            }
            let step = count.min(shared.payload.len());
            shared.payload.advance(step);
            self.shared_bytes -= step;
            count -= step;
            if !shared.payload.is_empty() {
                return;
            }
            self.shared.pop_front();
        }
        self.written += count;
    }

    fn clear(&mut self) {
        self.run.clear();
        self.written = 0;
        if self.shared_bytes > 0 {
            self.shared.clear();
            self.shared_bytes = 0;
        }
    }

    /// Bytes that are kept for what will wait.
    fn memory(&self) -> usize {
        self.run.capacity() + self.shared.capacity() * size_of::<Shared>()
    }
}

impl Buf for Outgoing {
    fn remaining(&self) -> usize {
        self.len()
    }

    fn chunk(&self) -> &[u8] {
        self.waiting.as_ref().map_or(&[], |waiting| waiting.chunk())
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let waiting = self.waiting.as_ref();
        waiting.map_or(0, |waiting| waiting.chunks_vectored(slices))
    }

    fn advance(&mut self, count: usize) {
        let remaining = self.len();
        assert!(count <= remaining, "{count} bytes written of {remaining}");
        self.written_bytes += count as u64;
        match &mut self.waiting {
            Some(waiting) if count < remaining => waiting.advance(count),
            _ => self.clear(),
        }
    }
}

/// The payload masked; in place if nobody else holds it.
fn masked(payload: Bytes, key: [u8; 4]) -> Bytes {
    match payload.try_into_mut() {
        Ok(mut payload) => {
            mask::apply(&mut payload, key, 0);
            payload.freeze()
        }
        Err(payload) => {
            let mut copy = Vec::with_capacity(payload.len());
            mask::copy(&payload, key, &mut copy);
            copy.into()
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
            let lengths = [0, 5, SHARE_FROM, 3, SHARE_FROM - 1, 70_000, SHARE_FROM, 1];
            for (i, length) in lengths.into_iter().enumerate() {
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
            assert!(outgoing.waiting.is_none(), "an empty queue holds nothing");
        }
    }

    /// A peer that takes a little at a time while more is queued, for ever: what is written gives way, and shared
    /// payloads keep their positions.
    #[test]
    fn a_queue_that_is_never_empty_does_not_grow() {
        let (mut outgoing, mut expected) = (Outgoing::default(), VecDeque::new());
        for round in 0..2000_usize {
            let length = [5, 300, 7000, SHARE_FROM][round % 4];
            let payload = Bytes::from(vec![round.to_le_bytes()[0]; length]);
            let mut bytes = [0; Header::MAX_BYTES];
            let end = header(None, length).write(&mut bytes);
            expected.extend(bytes[..end].iter().chain(&payload));
            outgoing.push(&header(None, length), payload);
            while outgoing.remaining() > 20_000 {
                let count = outgoing.chunk().len().min(1111);
                let written: Vec<u8> = expected.drain(..count).collect();
                assert_eq!(outgoing.chunk()[..count], written);
                outgoing.advance(count);
            }
            assert_eq!(outgoing.remaining(), expected.len());
            let waiting = outgoing.waiting.as_ref().unwrap();
            assert!(waiting.memory() < 80_000, "{}", waiting.memory());
        }
        assert_eq!(outgoing.copy_to_bytes(expected.len()), Vec::from(expected));
        assert!(outgoing.is_empty());
    }

    #[test]
    fn a_thread_keeps_no_large_queue() {
        for (length, kept) in [(1000, true), (MAX_SPARE_BYTES, false)] {
            let mut outgoing = Outgoing::default();
            for _ in 0..length / 1000 {
                let payload = Bytes::from(vec![1; 1000]);
                outgoing.push(&header(None, 1000), payload);
            }
            outgoing.clear();
            let spare = SPARE.take();
            assert_eq!(spare.is_some(), kept, "{length}");
        }
    }

    #[test]
    #[should_panic(expected = "7 bytes written of 6")]
    fn more_cannot_be_written_than_waits() {
        let mut outgoing = Outgoing::default();
        outgoing.push(&header(None, 4), Bytes::from_static(b"four"));
        outgoing.advance(7);
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
