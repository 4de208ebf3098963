//! Budgets of memory that many connections share, and what is reserved of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A budget of memory that many connections share.
///
/// Clones are handles to the same budget. A budget made by [`within`](Self::within) is a part of others: what is
/// reserved of it counts against each of them too, so that one reservation can be held against the limit of a
/// connection, of a kind of use and of a whole server.
///
/// ```
/// use tungstenite_deflate::MemoryBudget;
///
/// let server = MemoryBudget::new(100);
/// let connection = MemoryBudget::within(60, [&server]);
/// let mut held = connection.reserve(50).unwrap();
/// assert_eq!((server.used(), connection.available()), (50, 10));
/// assert!(held.try_resize(70).is_err());
/// drop(held);
/// assert_eq!(server.used(), 0);
/// ```
///
/// [`Limits::unfinished_memory`](crate::Limits::unfinished_memory) bounds messages that are not there whole,
/// [`DeflateConfig::memory`](crate::DeflateConfig::memory) compression contexts.
#[derive(Clone, Debug)]
pub struct MemoryBudget {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    limit: usize,
    used: AtomicUsize,
    within: Box<[MemoryBudget]>,
}

/// Bytes reserved of a [`MemoryBudget`]; given back on drop.
#[derive(Debug)]
pub struct MemoryReservation {
    budget: MemoryBudget,
    bytes: usize,
}

/// A budget has less memory left than was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("memory budget of {limit} bytes is spent")]
#[non_exhaustive]
pub struct BudgetSpent {
    /// Limit of the budget that was reached, in bytes.
    pub limit: usize,
}

impl MemoryBudget {
    /// Creates a budget of `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self::within(limit, [])
    }

    /// Creates a budget of `limit` bytes that is a part of `budgets`.
    pub fn within<'a>(limit: usize, budgets: impl IntoIterator<Item = &'a MemoryBudget>) -> Self {
        Self {
            shared: Arc::new(Shared {
                limit,
                used: AtomicUsize::new(0),
                within: budgets.into_iter().cloned().collect(),
            }),
        }
    }

    /// Returns the limit, in bytes.
    pub fn limit(&self) -> usize {
        self.shared.limit
    }

    /// Returns the bytes that are reserved now.
    pub fn used(&self) -> usize {
        self.shared.used.load(Ordering::Relaxed)
    }

    /// Returns the bytes that can still be reserved, here and in every budget that this one is a part of.
    pub fn available(&self) -> usize {
        let here = self.limit().saturating_sub(self.used());
        let within = self.shared.within.iter().map(Self::available);
        within.fold(here, usize::min)
    }

    /// Returns the smallest limit, of this budget and of every one that it is a part of.
    pub(crate) fn capacity(&self) -> usize {
        let within = self.shared.within.iter().map(Self::capacity);
        within.fold(self.limit(), usize::min)
    }

    /// Reserves `bytes`.
    ///
    /// # Errors
    /// They are not left, here or in a budget that this one is a part of; nothing is reserved then.
    pub fn reserve(&self, bytes: usize) -> Result<MemoryReservation, BudgetSpent> {
        let mut reservation = self.reservation();
        reservation.try_resize(bytes)?;
        Ok(reservation)
    }

    /// Returns a reservation of zero bytes, to be resized.
    pub fn reservation(&self) -> MemoryReservation {
        MemoryReservation {
            budget: self.clone(),
            bytes: 0,
        }
    }

    /// Takes `bytes` here and in every budget around, or nothing.
    fn take(&self, bytes: usize) -> Result<(), BudgetSpent> {
        let Shared {
            limit,
            used,
            within,
        } = &*self.shared;
        let more = |used: usize| used.checked_add(bytes).filter(|used| used <= limit);
        used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .map_err(|_| BudgetSpent { limit: *limit })?;
        for (taken, budget) in within.iter().enumerate() {
            if let Err(spent) = budget.take(bytes) {
                within[..taken].iter().for_each(|budget| budget.give(bytes));
                used.fetch_sub(bytes, Ordering::Relaxed);
                return Err(spent);
            }
        }
        Ok(())
    }

    /// Takes `bytes` even if they are not left.
    fn take_anyway(&self, bytes: usize) {
        self.shared.used.fetch_add(bytes, Ordering::Relaxed);
        let within = self.shared.within.iter();
        within.for_each(|budget| budget.take_anyway(bytes));
    }

    /// Gives `bytes` back.
    fn give(&self, bytes: usize) {
        self.shared.used.fetch_sub(bytes, Ordering::Relaxed);
        let within = self.shared.within.iter();
        within.for_each(|budget| budget.give(bytes));
    }
}

/// Two handles are equal if they are handles to the same budget.
impl PartialEq for MemoryBudget {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl Eq for MemoryBudget {}

impl MemoryReservation {
    /// Returns the bytes that are reserved.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Makes it `bytes` long.
    ///
    /// # Errors
    /// The budget has not so much left; the reservation stays as it was.
    pub fn try_resize(&mut self, bytes: usize) -> Result<(), BudgetSpent> {
        if bytes > self.bytes {
            self.budget.take(bytes - self.bytes)?;
            self.bytes = bytes;
        } else {
            self.resize(bytes);
        }
        Ok(())
    }

    /// Makes it `bytes` long, past the limit if need be: for memory that is taken already.
    pub fn resize(&mut self, bytes: usize) {
        if bytes > self.bytes {
            self.budget.take_anyway(bytes - self.bytes);
        } else if bytes < self.bytes {
            self.budget.give(self.bytes - bytes);
        }
        self.bytes = bytes;
    }
}

impl Drop for MemoryReservation {
    fn drop(&mut self) {
        self.resize(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_reserved_is_bounded_and_given_back() {
        let memory = MemoryBudget::new(100_000);
        let mut one = memory.reserve(60_000).unwrap();
        assert_eq!(
            memory.reserve(60_000).unwrap_err(),
            BudgetSpent { limit: 100_000 }
        );
        assert_eq!((memory.used(), memory.available()), (60_000, 40_000));
        let two = memory.reserve(40_000).unwrap();
        assert!(one.try_resize(60_001).is_err());
        one.try_resize(20_000).unwrap();
        assert_eq!(memory.used(), 60_000);
        one.resize(200_000);
        assert_eq!((memory.used(), memory.available()), (240_000, 0));
        assert!(memory.reserve(usize::MAX).is_err());
        drop(one);
        assert_eq!(memory.used(), 40_000);
        drop(two);
        assert_eq!(memory.used(), 0);
    }

    #[test]
    fn a_part_counts_in_every_budget_around_it() {
        let server = MemoryBudget::new(100);
        let connections = [70, 70].map(|limit| MemoryBudget::within(limit, [&server]));
        let kind = MemoryBudget::new(usize::MAX);
        let parts = connections
            .each_ref()
            .map(|connection| MemoryBudget::within(usize::MAX, [&kind, connection]));
        let mut one = parts[0].reserve(60).unwrap();
        assert_eq!(parts[1].reserve(60).unwrap_err().limit, 100);
        assert_eq!(parts[0].reserve(20).unwrap_err().limit, 70);
        assert_eq!(
            (kind.used(), server.used()),
            (60, 60),
            "nothing of it stays"
        );
        assert_eq!(parts[1].available(), 40);
        one.resize(80);
        assert_eq!(connections[0].available(), 0);
        drop(one);
        let all = [&server, &kind, &connections[0], &connections[1]].map(MemoryBudget::used);
        assert_eq!(all, [0; 4]);
    }
}
