//! A bound on the memory that the unfinished messages of many connections take together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A bound on the memory that the unfinished messages of many connections take together.
///
/// A peer that begins a message and does not go on holds what it has sent, up to the largest message, for as long as
/// [`unfinished_message_timeout`](crate::Limits::unfinished_message_timeout) lets it; a thousand such peers hold a
/// thousand times as much. Connections whose [`Limits`](crate::Limits) hold clones of one value share one bound. The
/// connection that wants to wait with more than is left is failed with 1013 (try again later).
///
/// What counts is the memory of a frame or message that is not there whole whenever its connection waits for the rest.
/// The first 4 KiB of each connection do not count, so that short messages pass while the bound is reached.
#[derive(Clone, Debug)]
pub struct UnfinishedMemory {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    limit: usize,
    used: AtomicUsize,
}

/// What one connection holds; given back on drop.
#[derive(Debug)]
pub(crate) struct Held {
    memory: UnfinishedMemory,
    bytes: usize,
}

impl UnfinishedMemory {
    /// At most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                limit,
                used: AtomicUsize::new(0),
            }),
        }
    }

    /// The bound, in bytes.
    pub fn limit(&self) -> usize {
        self.shared.limit
    }

    /// What is taken now, in bytes.
    pub fn used(&self) -> usize {
        self.shared.used.load(Ordering::Relaxed)
    }
}

impl Held {
    /// Makes `held` what stands for `bytes` out of `memory`; false, with `held` as it was, if there is no room for more.
    pub(crate) fn resize(held: &mut Option<Self>, bytes: usize, memory: &UnfinishedMemory) -> bool {
        if bytes <= FREE_BYTES {
            *held = None;
            return true;
        }
        let held = held.get_or_insert_with(|| Self {
            memory: memory.clone(),
            bytes: 0,
        });
        held.set(bytes)
    }

    fn set(&mut self, bytes: usize) -> bool {
        let Shared { limit, used } = &*self.memory.shared;
        let before = self.bytes;
        if bytes <= before {
            used.fetch_sub(before - bytes, Ordering::Relaxed);
        } else {
            let more = |used: usize| {
                used.checked_add(bytes - before)
                    .filter(|used| used <= limit)
            };
            if used
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
                .is_err()
            {
                return false;
            }
        }
        self.bytes = bytes;
        true
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.memory
            .shared
            .used
            .fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Bytes of each connection that do not count.
const FREE_BYTES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_bounded_and_given_back() {
        let memory = UnfinishedMemory::new(100_000);
        let (mut one, mut two) = (None, None);
        assert!(Held::resize(&mut one, 60_000, &memory));
        assert!(!Held::resize(&mut two, 60_000, &memory));
        assert_eq!(memory.used(), 60_000);
        assert!(
            Held::resize(&mut two, FREE_BYTES, &memory),
            "a little is free"
        );
        assert!(Held::resize(&mut two, 40_000, &memory));
        assert!(!Held::resize(&mut one, 60_001, &memory));
        assert!(Held::resize(&mut one, 20_000, &memory));
        assert_eq!(memory.used(), 60_000);
        assert!(Held::resize(&mut one, 0, &memory));
        assert_eq!(memory.used(), 40_000);
        drop(two);
        assert_eq!(memory.used(), 0);
    }
}
