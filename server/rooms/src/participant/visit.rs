//! A room used without joining it.

use std::sync::Arc;
use std::time::Instant;

use values::limiter::source;

use super::request::given;
use super::{Participant, request};
use crate::backplane::{History, Published};
use crate::hub::{Post, Receipt};
use crate::message::MessageId;
use crate::name::RoomName;
use crate::position::Position;
use crate::refusal::Refusal;
use crate::right::Right;

/// A participant in a room that it has not joined, for one request.
#[derive(Debug)]
pub struct Visit {
    participant: Participant,
    room: RoomName,
}

/// The outcome of a post.
#[derive(Clone, Debug)]
pub struct Posted {
    /// The id that its sender gave it.
    pub id: Option<MessageId>,
    /// Its position; `None` while it waits for the store.
    pub published: Option<Published>,
}

impl Participant {
    /// Visits a room for one request without joining it: the name, the right and the rate are checked.
    ///
    /// Everything that can be refused before a request's body is read is refused here.
    ///
    /// # Errors
    /// As for [`require`](Self::require), or there are too many requests from this address.
    pub fn visit(self, room: &str, right: Right) -> Result<Visit, Refusal> {
        let room = self.require(right, room)?;
        let requests = &self.shared.requests;
        let admitted = requests.admit(source(self.caller.address), Instant::now());
        let admitted = admitted.map_err(|_| Refusal::AddressTooFast);
        self.shared.counted(admitted)?;
        Ok(Visit::new(self, room))
    }
}

impl Visit {
    pub(super) fn new(participant: Participant, room: RoomName) -> Self {
        Self { participant, room }
    }

    /// Sends a message to everybody in the room.
    ///
    /// # Errors
    /// The token does not allow this or has ended meanwhile, something about the message is wrong, or it is not stored.
    pub async fn post(
        self,
        from: Option<&str>,
        text: Arc<str>,
        id: Option<&str>,
    ) -> Result<Posted, Refusal> {
        let posted = self.try_post(from, text, id).await;
        self.participant.shared.counted(posted)
    }

    async fn try_post(
        &self,
        from: Option<&str>,
        text: Arc<str>,
        id: Option<&str>,
    ) -> Result<Posted, Refusal> {
        let Self { participant, room } = self;
        participant.grant.require(Right::Publish, room)?;
        let from = given(from).map(str::parse).transpose()?;
        let from = participant.grant.name_for(from)?;
        if text.is_empty() {
            return Err(Refusal::Empty);
        }
        let id: Option<MessageId> = given(id).map(str::parse).transpose()?;
        let post = Post {
            from,
            member: None,
            text,
            id: id.clone(),
        };
        let published = match participant.shared.hub.publish(room, post).await? {
            Receipt::Stored(published) => Some(published),
            Receipt::Provisional(_) => None,
        };
        Ok(Posted { id, published })
    }

    /// Reads messages that are kept: the newest, or those before or after a position.
    ///
    /// # Errors
    /// The token does not allow this or has ended, or the store does not answer.
    pub async fn history(
        self,
        before: Option<Position>,
        after: Option<Position>,
        limit: Option<usize>,
    ) -> Result<History, Refusal> {
        let Self { participant, room } = &self;
        let reading = async {
            participant.grant.require(Right::History, room)?;
            let query = request::query(before, after, limit)?;
            Ok(participant.shared.hub.history(room, query).await?)
        };
        participant.shared.counted(reading.await)
    }
}
