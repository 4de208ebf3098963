//! The thread's read buffer, lent to the connection that is reading.

use std::cell::Cell;

use bytes::BytesMut;

/// Bytes of the buffer. One read takes at most so much at a time from the transport.
const CHUNK_BYTES: usize = 64 * 1024;

thread_local! {
    static CHUNK: Cell<BytesMut> = Cell::new(BytesMut::new());
}

/// Borrows the thread's buffer, empty and with room for [`CHUNK_BYTES`]; a new one if it is lent already or if messages
/// still hold parts of it.
pub(super) fn borrow() -> BytesMut {
    let mut chunk = CHUNK.take();
    chunk.reserve(CHUNK_BYTES);
    chunk
}

/// Gives back what a connection has no more use for.
pub(super) fn give_back(mut chunk: BytesMut) {
    chunk.clear();
    CHUNK.set(chunk);
}

/// Takes the unfinished rest out of a borrowed buffer, so that a connection that waits holds no more than it needs.
pub(super) fn park(buffer: &mut BytesMut) {
    if buffer.is_empty() {
        if buffer.capacity() > 0 {
            give_back(std::mem::take(buffer));
        }
    } else if buffer.capacity() / 4 > buffer.len() {
        let rest = BytesMut::from(&buffer[..]);
        give_back(std::mem::replace(buffer, rest));
    }
}

/// Makes room for reading on: doubles what has arrived, up to the end of the frame.
pub(super) fn grow(buffer: &mut BytesMut, wanted: usize) {
    if buffer.capacity() - buffer.len() < MIN_ROOM.min(wanted.max(1)) {
        buffer.reserve(wanted.clamp(MIN_ROOM, buffer.len().max(MIN_ROOM)));
    }
}

/// Least room worth a read.
const MIN_ROOM: usize = 4096;
