//! Writes events to one connection of a room: as lines of text, or as JSON objects.

use std::sync::Arc;
use std::time::SystemTime;

use tungstenite_deflate::tungstenite::{Error, Message};
use tungstenite_deflate::{PreparedMessage, SharedContext};

use super::closing::closing;
use super::json::{MessageBody, Outgoing};
use super::text;
use crate::conversation::Conversation;
use rooms::backplane::Published;
use rooms::hub::Replay;
use rooms::message::unix_millis;
use rooms::participant::Welcome;
use rooms::{Broadcast, Event, Hub, MessageId, Refusal, Rendering, Seen, Stored};

/// How events and requests are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Text,
    Json,
}

impl Dialect {
    /// The form of events.
    pub(super) fn rendering(self) -> Rendering {
        match self {
            Self::Text => Rendering::Text,
            Self::Json => Rendering::Json,
        }
    }
}

/// The connection's own end: knows how things are said.
pub(super) struct Speaker {
    pub(super) hub: Hub,
    pub(super) conversation: Conversation,
    pub(super) dialect: Dialect,
    /// How the room's events are compressed for all members; before the join a context that nobody shares.
    pub(super) context: Arc<SharedContext>,
}

impl Speaker {
    /// Sends a new member the state of the room, and what it missed.
    pub(super) async fn greet(&mut self, welcome: &Welcome) -> Result<(), Error> {
        if self.dialect == Dialect::Json {
            let recovered = welcome.replay.as_ref();
            let outgoing = Outgoing::Joined {
                room: &welcome.room,
                name: &welcome.me.name,
                member: &welcome.me.member,
                epoch: welcome.position.map(|position| position.epoch),
                offset: welcome.position.map(|position| position.offset),
                count: welcome.count,
                members: &welcome.members,
                recovered: recovered.is_some_and(|replay| replay.gap.is_none()),
            };
            self.say(outgoing.write()).await?;
        }
        match &welcome.replay {
            Some(replay) => self.catch_up(replay).await,
            None => Ok(()),
        }
    }

    /// Sends what was missed: first the gap, then the messages.
    async fn catch_up(&mut self, replay: &Replay) -> Result<(), Error> {
        if let Some(gap) = &replay.gap {
            self.say(match self.dialect {
                Dialect::Text => text::gap(gap),
                Dialect::Json => Outgoing::gap(gap).write(),
            })
            .await?;
        }
        self.history(&replay.messages, replay.gap.is_none(), false)
            .await
    }

    /// Sends earlier messages, in portions.
    pub(super) async fn history(
        &mut self,
        messages: &[Stored],
        complete: bool,
        more: bool,
    ) -> Result<(), Error> {
        if self.dialect == Dialect::Text {
            for stored in messages {
                self.say(text::message(&stored.draft)).await?;
            }
            return Ok(());
        }
        let mut rest = messages;
        loop {
            let (portion, later) = rest.split_at(portion(rest));
            let outgoing = Outgoing::History {
                messages: portion.iter().map(MessageBody::stored).collect(),
                complete,
                more: more || !later.is_empty(),
            };
            self.say(outgoing.write()).await?;
            rest = later;
            if rest.is_empty() {
                return Ok(());
            }
        }
    }

    /// Sends an event; its frames are made once for all who get it.
    pub(super) async fn pass_on(&mut self, seen: &Seen) -> Result<(), Error> {
        let broadcast = match (seen, self.dialect) {
            (Seen::Event(broadcast), _) | (Seen::Again(broadcast), Dialect::Json) => broadcast,
            // A line cannot be taken back, and it has been shown.
            (Seen::Again(_), Dialect::Text) => return Ok(()),
            (Seen::Gap(gap), Dialect::Text) => return self.say(text::gap(gap)).await,
            (Seen::Gap(gap), Dialect::Json) => return self.say(Outgoing::gap(gap).write()).await,
        };
        let prepared = self.prepared(broadcast);
        match prepared.as_ref() {
            Some(prepared) => self.conversation.feed_prepared(prepared).await,
            None => Ok(()),
        }
    }

    /// The frames of an event, if there is something to tell.
    fn prepared(&self, broadcast: &Broadcast) -> Arc<Option<PreparedMessage>> {
        let prepare = |rendering, text: String| {
            self.hub.counts().render(rendering);
            self.context.text(text)
        };
        match self.dialect {
            Dialect::Text => broadcast.rendered(Rendering::Text, |event: &Event| {
                text::event(event).map(|text| prepare(Rendering::Text, text))
            }),
            Dialect::Json => broadcast.rendered(Rendering::Json, |event: &Event| {
                Some(prepare(Rendering::Json, Outgoing::event(event).write()))
            }),
        }
    }

    /// Notifies the sender of a message what became of it, if it gave it a name.
    pub(super) async fn settle(
        &mut self,
        id: Option<&MessageId>,
        outcome: Result<Published, Refusal>,
    ) -> Result<(), Error> {
        match (outcome, id) {
            (Ok(published), Some(id)) => self.say(Outgoing::ack(id, &published).write()).await,
            (Ok(_), None) => Ok(()),
            (Err(refusal), id) => self.complain(id, &refusal).await,
        }
    }

    /// Reports that a new token is in force, and when it ends.
    pub(super) async fn renewed(&mut self, end: Option<SystemTime>) -> Result<(), Error> {
        let expires = end.map(unix_millis);
        self.say(Outgoing::Token { expires }.write()).await
    }

    /// Reports that something is refused; the connection goes on.
    pub(super) async fn complain(
        &mut self,
        id: Option<&MessageId>,
        refusal: &Refusal,
    ) -> Result<(), Error> {
        self.error(id, refusal.code(), &refusal.to_string()).await
    }

    /// Reports the reason and closes.
    pub(super) async fn dismiss(&mut self, refusal: &Refusal) {
        let ((close, code), problem) = (closing(refusal), refusal.to_string());
        // A peer that takes nothing sees the connection end.
        let _ = self.error(None, code, &problem).await;
        self.conversation.close(close, &problem);
    }

    async fn error(
        &mut self,
        id: Option<&MessageId>,
        code: &'static str,
        message: &str,
    ) -> Result<(), Error> {
        self.say(match self.dialect {
            Dialect::Text => text::error(message),
            Dialect::Json => Outgoing::Error { id, code, message }.write(),
        })
        .await
    }

    async fn say(&mut self, text: String) -> Result<(), Error> {
        self.conversation.feed(Message::text(text)).await
    }
}

/// How many of `messages` go into one event.
fn portion(messages: &[Stored]) -> usize {
    let mut bytes = 0;
    let fits = |stored: &&Stored| {
        bytes += stored.draft.bytes();
        bytes <= PORTION_BYTES
    };
    let count = messages
        .iter()
        .take(PORTION_MESSAGES)
        .take_while(fits)
        .count();
    count.max(1).min(messages.len())
}

/// Most messages in one history event.
const PORTION_MESSAGES: usize = 100;
/// Most bytes in one history event, as long as it has more than one message.
const PORTION_BYTES: usize = 64 << 10;
