//! The end of the server as its connections see it: a signal, a moment for each, a count of those still there.
//!
//! ```text
//! serving ──announce──► leaving ──begin──► draining ──cut_off──► over
//!           not ready,           no new work,        what is left
//!           all is served        1001 to each        is dropped
//! ```

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};
use tokio_util::task::TaskTracker;

use crate::once_signal::{OnceSignal, Waiter};

/// Shared by everything that has to end when the server does.
#[derive(Clone, Debug)]
pub(crate) struct Drain {
    end: Arc<End>,
    tasks: TaskTracker,
}

/// The end of the server.
#[derive(Debug, Default)]
struct End {
    /// Set when the server is no longer ready.
    announced: OnceSignal,
    plan: OnceLock<Plan>,
    /// Set when there is a plan.
    begun: OnceSignal,
    /// Set when what is left is to be dropped.
    cut: OnceSignal,
}

/// Schedule of closing the connections.
#[derive(Clone, Copy, Debug)]
struct Plan {
    started: Instant,
    window: Duration,
}

/// One connection's share in the end of the server.
#[derive(Clone, Debug)]
pub(crate) struct Departure {
    end: Arc<End>,
    /// Position of this connection's moment in the window, 0 to 1.
    share: f64,
}

/// Waits for a [`Departure`]'s moment, beside what is polled for every message.
#[derive(Debug)]
pub(crate) struct Departing {
    departure: Departure,
    begun: Waiter,
    moment: Option<Pin<Box<Sleep>>>,
}

impl Drain {
    /// Nothing is ending yet.
    pub(crate) fn new() -> Self {
        Self {
            end: Arc::default(),
            tasks: TaskTracker::new(),
        }
    }

    /// Runs `task` as one that the end of the server waits for, up to the moment when it cuts off what is left.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut cut = self.end.cut.waiter();
        // In a box, since a future keeps room for what it is given and once more for what it pins.
        let mut task = Box::pin(task);
        self.tasks.spawn(poll_fn(move |cx| {
            if task.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            cut.poll(cx)
        }));
    }

    /// Makes the server not ready, while everything is still served.
    pub(crate) fn announce(&self) {
        self.end.announced.set();
    }

    /// Reports if the end has been announced.
    pub(crate) fn is_announced(&self) -> bool {
        self.end.announced.is_set()
    }

    /// Waits until the end has been announced. Cancel safe.
    pub(crate) async fn announced(&self) {
        let mut announced = self.end.announced.waiter();
        poll_fn(|cx| announced.poll(cx)).await;
    }

    /// Returns true if the server is ending.
    pub(crate) fn has_begun(&self) -> bool {
        self.end.begun.is_set()
    }

    /// Waits until the server is ending. Cancel safe.
    pub(crate) async fn begun(&self) {
        let mut begun = self.end.begun.waiter();
        poll_fn(|cx| begun.poll(cx)).await;
    }

    /// A connection's own moment, at a random position in the window.
    pub(crate) fn departure(&self) -> Departure {
        Departure {
            end: Arc::clone(&self.end),
            share: rand::random(),
        }
    }

    /// Tells every connection to go within `window`; few connections need less of it.
    pub(crate) fn begin(&self, window: Duration) {
        self.announce();
        let needed =
            PER_CONNECTION.saturating_mul(u32::try_from(self.tasks.len()).unwrap_or(u32::MAX));
        // The first plan holds.
        self.end.plan.get_or_init(|| Plan {
            started: Instant::now(),
            window: window.min(needed),
        });
        self.end.begun.set();
        self.tasks.close();
    }

    /// Waits until every task has ended.
    pub(crate) async fn finished(&self) {
        self.tasks.wait().await;
    }

    /// Drops every task that is left; returns how many there were.
    pub(crate) fn cut_off(&self) -> usize {
        let left = self.tasks.len();
        self.end.cut.set();
        left
    }
}

impl Departure {
    /// Waits until the server is ending and this connection's moment has come.
    ///
    /// Cancel safe: the moment is the same however often this is called.
    pub(crate) fn reached(&self) -> Departing {
        Departing {
            begun: self.end.begun.waiter(),
            departure: self.clone(),
            moment: None,
        }
    }
}

impl Future for Departing {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        if this.moment.is_none() {
            ready!(this.begun.poll(cx));
        }
        let moment = this.moment.get_or_insert_with(|| {
            let Departure { end, share } = &this.departure;
            // There is a plan when the signal is set.
            let moment = end.plan.get().map_or_else(Instant::now, |plan| {
                plan.started + plan.window.mul_f64(*share)
            });
            Box::pin(tokio::time::sleep_until(moment))
        });
        moment.as_mut().poll(cx)
    }
}

/// Part of the window that one connection adds: a thousand connections fill three seconds.
const PER_CONNECTION: Duration = Duration::from_millis(3);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn every_connection_goes_within_the_window() {
        let drain = Drain::new();
        for _ in 0..100 {
            let departure = drain.departure();
            drain.spawn(async move { departure.reached().await });
        }
        tokio::task::yield_now().await;
        assert!(!drain.has_begun());
        let start = Instant::now();
        drain.begin(Duration::from_millis(200));
        drain.finished().await;
        assert!(
            start.elapsed() <= Duration::from_millis(201),
            "{:?}",
            start.elapsed()
        );
        assert_eq!(drain.cut_off(), 0);
    }

    #[tokio::test]
    async fn an_announced_end_has_not_begun() {
        let drain = Drain::new();
        drain.announce();
        drain.announced().await;
        assert_eq!((drain.is_announced(), drain.has_begun()), (true, false));
    }

    #[test]
    fn an_end_that_has_begun_is_announced() {
        let drain = Drain::new();
        assert!(!drain.is_announced());
        drain.begin(Duration::ZERO);
        assert_eq!((drain.is_announced(), drain.has_begun()), (true, true));
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_go_is_cut_off() {
        let drain = Drain::new();
        drain.spawn(std::future::pending());
        drain.begin(Duration::ZERO);
        assert_eq!(drain.cut_off(), 1);
        drain.finished().await;
    }
}
