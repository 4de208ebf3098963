//! One connection to a room, in either subprotocol.

use std::collections::VecDeque;
use std::future::{Future, pending};
use std::pin::Pin;
use std::time::{Instant, SystemTime};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::sleep_until;
use tungstenite_deflate::tungstenite::protocol::frame::coding::CloseCode;
use tungstenite_deflate::tungstenite::{Error, Message};
use tungstenite_deflate::{DeflateConfig, PreparedMessage, WebSocketStream};

use super::entry::{Entry, Wish};
use super::json::{MessageBody, Request, Told};
use super::text;
use crate::access::{Grant, Right};
use crate::connection::ConnectionInfo;
use crate::conversation::Conversation;
use crate::rooms::backplane::{PublishError, Published, Query, Range};
use crate::rooms::hub::Replay;
use crate::rooms::rate::Rate;
use crate::rooms::{
    Broadcast, Event, Hub, JoinError, Joined, Lagged, Membership, MessageId, Post, Receipt,
    Rendering, Seen, Stored,
};
use crate::stream::ServerStream;

/// Serves one connection: joins, passes messages both ways, leaves.
pub(super) async fn run(
    hub: Hub,
    deflate: Option<DeflateConfig>,
    entry: Entry,
    socket: WebSocketStream<ServerStream>,
    info: ConnectionInfo,
) {
    let dialect = match info.subprotocol {
        Some("chat.v1.json") => Dialect::Json,
        _ => Dialect::Text,
    };
    let mut speaker = Speaker {
        hub: hub.clone(),
        conversation: Conversation::new(socket, info),
        dialect,
        deflate: deflate.unwrap_or_default(),
    };
    // What failed has been noted; the conversation knows that it is over.
    let _ = serve(&hub, entry, &mut speaker).await;
    while speaker.conversation.next().await.is_some() {}
}

/// Joins and stays until one side has enough.
async fn serve(hub: &Hub, entry: Entry, speaker: &mut Speaker) -> Result<(), Error> {
    let wish = match entry.wish {
        Ok(wish) => wish,
        Err(problem) => {
            hub.counts().reject("name");
            return speaker
                .dismiss(CloseCode::Policy, "bad_request", &problem)
                .await;
        }
    };
    let Wish { room, name, since } = wish;
    let joined = match hub.join(&room, name, since).await {
        Ok(joined) => joined,
        Err(error) => {
            hub.counts().reject(match error {
                JoinError::TooManyRooms => "too_many_rooms",
                JoinError::TooManyMembers => "too_many_members",
            });
            return speaker
                .dismiss(CloseCode::Again, "full", &error.to_string())
                .await;
        }
    };
    speaker.greet(&joined).await?;
    let settings = hub.settings();
    let rate = Rate::new(
        settings.burst.into(),
        settings.per_second.into(),
        Instant::now(),
    );
    // An end too far away to be counted is none.
    let end = entry.grant.end().and_then(|end| {
        let left = end.duration_since(SystemTime::now()).unwrap_or_default();
        tokio::time::Instant::now().checked_add(left)
    });
    let session = Session {
        hub: hub.clone(),
        end,
        grant: entry.grant,
        membership: joined.membership,
        rate,
        backlog: VecDeque::new(),
        publishing: None,
        waiting: FuturesUnordered::new(),
    };
    session.stay(speaker).await
}

/// How events and requests are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    Text,
    Json,
}

/// The connection's own end: knows how things are said.
struct Speaker {
    hub: Hub,
    conversation: Conversation,
    dialect: Dialect,
    deflate: DeflateConfig,
}

/// Somebody in a room.
struct Session {
    hub: Hub,
    grant: Grant,
    membership: Membership,
    rate: Rate,
    /// When the token ends.
    end: Option<tokio::time::Instant>,
    /// Messages that wait for their turn: one at a time is published, so that they stay in order.
    backlog: VecDeque<Post>,
    publishing: Option<Publishing>,
    /// Messages that wait for the backplane.
    waiting: FuturesUnordered<Waiting>,
}

type Publishing =
    Pin<Box<dyn Future<Output = (Option<MessageId>, Result<Receipt, PublishError>)> + Send>>;
