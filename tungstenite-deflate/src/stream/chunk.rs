//! The thread's read buffer, lent to the connection that is reading.

use bytes::BytesMut;

use crate::spare;

/// Bytes of the buffer. One read takes at most so much at a time from the transport.
const CHUNK_BYTES: usize = 64 * 1024;

/// Borrows the thread's read buffer.
pub(super) fn borrow() -> BytesMut {
    spare::borrow(&spare::READ, CHUNK_BYTES)
}

/// Gives it back.
fn give_back(chunk: BytesMut) {
    spare::give_back(&spare::READ, chunk);
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
