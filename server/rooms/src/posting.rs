//! The messages of one member on their way into the store.

use std::collections::VecDeque;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::backplane::{PublishError, Published};
use super::hub::{Hub, Post, Receipt};
use super::member::Membership;
use super::message::MessageId;
use super::name::RoomName;
use super::presence::Present;

/// The messages of one member on their way into the store.
///
/// One at a time is published, so that they stay in order; those that wait for the backplane do so beside each other.
pub struct Posting {
    hub: Hub,
    room: RoomName,
    me: Present,
    /// Messages that wait for their turn.
    backlog: VecDeque<Post>,
    publishing: Option<Outcome<Receipt>>,
    /// Messages that wait for the backplane.
    waiting: FuturesUnordered<Outcome<Published>>,
}

/// The fate of a message, with its sender's id of it.
type Outcome<T> =
    Pin<Box<dyn Future<Output = (Option<MessageId>, Result<T, PublishError>)> + Send>>;

impl Posting {
    /// Nothing said yet by the member that `membership` is.
    pub fn new(hub: Hub, membership: &Membership) -> Self {
        Self {
            hub,
            room: membership.room().clone(),
            me: membership.me().clone(),
            backlog: VecDeque::new(),
            publishing: None,
            waiting: FuturesUnordered::new(),
        }
    }

    /// Reports whether more may be said; while not, nothing is to be read from the member.
    pub fn has_capacity(&self) -> bool {
        self.backlog.len() < MAX_BACKLOG && self.waiting.len() < MAX_WAITING
    }

    /// Reports whether it is known of every message what became of it.
    pub fn is_settled(&self) -> bool {
        self.backlog.is_empty() && self.publishing.is_none() && self.waiting.is_empty()
    }

    /// Takes a message, which [`settled`](Self::settled) publishes.
    pub fn say(&mut self, text: Arc<str>, id: Option<MessageId>) {
        self.backlog.push_back(Post {
            from: self.me.name.clone(),
            member: Some(self.me.member.clone()),
            text,
            id,
        });
    }

    /// Publishes, and waits until it is known what became of a message; for ever if there is none.
    ///
    /// Cancel safe: what is under way goes on with the next call.
    pub async fn settled(&mut self) -> (Option<MessageId>, Result<Published, PublishError>) {
        loop {
            self.publish_next();
            let publishing = async {
                match &mut self.publishing {
                    Some(publishing) => publishing.await,
                    None => pending().await,
                }
            };
            let (id, outcome) = tokio::select! {
                biased;
                // One message is published at a time: that keeps the sender's order.
                published = publishing => published,
                Some(stored) = self.waiting.next() => return stored,
            };
            self.publishing = None;
            match outcome {
                Ok(Receipt::Stored(published)) => return (id, Ok(published)),
                // In the outbox: others may follow, and its own outcome comes when the backplane is back.
                Ok(Receipt::Provisional(pending)) => {
                    self.waiting.push(Box::pin(async { (id, pending.await) }));
                }
                Err(error) => return (id, Err(error)),
            }
        }
    }

    /// Publishes the oldest message of the backlog, unless one is under way.
    fn publish_next(&mut self) {
        if self.publishing.is_some() {
            return;
        }
        let Some(post) = self.backlog.pop_front() else {
            return;
        };
        let (hub, room) = (self.hub.clone(), self.room.clone());
        self.publishing = Some(Box::pin(async move {
            let id = post.id.clone();
            (id, hub.publish(&room, post).await)
        }));
    }
}

/// Messages of one member that may wait to be published; beyond it nothing is read from the member.
const MAX_BACKLOG: usize = 32;
/// Messages of one member that may wait for the backplane; beyond it nothing is read from the member.
const MAX_WAITING: usize = 1_000;
