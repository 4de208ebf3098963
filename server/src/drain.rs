//! The end of the server as its connections see it: a signal, a moment for each, a count of those still there.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Shared by everything that has to end when the server does.
#[derive(Clone, Debug)]
pub(crate) struct Drain {
    plan: Arc<watch::Sender<Option<Plan>>>,
    tasks: TaskTracker,
    cut: Arc<Cut>,
}

/// The order to drop what is left.
#[derive(Debug, Default)]
struct Cut {
    /// Cheaper to look at than the token, which takes a lock.
    ordered: AtomicBool,
    token: CancellationToken,
}

/// When the connections are told to go.
#[derive(Clone, Copy, Debug)]
struct Plan {
    started: Instant,
    window: Duration,
}

/// One connection's share in the end of the server.
#[derive(Clone, Debug)]
pub(crate) struct Departure {
    plan: watch::Receiver<Option<Plan>>,
    /// Where in the window this connection's moment lies, 0 to 1.
    share: f64,
}

impl Drain {
    /// Nothing is ending yet.
    pub(crate) fn new() -> Self {
        Self {
            plan: Arc::new(watch::Sender::new(None)),
            tasks: TaskTracker::new(),
            cut: Arc::default(),
        }
    }

    /// Runs `task` as one that the end of the server waits for, up to the moment when it cuts off what is left.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let cut = Arc::clone(&self.cut);
        // In a box, since a future keeps room for what it is given and once more for what it pins.
        let mut task = Box::pin(task);
        self.tasks.spawn(async move {
            let cancelled = pin!(cut.token.cancelled());
            let mut ordered = Watched::new(cancelled);
            poll_fn(|cx| {
                if task.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(());
                }
                let looks = cut.ordered.load(Ordering::Acquire);
                ordered.poll(cx, looks)
            })
            .await;
        });
    }

    /// Whether the server is ending.
    pub(crate) fn has_begun(&self) -> bool {
        self.plan.borrow().is_some()
    }

    /// Waits until the server is ending. Cancel safe.
    pub(crate) async fn begun(&self) {
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = self.plan.subscribe().wait_for(Option::is_some).await;
    }

    /// A connection's own moment, at a random place in the window.
    pub(crate) fn departure(&self) -> Departure {
        Departure {
            plan: self.plan.subscribe(),
            share: rand::random(),
        }
    }

    /// Tells every connection to go within `window`; few connections need less of it.
    pub(crate) fn begin(&self, window: Duration) {
        let needed =
            PER_CONNECTION.saturating_mul(u32::try_from(self.tasks.len()).unwrap_or(u32::MAX));
        let plan = Plan {
            started: Instant::now(),
            window: window.min(needed),
        };
        self.plan.send_if_modified(|current| {
            let first = current.is_none();
            current.get_or_insert(plan);
            first
        });
        self.tasks.close();
    }

    /// Waits until every task has ended.
    pub(crate) async fn finished(&self) {
        self.tasks.wait().await;
    }

    /// Drops every task that is left; returns how many there were.
    pub(crate) fn cut_off(&self) -> usize {
        let left = self.tasks.len();
        self.cut.ordered.store(true, Ordering::Release);
        self.cut.token.cancel();
        left
    }
}

impl Departure {
    /// Whether the server is ending; costs one load.
    pub(crate) fn has_begun(&self) -> bool {
        self.plan.has_changed().unwrap_or(true)
    }

    /// Waits until the server is ending and this connection's moment has come.
    ///
    /// Cancel safe: the moment is the same however often this is called.
    pub(crate) async fn reached(&self) {
        let mut plan = self.plan.clone();
        match plan.wait_for(Option::is_some).await.map(|plan| *plan) {
            Ok(Some(plan)) => {
                tokio::time::sleep_until(plan.started + plan.window.mul_f64(self.share)).await;
            }
            // Without a server there is nobody left to end anything.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }
}

/// A future that waits for something rare, beside one that is polled for every message: once the task's waker is with
/// it, it need not be polled again before the rare thing shows.
pub(crate) struct Watched<F> {
    future: F,
    waker: Option<Waker>,
}

impl<F> std::fmt::Debug for Watched<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watched")
            .field("waits", &self.waker.is_some())
            .finish_non_exhaustive()
    }
}

impl<F> Watched<F> {
    /// Nobody waits yet.
    pub(crate) fn new(future: F) -> Self {
        Self {
            future,
            waker: None,
        }
    }
}

impl<F: Future + Unpin> Watched<F> {
    /// Polls `future` if it would wake another task than this one, or if it `shows` that there is something to see.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, shows: bool) -> Poll<F::Output> {
        let waits = self
            .waker
            .as_ref()
            .is_some_and(|waker| waker.will_wake(cx.waker()));
        if waits && !shows {
            return Poll::Pending;
        }
        let result = Pin::new(&mut self.future).poll(cx);
        self.waker = Some(cx.waker().clone());
        result
    }
}

/// How much of the window one connection adds: a thousand connections fill three seconds.
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

    #[tokio::test(start_paused = true)]
    async fn what_does_not_go_is_cut_off() {
        let drain = Drain::new();
        drain.spawn(std::future::pending());
        drain.begin(Duration::ZERO);
        assert_eq!(drain.cut_off(), 1);
        drain.finished().await;
    }
}
