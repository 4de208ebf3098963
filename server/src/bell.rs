//! A bell that rings once, for everybody who waits for it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use slab::Slab;

/// A bell that rings once. Clones are the same bell.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bell(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    rung: AtomicBool,
    waiting: Mutex<Slab<Waker>>,
}

/// One that waits for a bell beside something that is polled often: asking again costs one load.
#[derive(Debug)]
pub(crate) struct Listener {
    bell: Bell,
    /// Where among those who wait its waker is, and the waker.
    place: Option<(usize, Waker)>,
}

impl Bell {
    /// Wakes everybody who waits, now and later.
    pub(crate) fn ring(&self) {
        let waiting = {
            let mut waiting = self.waiting();
            self.0.rung.store(true, Ordering::Release);
            std::mem::take(&mut *waiting)
        };
        for (_, waker) in waiting {
            waker.wake();
        }
    }

    /// Whether it has rung.
    pub(crate) fn has_rung(&self) -> bool {
        self.0.rung.load(Ordering::Acquire)
    }

    /// Somebody who may wait for it.
    pub(crate) fn listen(&self) -> Listener {
        Listener {
            bell: self.clone(),
            place: None,
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Slab<Waker>> {
        self.0
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener {
    /// Ready from the moment on at which the bell rings.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.bell.has_rung() {
            return Poll::Ready(());
        }
        let waits = self
            .place
            .as_ref()
            .is_some_and(|(_, waker)| waker.will_wake(context.waker()));
        if !waits {
            let mut waiting = self.bell.waiting();
            if self.bell.has_rung() {
                return Poll::Ready(());
            }
            let waker = context.waker().clone();
            let key = match &self.place {
                Some((key, _)) => {
                    waiting[*key].clone_from(&waker);
                    *key
                }
                None => waiting.insert(waker.clone()),
            };
            drop(waiting);
            self.place = Some((key, waker));
        }
        Poll::Pending
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some((key, _)) = self.place {
            // After the bell nobody is there any more.
            let left = self.bell.waiting().try_remove(key);
            drop(left);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test]
    async fn everybody_hears_the_bell_once_it_rings() {
        let bell = Bell::default();
        let tasks: Vec<_> = (0..100)
            .map(|_| {
                let mut listener = bell.listen();
                tokio::spawn(async move { poll_fn(|context| listener.poll(context)).await })
            })
            .collect();
        while bell.waiting().len() < tasks.len() {
            tokio::task::yield_now().await;
        }
        bell.ring();
        for task in tasks {
            task.await.unwrap();
        }
        let mut late = bell.listen();
        poll_fn(|context| late.poll(context)).await;
    }

    #[test]
    fn who_leaves_leaves_nothing_behind() {
        let bell = Bell::default();
        let mut context = Context::from_waker(Waker::noop());
        let (mut one, mut other) = (bell.listen(), bell.listen());
        for _ in 0..3 {
            assert!(one.poll(&mut context).is_pending());
            assert!(other.poll(&mut context).is_pending());
        }
        assert_eq!(bell.waiting().len(), 2);
        drop(one);
        assert_eq!(bell.waiting().len(), 1);
        bell.ring();
        assert!(other.poll(&mut context).is_ready());
        drop(other);
        assert!(bell.waiting().is_empty());
    }

    /// The waker is exchanged when another task asks.
    #[tokio::test]
    async fn a_listener_may_change_its_task() {
        let bell = Bell::default();
        let mut listener = bell.listen();
        assert!(
            listener
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_pending()
        );
        let task = tokio::spawn(async move { poll_fn(|context| listener.poll(context)).await });
        tokio::task::yield_now().await;
        assert_eq!(bell.waiting().len(), 1);
        bell.ring();
        task.await.unwrap();
    }
}
