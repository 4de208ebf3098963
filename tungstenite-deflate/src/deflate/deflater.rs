//! Compression of one message at a time (RFC 7692 §7.2.1).

use bytes::BytesMut;

use super::compressor::Compressor;
use super::pool::{self, SCRATCH_BYTES};

/// A compressor with what was sent before as its context.
pub(super) struct Deflater {
    compressor: Compressor,
    level: u8,
    window_bits: u8,
}

impl std::fmt::Debug for Deflater {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deflater")
            .field("level", &self.level)
            .field("window_bits", &self.window_bits)
            .finish_non_exhaustive()
    }
}

impl Deflater {
    /// For one message at a time of any connection; `window_bits` is in 9 to 15.
    pub(super) fn shared(level: u8, window_bits: u8) -> Self {
        Self {
            compressor: Compressor::shared(level, window_bits),
            level,
            window_bits,
        }
    }

    /// For the messages of one connection; `window_bits` is in 9 to 15.
    pub(super) fn own(level: u8, window_bits: u8) -> Self {
        Self {
            compressor: Compressor::own(level, window_bits),
            level,
            window_bits,
        }
    }

    /// Whether this one was made with these parameters.
    pub(super) fn is(&self, level: u8, window_bits: u8) -> bool {
        self.level == level && self.window_bits == window_bits
    }

    /// Forgets the context.
    pub(super) fn reset(&mut self) {
        self.compressor.reset();
    }

    /// Appends the compressed form of `payload` to `out`, without the final `00 00 ff ff`, and returns true.
    ///
    /// If that would take `bound` bytes or more, or the compressor refuses, `out` is left as it was and the context
    /// does not fit any peer's any more: reset or drop it.
    pub(super) fn message(&mut self, payload: &[u8], bound: usize, out: &mut BytesMut) -> bool {
        let start = out.len();
        let compressed = if payload.is_empty() {
            // RFC 7692 §7.2.3.6. A second flush without input between would give nothing at all.
            out.extend_from_slice(&[0x00]);
            Some(1)
        } else {
            pool::with_scratch(|scratch| self.append(payload, bound, scratch, out))
        };
        let fits = compressed.is_some_and(|length| length < bound);
        if !fits {
            out.truncate(start);
        }
        fits
    }

    /// Compresses and flushes step by step until the flush is complete, and gives the length of the result.
    fn append(
        &mut self,
        mut payload: &[u8],
        bound: usize,
        scratch: &mut [u8; SCRATCH_BYTES],
        out: &mut BytesMut,
    ) -> Option<usize> {
        let start = out.len();
        loop {
            let (consumed, produced) = self.compressor.step(payload, scratch)?;
            payload = &payload[consumed..];
            out.extend_from_slice(&scratch[..produced]);
            // Room left over is zlib's way to say that the flush is complete.
            if payload.is_empty() && produced < scratch.len() {
                break;
            }
            let too_long = out.len() - start >= bound.saturating_add(TAIL.len());
            if too_long || (consumed == 0 && produced == 0) {
                return None;
            }
        }
        if !out[start..].ends_with(&TAIL) {
            return None;
        }
        out.truncate(out.len() - TAIL.len());
        Some(out.len() - start)
    }
}

/// How far a counter moved during a call, which never is more than the length of a slice.
pub(super) fn difference(after: u64, before: u64) -> usize {
    usize::try_from(after - before).expect("a call moves a counter by at most a slice's length")
}

/// What ends a sync flush and is left out of a message (RFC 7692 §7.2.1).
pub(super) const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];
