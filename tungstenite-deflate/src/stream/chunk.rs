//! The thread's read buffer, lent to the connection that is reading.

use std::cell::Cell;

use bytes::BytesMut;

use crate::incoming::append;

thread_local! {
    static SPARE: Cell<BytesMut> = Cell::new(BytesMut::new());
}

/// Bytes of the buffer. One read of small frames takes at most so much at a time from the transport.
const CHUNK_BYTES: usize = 64 * 1024;

/// Least room at the end of the buffer that is worth a read while messages still hold what is before it.
const MIN_CHUNK_ROOM: usize = CHUNK_BYTES / 4;

/// Least room worth a read of what is not the rest of a frame.
const MIN_ROOM: usize = 4096;

/// Growth of a frame's buffer, as a multiple of what has arrived; a little more where that is all of it.
const GROWTH: usize = 4;

/// Makes room for reading on: in the thread's buffer if nothing is there yet, and as [`grow`] does if something is.
///
/// `wanted` bytes are missing of the frame that has begun; 0 if that is not known. Gives the most that is to be read:
/// frames after a small one come with it, while a large one is to be alone in memory that can be given away with it.
pub(super) fn make_room(buffer: &mut BytesMut, wanted: usize) -> usize {
    if !buffer.is_empty() {
        grow(buffer, wanted);
    } else if !buffer.try_reclaim(CHUNK_BYTES) && buffer.capacity() < MIN_CHUNK_ROOM {
        // From its start, which is in the cache; a new one if it is lent already or if messages hold parts of it.
        *buffer = SPARE.take();
        buffer.reserve(CHUNK_BYTES);
    }
    if wanted > 0 && buffer.len().saturating_add(wanted) >= CHUNK_BYTES {
        wanted
    } else {
        usize::MAX
    }
}

/// Quadruples what has arrived, up to the end of the frame: what a peer announces and does not send costs no memory.
fn grow(buffer: &mut BytesMut, wanted: usize) {
    let arrived = buffer.len();
    let enough = MIN_ROOM.min(wanted.max(1));
    if buffer.capacity() - arrived >= enough || buffer.try_reclaim(enough) {
        return;
    }
    let frame = arrived.saturating_add(wanted);
    let step = arrived
        .saturating_mul(GROWTH)
        .max(arrived.saturating_add(MIN_ROOM));
    let capacity = if wanted == 0 || frame < CHUNK_BYTES {
        frame.min(step).max(arrived + MIN_ROOM)
    } else if frame - frame / 9 <= step {
        frame
    } else if frame.div_ceil(2) <= step {
        // What grows next is at least doubled.
        frame.div_ceil(2)
    } else {
        step
    };
    if buffer.capacity() > CHUNK_BYTES {
        // Memory of its own already, which the allocator may be able to extend where it is.
        buffer.reserve(capacity - arrived);
    } else {
        let mut larger = BytesMut::with_capacity(capacity);
        append(buffer, &mut larger);
        give_back(std::mem::replace(buffer, larger));
    }
}

/// Takes the unfinished rest out of a borrowed buffer, so that a connection that waits holds no more than it needs.
pub(super) fn park(buffer: &mut BytesMut) {
    if buffer.is_empty() {
        if buffer.capacity() > 0 {
            give_back(std::mem::take(buffer));
        }
    } else if buffer.capacity() / (GROWTH + 1) > buffer.len() {
        let rest = BytesMut::from(&buffer[..]);
        give_back(std::mem::replace(buffer, rest));
    }
}

/// Gives the thread's buffer back; what is another, or is held by messages, is dropped.
fn give_back(mut chunk: BytesMut) {
    chunk.clear();
    if chunk.try_reclaim(CHUNK_BYTES) && chunk.capacity() == CHUNK_BYTES {
        SPARE.set(chunk);
    }
}

#[cfg(test)]
mod tests {
    use bytes::{Buf, BufMut};

    use super::*;

    /// Fills the room as a transport does that always has more.
    fn fill(buffer: &mut BytesMut, at_most: usize) {
        let room = (buffer.capacity() - buffer.len()).min(at_most);
        buffer.put_bytes(7, room);
    }

    #[test]
    fn the_threads_buffer_is_lent_again_from_its_start() {
        let mut buffer = BytesMut::new();
        make_room(&mut buffer, 0);
        let start = buffer.as_ptr();
        for _ in 0..10 {
            fill(&mut buffer, 10_000);
            buffer.clear();
            park(&mut buffer);
            assert_eq!(buffer.capacity(), 0, "who waits with nothing holds nothing");
            make_room(&mut buffer, 0);
            assert_eq!(buffer.as_ptr(), start);
        }
        // While it is not given back as well.
        for _ in 0..10 {
            fill(&mut buffer, 50_000);
            buffer.advance(50_000);
            make_room(&mut buffer, 0);
            assert_eq!(buffer.as_ptr(), start);
            assert_eq!(buffer.capacity(), CHUNK_BYTES);
        }
    }

