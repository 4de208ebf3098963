//! Contexts that a connection keeps between messages, and that give way to those of others.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use super::context_memory::ContextMemory;
use super::deflater::{self, Deflater};
use super::encoder::Context;
use super::inflater::InflateError;
use super::received::{Received, Window};
use crate::memory::MemoryReservation;

/// The two kinds of contexts of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Of our own compressor: it can be forgotten.
    History,
    /// Of the peer's: it can be stored compressed.
    Window,
}

/// A context of a connection. It is locked by the connection while it is used; whoever makes it give way never waits.
#[derive(Debug)]
pub(super) struct Slot {
    kind: Kind,
    number: u64,
    /// Logical time of the last use.
    used: AtomicU64,
    /// The same of the use before.
    used_before: AtomicU64,
    /// Logical time of its position in the order of use, or 0 if it has none.
    position: AtomicU64,
    content: Mutex<Content>,
}

/// The content of a [`Slot`], with its memory.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) context: Kept,
    pub(super) reservation: MemoryReservation,
}

/// A context.
#[derive(Debug)]
pub(super) enum Kept {
    /// None: not made yet, or forgotten.
    Nothing,
    /// Of our own compressor.
    History(Outgoing),
    /// The peer's window.
    Window(Window),
}

/// A compressor with the messages before as context.
#[derive(Debug)]
pub(super) enum Outgoing {
    Own(Box<Context>),
    Zlib(Box<Deflater<zlib_rs::Deflate>>),
}

/// A connection's hold on one of its contexts, which ends with it.
#[derive(Debug)]
pub(super) struct Hold {
    slot: Arc<Slot>,
    memory: ContextMemory,
}

impl Slot {
    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    pub(super) fn used_before(&self) -> u64 {
        self.used_before.load(Ordering::Relaxed)
    }

    /// Notes a use; several at one logical time are one.
    fn touch(&self, time: u64) {
        let used = self.used();
        if used != time {
            self.used_before.store(used, Ordering::Relaxed);
            self.used.store(time, Ordering::Relaxed);
        }
    }

    pub(super) fn position(&self) -> u64 {
        self.position.load(Ordering::Relaxed)
    }

    /// Only called while the order of use is locked.
    pub(super) fn set_position(&self, position: u64) {
        self.position.store(position, Ordering::Relaxed);
    }

    /// Makes the context give way; false if its connection is using it.
    pub(super) fn release(&self) -> bool {
        match self.content.try_lock() {
            Ok(mut content) => content.release(),
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner().release(),
            Err(TryLockError::WouldBlock) => return false,
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Content {
    fn release(&mut self) {
        match &mut self.context {
            Kept::Nothing => {}
            Kept::History(_) => self.clear(),
            Kept::Window(window) => {
                window.pack();
                self.reservation.resize(window.allocated());
            }
        }
    }

    /// Counts `bytes` that were sent compressed, but not with this context.
    fn skip(&mut self, bytes: usize) {
        match &mut self.context {
            Kept::History(Outgoing::Own(context)) => context.skip(bytes),
            Kept::History(Outgoing::Zlib(_)) => self.clear(),
            Kept::Nothing | Kept::Window(_) => {}
        }
    }

    /// Forgets the context.
    pub(super) fn clear(&mut self) {
        self.context = Kept::Nothing;
        self.reservation.resize(0);
    }

    /// Returns what the context allocated, in bytes.
    pub(super) fn allocated(&self) -> usize {
        match &self.context {
            Kept::Nothing => 0,
            Kept::History(outgoing) => outgoing.allocated(),
            Kept::Window(window) => window.allocated(),
        }
    }

    /// Returns the peer's window, inflated if it was stored compressed, and empty at first.
    ///
    /// # Errors
    /// What was stored does not inflate, which would be a fault of ours.
    pub(super) fn window(&mut self, window_bits: u8) -> Result<&mut Received, InflateError> {
        if !matches!(self.context, Kept::Window(_)) {
            self.context = Kept::Window(Window::new(window_bits));
        }
        match &mut self.context {
            Kept::Window(window) => window.unpacked(),
            Kept::Nothing | Kept::History(_) => Err(InflateError::Invalid("window lost")),
        }
    }
}

impl Outgoing {
    /// Creates a compressor of zlib's `level`, or our own, for the agreed window and the part of it that is used.
    fn new(level: Option<u8>, [agreed, used]: [u8; 2]) -> Self {
        match level {
            None => Self::Own(Box::new(Context::new(agreed, used))),
            Some(level) => Self::Zlib(Box::new(Deflater::own(level, used))),
        }
    }

    fn allocated(&self) -> usize {
        match self {
            Self::Own(context) => context.allocated_bytes(),
            Self::Zlib(deflater) => deflater::own_bytes(deflater.window_bits()),
        }
    }
}

impl Hold {
    /// Makes a context of `kind`, which counts by `reservation` and gives way by the order of `memory`.
    pub(super) fn new(kind: Kind, memory: &ContextMemory, reservation: MemoryReservation) -> Self {
        let slot = Slot {
            kind,
            number: memory.next_number(),
            used: AtomicU64::new(0),
            used_before: AtomicU64::new(0),
            position: AtomicU64::new(0),
            content: Mutex::new(Content {
                context: Kept::Nothing,
                reservation,
            }),
        };
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
