//! Messages that wait to be cut into fragments.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::frame::{Header, Opcode};

/// Messages that wait to be cut into fragments (RFC 6455 §5.4), and the Close after them.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    queue: VecDeque<Waiting>,
    bytes: usize,
}

/// A message that waits, or what is left of it.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) opcode: Opcode,
    /// Its last frame ends the message.
    pub(super) fin: bool,
    pub(super) rsv1: bool,
    pub(super) payload: Bytes,
}

impl Backlog {
    pub(super) fn push(&mut self, waiting: Waiting) {
        self.bytes += waiting.payload.len() + Header::MAX_BYTES;
        self.queue.push_back(waiting);
    }

    /// Returns the bytes that wait, with space for a header of each message.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The next frame.
    pub(super) fn next_fragment(&mut self, limit: usize) -> Option<Waiting> {
        let first = self.queue.front_mut()?;
        // A Close waits here too, and control frames are never cut (RFC 6455 §5.5).
        if first.payload.len() <= limit || first.opcode.is_control() {
            let last = self.queue.pop_front()?;
            self.bytes -= last.payload.len() + Header::MAX_BYTES;
            return Some(last);
        }
        // The rest stays in front as a continuation: RSV1 belongs to a message's first frame alone (RFC 7692 §6).
        let payload = first.payload.split_to(limit);
        self.bytes -= limit;
        let fragment = Waiting {
            opcode: first.opcode,
            fin: false,
            rsv1: first.rsv1,
            payload,
        };
        first.opcode = Opcode::Continuation;
        first.rsv1 = false;
        Some(fragment)
    }
}
