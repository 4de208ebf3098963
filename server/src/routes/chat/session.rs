//! One connection to a room, in either subprotocol.

use std::sync::Arc;

use futures_util::FutureExt;
use tungstenite_deflate::tungstenite::{Error, Message};
use tungstenite_deflate::{DeflateConfig, SharedContext, WebSocketStream};

use super::join_request::JoinRequest;
use super::json;
use super::speaker::{Dialect, Speaker};
use crate::connection::ConnectionInfo;
use crate::conversation::{Conversation, Incoming};
use crate::stream::ServerStream;
use rooms::participant::{Member, Next, Request};
use rooms::{Hub, Participant, Refusal};

/// The end of a session from this side.
enum End {
    /// The member may do nothing more; the refusal has the reason.
    Refused(Refusal),
    /// The connection failed, which has been noted.
    Lost,
}

impl From<Refusal> for End {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Error> for End {
    fn from(_: Error) -> Self {
        Self::Lost
    }
}

/// Serves one connection: joins, passes messages both ways, leaves.
pub(super) async fn run(
    hub: Hub,
    deflate: Option<DeflateConfig>,
    participant: Participant,
    entry: Result<JoinRequest, Refusal>,
    socket: WebSocketStream<ServerStream>,
    info: ConnectionInfo,
) {
    let dialect = match info.subprotocol {
        Some("chat.v1.json") => Dialect::Json,
        _ => Dialect::Text,
    };
    let deflate = deflate.unwrap_or_default();
    let mut speaker = Speaker {
        hub,
        conversation: Conversation::new(socket, info),
        dialect,
        context: Arc::new(SharedContext::new(&deflate)),
    };
    let expiry = participant.expiry();
    let serving = expiry.bound(serve(participant, entry, &deflate, &mut speaker));
    if let Err(End::Refused(refusal)) = serving.await.unwrap_or_else(|ended| Err(ended.into())) {
        speaker.dismiss(&refusal).await;
    }
    while speaker.conversation.next().await.is_some() {}
}

/// Joins and stays until one side has enough.
async fn serve(
    participant: Participant,
    entry: Result<JoinRequest, Refusal>,
    deflate: &DeflateConfig,
    speaker: &mut Speaker,
) -> Result<(), End> {
    let JoinRequest { room, name, since } = entry?;
    let joining = participant.join(&room, name.as_deref(), since.as_deref());
    let (member, welcome) = joining.await?;
    let rendering = speaker.dialect.rendering();
    speaker.context = member.writer(rendering, || SharedContext::new(deflate));
    speaker.greet(&welcome).await?;
    drop(welcome);
    stay(member, speaker).await
}

/// Passes messages both ways until one side has enough.
async fn stay(mut member: Member, speaker: &mut Speaker) -> Result<(), End> {
    let takes_latest = member.takes_latest();
    if takes_latest {
        speaker.conversation.keep_fresh();
    }
    // Something was fed that may not be sent yet; a newer message in the queue after it would grow old there.
    let mut waits = takes_latest;
    loop {
        if !member.has_capacity() {
            // Nothing is read for now, and it is reading that sends what was fed. A failure shows when reading.
            let _ = speaker.conversation.flush().await;
            waits = false;
        }
        let next = if waits {
            member
                .next_unseen(speaker.conversation.next_or_sent())
                .await?
        } else {
            member
                .next(speaker.conversation.next().map(Incoming::Message))
                .await?
        };
        match next {
            Next::Incoming(Incoming::Sent) => {
                waits = false;
                continue;
            }
            Next::Incoming(Incoming::Message(None)) => return Ok(()),
            Next::Incoming(Incoming::Message(Some(message))) => {
                let notice = member.request(read(&message, speaker.dialect)).await?;
                speaker.notify(notice).await?;
            }
            Next::Seen(seen) => {
                speaker.pass_on(&seen).await?;
                if !takes_latest {
                    pass_on_more(&mut member, speaker).await?;
                }
            }
            Next::Settled(notice) => speaker.notify(notice).await?,
        }
        waits = takes_latest;
    }
}

/// Passes on what else has come, to go out in the same write; not for ever, since the member may have something to say.
async fn pass_on_more(member: &mut Member, speaker: &mut Speaker) -> Result<(), End> {
    for _ in 0..MAX_AT_ONCE {
        match member.try_next()? {
            Some(seen) => speaker.pass_on(&seen).await?,
            None => break,
        }
    }
    Ok(())
}

/// Reads a message as a request.
fn read(message: &Message, dialect: Dialect) -> Result<Request, Refusal> {
    let Message::Text(text) = message else {
        return Err(Refusal::Binary);
    };
    match dialect {
        Dialect::Text => Ok(Request::Say {
            id: None,
            text: text.trim_end_matches(['\r', '\n']).into(),
        }),
        Dialect::Json => json::Request::read(text)
            .map(Request::from)
            .map_err(|error| Refusal::Malformed(format!("not understood: {error}"))),
    }
}

/// Maximum number of events that are passed on before the member is listened to again.
const MAX_AT_ONCE: usize = 64;