type Waiting =
    Pin<Box<dyn Future<Output = (Option<MessageId>, Result<Published, PublishError>)> + Send>>;

/// What woke a session up.
enum Woken {
    Message(Option<Message>),
    Seen(Result<Seen, Lagged>),
    Published(Option<MessageId>, Result<Receipt, PublishError>),
    Stored(Option<MessageId>, Result<Published, PublishError>),
    TokenEnded,
}

impl Session {
    /// Passes messages both ways until one side has enough.
    async fn stay(mut self, speaker: &mut Speaker) -> Result<(), Error> {
        loop {
            match self.wait(speaker).await {
                Woken::Message(None) => return Ok(()),
                Woken::Message(Some(_)) if !self.rate.take(Instant::now()) => {
                    self.hub.counts().reject("rate");
                    let most = self.hub.settings().burst;
                    let problem = format!("more than {most} messages at once");
                    return speaker.dismiss(CloseCode::Policy, "rate", &problem).await;
                }
                Woken::Message(Some(message)) => self.hear(message, speaker).await?,
                Woken::Seen(Ok(seen)) => {
                    speaker.pass_on(&seen).await?;
                    if let Err(lagged) = self.pass_on_more(speaker).await? {
                        return speaker.lagged(lagged).await;
                    }
                }
                Woken::Seen(Err(lagged)) => return speaker.lagged(lagged).await,
                Woken::Published(id, Ok(Receipt::Stored(published))) => {
                    speaker.settle(id.as_ref(), Ok(published)).await?;
                }
                Woken::Published(id, Ok(Receipt::Provisional(pending))) => {
                    self.waiting.push(Box::pin(async { (id, pending.await) }));
                }
                Woken::Published(id, Err(error)) => speaker.settle(id.as_ref(), Err(error)).await?,
                Woken::Stored(id, outcome) => speaker.settle(id.as_ref(), outcome).await?,
                Woken::TokenEnded => {
                    let problem = "the token has expired, come back with a new one";
                    return speaker.dismiss(CloseCode::Policy, "expired", problem).await;
                }
            }
            self.publish_next();
        }
    }

    /// Passes on what else has come, to go out in the same write; not for ever, since the member may have something to say.
    async fn pass_on_more(&mut self, speaker: &mut Speaker) -> Result<Result<(), Lagged>, Error> {
        for _ in 0..MAX_AT_ONCE {
            match self.membership.try_next() {
                Ok(Some(seen)) => speaker.pass_on(&seen).await?,
                Ok(None) => break,
                Err(lagged) => return Ok(Err(lagged)),
            }
        }
        Ok(Ok(()))
    }