    /// Messages that are pieces of the buffer are read into it as long as there is room, and not longer.
    #[test]
    fn a_buffer_that_messages_hold_is_used_up() {
        let mut buffer = BytesMut::new();
        let mut held = Vec::new();
        make_room(&mut buffer, 0);
        let start = buffer.as_ptr();
        while buffer.as_ptr() == start.wrapping_add(held.len() * 10_000) {
            fill(&mut buffer, 10_000);
            held.push(buffer.split_to(10_000));
            make_room(&mut buffer, 0);
        }
        assert_eq!(held.len(), 5);
        assert_eq!(buffer.capacity(), CHUNK_BYTES);
        park(&mut buffer);
    }

    /// A frame gets memory as its bytes come: never more than four and a half times of what is there, and in the end
    /// as much as it needs.
    #[test]
    fn frames_grow_with_what_arrives() {
        for frame in [
            65_536,
            70_000,
            300_000,
            400_001,
            1 << 20,
            (1 << 20) + 1,
            5_000_000,
        ] {
            for at_most in [1000, 100_000, usize::MAX] {
                let mut buffer = BytesMut::new();
                make_room(&mut buffer, 0);
                fill(&mut buffer, 1000);
                while buffer.len() < frame {
                    let wanted = frame - buffer.len();
                    let at_most = at_most.min(make_room(&mut buffer, wanted));
                    let bound = (buffer.len() + MIN_ROOM).max(buffer.len() * 9 / 2);
                    assert!(buffer.capacity() <= bound.max(CHUNK_BYTES));
                    assert!(buffer.len() < buffer.capacity());
                    fill(&mut buffer, at_most);
                    let held = buffer.len();
                    park(&mut buffer);
                    assert!(buffer.capacity() <= (GROWTH + 2) * held);
                }
                assert_eq!(buffer.len(), frame, "nothing behind a large frame is read");
                assert!(buffer.capacity() <= frame + 1, "{}", buffer.capacity());
            }
        }
    }

    /// Only a large frame ends what is read, and nothing ever makes it nothing, which would look like the end of the
    /// stream.
    #[test]
    fn a_read_ends_where_a_large_frame_ends() {
        for (arrived, wanted, at_most) in [
            (0, 0, usize::MAX),
            (500, 600, usize::MAX),
            (0, CHUNK_BYTES - 1, usize::MAX),
            (0, CHUNK_BYTES, CHUNK_BYTES),
            (60_000, 10_000, 10_000),
            (CHUNK_BYTES, 0, usize::MAX),
        ] {
            let mut buffer = BytesMut::new();
            buffer.put_bytes(7, arrived);
            assert_eq!(make_room(&mut buffer, wanted), at_most, "{arrived}");
            assert!(buffer.capacity() > arrived);
        }
    }

    /// Bytes after a small frame move with it, and the frame keeps its position in the buffer if it has one.
    #[test]
    fn small_frames_move_to_the_start_of_the_buffer() {
        let mut buffer = BytesMut::new();
        make_room(&mut buffer, 0);
        let start = buffer.as_ptr();
        fill(&mut buffer, CHUNK_BYTES);
        buffer.advance(CHUNK_BYTES - 500);
        make_room(&mut buffer, 600);
        assert_eq!((buffer.len(), buffer.as_ptr()), (500, start));
        // Who waits with little holds little; the rest of the frame gets room of its own.
        park(&mut buffer);
        assert_eq!(buffer.capacity(), 500);
        make_room(&mut buffer, 600);
        assert_eq!(buffer.capacity(), 500 + MIN_ROOM);
        make_room(&mut buffer, 600);
        assert_eq!(buffer.capacity(), 500 + MIN_ROOM, "there is room");
    }

    /// Neither what a slow peer's frame was held in nor a very large one replaces the thread's buffer.
    #[test]
    fn only_the_threads_buffer_is_given_back() {
        for capacity in [100, CHUNK_BYTES - 1, CHUNK_BYTES + 1] {
            let mut buffer = BytesMut::with_capacity(capacity);
            let other = buffer.as_ptr();
            park(&mut buffer);
            make_room(&mut buffer, 0);
            assert!(buffer.as_ptr() != other || capacity < CHUNK_BYTES);
            assert_eq!(buffer.capacity(), CHUNK_BYTES);
            park(&mut buffer);
        }
    }
}
