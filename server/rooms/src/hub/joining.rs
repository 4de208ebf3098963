//! Coming into a room and leaving it, with what was missed.

use std::sync::Arc;
use values::sync::lock;

use super::{Hub, gauge};
use crate::backplane::{History, Query, Range, Unavailable};
use crate::event::{Gap, Reason};
use crate::member::Membership;
use crate::message::{MemberId, Stored};
use crate::name::{MemberName, RoomName};
use crate::position::Position;
use crate::presence::{Change, Present};
use crate::room::Room;

/// The room as a new member finds it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Joined {
    /// The membership; events begin after [`position`](Self::position).
    pub membership: Membership,
    /// The room's end at the moment of joining; `None` if the store does not say.
    pub position: Option<Position>,
    /// The number of members, the new one included.
    pub count: usize,
    /// Some of them, at most [`Settings::max_presence`](crate::settings::Settings::max_presence).
    pub members: Vec<Present>,
    /// Messages that were missed; there only if they were asked for.
    pub replay: Option<Replay>,
}

/// Messages that were missed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    /// Messages that cannot be given, which come before those that can.
    pub gap: Option<Gap>,
    /// The messages, the oldest first.
    pub messages: Vec<Stored>,
}

/// Cause for which somebody cannot join.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// There are as many rooms as there may be.
    #[error("too many rooms, try again later")]
    TooManyRooms,
    /// The room is full.
    #[error("too many members in this room, try again later")]
    TooManyMembers,
}

impl Default for Replay {
    /// Nothing was missed.
    fn default() -> Self {
        Self {
            gap: None,
            messages: Vec::new(),
        }
    }
}

impl Hub {
    /// Joins a room, which need not exist. With `since`, what was stored after that position is given as well.
    ///
    /// While the backplane is away this does not fail; the replay then says that what was missed is not to be had.
    ///
    /// Cancel safe: who has not got a membership has not joined, at least not for longer than a moment.
    ///
    /// # Errors
    /// The room is full, or there are too many.
    pub async fn join(
        &self,
        room: &RoomName,
        name: MemberName,
        since: Option<Position>,
    ) -> Result<Joined, JoinError> {
        let (mut membership, reached, is_new) = self.enter(room, name)?;
        if is_new && self.health().is_up() {
            self.learn_presence(membership.shared_room()).await;
        }
        let (position, replay) = match (since, reached) {
            (None, Some(reached)) => (Some(reached), None),
            (Some(since), Some(reached)) if since == reached => {
                (Some(reached), Some(Replay::default()))
            }
            (None, None) => (self.end(room).await, None),
            (Some(since), reached) => {
                let (position, replay) = self.replay(room, since, reached).await;
                (position, Some(replay))
            }
        };
        membership.go_on_from(position);
        let here = self.room(room);
        let (count, members) = here.map_or((1, vec![membership.me().clone()]), |here| {
            let mut state = here.state();
            if state.dispatched.is_none() {
                state.base = lower(state.base, position);
            }
            membership.knows_who_is_there(&state);
            let mut members = state.roster.list(self.inner.settings.max_presence);
            // Joins that are reported later are reported to this member too, and never if that member leaves before.
            let me = &membership.me().member;
            members
                .retain(|who| who.member == *me || !state.attendance.is_unannounced(&who.member));
            (state.roster.len(), members)
        });
        Ok(Joined {
            membership,
            position,
            count,
            members,
            replay,
        })
    }

    /// Enters the room; returns the membership, the position that the room has reached, and whether the room is new here.
    fn enter(
        &self,
        name: &RoomName,
        member: MemberName,
    ) -> Result<(Membership, Option<Position>, bool), JoinError> {
        let inner = &self.inner;
        let me = Present {
            member: MemberId::random(&inner.node),
            name: member,
        };
        let mut rooms = lock(&inner.rooms);
        let is_new = !rooms.contains_key(name);
        if is_new && rooms.len() >= inner.settings.max_rooms {
            return Err(JoinError::TooManyRooms);
        }
        let room = rooms.entry(name.clone()).or_insert_with(|| {
            let late = Arc::clone(&inner.late);
            Arc::new(Room::new(name.clone(), &inner.settings, late))
        });
        let room = Arc::clone(room);
        let mut state = room.state();
        if state.local >= inner.settings.max_members {
            return Err(JoinError::TooManyMembers);
        }
        state.local += 1;
        room.enter(&mut state, &me, true);
        // Made under the lock: it begins with the event after its own join, and `reached` is the position before
        // that.
        let membership = Membership::new(self.clone(), Arc::clone(&room), me.clone(), &state);
        let reached = state.dispatched;
        drop(state);
        inner.counts.members.inc();
        inner.counts.rooms.set(gauge(rooms.len()));
        if is_new {
            inner.backplane.interest(name, true);
        }
        drop(rooms);
        self.announce(name, Change::Join, me);
        Ok((membership, reached, is_new))
    }

