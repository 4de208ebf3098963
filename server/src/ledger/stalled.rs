//! Memory held by connections whose peers do not read, and the choice of the one to end when the budget is spent.
//!
//! ```text
//! hold ─┬─ there is memory for it ──────────────────────────→ counted
//!       ├─ the connection's own limit is reached ───────────→ it ends
//!       ├─ another one holds more, or as much for longer ───→ that one ends, this one waits for its memory
//!       └─ none does ───────────────────────────────────────→ it ends
//! ```
//! So a backlog that one peer has let grow does not cost another one its connection that waits for a moment. What waits is
//! not counted meanwhile; it is less than what the chosen one gives back.

use std::cmp::Reverse;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Context;

use futures_util::task::AtomicWaker;
use tokio::time::{Instant, Sleep, sleep};
use tungstenite_deflate::{BudgetSpent, MemoryBudget, MemoryReservation};

use super::part::FREE_BYTES;
use super::progress::PAUSE;

/// The connections of one server whose peers take nothing.
#[derive(Debug, Default)]
pub(super) struct Waiting(Mutex<Vec<Arc<Seat>>>);

/// One of them, seen from the others.
#[derive(Debug)]
struct Seat {
    bytes: AtomicUsize,
    since: Instant,
    /// It has to end.
    is_chosen: AtomicBool,
    waker: AtomicWaker,
}

/// The bytes that a connection holds since its peer took nothing; given back on drop.
#[derive(Debug)]
pub(crate) struct Stalled {
    waiting: Arc<Waiting>,
    /// Limit of the server's memory, in bytes.
    total: usize,
    held: MemoryReservation,
    seat: Arc<Seat>,
    /// Others can choose it.
    is_listed: bool,
    /// Runs until the next look whether the chosen connection has given its memory back.
    pause: Option<Pin<Box<Sleep>>>,
}

/// The reason for which a connection has to end whose peer takes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HoldError {
    /// There is no memory for it, and nobody holds more.
    #[error(transparent)]
    Spent(#[from] BudgetSpent),
    /// Another connection needs memory, and this one holds most.
    #[error("the server's memory is spent, and this connection holds most of it")]
    Chosen,
}

impl Waiting {
    /// Tests whether memory for `bytes` of `own` comes from another connection, which is ended for it.
    fn make_room(&self, own: &Arc<Seat>, bytes: usize) -> bool {
        let seats = self.seats();
        let (chosen, others): (Vec<_>, Vec<_>) = seats
            .iter()
            .filter(|seat| !Arc::ptr_eq(seat, own))
            .partition(|seat| seat.is_chosen.load(Ordering::Relaxed));
        let leaving: usize = chosen.iter().map(|seat| seat.bytes()).sum();
        if leaving >= bytes {
            return true;
        }
        let Some(first) = others.into_iter().max_by_key(|seat| seat.rank()) else {
            return false;
        };
        let is_first = first.rank() > (bytes, Reverse(own.since));
        if is_first {
            first.is_chosen.store(true, Ordering::Relaxed);
            first.waker.wake();
        }
        is_first
    }

    fn seats(&self) -> MutexGuard<'_, Vec<Arc<Seat>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Orders connections by what they hold, and those that hold the same by how long they have waited.
    fn rank(&self) -> (usize, Reverse<Instant>) {
        (self.bytes(), Reverse(self.since))
    }
}

impl Stalled {
    /// Creates the count of a connection that holds nothing yet, in `budget`, a part of `total` bytes.
    pub(super) fn new(waiting: &Arc<Waiting>, budget: &MemoryBudget, total: usize) -> Self {
        Self {
            waiting: Arc::clone(waiting),
            total,
            held: budget.reservation(),
            seat: Arc::new(Seat {
                bytes: AtomicUsize::new(0),
                since: Instant::now(),
                is_chosen: AtomicBool::new(false),
                waker: AtomicWaker::new(),
            }),
            is_listed: false,
            pause: None,
        }
    }

    /// Makes it stand for `bytes`; little things always fit. The task of `context` is woken when the connection has to end,
    /// and when there may be memory for bytes that wait for it.
    ///
    /// # Errors
    /// The connection has to end.
    pub(crate) fn hold(
        &mut self,
        context: &mut Context<'_>,
        bytes: usize,
    ) -> Result<(), HoldError> {
        self.seat.waker.register(context.waker());
        if self.seat.is_chosen.load(Ordering::Relaxed) {
            return Err(HoldError::Chosen);
        }
        if bytes <= FREE_BYTES {
            self.held.resize(bytes);
        } else if let Err(spent) = self.held.try_resize(bytes) {
            return self.wait(context, bytes, spent);
        }
        self.pause = None;
        self.seat.bytes.store(bytes, Ordering::Relaxed);
        if bytes > FREE_BYTES && !self.is_listed {
            self.waiting.seats().push(Arc::clone(&self.seat));
            self.is_listed = true;
        }
        Ok(())
    }

