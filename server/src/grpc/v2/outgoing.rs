//! Events of one call on their way from its member to its response.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use futures_util::Stream;
use tokio::sync::{mpsc, watch};
use tonic::Status;

use super::encoded::EncodedEvent;
use crate::limits::Permit;

type Sent = Result<EncodedEvent, Status>;

/// The side of the member.
pub(super) struct Outgoing {
    sender: mpsc::Sender<Sent>,
    demand: Arc<Demand>,
}

/// The side of the response.
pub(super) struct Events {
    receiver: mpsc::Receiver<Sent>,
    demand: Arc<Demand>,
    /// True from an event until the layers below have been made to hand it on.
    handing_on: bool,
    /// The call's place among the streams that are held.
    _permit: Permit,
}

/// The response's request to the member.
///
/// hyper polls the response once everything that it took before fits into the peer's window, and holds a single piece
/// that does not. An event that is asked for therefore waits for at most that one.
#[derive(Debug)]
struct Demand {
    wanted: watch::Sender<bool>,
    /// True if the member waits to be asked.
    is_awaited: AtomicBool,
}

/// Creates both sides. One event may wait beside the one that is being sent; the others wait in the room.
///
/// The response holds `permit` for as long as it lives.
pub(super) fn channel(permit: Permit) -> (Outgoing, Events) {
    // One more slot than is ever filled with events, for the status at the end.
    let (sender, receiver) = mpsc::channel(2);
    let demand = Arc::new(Demand {
        wanted: watch::Sender::new(false),
        is_awaited: AtomicBool::new(false),
    });
    let events = Events {
        receiver,
        demand: Arc::clone(&demand),
        handing_on: false,
        _permit: permit,
    };
    (Outgoing { sender, demand }, events)
}

impl Outgoing {
    /// Waits until the client has gone.
    pub(super) async fn closed(&self) {
        self.sender.closed().await;
    }

    /// Waits until hyper asks for an event, all those before having left within the peer's window. Cancel safe.
    pub(super) async fn wanted(&self) {
        self.demand.is_awaited.store(true, Ordering::Relaxed);
        // The sender is held here, so that the wait ends in no other way.
        let _ = self
            .demand
            .wanted
            .subscribe()
            .wait_for(|wanted| *wanted)
            .await;
    }

    /// Sends an event as soon as there is a slot for it; false if the client has gone.
    pub(super) async fn send(&self, event: EncodedEvent) -> bool {
        // The slot that this leaves free is for the status.
        let Ok(mut slots) = self.sender.reserve_many(2).await else {
            return false;
        };
        self.demand.wanted.send_replace(false);
        if let Some(slot) = slots.next() {
            slot.send(Ok(event));
        }
        true
    }

    /// Ends the response with `status`; a client that has gone needs none.
    pub(super) fn fail(&self, status: Status) {
        let _ = self.sender.try_send(Err(status));
    }
}

impl Stream for Events {
    type Item = Sent;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Sent>> {
        if std::mem::take(&mut self.handing_on) {
            // tonic gathers events as long as there are more, and a poll in between would not mean that the peer can take one.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let polled = self.receiver.poll_recv(context);
        if polled.is_ready() {
            self.handing_on = self.demand.is_awaited.load(Ordering::Relaxed);
        } else {
            self.demand.wanted.send_replace(true);
        }
        polled
    }
}
