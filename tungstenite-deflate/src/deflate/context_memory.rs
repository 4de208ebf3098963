//! Memory that compression contexts of many connections share, and who gives way when it is spent.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::kept::{Kind, Slot};
use super::recency::{Marks, Recency};
use crate::connection::HAS_CLOCK;
use crate::memory::{MemoryBudget, MemoryReservation};

/// Memory for the compression contexts of all connections whose configuration holds a clone of this handle.
///
/// Memory counts as allocated, not as it may grow. If the budget is spent, contexts give way in this order,
/// and no message fails:
///
/// 1. The history of our own compressor that was used least recently is forgotten, judged by the use before the last, at
///    the cost of its ratio: RFC 7692 lets a compressor forget at any time, unannounced.
/// 2. Windows of peers that were silent longest are stored compressed, and inflated at their next message.
/// 3. New handshakes ask the peer to forget its context. They do so as well when all windows that were promised,
///    fully grown, reach the budget's limit.
///
/// Promises to connected peers are kept. The same steps 1 and 2 are taken for contexts that were
/// [idle](Self::idle_timeout), while there is memory too.
///
/// ```
/// use std::time::Duration;
/// use tungstenite_deflate::deflate::ContextMemory;
/// use tungstenite_deflate::{DeflateConfig, MemoryBudget};
///
/// let memory = ContextMemory::new(MemoryBudget::new(16 << 20), Some(Duration::from_secs(30)));
/// let config = DeflateConfig::default().memory(memory.clone());
/// assert_eq!(memory.budget().used(), 0);
/// # let _ = config;
/// ```
#[derive(Clone, Debug)]
pub struct ContextMemory {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    budget: MemoryBudget,
    idle_timeout: Option<Duration>,
    /// Windows that peers were promised, fully grown.
    promised: AtomicUsize,
    /// Histories that were forgotten to make room, or for being idle.
    forgotten: AtomicU64,
    /// The logical time: contexts remember it when they are used.
    time: AtomicU64,
    numbers: AtomicU64,
    /// Contexts in the order in which they give way. Taken while a context is locked, never the other way round.
    order: Mutex<Order>,
}

#[derive(Debug, Default)]
struct Order {
    histories: Recency,
    windows: Recency,
    clock: Marks,
}

/// A window that a peer was promised; taken back on drop.
#[derive(Debug)]
pub(super) struct Promise {
    memory: ContextMemory,
    bytes: usize,
}

impl ContextMemory {
    /// Creates a handle to `budget`. Contexts that are not used for `idle_timeout` give way although memory is left;
    /// `None` leaves them.
    pub fn new(budget: MemoryBudget, idle_timeout: Option<Duration>) -> Self {
        Self {
            shared: Arc::new(Shared {
                budget,
                idle_timeout,
                promised: AtomicUsize::new(0),
                forgotten: AtomicU64::new(0),
                time: AtomicU64::new(1),
                numbers: AtomicU64::new(0),
                order: Mutex::default(),
            }),
        }
    }

    /// Returns the budget that contexts count against.
    pub fn budget(&self) -> &MemoryBudget {
        &self.shared.budget
    }

    /// Returns the time after which unused contexts give way.
    pub fn idle_timeout(&self) -> Option<Duration> {
        self.shared.idle_timeout
    }

    /// Returns the number of histories forgotten so far to make room, or for being idle.
    pub fn forgotten(&self) -> u64 {
        self.shared.forgotten.load(Ordering::Relaxed)
    }

    /// Lets contexts give way that were not used for the [idle timeout](Self::idle_timeout) before `now`.
    ///
    /// Connections with deadlines call this themselves, as do new ones. A program without both may call it from a task
    /// of its own. The work of one call is bounded; calls in quick succession do nothing.
    pub fn release_idle(&self, now: Instant) {
        let Some(timeout) = self.shared.idle_timeout else {
            return;
        };
        // Lock order: the order of use alone, never together with a context; `release` locks that.
        let mut order = self.order();
        let time = &self.shared.time;
        let Some(until) = order
            .clock
            .idle_since(now, timeout, || time.fetch_add(1, Ordering::Relaxed))
        else {
            return;
        };
        for _ in 0..MAX_RELEASED {
            let Some(slot) = order.next_idle(until) else {
                return;
            };
            drop(order);
            self.release(&slot);
            order = self.order();
        }
        // More may be idle than one call may release: the next call goes on.
        order.clock.look_again();
    }