    /// Waits for whatever comes first.
    async fn wait(&mut self, speaker: &mut Speaker) -> Woken {
        let has_room = self.backlog.len() < MAX_BACKLOG && self.waiting.len() < MAX_WAITING;
        if !has_room {
            // Nothing is read for now, and it is reading that sends what was fed. A failure shows when reading.
            let _ = speaker.conversation.flush().await;
        }
        let publishing = async {
            match &mut self.publishing {
                Some(publishing) => publishing.await,
                None => pending().await,
            }
        };
        let token_ended = async {
            match self.end {
                Some(end) => sleep_until(end).await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            () = token_ended => Woken::TokenEnded,
            (id, outcome) = publishing => {
                self.publishing = None;
                Woken::Published(id, outcome)
            }
            Some((id, outcome)) = self.waiting.next() => Woken::Stored(id, outcome),
            message = speaker.conversation.next(), if has_room => Woken::Message(message),
            seen = self.membership.next() => Woken::Seen(seen),
        }
    }

    /// Does what a message asks for.
    async fn hear(&mut self, message: Message, speaker: &mut Speaker) -> Result<(), Error> {
        let Message::Text(text) = message else {
            self.hub.counts().reject("binary");
            return speaker
                .complain(None, "binary", "messages are text, not binary")
                .await;
        };
        let request = match speaker.dialect {
            Dialect::Text => Ok(Request::Message {
                id: None,
                text: text.trim_end_matches(['\r', '\n']).into(),
            }),
            Dialect::Json => Request::read(&text),
        };
        match request {
            Ok(Request::Message { id, text }) => self.say(id, text, speaker).await,
            Ok(Request::History {
                before,
                after,
                limit,
            }) => {
                let range = match (before, after) {
                    (None, None) => Range::Newest,
                    (Some(before), None) => Range::Before(before),
                    (None, Some(after)) => Range::After(after),
                    (Some(_), Some(_)) => {
                        let problem = "history is before or after a place, not both";
                        return speaker.complain(None, "malformed", problem).await;
                    }
                };
                self.recall(range, limit, speaker).await
            }
            Err(error) => {
                self.hub.counts().reject("malformed");
                let problem = format!("not understood: {error}");
                speaker.complain(None, "malformed", &problem).await
            }
        }
    }

    /// Takes a message for everybody.
    async fn say(
        &mut self,
        id: Option<MessageId>,
        text: std::sync::Arc<str>,
        speaker: &mut Speaker,
    ) -> Result<(), Error> {
        let problem = if text.is_empty() {
            Some(("empty", "a message needs a text"))
        } else if !self.grant.may(Right::Publish, self.membership.room()) {
            Some((
                "forbidden",
                "the token does not allow to publish in this room",
            ))
        } else {
            None
        };
        if let Some((code, problem)) = problem {
            self.hub.counts().reject(code);
            return speaker.complain(id.as_ref(), code, problem).await;
        }
        let me = self.membership.me();
        self.backlog.push_back(Post {
            from: me.name.clone(),
            member: Some(me.member.clone()),
            text,
            id,
        });
        Ok(())
    }

    /// Publishes the oldest message of the backlog, unless one is under way.
    fn publish_next(&mut self) {
        if self.publishing.is_some() {
            return;
        }
        let Some(post) = self.backlog.pop_front() else {
            return;
        };
        let (hub, room) = (self.hub.clone(), self.membership.room().clone());
        self.publishing = Some(Box::pin(async move {
            let id = post.id.clone();
            (id, hub.publish(&room, post).await)
        }));
    }

    /// Gives messages that were said before.
    async fn recall(
        &mut self,
        range: Range,
        limit: Option<usize>,
        speaker: &mut Speaker,
    ) -> Result<(), Error> {
        let room = self.membership.room().clone();
        if !self.grant.may(Right::History, &room) {
            self.hub.counts().reject("forbidden");
            let problem = "the token does not allow history in this room";
            return speaker.complain(None, "forbidden", problem).await;
        }
        let query = Query {
            range,
            max_messages: limit.unwrap_or(DEFAULT_LIMIT),
            max_bytes: usize::MAX,
        };
        match self.hub.history(&room, query).await {
            Ok(history) => {
                let (complete, more) = (history.complete, history.more);
                speaker.history(&history.messages, complete, more).await
            }
            Err(error) => {
                speaker
                    .complain(None, "unavailable", &error.to_string())
                    .await
            }
        }
    }
}

impl Speaker {
    /// Tells somebody who has joined where it is, and what it missed.
    async fn greet(&mut self, joined: &Joined) -> Result<(), Error> {
        if self.dialect == Dialect::Json {
            let me = joined.membership.me();
            let recovered = joined.replay.as_ref();
            let told = Told::Joined {
                room: joined.membership.room(),
                name: &me.name,
                member: &me.member,
                epoch: joined.position.map(|position| position.epoch),
                offset: joined.position.map(|position| position.offset),
                count: joined.count,
                members: &joined.members,
                recovered: recovered.is_some_and(|replay| replay.gap.is_none()),
            };
            self.say(told.write()).await?;
        }
        match &joined.replay {
            Some(replay) => self.catch_up(replay).await,
            None => Ok(()),
        }
    }

    /// Tells what was missed: first what cannot be had, then the messages.
    async fn catch_up(&mut self, replay: &Replay) -> Result<(), Error> {
        if let Some(gap) = &replay.gap {
            self.say(match self.dialect {
                Dialect::Text => text::gap(gap),
                Dialect::Json => Told::gap(gap).write(),
            })
            .await?;
        }
        self.history(&replay.messages, replay.gap.is_none(), false)
            .await
    }

