//! A task of the program: its waker, and what it waits for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};

use tungstenite_deflate::tungstenite::Message;

/// A call that a task makes on the stream.
#[derive(Clone, Debug)]
pub(super) enum Call {
    Next,
    /// Waits for free space in the queue, then queues the message.
    Feed(Message),
    Flush,
    Close,
}

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[derive(Default)]
pub(super) struct Task {
    flag: Arc<Flag>,
    /// The call that returned `Pending`.
    pub(super) waits: Option<Call>,
}

impl Task {
    pub(super) fn waker(&self) -> Waker {
        Waker::from(Arc::clone(&self.flag))
    }

    pub(super) fn is_woken(&self) -> bool {
        self.flag.0.load(Ordering::Relaxed)
    }

    pub(super) fn set_woken(&self, woken: bool) {
        self.flag.0.store(woken, Ordering::Relaxed);
    }

    /// Waits, and nobody has woken it.
    pub(super) fn sleeps(&self) -> bool {
        self.waits.is_some() && !self.is_woken()
    }
}
