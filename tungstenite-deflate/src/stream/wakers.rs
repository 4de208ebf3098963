//! Tasks that wait: the one that receives, the one that sends, or both at once after a split.

use std::sync::Arc;
use std::task::{Wake, Waker};

/// The wakers of the two directions, kept while their task waits.
///
/// A transport remembers one waker for reading and one for writing, but receiving also writes (Pongs, Closes) and
/// sending through TLS may read. When two tasks wait, whatever one of them polls must wake both.
#[derive(Debug, Default)]
pub(super) struct Wakers {
    receiver: Option<Waker>,
    sender: Option<Waker>,
}

/// Side of the stream that a task polls.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Receiver,
    Sender,
}

impl Wakers {
    fn slot(&mut self, side: Side) -> &mut Option<Waker> {
        match side {
            Side::Receiver => &mut self.receiver,
            Side::Sender => &mut self.sender,
        }
    }

    fn other(&mut self, side: Side) -> &mut Option<Waker> {
        match side {
            Side::Receiver => &mut self.sender,
            Side::Sender => &mut self.receiver,
        }
    }

    /// The waker to hand to the transport instead of `own`; `None` if `own` alone will do.
    pub(super) fn for_transport(&mut self, side: Side, own: &Waker) -> Option<Waker> {
        let other = self
            .other(side)
            .as_ref()
            .filter(|other| !other.will_wake(own))?;
        Some(Waker::from(Arc::new(Both(own.clone(), other.clone()))))
    }

    /// The waker for a write that no task polls for.
    pub(super) fn for_eager_write(&self) -> Waker {
        match (&self.receiver, &self.sender) {
            (Some(receiver), Some(sender)) if !receiver.will_wake(sender) => {
                Waker::from(Arc::new(Both(receiver.clone(), sender.clone())))
            }
            (Some(waker), _) | (None, Some(waker)) => waker.clone(),
            (None, None) => Waker::noop().clone(),
        }
    }

    /// `side` waits from now on.
    pub(super) fn waits(&mut self, side: Side, own: &Waker) {
        let slot = self.slot(side);
        match slot {
            Some(waker) => waker.clone_from(own),
            None => *slot = Some(own.clone()),
        }
    }

    /// `side` waits no more.
    pub(super) fn proceeds(&mut self, side: Side) {
        *self.slot(side) = None;
    }

    /// Something changed for the other task, if it waits.
    pub(super) fn wake_other(&mut self, side: Side) {
        if let Some(waker) = self.other(side).take() {
            waker.wake();
        }
    }
}

/// Wakes two tasks.
struct Both(Waker, Waker);

impl Wake for Both {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.wake_by_ref();
        self.1.wake_by_ref();
    }
}
