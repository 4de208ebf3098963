//! Everybody who uses rooms, over whatever transport: what they may do, how often, and until when.
//!
//! A transport translates between its wire format and these types, and decides nothing:
//!
//! ```text
//! Participants::admit(token, caller)  → Participant ┬ visit(room, right) → Visit:  post, history
//!                                                   └ join(room, name)   → Member: next, request
//!                                                                          under Expiry::bound
//! ```
//!
//! A refusal is always a [`Refusal`], counted here.

mod expiry;
mod member;
mod request;
mod shared;
mod visit;

use std::fmt;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use values::limiter::{KeyedRateLimiter, source};

use super::caller::Caller;
use super::grant::Grant;
use super::hub::Hub;
use super::name::{MemberName, RoomName};
use super::refusal::Refusal;
use super::right::Right;

use expiry::Ends;
pub use expiry::Expiry;
pub use member::{Member, Next, Welcome};
pub use request::{Notice, Request};
pub use shared::Authority;
use shared::Shared;
pub use visit::{Posted, Visit};

/// The way into the rooms of this node for every transport; cheap to clone, every clone is the same.
#[derive(Clone)]
pub struct Participants {
    shared: Arc<Shared>,
}

/// Somebody whose token was accepted.
pub struct Participant {
    shared: Arc<Shared>,
    caller: Caller,
    grant: Grant,
    ends: Arc<Ends>,
}

impl Participants {
    /// Participants in the rooms of `hub`, whose tokens `authority` judges.
    pub fn new(hub: Hub, authority: Arc<dyn Authority>) -> Self {
        let settings = hub.settings();
        let requests = KeyedRateLimiter::new(settings.message_rate(), MAX_ADDRESSES);
        let joins = KeyedRateLimiter::new(settings.join_rate(), MAX_ADDRESSES);
        let member_joins = KeyedRateLimiter::new(settings.member_join_rate(), MAX_ADDRESSES);
        Self {
            shared: Arc::new(Shared {
                hub,
                authority,
                requests,
                joins,
                member_joins,
            }),
        }
    }

    /// Admits `caller`, who shows `token`; an address alone is a caller as [`Caller::from`] has it.
    ///
    /// Before this, a transport that browsers use checks the page's Origin: a page must not spend its visitor's attempts.
    ///
    /// # Errors
    /// The token is missing, not good, or has ended.
    pub fn admit(
        &self,
        token: Option<&str>,
        caller: impl Into<Caller>,
    ) -> Result<Participant, Refusal> {
        let caller = caller.into();
        let grant = self.shared.check(token, caller);
        let grant = self.shared.counted(grant)?;
        Ok(Participant {
            shared: Arc::clone(&self.shared),
            caller,
            ends: Ends::new(&grant),
            grant,
        })
    }

    /// Counts what a transport itself refuses, for example a body that it cannot read.
    pub fn refuse(&self, refusal: Refusal) -> Refusal {
        self.shared.hub.counts().reject(refusal.reason());
        refusal
    }
}

impl Participant {
    /// The notice of the end of what this participant may do, which every open stream runs under.
    pub fn expiry(&self) -> Expiry {
        Expiry {
            shared: Arc::clone(&self.shared),
            ends: Arc::clone(&self.ends),
        }
    }

    /// Checks that `right` is given in the room called `room`.
    ///
    /// # Errors
    /// The name is none, the token does not allow this there, or it has ended.
    pub fn require(&self, right: Right, room: &str) -> Result<RoomName, Refusal> {
        let room: Result<RoomName, _> = room.parse().map_err(Refusal::Name);
        let required = room.and_then(|room| self.grant.require(right, &room).map(|()| room));
        self.shared.counted(required)
    }

    /// Counts a join against the rates of the address and, if a token names it, of the member.
    fn admit_join(&self) -> Result<(), Refusal> {
        let (shared, now) = (&self.shared, Instant::now());
        if let Some(name) = self.grant.name() {
            let of = "of this member";
            let admitted = shared.member_joins.admit(name.clone(), now);
            admitted.map_err(|_| Refusal::TooManyJoins { of })?;
        }
        let of = "from this address";
        let admitted = shared.joins.admit(source(self.caller.address), now);
        admitted.map_err(|_| Refusal::TooManyJoins { of })
    }

    /// Replaces the grant by that of a new token, which must be for `name` and allow to join `room`.
    fn renew(
        &mut self,
        token: &str,
        room: &RoomName,
        name: &MemberName,
    ) -> Result<Option<SystemTime>, Refusal> {
        let grant = self.shared.check(Some(token), self.caller)?;
        if grant.name().is_some_and(|new| new != name) {
            return Err(Refusal::OtherName);
        }
        grant.require(Right::Join, room)?;
        self.ends.renew(&grant);
        self.grant = grant;
        Ok(self.grant.end())
    }
}

impl fmt::Debug for Participants {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = formatter.debug_struct("Participants");
        debug.field("hub", &self.shared.hub).finish_non_exhaustive()
    }
}

impl fmt::Debug for Participant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = formatter.debug_struct("Participant");
        debug
            .field("caller", &self.caller)
            .field("grant", &self.grant)
            .finish_non_exhaustive()
    }
}

/// Addresses remembered at once by a limiter: about 0.5 MiB.
const MAX_ADDRESSES: usize = 10_000;
