//! A connection's hold on one of its contexts.

use std::sync::{Arc, MutexGuard};

use super::context_memory::ContextMemory;
use super::deflater;
use super::kept::{Content, Kept, Kind, Outgoing, Slot};
use crate::memory::MemoryReservation;

/// A connection's hold on one of its contexts, which ends with it.
#[derive(Debug)]
pub(super) struct Hold {
    slot: Arc<Slot>,
    memory: ContextMemory,
}

impl Hold {
    /// Makes a context of `kind`, which counts by `reservation` and gives way by the order of `memory`.
    pub(super) fn new(kind: Kind, memory: &ContextMemory, reservation: MemoryReservation) -> Self {
        let slot = Slot::new(kind, memory.next_number(), reservation);
        Self {
            slot: Arc::new(slot),
            memory: memory.clone(),
        }
    }

    /// Locks the context for use.
    pub(super) fn lock(&self) -> MutexGuard<'_, Content> {
        self.slot.touch(self.memory.time());
        self.slot.lock()
    }

    /// Returns the compressor with its context, made if there is none and memory is left for one.
    pub(super) fn history<'a>(
        &self,
        content: &'a mut Content,
        level: Option<u8>,
        windows: [u8; 2],
    ) -> Option<&'a mut Outgoing> {
        if matches!(content.context, Kept::Nothing) {
            // zlib's memory is worth asking for first.
            let bytes = level.map_or(0, |_| deflater::own_bytes(windows[1]));
            if !self.memory.charge(&mut content.reservation, bytes) {
                return None;
            }
            content.context = Kept::History(Outgoing::new(level, windows));
            let bytes = content.allocated();
            if !self.memory.charge(&mut content.reservation, bytes) {
                content.clear();
                return None;
            }
        }
        match &mut content.context {
            Kept::History(outgoing) => Some(outgoing),
            Kept::Nothing | Kept::Window(_) => None,
        }
    }

    /// Charges what the context allocated after its use, for which others may have to give way; false if even that was
    /// not enough. From then on it may have to give way itself.
    pub(super) fn settle(&self, content: &mut Content) -> bool {
        let bytes = content.allocated();
        if bytes != content.reservation.bytes()
            && !self.memory.charge(&mut content.reservation, bytes)
        {
            return false;
        }
        self.enter();
        true
    }

    /// As [`settle`](Self::settle), for memory that was promised: it counts past the limit if need be.
    pub(super) fn settle_promised(&self, content: &mut Content) {
        if !self.settle(content) {
            content.reservation.resize(content.allocated());
            self.enter();
        }
    }

    /// Counts `bytes` that were sent compressed, but not with this context, which is no use of it.
    pub(super) fn skip(&self, bytes: usize) {
        let mut content = self.slot.lock();
        content.skip(bytes);
        let allocated = content.allocated();
        if allocated != content.reservation.bytes()
            && !self.memory.charge(&mut content.reservation, allocated)
        {
            content.clear();
        }
    }

    fn enter(&self) {
        if self.slot.position() == 0 {
            self.memory.enter(&self.slot);
        }
    }

    /// Reports if the context stands in the order of use, where it gives way when it is idle.
    pub(super) fn can_give_way(&self) -> bool {
        self.slot.position() != 0
    }

    /// Returns what the context allocated, in bytes, or `None` if there is none.
    pub(super) fn allocated(&self) -> Option<usize> {
        let content = self.slot.lock();
        (!matches!(content.context, Kept::Nothing)).then(|| content.allocated())
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.slot.lock().clear();
        self.memory.remove(&self.slot);
    }
}
