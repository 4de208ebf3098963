//! One timer, made when the first deadline comes up and moved as rarely as possible.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use tokio::time::Sleep;

/// A timer that fires at or before the deadline it was last polled for.
#[derive(Debug, Default)]
pub(super) struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    /// Whom it wakes.
    waker: Option<Waker>,
}

impl Timer {
    /// Ready when `deadline` has passed. A deadline that moves later leaves the timer alone until it fires: traffic
    /// that postpones a keep-alive Ping costs nothing here. Nor is it asked twice by the task that it will wake.
    pub(super) fn poll(&mut self, deadline: Option<Instant>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = deadline.map(tokio::time::Instant::from_std) else {
            return Poll::Pending;
        };
        loop {
            let sleep = self
                .sleep
                .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
            if sleep.deadline() > deadline {
                sleep.as_mut().reset(deadline);
            }
            let waits = self
                .waker
                .as_ref()
                .is_some_and(|waker| waker.will_wake(cx.waker()));
            if waits && !sleep.is_elapsed() {
                return Poll::Pending;
            }
            // Without tokio's budget: when that is spent, a timer waits and knows of nobody to wake.
            let mut asked = tokio::task::unconstrained(sleep.as_mut());
            if Pin::new(&mut asked).poll(cx).is_pending() {
                self.waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
            self.waker = None;
            if now() >= deadline.into_std() {
                self.sleep = None;
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
    }
}

/// The runtime's clock, which tests may stop; the system's outside a runtime.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_timer_first_asked_when_the_budget_is_spent_wakes_its_task() {
        let start = now();
        let deadline = start + Duration::from_secs(1);
        let (mut timer, mut spent) = (Timer::default(), false);
        let waiting = poll_fn(|cx| {
            if !std::mem::replace(&mut spent, true) {
                while pin!(tokio::task::coop::consume_budget())
                    .poll(cx)
                    .is_ready()
                {}
            }
            timer.poll(Some(deadline), cx)
        });
        let _ = tokio::time::timeout(Duration::from_secs(60), waiting).await;
        assert!(
            now() < deadline + Duration::from_secs(1),
            "{:?}",
            now() - start
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_may_move_either_way() {
        let start = now();
        let mut timer = Timer::default();
        for (first, then) in [(5, 60), (60, 5)] {
            let begun = now();
            let mut polls = 0;
            poll_fn(|cx| {
                polls += 1;
                let seconds = if polls == 1 { first } else { then };
                let waits = timer.poll(Some(begun + Duration::from_secs(seconds)), cx);
                if polls == 1 {
                    cx.waker().wake_by_ref();
                }
                waits
            })
            .await;
            let taken = now() - begun;
            assert!((then..=then + 1).contains(&taken.as_secs()), "{taken:?}");
        }
        assert!(now() - start < Duration::from_secs(67));
    }
}
