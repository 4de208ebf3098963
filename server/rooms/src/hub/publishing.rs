//! A message on its way into the store, and what waits while the store is away.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing::debug;
use values::sync::lock;

use super::{Hub, gauge, no_answer};
use crate::backplane::{PublishError, Published, Unavailable};
use crate::message::{Draft, MemberId, MessageId, unix_millis};
use crate::name::{MemberName, RoomName};
use crate::outbox::Outcome;

/// A message as somebody sends it.
#[derive(Clone, Debug)]
pub struct Post {
    /// The sender's name.
    pub from: MemberName,
    /// The connection, if the sender has joined the room.
    pub member: Option<MemberId>,
    /// The text.
    pub text: Arc<str>,
    /// The id that the sender gave it; without one it gets a random one.
    pub id: Option<MessageId>,
}

/// The fate of a message.
#[derive(Debug)]
pub enum Receipt {
    /// It is stored.
    Stored(Published),
    /// The backplane is away: the members on this node have the message, the sender is notified later.
    Provisional(Pending),
}

/// Resolves when a message that waited is stored, or never will be.
#[derive(Debug)]
pub struct Pending(oneshot::Receiver<Outcome>);

impl Hub {
    /// Sends a message to everybody in a room, on all nodes. The sender need not have joined.
    ///
    /// Resolves once the message is stored, or once the members on this node have it because the backplane is away.
    ///
    /// Not cancel safe: a message whose publishing was dropped may or may not be stored. Publish it again with the same
    /// id to be sure.
    ///
    /// # Errors
    /// It will never be stored.
    pub async fn publish(&self, room: &RoomName, post: Post) -> Result<Receipt, PublishError> {
        let inner = &self.inner;
        let (bytes, max) = (post.text.len(), inner.settings.max_text_bytes);
        if bytes > max {
            inner.counts.result("refused");
            return Err(PublishError::TooLong { bytes, max });
        }
        let draft = draft(post);
        // After others that wait, so that no message overtakes an earlier one.
        let must_wait = !lock(&inner.outbox).is_empty() || !inner.backplane.health().is_up();
        if must_wait {
            return Ok(self.wait(room, draft));
        }
        let patience = inner.settings.publish_timeout;
        match self.try_publish(room, &draft, patience).await {
            Ok(published) => Ok(self.stored(published)),
            Err(PublishError::Unavailable(error)) => {
                debug!(%room, %error, "message not stored yet");
                Ok(self.wait(room, draft))
            }
            Err(error) => {
                inner.counts.result("refused");
                Err(error)
            }
        }
    }

    pub(crate) async fn try_publish(
        &self,
        room: &RoomName,
        draft: &Draft,
        patience: Duration,
    ) -> Outcome {
        match timeout(patience, self.inner.backplane.publish(room, draft)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(no_answer(patience).into()),
        }
    }

    /// Counts what is stored.
    fn stored(&self, published: Published) -> Receipt {
        let result = if published.duplicate {
            "duplicate"
        } else {
            "stored"
        };
        self.inner.counts.result(result);
        Receipt::Stored(published)
    }

    /// Lets a message wait, and the members of this node have it at once.
    fn wait(&self, room: &RoomName, draft: Draft) -> Receipt {
        let inner = &self.inner;
        let mut outbox = lock(&inner.outbox);
        // Within the lock: what is delivered from now on looks for it in the outbox.
        if let Some(published) = self.room(room).and_then(|here| here.published(&draft)) {
            return self.stored(published);
        }
        let (outcome, is_new, dropped) = outbox.push(room, &draft);
        inner.counts.waiting.set(gauge(outbox.len()));
        if is_new {
            inner.counts.result("provisional");
            // Within the lock: the order in the outbox is the order in the room.
            if let Some(room) = self.room(room) {
                room.deliver_provisional(draft);
            }
        }
        drop(outbox);
        inner.flush.notify_one();
        inner.waits.notify_one();
        if let Some(dropped) = dropped {
            inner.counts.waiting_dropped.inc();
            self.forget_provisional(&dropped.room, &dropped.draft);
            let limit = inner.settings.outbox_messages;
            let text = format!("more than {limit} messages wait for the backplane");
            dropped.settle(&Err(PublishError::Refused(text)));
        }
        Receipt::Provisional(Pending(outcome))
    }

    pub(crate) fn forget_provisional(&self, room: &RoomName, draft: &Draft) {
        if let Some(room) = self.room(room) {
            room.forget_provisional(draft);
        }
    }
}

/// The message that somebody sends, at this moment.
fn draft(post: Post) -> Draft {
    Draft {
        id: post.id.unwrap_or_else(MessageId::random),
        from: post.from,
        member: post.member,
        text: post.text,
        at: unix_millis(SystemTime::now()),
    }
}

impl Future for Pending {
    type Output = Result<Published, PublishError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|outcome| {
            let ending = || Unavailable("the server is ending".to_owned()).into();
            outcome.unwrap_or_else(|_| Err(ending()))
        })
    }
}