    /// Tells messages that were said before, in portions.
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
        let mut rest = messages;
        loop {
            let (portion, later) = rest.split_at(portion(rest));
            let told = Told::History {
                messages: portion.iter().map(MessageBody::stored).collect(),
                complete,
                more: more || !later.is_empty(),
            };
            self.say(told.write()).await?;
            rest = later;
            if rest.is_empty() {
                return Ok(());
            }
        }
    }

    /// Tells an event; its frames are made once for all who get it.
    async fn pass_on(&mut self, seen: &Seen) -> Result<(), Error> {
        let broadcast = match (seen, self.dialect) {
            (Seen::Event(broadcast), _) | (Seen::Again(broadcast), Dialect::Json) => broadcast,
            // A line cannot be taken back, and it has been shown.
            (Seen::Again(_), Dialect::Text) => return Ok(()),
            (Seen::Gap(gap), Dialect::Text) => return self.say(text::gap(gap)).await,
            (Seen::Gap(gap), Dialect::Json) => return self.say(Told::gap(gap).write()).await,
        };
        let prepared = self.prepared(broadcast);
        match prepared.as_ref() {
            Some(prepared) => self.conversation.feed_prepared(prepared).await,
            None => Ok(()),
        }
    }

    /// The frames of an event, if there is something to tell.
    fn prepared(&self, broadcast: &Broadcast) -> std::sync::Arc<Option<PreparedMessage>> {
        let prepare = |rendering, text: String| {
            self.hub.counts().render(rendering);
            PreparedMessage::text(text).deflate(self.deflate.clone())
        };
        match self.dialect {
            Dialect::Text => broadcast.rendered(Rendering::Text, |event: &Event| {
                text::event(event).map(|text| prepare(Rendering::Text, text))
            }),
            Dialect::Json => broadcast.rendered(Rendering::Json, |event: &Event| {
                Some(prepare(Rendering::Json, Told::event(event).write()))
            }),
        }
    }

    /// Tells the sender of a message what became of it, if it gave it a name.
    async fn settle(
        &mut self,
        id: Option<&MessageId>,
        outcome: Result<Published, PublishError>,
    ) -> Result<(), Error> {
        match (outcome, id) {
            (Ok(published), Some(id)) => self.say(Told::ack(id, &published).write()).await,
            (Ok(_), None) => Ok(()),
            (Err(error), id) => {
                let code = match error {
                    PublishError::Unavailable(_) => "unavailable",
                    PublishError::Refused(_) => "refused",
                };
                self.complain(id, code, &error.to_string()).await
            }
        }
    }

    /// Tells that something cannot be done.
    async fn complain(
        &mut self,
        id: Option<&MessageId>,
        code: &'static str,
        message: &str,
    ) -> Result<(), Error> {
        self.say(match self.dialect {
            Dialect::Text => text::error(message),
            Dialect::Json => Told::Error { id, code, message }.write(),
        })
        .await
    }

    /// Tells why and closes.
    async fn dismiss(
        &mut self,
        code: CloseCode,
        name: &'static str,
        problem: &str,
    ) -> Result<(), Error> {
        let told = self.complain(None, name, problem).await;
        self.conversation.close(code, problem);
        told
    }

    /// Sends somebody away who was too slow.
    async fn lagged(&mut self, lagged: Lagged) -> Result<(), Error> {
        let problem = lagged.to_string();
        self.dismiss(CloseCode::Again, "slow", &problem).await
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

/// Messages of one client that may wait to be published; beyond it nothing is read from the client.
const MAX_BACKLOG: usize = 32;
/// Messages of one client that may wait for the backplane; beyond it nothing is read from the client.
const MAX_WAITING: usize = 1_000;
/// Events that are passed on before the member is listened to again.
const MAX_AT_ONCE: usize = 64;
/// Messages of history that are given to somebody who does not say how many.
const DEFAULT_LIMIT: usize = 50;
/// Most messages in one history event.
const PORTION_MESSAGES: usize = 100;
/// Most bytes in one history event, as long as it has more than one message.
const PORTION_BYTES: usize = 64 << 10;
