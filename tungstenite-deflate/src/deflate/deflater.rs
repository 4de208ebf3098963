//! zlib's compression of one message at a time (RFC 7692 §7.2.1).

use bytes::BytesMut;
use flate2::{Compress, FlushCompress};
use zlib_rs::{Deflate, DeflateConfig, DeflateFlush};

use super::scratch::{SCRATCH_BYTES, with_scratch};

/// A raw DEFLATE compressor with what was sent before as its context: flate2's where a thread has it for many
/// connections, and zlib-rs itself, whose memory can be chosen, where one connection has it for itself.
pub(super) struct Deflater<Z> {
    zlib: Z,
    level: u8,
    window_bits: u8,
}

impl<Z> std::fmt::Debug for Deflater<Z> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deflater")
            .field("level", &self.level)
            .field("window_bits", &self.window_bits)
            .finish_non_exhaustive()
    }
}

impl Deflater<Compress> {
    /// For one message at a time of any connection; `window_bits` is in 9 to 15.
    pub(super) fn shared(level: u8, window_bits: u8) -> Self {
        let compression = flate2::Compression::new(u32::from(level));
        Self {
            zlib: Compress::new_with_window_bits(compression, false, window_bits),
            level,
            window_bits,
        }
    }

    /// Returns true if this one was made with these parameters.
    pub(super) fn is(&self, level: u8, window_bits: u8) -> bool {
        self.level == level && self.window_bits == window_bits
    }

    /// Forgets the context.
    pub(super) fn reset(&mut self) {
        self.zlib.reset();
    }
}

impl Deflater<Deflate> {
    /// For the messages of one connection, with smaller buffers; `window_bits` is in 9 to 15.
    pub(super) fn own(level: u8, window_bits: u8) -> Self {
        let config = DeflateConfig {
            level: i32::from(level),
            // Negative: without zlib's header and checksum.
            window_bits: -i32::from(window_bits),
            mem_level: OWN_MEMORY_LEVEL,
            ..DeflateConfig::default()
        };
        Self {
            zlib: Deflate::new_with_config(config),
            level,
            window_bits,
        }
    }
}

impl<Z> Deflater<Z> {
    /// Base-2 logarithm of the window.
    pub(super) fn window_bits(&self) -> u8 {
        self.window_bits
    }
}

impl<Z: SyncFlush> Deflater<Z> {
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
            with_scratch(|scratch| self.append(payload, scratch, out))
        };
        let fits = compressed.is_some_and(|length| length < bound);
        if !fits {
            out.truncate(start);
        }
        fits
    }

    /// Compresses and flushes step by step until the flush is complete, and gives the length of the result; `None` if
    /// the compressor refused.
    fn append(
        &mut self,
        mut payload: &[u8],
        scratch: &mut [u8; SCRATCH_BYTES],
        out: &mut BytesMut,
    ) -> Option<usize> {
        let start = out.len();
        loop {
            let (consumed, produced) = self.step(payload, scratch)?;
            payload = &payload[consumed..];
            out.extend_from_slice(&scratch[..produced]);
            // Room left over is zlib's way to say that the flush is complete.
            let complete = payload.is_empty() && produced < scratch.len();
            if complete || consumed + produced == 0 {
                break;
            }
        }
        let message = out[start..].strip_suffix(&TAIL);
        let length = message.filter(|_| payload.is_empty())?.len();
        out.truncate(start + length);
        Some(length)
    }

    /// As [`SyncFlush::sync_flush`]: bytes consumed and produced, or `None` if it refused.
    fn step(&mut self, payload: &[u8], room: &mut [u8]) -> Option<(usize, usize)> {
        let (before_in, before_out) = self.zlib.totals();
        self.zlib.sync_flush(payload, room)?;
        let (after_in, after_out) = self.zlib.totals();
        Some((
            difference(after_in, before_in),
            difference(after_out, before_out),
        ))
    }
}

/// Operations that a message needs of zlib's compressor.
pub(super) trait SyncFlush {
    /// Compresses `payload` and flushes, as far as `room` allows; `None` if it refused.
    fn sync_flush(&mut self, payload: &[u8], room: &mut [u8]) -> Option<()>;

    /// Bytes consumed and produced since the last reset.
    fn totals(&self) -> (u64, u64);
}

impl SyncFlush for Compress {
    fn sync_flush(&mut self, payload: &[u8], room: &mut [u8]) -> Option<()> {
        let status = self.compress(payload, room, FlushCompress::Sync);
        status.ok().map(drop)
    }

    fn totals(&self) -> (u64, u64) {
        (self.total_in(), self.total_out())
    }
}

impl SyncFlush for Deflate {
    fn sync_flush(&mut self, payload: &[u8], room: &mut [u8]) -> Option<()> {
        let status = self.compress(payload, room, DeflateFlush::SyncFlush);
        status.ok().map(drop)
    }

    fn totals(&self) -> (u64, u64) {
        (self.total_in(), self.total_out())
    }
}

/// Returns the movement of a counter during a call, which never is more than the length of a slice.
pub(super) fn difference(after: u64, before: u64) -> usize {
    usize::try_from(after - before).expect("a call moves a counter by at most a slice's length")
}

/// Memory of [`Deflater::own`], in bytes: zlib-rs 0.6 takes 148,608 for hash heads, buffers and state, and twice the
/// window both for the window and for the chains.
pub(super) fn own_bytes(window_bits: u8) -> usize {
    149_000 + (4 << window_bits)
}

/// Last bytes of a sync flush, which are left out of a message (RFC 7692 §7.2.1).
pub(super) const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];
/// zlib's memLevel for a compressor of one connection. 5 rather than 8 spares 100 KB, costs nothing up to some 4 KiB and
/// 0.2 percent of the message's size beyond.
const OWN_MEMORY_LEVEL: i32 = 5;
