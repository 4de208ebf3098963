//! Buffers of the thread, shared by all its connections.
//!
//! A connection that waits holds none of them: a poll takes one, and puts it back before it returns.

use std::cell::Cell;
use std::thread::LocalKey;

/// Maximum size of a record: a header and 2^14 + 2048 bytes (RFC 5246 §6.2.3; RFC 8446 §5.2 allows less).
pub(crate) const RECORD_BYTES: usize = 5 + (1 << 14) + 2048;
/// Maximum of plaintext in a record (RFC 8446 §5.1).
pub(crate) const RECORD_PLAINTEXT: usize = 1 << 14;
/// Bytes of [`READING`]: more than fits in any handshake message that rustls takes, 64 KiB.
pub(crate) const READ_BYTES: usize = 80 * 1024;
/// Bytes that a task reads before others have their turn.
pub(crate) const YIELD_BYTES: usize = 128 * 1024;
/// Maximum of plaintext that is sealed at once: four records.
pub(crate) const SEAL_AT_ONCE: usize = 4 * RECORD_PLAINTEXT;
/// Maximum of slices that are sealed at once.
pub(crate) const SLICES_AT_ONCE: usize = 64;
/// Bytes that sealing may add: headers and tags of the records, tickets and key updates in front of them.
pub(crate) const SEAL_EXTRA: usize = 4096;

/// A buffer of the thread.
pub(crate) type Scratch = LocalKey<Cell<Vec<u8>>>;

thread_local! {
    /// Records as they are received.
    pub(crate) static READING: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    /// Records as they are sealed.
    pub(crate) static SEALING: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    /// Slices that become one record.
    pub(crate) static JOINING: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Lends a buffer of the thread to `work`. One that is lent already is empty for whoever asks meanwhile.
pub(crate) fn lend<T>(scratch: &'static Scratch, work: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    let mut buffer = scratch.take();
    let result = work(&mut buffer);
    scratch.set(buffer);
    result
}
