//! Contexts that a connection keeps between messages, and that give way to those of others.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

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

impl Slot {
    /// Creates a slot without a context, of a `number` that no other one of its memory has.
    pub(super) fn new(kind: Kind, number: u64, reservation: MemoryReservation) -> Self {
        Self {
            kind,
            number,
            used: AtomicU64::new(0),
            used_before: AtomicU64::new(0),
            position: AtomicU64::new(0),
            content: Mutex::new(Content {
                context: Kept::Nothing,
                reservation,
            }),
        }
    }

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
    pub(super) fn touch(&self, time: u64) {
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

    pub(super) fn lock(&self) -> MutexGuard<'_, Content> {
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
    pub(super) fn skip(&mut self, bytes: usize) {
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
    /// The stored bytes do not inflate, which would be a fault of ours.
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
    pub(super) fn new(level: Option<u8>, [agreed, used]: [u8; 2]) -> Self {
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
