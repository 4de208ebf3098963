//! A participant that has joined a room.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use values::limiter::RateLimiter;

use super::Participant;
use super::request::{Notice, Request, given, query};
use crate::counts::Counts;
use crate::hub::{Joined, Replay};
use crate::kind::Policy;
use crate::member::{Membership, Seen};
use crate::message::MessageId;
use crate::name::{MemberName, RoomName};
use crate::position::Position;
use crate::posting::Posting;
use crate::presence::Present;
use crate::refusal::Refusal;
use crate::renderings::Rendering;
use crate::right::Right;

/// A participant that has joined a room; dropping it leaves.
pub struct Member {
    participant: Participant,
    membership: Membership,
    posting: Posting,
    rate: RateLimiter,
}

/// The state of the room that a new member finds.
#[derive(Clone, Debug)]
pub struct Welcome {
    /// The room.
    pub room: RoomName,
    /// The new member.
    pub me: Present,
    /// The room's end at the moment of joining; `None` if the store does not say.
    pub position: Option<Position>,
    /// The number of members, the new one included.
    pub count: usize,
    /// Some of them.
    pub members: Vec<Present>,
    /// Messages that were missed; there only if they were asked for.
    pub replay: Option<Replay>,
}

/// The next event for a member.
#[derive(Debug)]
pub enum Next<T> {
    /// Something came from the member.
    Incoming(T),
    /// Something happened in the room.
    Seen(Seen),
    /// It is known what became of a message of the member; one without an id that is stored needs no notice.
    Settled(Option<Notice>),
}

impl Participant {
    /// Joins a room; with `since`, what was stored after that position is given as well.
    ///
    /// # Errors
    /// A name or the position is none, the token does not allow this or has ended, or there is no capacity.
    pub async fn join(
        self,
        room: &str,
        name: Option<&str>,
        since: Option<&str>,
    ) -> Result<(Member, Welcome), Refusal> {
        let shared = Arc::clone(&self.shared);
        shared.counted(Member::join(self, room, name, since).await)
    }
}

impl Member {
    async fn join(
        participant: Participant,
        room: &str,
        name: Option<&str>,
        since: Option<&str>,
    ) -> Result<(Self, Welcome), Refusal> {
        let grant = &participant.grant;
        let room: RoomName = room.parse()?;
        grant.require(Right::Join, &room)?;
        let name: Option<MemberName> = given(name).map(str::parse).transpose()?;
        let name = grant.name_for(name)?;
        let since: Option<Position> = given(since).map(str::parse).transpose()?;
        if since.is_some() {
            grant.require(Right::History, &room)?;
        }
        // Counted last, so that a join which is refused anyway costs the address nothing.
        participant.admit_join()?;
        let hub = participant.shared.hub.clone();
        let Joined {
            membership,
            position,
            count,
            members,
            replay,
        } = hub.join(&room, name, since).await?;
        let welcome = Welcome {
            room,
            me: membership.me().clone(),
            position,
            count,
            members,
            replay,
        };
        let member = Self {
            posting: Posting::new(hub.clone(), &membership),
            rate: RateLimiter::new(hub.settings().message_rate()),
            participant,
            membership,
        };
        Ok((member, welcome))
    }

    /// Returns the counters of rooms.
    pub fn counts(&self) -> &Counts {
        self.participant.shared.hub.counts()
    }

    /// Reports whether more can be taken from the member; if not, [`next`](Self::next) leaves what comes in where it is.
    pub fn has_capacity(&self) -> bool {
        self.posting.has_capacity()
    }

    /// Reports if the room gives its newest message alone to whoever is behind, so that nothing is to be taken from it
    /// before the member has what it was given.
    pub fn takes_latest(&self) -> bool {
        self.membership.shared_room().policy == Policy::Latest
    }

