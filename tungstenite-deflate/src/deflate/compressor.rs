//! zlib's compressor in the two sizes needed here.

use flate2::FlushCompress;
use zlib_rs::{DeflateConfig, DeflateFlush};

use super::deflater::difference;

/// A raw DEFLATE compressor.
pub(super) enum Compressor {
    /// Of a thread's pool, with large buffers.
    Shared(flate2::Compress),
    /// Of one connection, with small ones; flate2 cannot choose their size.
    Own(zlib_rs::Deflate),
}

impl Compressor {
    /// A compressor for many connections; `window_bits` is in 9 to 15.
    pub(super) fn shared(level: u8, window_bits: u8) -> Self {
        let level = flate2::Compression::new(u32::from(level));
        Self::Shared(flate2::Compress::new_with_window_bits(
            level,
            false,
            window_bits,
        ))
    }

    /// A compressor for one connection, with [`OWN_MEMORY_LEVEL`]; `window_bits` is in 9 to 15.
    pub(super) fn own(level: u8, window_bits: u8) -> Self {
        let config = DeflateConfig {
            level: i32::from(level),
            // Negative: without zlib's header and checksum.
            window_bits: -i32::from(window_bits),
            mem_level: OWN_MEMORY_LEVEL,
            ..DeflateConfig::default()
        };
        Self::Own(zlib_rs::Deflate::new_with_config(config))
    }

    /// Forgets the context.
    pub(super) fn reset(&mut self) {
        match self {
            Self::Shared(compress) => compress.reset(),
            Self::Own(deflate) => deflate.reset(),
        }
    }

    /// Compresses and flushes as far as `room` allows: bytes consumed and produced, or `None` if it refused.
    pub(super) fn step(&mut self, payload: &[u8], room: &mut [u8]) -> Option<(usize, usize)> {
        let (before_in, before_out) = self.totals();
        match self {
            Self::Shared(compress) => compress
                .compress(payload, room, FlushCompress::Sync)
                .ok()
                .map(drop)?,
            Self::Own(deflate) => deflate
                .compress(payload, room, DeflateFlush::SyncFlush)
                .ok()
                .map(drop)?,
        }
        let (after_in, after_out) = self.totals();
        Some((
            difference(after_in, before_in),
            difference(after_out, before_out),
        ))
    }

    /// Bytes consumed and produced since the last reset.
    fn totals(&self) -> (u64, u64) {
        match self {
            Self::Shared(compress) => (compress.total_in(), compress.total_out()),
            Self::Own(deflate) => (deflate.total_in(), deflate.total_out()),
        }
    }
}

/// What [`Compressor::own`] allocates, in bytes: zlib-rs 0.6 takes 148,608 for hash heads, buffers and state, and twice
/// the window both for the window and for the chains.
pub(super) fn own_bytes(window_bits: u8) -> usize {
    149_000 + (4 << window_bits)
}

/// zlib's memLevel for a compressor of one connection. 5 rather than 8 spares 100 KB, costs nothing up to some 4 KiB and
/// 0.2 percent of the message's size beyond.
const OWN_MEMORY_LEVEL: i32 = 5;
