//! What a connection keeps from message to message, if it takes its context over.

use super::history::History;
use super::matcher::Table;

/// What was sent before, and where in it four bytes stand.
#[derive(Debug)]
pub(in super::super) struct Context {
    pub(super) history: History,
    pub(super) table: Table,
    /// Largest distance.
    pub(super) window: usize,
}

impl Context {
    /// An empty context for a window of two to the power of `window_bits`.
    pub(in super::super) fn new(window_bits: u8) -> Self {
        Self {
            history: History::new(history_bytes(window_bits)),
            table: Table::new(table_bits(window_bits)),
            window: 1 << window_bits,
        }
    }

    /// What a context takes at most, in bytes.
    pub(in super::super) fn bytes(window_bits: u8) -> usize {
        size_of::<Self>() + history_bytes(window_bits) + Table::bytes(table_bits(window_bits))
    }
}

/// Memory for the history: a window and a fourth more, so that it is seldom moved, as far as [`MAX_HISTORY`] goes.
fn history_bytes(window_bits: u8) -> usize {
    let window = 1_usize << window_bits;
    (window + window / 4).min(MAX_HISTORY)
}

/// Places of the table, as a power of two: half as many as the window has bytes, as far as [`MAX_TABLE_BITS`] goes.
fn table_bits(window_bits: u8) -> u32 {
    u32::from(window_bits.saturating_sub(1)).min(MAX_TABLE_BITS)
}

/// Most bytes of a history: with the table and the 32 KiB of the peer, a connection stays below 64 KiB, resident.
/// The ratio is better than that of zlib's level 2 with all of 32 KiB.
const MAX_HISTORY: usize = 22 * 1024;
/// 4,096 places, 8 KiB.
const MAX_TABLE_BITS: u32 = 12;
