//! One connection to a room, in either subprotocol.

use std::future::pending;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use tokio::time::sleep_until;
use tungstenite_deflate::tungstenite::protocol::frame::coding::CloseCode;
use tungstenite_deflate::tungstenite::{Error, Message};
use tungstenite_deflate::{DeflateConfig, WebSocketStream};
use values::limiter::RateLimiter;

use super::entry::{Entry, Wish};
use super::json::Request;
use super::speaker::{Dialect, Speaker};
use crate::access::{Grant, Right};
use crate::connection::ConnectionInfo;
use crate::conversation::Conversation;
use crate::rooms::backplane::{PublishError, Published, Query, Range};
use crate::rooms::posting::Posting;
use crate::rooms::{Hub, JoinError, Lagged, Membership, MessageId, Seen};
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
    let rate = RateLimiter::new(hub.settings().message_rate());
    // An end too far away to be counted is none.
    let end = entry.grant.end().and_then(|end| {
        let left = end.duration_since(SystemTime::now()).unwrap_or_default();
        tokio::time::Instant::now().checked_add(left)
    });
    let session = Session {
        hub: hub.clone(),
        end,
        grant: entry.grant,
        posting: Posting::new(hub.clone(), &joined.membership),
        membership: joined.membership,
        rate,
    };
    session.stay(speaker).await
}

/// Somebody in a room.
struct Session {
    hub: Hub,
    grant: Grant,
    membership: Membership,
    rate: RateLimiter,
    /// When the token ends.
    end: Option<tokio::time::Instant>,
    posting: Posting,
}

/// What woke a session up.
enum Woken {
    Message(Option<Message>),
    Seen(Result<Seen, Lagged>),
    Settled(Option<MessageId>, Result<Published, PublishError>),
    TokenEnded,
}

impl Session {
    /// Passes messages both ways until one side has enough.
    async fn stay(mut self, speaker: &mut Speaker) -> Result<(), Error> {
        loop {
            match self.wait(speaker).await {
                Woken::Message(None) => return Ok(()),
                Woken::Message(Some(_)) if self.rate.admit(Instant::now()).is_err() => {
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
                Woken::Settled(id, outcome) => speaker.settle(id.as_ref(), outcome).await?,
                Woken::TokenEnded => {
                    let problem = "the token has expired, come back with a new one";
                    return speaker.dismiss(CloseCode::Policy, "expired", problem).await;
                }
            }
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
        let has_room = self.posting.has_room();
        if !has_room {
            // Nothing is read for now, and it is reading that sends what was fed. A failure shows when reading.
            let _ = speaker.conversation.flush().await;
        }
        let token_ended = async {
            match self.end {
                Some(end) => sleep_until(end).await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            () = token_ended => Woken::TokenEnded,
            (id, outcome) = self.posting.settled() => Woken::Settled(id, outcome),
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
        text: Arc<str>,
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
        self.posting.say(text, id);
        Ok(())
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

/// Events that are passed on before the member is listened to again.
const MAX_AT_ONCE: usize = 64;
/// Messages of history that are given to somebody who does not say how many.
const DEFAULT_LIMIT: usize = 50;