    /// Waits for the memory of another connection.
    fn wait(
        &mut self,
        context: &mut Context<'_>,
        bytes: usize,
        spent: BudgetSpent,
    ) -> Result<(), HoldError> {
        let is_own = spent.limit != self.total;
        if is_own || !self.waiting.make_room(&self.seat, bytes) {
            return Err(spent.into());
        }
        let pause = self.pause.get_or_insert_with(|| Box::pin(sleep(PAUSE)));
        while pause.as_mut().poll(context).is_ready() {
            pause.as_mut().reset(Instant::now() + PAUSE);
        }
        Ok(())
    }
}

impl Drop for Stalled {
    fn drop(&mut self) {
        if self.is_listed {
            let mut seats = self.waiting.seats();
            seats.retain(|seat| !Arc::ptr_eq(seat, &self.seat));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;
    use std::task::{Wake, Waker};

    use super::*;
    use crate::config::Config;
    use crate::ledger::{Ledger, Part};
    use crate::metrics::Metrics;

    const KIB: usize = 1024;

    /// Counts how often it is woken.
    #[derive(Default)]
    struct Woken(AtomicU32);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A server whose connections may hold 100 KiB together.
    fn ledger() -> Ledger {
        let arguments = ["server", "--max-buffered-bytes", "100KiB"];
        let config = Config::load(arguments.map(Into::into)).unwrap().config;
        Ledger::new(&config, Metrics::new().ledger)
    }

    fn used(ledger: &Ledger) -> usize {
        ledger.shared.total.used()
    }

    #[tokio::test(start_paused = true)]
    async fn the_largest_goes_first_and_of_equals_the_one_that_waits_longest() {
        let ledger = ledger();
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let context = &mut Context::from_waker(&waker);
        let stalled = || ledger.account().stalled_messages();
        let (mut large, mut older) = (stalled(), stalled());
        tokio::time::advance(PAUSE).await;
        let (mut newer, mut small) = (stalled(), stalled());
        large.hold(context, 40 * KIB).unwrap();
        older.hold(context, 30 * KIB).unwrap();
        newer.hold(context, 30 * KIB).unwrap();
        // Its memory is not there yet, and nobody else has to go for it.
        for _ in 0..3 {
            small.hold(context, 20 * KIB).unwrap();
        }
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
        assert_eq!(large.hold(context, 40 * KIB), Err(HoldError::Chosen));
        drop(large);
        small.hold(context, 20 * KIB).unwrap();
        assert_eq!(used(&ledger), 80 * KIB);
        // As much as two others: the older one of them goes.
        let mut equal = stalled();
        equal.hold(context, 30 * KIB).unwrap();
        newer.hold(context, 30 * KIB).unwrap();
        assert_eq!(older.hold(context, 30 * KIB), Err(HoldError::Chosen));
        drop(older);
        equal.hold(context, 30 * KIB).unwrap();
        // More than anybody else.
        stalled().hold(context, 31 * KIB).unwrap_err();
        // Little things pass, and nobody goes for them.
        stalled().hold(context, FREE_BYTES).unwrap();
        drop((newer, small, equal));
        assert_eq!(used(&ledger), 0);
        assert!(ledger.shared.waiting.seats().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_has_spent_its_own_budget_costs_no_other_one() {
        let arguments = ["server", "--max-buffered-bytes-per-connection", "100KiB"];
        let config = Config::load(arguments.map(Into::into)).unwrap().config;
        let ledger = Ledger::new(&config, Metrics::new().ledger);
        let context = &mut Context::from_waker(Waker::noop());
        let mut other = ledger.account().stalled_messages();
        other.hold(context, 90 * KIB).unwrap();
        let account = ledger.account();
        let _held = account.budget(Part::Messages).reserve(60 * KIB).unwrap();
        let mut own = account.stalled_messages();
        let held = own.hold(context, 50 * KIB);
        assert!(matches!(held, Err(HoldError::Spent(spent)) if spent.limit == 100 * KIB));
        other.hold(context, 90 * KIB).unwrap();
    }
}
