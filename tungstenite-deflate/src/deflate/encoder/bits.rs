//! Bits on their way out, least significant first (RFC 1951 §3.1.1).

use bytes::BytesMut;

/// Packs codes into bytes. One lives for a message, so that a block begins where the one before it ended.
#[derive(Debug)]
pub(super) struct BitWriter<'a> {
    room: &'a mut [u8],
    state: BitPosition,
}

/// Position of a writer; a copy is the way back to there, as long as nothing was drained.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BitPosition {
    /// Whole bytes in the room.
    bytes: usize,
    /// Bits that do not make a byte yet, from the lowest on.
    pending: u64,
    /// Number of bits in it.
    count: u32,
}

impl<'a> BitWriter<'a> {
    /// A writer into `room`, which must hold what comes between two calls of [`drain`](Self::drain) and 8 bytes more.
    pub(super) fn new(room: &'a mut [u8]) -> Self {
        Self {
            room,
            state: BitPosition::default(),
        }
    }

    /// A writer that goes on where this one is, until this one [goes on from there](Self::rewind).
    pub(super) fn borrowed(&mut self) -> BitWriter<'_> {
        BitWriter {
            room: self.room,
            state: self.state,
        }
    }

    /// Adds the `count` lowest of `bits`, of which the others are 0; at most 56 between two flushes.
    #[inline]
    pub(super) fn put(&mut self, bits: u64, count: u32) {
        self.state.pending |= bits.wrapping_shl(self.state.count);
        self.state.count = self.state.count.wrapping_add(count);
    }

    /// Moves whole bytes to the room; up to 7 bits stay.
    #[inline]
    pub(super) fn flush(&mut self) {
        let BitPosition {
            bytes,
            pending,
            count,
        } = self.state;
        *self.room[bytes..]
            .first_chunk_mut()
            .expect("the room is larger than any block") = pending.to_le_bytes();
        self.state = BitPosition {
            bytes: bytes.wrapping_add((count / 8) as usize),
            pending: pending.wrapping_shr(count & !7),
            count: count % 8,
        };
    }

    /// Adds zeros up to a whole byte.
    pub(super) fn align(&mut self) {
        self.state.count = self.state.count.next_multiple_of(8);
        self.flush();
    }

    /// Adds bytes as they are, at a whole byte.
    pub(super) fn put_bytes(&mut self, bytes: &[u8]) {
        let start = self.state.bytes;
        self.room[start..start + bytes.len()].copy_from_slice(bytes);
        self.state.bytes += bytes.len();
    }

    /// Bits in the room, with those that wait.
    pub(super) fn length(&self) -> usize {
        self.state.bytes * 8 + self.state.count as usize
    }

    /// Returns the writer's position.
    pub(super) fn state(&self) -> BitPosition {
        self.state
    }

    /// Goes back to where it was.
    pub(super) fn rewind(&mut self, state: BitPosition) {
        self.state = state;
    }

    /// Moves whole bytes out of the room.
    pub(super) fn drain(&mut self, out: &mut BytesMut) {
        self.flush();
        out.extend_from_slice(&self.room[..self.state.bytes]);
        self.state.bytes = 0;
    }
}

/// The lowest 16 bits.
#[expect(
    clippy::cast_possible_truncation,
    reason = "positions are kept modulo 65,536; lengths and distances are no larger than 32,768"
)]
pub(super) const fn low_bits(number: usize) -> u16 {
    number as u16
}