    /// Undoes [`enter`](Self::enter).
    pub(crate) fn leave(&self, room: &Arc<Room>, me: &Present) {
        let inner = &self.inner;
        let mut rooms = lock(&inner.rooms);
        let mut state = room.state();
        state.local -= 1;
        room.leave(&mut state, &me.member, true);
        let is_empty = state.local == 0;
        drop(state);
        if is_empty {
            rooms.remove(&room.name);
            inner.backplane.interest(&room.name, false);
        }
        inner.counts.members.dec();
        inner.counts.rooms.set(gauge(rooms.len()));
        drop(rooms);
        self.announce(&room.name, Change::Leave, me.clone());
    }

    /// The room's end, as the store knows it.
    async fn end(&self, room: &RoomName) -> Option<Position> {
        let query = Query {
            range: Range::Newest,
            max_messages: 0,
            max_bytes: 0,
        };
        self.history(room, query).await.ok()?.end
    }

    /// Messages stored after `since`, and the room's end with them.
    async fn replay(
        &self,
        room: &RoomName,
        since: Position,
        reached: Option<Position>,
    ) -> (Option<Position>, Replay) {
        let gap = |next, reason: Reason| {
            self.inner.counts.gap(reason.name());
            Some(Gap {
                after: Some(since),
                next,
                reason,
            })
        };
        // The store is away: the member joins all the same, and learns that messages are missing.
        let Ok((history, is_cut)) = self.after(room, since).await else {
            let gap = gap(None, Reason::Unavailable);
            let messages = Vec::new();
            return (reached, Replay { gap, messages });
        };
        let next = history.messages.first().map(|stored| stored.position);
        let gap = if history.complete && !is_cut {
            None
        } else if is_cut {
            gap(next, Reason::Expired)
        } else {
            gap(next, reason(since, history.end))
        };
        let messages = history.messages;
        (history.end, Replay { gap, messages })
    }

    /// Everything after `since`; if that is too much, the newest part of it and `true`.
    async fn after(
        &self,
        room: &RoomName,
        since: Position,
    ) -> Result<(History, bool), Unavailable> {
        let mut history = self.history(room, Query::all(Range::After(since))).await?;
        for _ in 1..MAX_PAGES {
            let Some(last) = history.messages.last().filter(|_| history.more) else {
                return Ok((history, false));
            };
            let after = Query::all(Range::After(last.position));
            let page = self.history(room, after).await?;
            // The next messages expired while the pages before were read: only the newest can be given without a
            // hole.
            if !page.complete {
                break;
            }
            history.messages.extend(page.messages);
            history.more = page.more;
            history.end = page.end;
        }
        if !history.more {
            return Ok((history, false));
        }
        Ok((self.history(room, Query::all(Range::Newest)).await?, true))
    }
}

/// Returns the reason why the messages after `after` cannot be given, when the room's end is `end`.
pub(crate) fn reason(after: Position, end: Option<Position>) -> Reason {
    match end {
        Some(end) if end.epoch == after.epoch && after.offset <= end.offset => Reason::Expired,
        _ => Reason::Epoch,
    }
}

/// The lower of two positions of one epoch; of different ones the newer knowledge.
fn lower(known: Option<Position>, new: Option<Position>) -> Option<Position> {
    match (known, new) {
        (Some(known), Some(new)) if known.epoch == new.epoch && known.offset < new.offset => {
            Some(known)
        }
        (known, new) => new.or(known),
    }
}

/// Portions of history that somebody who comes back is given at most; beyond it only the newest.
const MAX_PAGES: usize = 4;
