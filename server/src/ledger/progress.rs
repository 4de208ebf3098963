//! Progress: what a peer must do within a time, and the clock of one thing that is waited for.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// The progress that is asked of a peer: so many bytes within each window, or the end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    window: Duration,
    bytes: u64,
}

impl Progress {
    /// Asks for `bytes` within each `window`.
    pub(crate) fn new(window: Duration, bytes: usize) -> Self {
        Self {
            window: window.max(SHORTEST_WINDOW),
            bytes: (bytes as u64).max(1),
        }
    }

    /// Tests whether `bytes` within one window are enough.
    pub(crate) fn is_enough(self, bytes: u64) -> bool {
        bytes >= self.bytes
    }
}

/// The clock of one thing that is being received.
///
/// Only the time in which the peer is waited for counts: while its reader is busy otherwise the clock stands still.
#[derive(Debug)]
pub(crate) struct Pace {
    progress: Option<Progress>,
    /// End of the window, while something is under way.
    window: Option<Pin<Box<Sleep>>>,
    /// Bytes in this window.
    bytes: u64,
    /// Instant at which the reader was last given something and not waiting any more.
    paused: Option<Instant>,
}

impl Pace {
    /// Creates a clock that does not run yet.
    pub(crate) fn new(progress: Option<Progress>) -> Self {
        Self {
            progress,
            window: None,
            bytes: 0,
            paused: None,
        }
    }

    /// Notes what arrived.
    pub(crate) fn moved(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes as u64);
        if self.window.is_some() {
            self.paused = Some(Instant::now());
        }
    }

    /// Stops the clock: nothing is under way.
    pub(crate) fn stop(&mut self) {
        self.window = None;
        self.paused = None;
        self.bytes = 0;
    }

    /// Ready when a window has passed without enough progress; call it while the peer is waited for.
    pub(crate) fn poll_stalled(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(progress) = self.progress else {
            return Poll::Pending;
        };
        let window = progress.window;
        let sleep = self
            .window
            .get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + window)));
        if let Some(paused) = self.paused.take() {
            let until = sleep.deadline() + paused.elapsed();
            sleep.as_mut().reset(until);
        }
        loop {
            ready!(sleep.as_mut().poll(context));
            if !progress.is_enough(std::mem::take(&mut self.bytes)) {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(Instant::now() + window);
        }
    }
}

/// Ready when `deadline` has passed, however little is left of the task's budget of polls.
pub(crate) fn poll_deadline(deadline: Pin<&mut Sleep>, context: &mut Context<'_>) -> Poll<()> {
    if Instant::now() >= deadline.deadline() {
        return Poll::Ready(());
    }
    deadline.poll(context)
}

/// Time between two looks whether there is memory again.
pub(crate) const PAUSE: Duration = Duration::from_millis(25);
/// Shortest time over which progress means anything.
const SHORTEST_WINDOW: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::{sleep, timeout};

    use super::*;

    /// Moves `bytes` each `interval` until the pace is lost; gives up after `patience`.
    async fn lasts(bytes: usize, interval: Duration, patience: Duration) -> Option<Duration> {
        // A tenth piece would arrive at the very end of the window: nine are asked for.
        let mut pace = Pace::new(Some(Progress::new(Duration::from_secs(10), 9 * 256)));
        let begun = Instant::now();
        let receiving = async {
            loop {
                let stalled = poll_fn(|context| pace.poll_stalled(context));
                if timeout(interval, stalled).await.is_ok() {
                    return;
                }
                pace.moved(bytes);
            }
        };
        let ended = timeout(patience, receiving).await;
        ended.is_ok().then(|| begun.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn slow_and_steady_lives_and_a_trickle_does_not() {
        let (second, hour) = (Duration::from_secs(1), Duration::from_secs(3600));
        for (bytes, interval, lives) in [
            (256, second, true),
            (300, second, true),
            (5_000, 9 * second, true),
            (255, second, false),
            (1, 5 * second, false),
            (10, second / 10, false),
            (1 << 20, 21 * second, false),
        ] {
            let end = lasts(bytes, interval, hour).await;
            assert_eq!(end.is_none(), lives, "{bytes} each {interval:?}: {end:?}");
            assert!(end.is_none_or(|end| end <= 21 * second), "{end:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn time_of_a_busy_reader_does_not_count() {
        let mut pace = Pace::new(Some(Progress::new(Duration::from_secs(10), 1_000)));
        let mut waits = async |seconds| {
            let stalled = poll_fn(|context| pace.poll_stalled(context));
            let ended = timeout(Duration::from_secs(seconds), stalled).await.is_ok();
            pace.moved(0);
            ended
        };
        assert!(!waits(6).await);
        sleep(Duration::from_secs(100)).await;
        assert!(!waits(3).await, "nine seconds were waited");
        assert!(waits(2).await);
    }
}
