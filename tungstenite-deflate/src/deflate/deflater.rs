//! Compression of one message at a time (RFC 7692 §7.2.1).

use bytes::BytesMut;
use flate2::{Compress, CompressError, FlushCompress};

use super::pool::{self, SCRATCH_BYTES};

/// A raw DEFLATE compressor with what was sent before as its context.
#[derive(Debug)]
pub(super) struct Deflater {
    compress: Compress,
    level: u8,
    window_bits: u8,
}

impl Deflater {
    /// A compressor with an empty context; `window_bits` is in 9 to 15.
    pub(super) fn new(level: u8, window_bits: u8) -> Self {
        let compression = flate2::Compression::new(u32::from(level));
        Self {
            compress: Compress::new_with_window_bits(compression, false, window_bits),
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
        self.compress.reset();
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
            let (consumed, produced) = self.step(payload, scratch).ok()?;
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

    /// One call of the compressor: bytes consumed and produced.
    fn step(
        &mut self,
        payload: &[u8],
        scratch: &mut [u8; SCRATCH_BYTES],
    ) -> Result<(usize, usize), CompressError> {
        let (before_in, before_out) = (self.compress.total_in(), self.compress.total_out());
        self.compress
            .compress(payload, scratch, FlushCompress::Sync)?;
        Ok((
            difference(self.compress.total_in(), before_in),
            difference(self.compress.total_out(), before_out),
        ))
    }
}

/// How far a counter moved during a call, which never is more than the length of a slice.
pub(super) fn difference(after: u64, before: u64) -> usize {
    usize::try_from(after - before).expect("a call moves a counter by at most a slice's length")
}

/// What a compressor takes, in bytes: that of zlib-rs 0.6 allocates 248,960 for hash heads, buffers and state, and twice
/// its window both for the window and for the chains.
pub(super) fn context_bytes(window_bits: u8) -> usize {
    250_000 + (4 << window_bits)
}

/// What ends a sync flush and is left out of a message (RFC 7692 §7.2.1).
pub(super) const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];
