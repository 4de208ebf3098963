//! Bytes received before, for a peer that takes its context over (RFC 7692 §7.1.1).

use bytes::BytesMut;

use super::growth::grown;
use super::inflater::InflateError;
use super::pool;

/// The last bytes received, up to a window of them, in memory that grows as they come.
///
/// Between two messages this is all that a decompressor knows. So the connections of a thread share decompressors, and
/// each keeps only this.
#[derive(Debug)]
pub(super) struct Received {
    bytes: Vec<u8>,
    /// Offset of the oldest byte once the window is full: the next one replaces it.
    oldest: usize,
    window: usize,
}

impl Received {
    /// Nothing yet, of a peer held to a window of two to the power of `window_bits`.
    pub(super) fn new(window_bits: u8) -> Self {
        Self {
            bytes: Vec::new(),
            oldest: 0,
            window: window_bytes(window_bits),
        }
    }

    /// Adds what the peer sent.
    pub(super) fn append(&mut self, inflated: &[u8]) {
        let (_, inflated) = inflated.split_at(inflated.len().saturating_sub(self.window));
        let room = self.window - self.bytes.len();
        let (behind, over) = inflated.split_at(inflated.len().min(room));
        self.grow(behind.len());
        self.bytes.extend_from_slice(behind);
        // The window is full: the rest goes over the oldest bytes, round the end.
        let (to_end, from_start) = over.split_at(over.len().min(self.window - self.oldest));
        self.bytes[self.oldest..self.oldest + to_end.len()].copy_from_slice(to_end);
        self.bytes[..from_start.len()].copy_from_slice(from_start);
        self.oldest = (self.oldest + over.len()) % self.window;
    }

    /// Makes room for `more` bytes, which fit into the window.
    fn grow(&mut self, more: usize) {
        let needed = self.bytes.len() + more;
        if needed > self.bytes.capacity() {
            let room = grown(needed, self.window);
            self.bytes.reserve_exact(room - self.bytes.len());
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.oldest = 0;
    }

    /// Returns the bytes, the older part first.
    pub(super) fn parts(&self) -> [&[u8]; 2] {
        let (newer, older) = self.bytes.split_at(self.oldest);
        [older, newer]
    }

    /// Returns the memory allocated, in bytes.
    pub(super) fn allocated(&self) -> usize {
        self.bytes.capacity()
    }
}

/// A peer's window as it is, or compressed while the peer is silent.
#[derive(Debug)]
pub(super) enum Window {
    /// As it is.
    Plain(Received),
    /// Compressed, of a window of so many bytes of which so many are there.
    Packed {
        bytes: Box<[u8]>,
        window: usize,
        length: usize,
    },
}

impl Window {
    /// An empty one of two to the power of `window_bits`.
    pub(super) fn new(window_bits: u8) -> Self {
        Self::Plain(Received::new(window_bits))
    }

    /// Stores it compressed, unless that takes as much.
    pub(super) fn pack(&mut self) {
        let Self::Plain(received) = self else { return };
        let [older, newer] = received.parts();
        let mut packed = BytesMut::new();
        let whole = [older, newer].concat();
        pool::with_encoder(|encoder| encoder.encode(&whole, 15, &mut packed));
        if packed.len() < received.allocated() {
            *self = Self::Packed {
                bytes: packed[..].into(),
                window: received.window,
                length: whole.len(),
            };
        }
    }

    /// Returns it as it is, which inflates it first if need be.
    ///
    /// # Errors
    /// It does not inflate to what was stored.
    pub(super) fn unpacked(&mut self) -> Result<&mut Received, InflateError> {
        if let Self::Packed {
            bytes,
            window,
            length,
        } = self
        {
            let mut out = BytesMut::new();
            let mut inflater = pool::take_inflater();
            // A window is shorter than a step.
            inflater.frame(bytes, true, *length, &mut out)?;
            pool::return_inflater(inflater);
            let mut received = Received {
                bytes: Vec::new(),
                oldest: 0,
                window: *window,
            };
            received.append(&out);
            *self = Self::Plain(received);
        }
        match self {
            Self::Plain(received) => Ok(received),
            Self::Packed { .. } => Err(InflateError::Invalid("window lost")),
        }
    }

    /// Returns the memory allocated, in bytes.
    pub(super) fn allocated(&self) -> usize {
        match self {
            Self::Plain(received) => received.allocated(),
            Self::Packed { bytes, .. } => bytes.len(),
        }
    }
}

/// Most bytes kept for a window. zlib uses 9 bits where 8 was asked for.
pub(super) fn window_bytes(window_bits: u8) -> usize {
    1 << window_bits.clamp(9, 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_window_of_bytes_is_kept() {
        let stream: Vec<u8> = (0..5_000_u32)
            .map(|at| (at * 31 % 251).to_le_bytes()[0])
            .collect();
        for bits in [8, 9, 10] {
            let window = window_bytes(bits);
            let lengths = [
                0,
                1,
                3,
                window - 5,
                2,
                window,
                window - 1,
                window + 1,
                7,
                2_000,
            ];
            let mut received = Received::new(bits);
            let mut at = 0;
            for length in lengths.into_iter().chain([3; 200]) {
                let end = (at + length).min(stream.len());
                received.append(&stream[at..end]);
                at = end;
                let kept = received.parts().concat();
                assert!(
                    kept == stream[at.saturating_sub(window)..at],
                    "{at} at window {bits}"
                );
                assert!(received.allocated() <= window);
            }
            received.clear();
            assert_eq!(received.parts().concat(), []);
            received.append(b"anew");
            assert_eq!(received.parts().concat(), b"anew");
        }
    }
}
