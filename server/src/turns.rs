//! The order in which tokens are checked: one at a time for each connection, a few at a time in all.
//!
//! A signature takes up to 0.3 ms of a processor (ES384), and whoever shows a token pays nothing for it. HTTP/2 brings a
//! hundred of them at once over one connection. Good tokens must pass whatever their address did before, so no rate
//! can refuse them unchecked; instead nobody's signatures hold up anybody else (threat H21). Whose address has shown too many
//! wrong ones waits after each of the next, so that who wants more of them checked pays with more connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use http::Extensions;
use tokio::sync::Semaphore;
use tokio::task::yield_now;
use tokio::time::sleep;

use crate::connection::{Connection, Turn};
use crate::peer::Peer;

/// Permits to check tokens.
#[derive(Debug)]
pub(crate) struct Turns {
    /// Half of the processors, so that the others always serve those who are in.
    permits: Semaphore,
    /// Time that checks have taken, in microseconds.
    spent: AtomicU64,
}

/// Credentials of a request: its token, and who sent it over which connection.
#[derive(Debug)]
pub(crate) struct Credentials {
    pub(crate) token: Option<Box<str>>,
    pub(crate) peer: Peer,
    pub(crate) connection: Arc<Connection>,
}

impl Credentials {
    /// The `token` of a request with these `extensions`; `None` if it did not come over a connection of this server.
    pub(crate) fn new(token: Option<&str>, extensions: &Extensions) -> Option<Self> {
        Some(Self {
            token: token.map(Into::into),
            peer: *extensions.get()?,
            connection: extensions.get().cloned()?,
        })
    }

    /// Returns whether the connection is the client's own; one of a proxy brings tokens of many clients.
    pub(crate) fn has_own_connection(&self) -> bool {
        let own = self.connection.peer;
        own.counted().is_some() && own.address() == self.peer.address()
    }
}

impl Turns {
    /// Permits for half of the processors, at least one.
    pub(crate) fn new() -> Self {
        let processors = available_parallelism().map_or(1, usize::from);
        Self {
            permits: Semaphore::new((processors / 2).max(1)),
            spent: AtomicU64::new(0),
        }
    }

    /// Runs `check`, which judges a token, when a connection has its `turn` and there is a permit.
    ///
    /// If `is_guess` accepts the outcome, the connection keeps its turn a while longer. Whoever stops waiting has taken
    /// nothing.
    pub(crate) async fn check<T>(
        &self,
        turn: &Turn,
        check: impl FnOnce() -> T,
        is_guess: impl FnOnce(&T) -> bool,
    ) -> T {
        let _turn = turn.lock().await;
        let checked = self.check_with_permit(check).await;
        if is_guess(&checked) {
            sleep(GUESS_PAUSE).await;
        }
        checked
    }

    async fn check_with_permit<T>(&self, check: impl FnOnce() -> T) -> T {
        // Never closed, so that there is always one in the end.
        let _permit = self.permits.acquire().await;
        let begun = Instant::now();
        let checked = check();
        if self.is_long(begun.elapsed()) {
            // With the permit still held: what others wait for comes before the next token.
            yield_now().await;
        }
        checked
    }

    /// Adds the time of one check; tells if so much has come together that others should have the processor.
    fn is_long(&self, took: Duration) -> bool {
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let before = self.spent.fetch_add(took, Ordering::Relaxed);
        before / LONG_MICROSECONDS != before.wrapping_add(took) / LONG_MICROSECONDS
    }
}

/// Time of checks after which others have the processor.
const LONG_MICROSECONDS: u64 = 500;
/// Time for which a connection waits after a wrong signature from an address with too many of them.
const GUESS_PAUSE: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;
    use values::sync::lock;

    /// A check that takes as long as the longest.
    fn long() {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_micros(LONG_MICROSECONDS) {}
    }

    fn one_permit() -> Arc<Turns> {
        let mut turns = Turns::new();
        turns.permits = Semaphore::new(1);
        Arc::new(turns)
    }

    /// Has a token of `connection` checked, which writes down its `name` in `order`.
    fn shown(
        turns: &Arc<Turns>,
        connection: &Arc<Turn>,
        name: &'static str,
        order: &Arc<std::sync::Mutex<Vec<&'static str>>>,
    ) -> tokio::task::JoinHandle<()> {
        let (turns, connection, order) = (turns.clone(), connection.clone(), order.clone());
        tokio::spawn(async move {
            let check = || {
                long();
                lock(&order).push(name);
            };
            turns.check(&connection, check, |()| false).await;
        })
    }

    #[tokio::test]
    async fn h21_a_hundred_tokens_of_one_connection_delay_another_by_one() {
        let (turns, order) = (one_permit(), Arc::default());
        let [many, one] = [Arc::<Turn>::default(), Arc::default()];
        let bad: Vec<_> = (0..100)
            .map(|_| shown(&turns, &many, "bad", &order))
            .collect();
        shown(&turns, &one, "good", &order).await.unwrap();
        let before = lock(&order).iter().position(|&name| name == "good");
        assert!(before.unwrap() <= 2, "{before:?}");
        for bad in bad {
            bad.await.unwrap();
        }
        assert_eq!(lock(&order).len(), 101);
    }

    #[tokio::test]
    async fn h21_other_work_goes_on_between_tokens() {
        let (turns, order) = (one_permit(), Arc::default());
        let connections: Vec<Arc<Turn>> = (0..50).map(|_| Arc::default()).collect();
        let checks: Vec<_> = connections
            .iter()
            .map(|connection| shown(&turns, connection, "check", &order))
            .collect();
        let mut rounds = 0;
        while !checks.iter().all(tokio::task::JoinHandle::is_finished) {
            rounds += 1;
            yield_now().await;
        }
        assert!(
            rounds >= 50,
            "{rounds} rounds of other work beside 50 checks"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn h21_who_guesses_waits_and_nobody_else() {
        let (turns, begun) = (one_permit(), tokio::time::Instant::now());
        let [guesser, other] = [Turn::default(), Turn::default()];
        let guess = || turns.check(&guesser, || (), |()| true);
        let attempts = futures_util::future::join_all((0..100).map(|_| guess()));
        let others = async {
            for _ in 0..100 {
                turns.check(&other, || (), |()| false).await;
            }
            begun.elapsed()
        };
        let (_, others) = tokio::join!(attempts, others);
        assert!(others < GUESS_PAUSE, "{others:?}");
        assert!(
            begun.elapsed() >= GUESS_PAUSE * 100,
            "{:?}",
            begun.elapsed()
        );
    }

    #[tokio::test]
    async fn who_stops_waiting_takes_nothing() {
        let (turns, turn) = (one_permit(), Turn::default());
        let held = turn.lock().await;
        let waiting = turns.check(&turn, || (), |()| false);
        let waited = tokio::time::timeout(Duration::ZERO, waiting).await;
        assert!(waited.is_err());
        drop(held);
        turns.check(&turn, || (), |()| false).await;
        assert_eq!(turns.permits.available_permits(), 1);
    }
}