    /// Reports if a peer may be promised a window of `bytes`.
    pub(super) fn admits(&self, bytes: usize) -> bool {
        let budget = &self.shared.budget;
        let promised = self.shared.promised.load(Ordering::Relaxed);
        promised.saturating_add(bytes) <= budget.capacity()
            && (budget.available() >= bytes || !self.order().histories.is_empty())
    }

    /// Notes that a peer was promised a window of `bytes`.
    pub(super) fn promise(&self, bytes: usize) -> Promise {
        self.shared.promised.fetch_add(bytes, Ordering::Relaxed);
        Promise {
            memory: self.clone(),
            bytes,
        }
    }

    /// Returns a number that no other context has.
    pub(super) fn next_number(&self) -> u64 {
        self.shared.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// Returns the logical time, for a context that is used now.
    pub(super) fn time(&self) -> u64 {
        self.shared.time.load(Ordering::Relaxed)
    }

    /// Resizes a reservation, for which others give way if need be, and reports if that was enough.
    pub(super) fn charge(&self, reservation: &mut MemoryReservation, bytes: usize) -> bool {
        while reservation.try_resize(bytes).is_err() {
            let more = bytes.saturating_sub(reservation.bytes());
            // A limit of the connection alone is not met by what others give.
            if self.shared.budget.available() >= more || !self.make_room() {
                return false;
            }
        }
        true
    }

    /// Lets the context give way that is next; false if there is none.
    fn make_room(&self) -> bool {
        for _ in 0..MAX_BUSY {
            let Some(slot) = self.order().next() else {
                return false;
            };
            if self.release(&slot) {
                return true;
            }
        }
        false
    }

    /// Makes a context give way, or returns it to its position if its connection is using it.
    fn release(&self, slot: &Arc<Slot>) -> bool {
        let is_released = slot.release();
        if !is_released {
            self.enter(slot);
        } else if slot.kind() == Kind::History {
            self.shared.forgotten.fetch_add(1, Ordering::Relaxed);
        }
        is_released
    }

    /// Enters a context that may have to give way.
    pub(super) fn enter(&self, slot: &Arc<Slot>) {
        self.shared.time.fetch_add(1, Ordering::Relaxed);
        self.order().of(slot.kind()).insert(slot);
    }

    /// Removes a context whose connection has ended.
    pub(super) fn remove(&self, slot: &Slot) {
        if slot.position() != 0 {
            self.order().of(slot.kind()).remove(slot);
        }
    }

    fn order(&self) -> MutexGuard<'_, Order> {
        // Nothing panics while it is held; a poisoned order is whole all the same.
        self.shared
            .order
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Order {
    fn of(&mut self, kind: Kind) -> &mut Recency {
        match kind {
            Kind::History => &mut self.histories,
            Kind::Window => &mut self.windows,
        }
    }

    /// Takes out the context that gives way next.
    fn next(&mut self) -> Option<Arc<Slot>> {
        self.histories.next().or_else(|| self.windows.next())
    }

    /// Takes out a context that was used last at the logical time `until` or before.
    fn next_idle(&mut self, until: u64) -> Option<Arc<Slot>> {
        let history = self.histories.next_idle(until);
        history.or_else(|| self.windows.next_idle(until))
    }
}

/// Two handles are equal if they are handles to the same memory.
impl PartialEq for ContextMemory {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl Eq for ContextMemory {}

impl From<MemoryBudget> for ContextMemory {
    /// Contexts of `budget`, with the default's idle timeout of 60 s.
    fn from(budget: MemoryBudget) -> Self {
        Self::new(budget, HAS_CLOCK.then_some(DEFAULT_IDLE_TIMEOUT))
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        let promised = &self.memory.shared.promised;
        promised.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Time after which unused contexts give way where none was chosen.
pub(super) const DEFAULT_IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// Contexts that one look for idle ones releases, some 6 µs each for windows.
const MAX_RELEASED: usize = 64;
/// Contexts in use that are passed over before giving up.
const MAX_BUSY: usize = 16;