    /// Returns what all who write the room's events in the form of `rendering` share, such as a compression context:
    /// `make` is called for the first of them.
    pub fn writer<T: Send + Sync + 'static>(
        &self,
        rendering: Rendering,
        make: impl Fn() -> T,
    ) -> Arc<T> {
        self.membership.shared_room().writer(rendering, make)
    }

    /// Reports whether it is known of every message what became of it.
    pub fn is_settled(&self) -> bool {
        self.posting.is_settled()
    }

    /// Waits for what happens first; `incoming` is what comes from the member.
    ///
    /// Cancel safe if `incoming` is.
    ///
    /// # Errors
    /// The member is too far behind, and its room disconnects such members.
    pub async fn next<T>(&mut self, incoming: impl Future<Output = T>) -> Result<Next<T>, Refusal> {
        self.wait(incoming, true).await
    }

    /// Waits as [`next`](Self::next) does, but leaves the room's events where they are.
    ///
    /// Cancel safe if `incoming` is.
    ///
    /// # Errors
    /// As for [`next`](Self::next).
    pub async fn next_unseen<T>(
        &mut self,
        incoming: impl Future<Output = T>,
    ) -> Result<Next<T>, Refusal> {
        self.wait(incoming, false).await
    }

    async fn wait<T>(
        &mut self,
        incoming: impl Future<Output = T>,
        with_events: bool,
    ) -> Result<Next<T>, Refusal> {
        let has_capacity = self.posting.has_capacity();
        let shared = &self.participant.shared;
        tokio::select! {
            biased;
            (id, outcome) = self.posting.settled() => {
                Ok(Next::Settled(match shared.counted(outcome.map_err(Refusal::from)) {
                    Ok(published) => id.map(|id| Notice::Stored { id, published }),
                    Err(refusal) => Some(Notice::Refused { id, refusal }),
                }))
            }
            incoming = incoming, if has_capacity => Ok(Next::Incoming(incoming)),
            seen = self.membership.next(), if with_events => {
                shared.counted(seen.map_err(Refusal::from)).map(Next::Seen)
            }
        }
    }

    /// The next event of the room, if there is one.
    ///
    /// # Errors
    /// As for [`next`](Self::next).
    pub fn try_next(&mut self) -> Result<Option<Seen>, Refusal> {
        let seen = self.membership.try_next().map_err(Refusal::from);
        self.participant.shared.counted(seen)
    }

    /// Carries out a request of the member and returns its notice. A request that cannot be parsed counts against the rate, too.
    ///
    /// # Errors
    /// It is refused, and the refusal [is final](Refusal::is_final).
    pub async fn request(
        &mut self,
        request: Result<Request, Refusal>,
    ) -> Result<Option<Notice>, Refusal> {
        let id = match &request {
            Ok(Request::Say { id, .. }) => id.clone(),
            _ => None,
        };
        let outcome = self.try_request(request).await;
        match self.participant.shared.counted(outcome) {
            Err(refusal) if !refusal.is_final() => Ok(Some(Notice::Refused { id, refusal })),
            outcome => outcome,
        }
    }

    async fn try_request(
        &mut self,
        request: Result<Request, Refusal>,
    ) -> Result<Option<Notice>, Refusal> {
        let burst = self.participant.shared.hub.settings().burst;
        let admitted = self.rate.admit(Instant::now());
        // The rate counts requests that cannot be parsed too, else nonsense would be free.
        admitted.map_err(|_| Refusal::TooFast { burst })?;
        if self.participant.grant.has_ended() {
            return Err(Refusal::TokenExpired);
        }
        match request? {
            Request::Say { text, id } => self.say(text, id).map(|()| None),
            Request::History {
                before,
                after,
                limit,
            } => {
                let (participant, room) = (&self.participant, self.membership.room());
                participant.grant.require(Right::History, room)?;
                let query = query(before, after, limit)?;
                let history = participant.shared.hub.history(room, query).await;
                Ok(Some(Notice::History(history?)))
            }
            Request::Renew { token } => {
                let (room, name) = (self.membership.room(), &self.membership.me().name);
                let end = self.participant.renew(&token, room, name)?;
                Ok(Some(Notice::Renewed(end)))
            }
        }
    }

    /// Takes a message for everybody; [`next`](Self::next) publishes it.
    fn say(&mut self, text: Arc<str>, id: Option<MessageId>) -> Result<(), Refusal> {
        if text.is_empty() {
            return Err(Refusal::Empty);
        }
        let room = self.membership.room();
        self.participant.grant.require(Right::Publish, room)?;
        self.posting.say(text, id);
        Ok(())
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = formatter.debug_struct("Member");
        debug
            .field("participant", &self.participant)
            .field("membership", &self.membership)
            .finish_non_exhaustive()
    }
}
