//! Buffers of the thread, lent to the connection that is being polled.

use std::cell::Cell;
use std::thread::LocalKey;

use bytes::BytesMut;

thread_local! {
    /// What is read is read into this one.
    pub(crate) static READ: Cell<BytesMut> = Cell::new(BytesMut::new());
    /// Small frames are written by way of this one.
    pub(crate) static WRITE: Cell<BytesMut> = Cell::new(BytesMut::new());
}

/// Borrows a buffer, empty and with room for `bytes`; a new one if it is lent already or if something still holds parts
/// of it.
pub(crate) fn borrow(spare: &'static LocalKey<Cell<BytesMut>>, bytes: usize) -> BytesMut {
    let mut buffer = spare.take();
    buffer.reserve(bytes);
    buffer
}

/// Gives back what a connection has no more use for; dropped if it has grown past what is worth keeping.
pub(crate) fn give_back(spare: &'static LocalKey<Cell<BytesMut>>, mut buffer: BytesMut) {
    if buffer.capacity() <= MAX_KEPT {
        buffer.clear();
        spare.set(buffer);
    }
}

/// Largest buffer that a thread keeps.
const MAX_KEPT: usize = 256 * 1024;
