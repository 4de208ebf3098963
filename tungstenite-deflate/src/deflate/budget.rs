//! Process-wide bound on the memory of compression contexts.
//!
//! Only contexts that outlive a message count: they exist where context takeover was agreed, and where a compressed
//! message is in the middle of its frames. What the connections of a thread share does not count; it is bounded by
//! itself (see the table of [`deflate`](super)).
//!
//! When the budget is spent, a connection's own messages follow [`WhenBudgetSpent`](super::WhenBudgetSpent), and
//! negotiation asks the peer not to take contexts over. What was promised is kept: a peer that was allowed to keep its
//! context is decoded with one, past the limit if need be.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Sets the bound, in bytes. Default: 256 MiB, contexts of both directions for about 4,000 connections with the largest
/// windows, or 850 at levels of zlib. Contexts that exist are kept when it is lowered.
pub fn set_limit(bytes: usize) {
    PROCESS.set_limit(bytes);
}

/// The bound, in bytes.
pub fn limit() -> usize {
    PROCESS.limit.load(Ordering::Relaxed)
}

/// What contexts take now, in bytes.
pub fn used() -> usize {
    PROCESS.used()
}

/// A bound and what is used of it.
#[derive(Debug)]
pub(super) struct Budget {
    limit: AtomicUsize,
    used: AtomicUsize,
}

/// A share of a budget, given back on drop.
#[derive(Debug)]
pub(super) struct Share {
    budget: &'static Budget,
    bytes: usize,
}

/// The budget of the process.
pub(super) static PROCESS: Budget = Budget::new(DEFAULT_LIMIT);

const DEFAULT_LIMIT: usize = 256 * 1024 * 1024;

impl Budget {
    /// A budget of which nothing is used.
    pub(super) const fn new(limit: usize) -> Self {
        Self {
            limit: AtomicUsize::new(limit),
            used: AtomicUsize::new(0),
        }
    }

    pub(super) fn set_limit(&self, bytes: usize) {
        self.limit.store(bytes, Ordering::Relaxed);
    }

    pub(super) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Takes `bytes`, or nothing if they are not left.
    pub(super) fn take(&'static self, bytes: usize) -> Option<Share> {
        let limit = self.limit.load(Ordering::Relaxed);
        let more = |used: usize| used.checked_add(bytes).filter(|&used| used <= limit);
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .ok()?;
        Some(Share {
            budget: self,
            bytes,
        })
    }

    /// Takes `bytes`, whether they are left or not.
    pub(super) fn take_anyway(&'static self, bytes: usize) -> Share {
        self.used.fetch_add(bytes, Ordering::Relaxed);
        Share {
            budget: self,
            bytes,
        }
    }

    /// Whether `bytes` are left.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.used().saturating_add(bytes) <= self.limit.load(Ordering::Relaxed)
    }
}

impl Share {
    /// Makes it larger or smaller, whether there is room left or not.
    pub(super) fn resize_anyway(&mut self, bytes: usize) {
        if bytes > self.bytes {
            self.budget
                .used
                .fetch_add(bytes - self.bytes, Ordering::Relaxed);
        } else {
            self.budget
                .used
                .fetch_sub(self.bytes - bytes, Ordering::Relaxed);
        }
        self.bytes = bytes;
    }

    /// How many bytes it is.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn share_is_given_back_on_drop() {
        let budget: &'static Budget = Box::leak(Box::new(Budget::new(10)));
        let six = budget.take(6).expect("10 are left");
        assert!(budget.take(5).is_none());
        assert!(budget.has_room(4) && !budget.has_room(5));
        let past = budget.take_anyway(100);
        assert!(!budget.has_room(0));
        assert!(budget.take(usize::MAX).is_none());
        drop(six);
        let mut past = past;
        past.resize_anyway(120);
        assert_eq!(budget.used(), 120);
        past.resize_anyway(7);
        assert_eq!((budget.used(), past.bytes()), (7, 7));
        drop(past);
        assert!(budget.take(10).is_some());
        assert!(budget.has_room(10));
    }
}
