//! Writes events to one connection of a room: as lines of text, or as JSON objects.

use std::sync::Arc;

use tungstenite_deflate::tungstenite::{Error, Message};
use tungstenite_deflate::{PreparedMessage, SharedContext};

use super::closing::closing;
use super::json::{MessageBody, Outgoing};
use super::text;
use crate::conversation::Conversation;
use rooms::history::portions;
use rooms::hub::Replay;
use rooms::message::unix_millis;
use rooms::participant::{Notice, Welcome};
use rooms::{Broadcast, Event, Hub, MessageId, Refusal, Rendering, Seen, Stored};

/// Format of events and requests.
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
    /// Compression context of the room's events, for all members; before the join a context that nobody shares.
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
    async fn history(
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
        for (portion, follows) in portions(messages) {
            let outgoing = Outgoing::History {
                messages: portion.iter().map(MessageBody::stored).collect(),
                complete,
                more: more || follows,
            };
            self.say(outgoing.write()).await?;
        }
        Ok(())
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

    /// Tells the member what concerns it alone.
    pub(super) async fn notify(&mut self, notice: Option<Notice>) -> Result<(), Error> {
        match notice {
            None => Ok(()),
            Some(Notice::Stored { id, published }) => {
                self.say(Outgoing::ack(&id, &published).write()).await
            }
            Some(Notice::History(history)) => {
                let (complete, more) = (history.complete, history.more);
                self.history(&history.messages, complete, more).await
            }
            Some(Notice::Renewed(end)) => {
                let expires = end.map(unix_millis);
                self.say(Outgoing::Token { expires }.write()).await
            }
            Some(Notice::Refused { id, refusal }) => {
                let text = refusal.to_string();
                self.error(id.as_ref(), refusal.code(), &text).await
            }
        }
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
