//! The order in which contexts were used, and since when.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::kept::Slot;

/// Contexts by the use before their last one, which tells better than the last how often a connection speaks (LRU-2): one
/// that spoke once does not displace those that go on.
///
/// A connection that uses its context only notes the logical time in it. Its position here is that of an earlier use,
/// and is brought up to date when it comes to be the first.
#[derive(Debug, Default)]
pub(super) struct Recency {
    /// By position and number, which makes the key unique.
    slots: BTreeMap<(u64, u64), Arc<Slot>>,
}

impl Recency {
    /// Enters a context, unless it is here.
    pub(super) fn insert(&mut self, slot: &Arc<Slot>) {
        if slot.position() == 0 {
            // 0 is no position.
            let position = slot.used_before() + 1;
            slot.set_position(position);
            self.slots
                .insert((position, slot.number()), Arc::clone(slot));
        }
    }

    /// Removes a context, if it is here.
    pub(super) fn remove(&mut self, slot: &Slot) {
        let removed = self.slots.remove(&(slot.position(), slot.number()));
        if removed.is_some() {
            slot.set_position(0);
        }
    }

    /// Takes out the next context that gives way. After [`MAX_STALE`] that were used meanwhile any will do.
    pub(super) fn next(&mut self) -> Option<Arc<Slot>> {
        for stale in 0.. {
            let (_, slot) = self.slots.pop_first()?;
            let is_stale = slot.used_before() >= slot.position();
            slot.set_position(0);
            if !is_stale || stale == MAX_STALE {
                return Some(slot);
            }
            self.insert(&slot);
        }
        None
    }

    /// Takes out a context that was used last at the logical time `until` or before.
    pub(super) fn next_idle(&mut self, until: u64) -> Option<Arc<Slot>> {
        let mut search = self
            .slots
            .range(..=(until + 1, u64::MAX))
            .take(MAX_SEARCHED);
        let (&key, _) = search.find(|(_, slot)| slot.used() <= until)?;
        let slot = self.slots.remove(&key)?;
        slot.set_position(0);
        Some(slot)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}

/// Logical times at past instants, to tell what was not used since.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// From the latest one that is longer ago than the timeout on.
    marks: VecDeque<(Instant, u64)>,
    /// The last look left something over.
    is_unfinished: bool,
}

impl Marks {
    /// Returns the logical time since which idle contexts were not used, at most [`LOOKS`] times in `timeout`.
    /// `mark` ends the present logical time and returns it.
    pub(super) fn idle_since(
        &mut self,
        now: Instant,
        timeout: Duration,
        mark: impl FnOnce() -> u64,
    ) -> Option<u64> {
        let age = |at: Instant| now.saturating_duration_since(at);
        let is_due = self
            .marks
            .back()
            .is_none_or(|(at, _)| age(*at) >= timeout / LOOKS);
        if is_due {
            self.marks.push_back((now, mark()));
        } else if !self.is_unfinished {
            return None;
        }
        self.is_unfinished = false;
        while self.marks.get(1).is_some_and(|(at, _)| age(*at) >= timeout) {
            self.marks.pop_front();
        }
        let oldest = self.marks.front().filter(|(at, _)| age(*at) >= timeout);
        oldest.map(|(_, time)| *time)
    }

    /// Lets the next look go on where this one stopped.
    pub(super) fn look_again(&mut self) {
        self.is_unfinished = true;
    }
}

/// Looks for idle contexts within their timeout: they stay at most so much longer.
const LOOKS: u32 = 64;
/// Contexts that are moved to the position of their last use in one search.
const MAX_STALE: u32 = 64;
/// Contexts that are looked at in one search for an idle one.
const MAX_SEARCHED: usize = 1024;
