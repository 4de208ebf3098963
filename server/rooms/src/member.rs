//! One member's way through a room's events.

use std::sync::Arc;

use tokio::sync::watch;

use super::counts::PolicyLabel;
use super::event::{Broadcast, Event, Gap, Reason};
use super::hub::Hub;
use super::kind::Policy;
use super::name::RoomName;
use super::position::Position;
use super::presence::Present;
use super::room::{Room, RoomState};

/// A member of a room; dropping it leaves.
///
/// It holds no events, only its position among those of the room:
///
/// ```text
/// room    first ─────────────────────────────────────► next
///         │ kept events                                │ the next one pushed
/// member            cursor: what it reads next ──►     caught up at `next`, then waits for `head`
///         ◄─ before `first`: events are lost, the room's policy decides (`fall_behind`)
///
/// given         messages up to here came with the replay, they are skipped
/// present_from  joins and leaves before this event are in the list of members, they are skipped
/// provisional   provisional messages that were seen: stored, they come again with a position
/// ```
#[derive(Debug)]
pub struct Membership {
    hub: Hub,
    room: Arc<Room>,
    me: Present,
    /// Number of the event that this member reads next.
    cursor: u64,
    /// Joins and leaves before the event with this number were given otherwise.
    present_from: u64,
    /// Messages up to here were given otherwise.
    given: Option<Position>,
    /// The latest position that this member was given.
    last: Option<Position>,
    /// Numbers of the provisional messages that this member was given.
    provisional: std::ops::Range<u64>,
    head: watch::Receiver<u64>,
}

/// An event as one member reads it.
#[derive(Clone, Debug)]
pub enum Seen {
    /// An event, for the first time.
    Event(Arc<Broadcast>),
    /// A message that this member was given before as a provisional one; now it is stored and has its position.
    Again(Arc<Broadcast>),
    /// This member was too slow and misses messages.
    Gap(Gap),
}

/// The member was too slow, and its room sends such members away (1013, try again later).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("slow consumer: {missed} events behind what is kept for members")]
pub struct Lagged {
    /// Events that were missed.
    pub missed: u64,
}

impl Membership {
    pub(super) fn new(hub: Hub, room: Arc<Room>, me: Present, state: &RoomState) -> Self {
        let head = room.subscribe();
        Self {
            hub,
            me,
            cursor: state.next(),
            present_from: 0,
            given: None,
            last: None,
            provisional: state.next_provisional..state.next_provisional,
            head,
            room,
        }
    }

    /// Says that everything up to `position` reaches the member in another way.
    pub(super) fn go_on_from(&mut self, position: Option<Position>) {
        self.given = position;
        self.last = position;
    }

    /// Says that the member has been seen who is there at the moment.
    pub(super) fn knows_who_is_there(&mut self, state: &RoomState) {
        self.present_from = state.next();
    }

    /// Returns this member.
    pub fn me(&self) -> &Present {
        &self.me
    }

    /// Returns the name of its room.
    pub fn room(&self) -> &RoomName {
        &self.room.name
    }

    /// The room itself.
    pub(super) fn shared_room(&self) -> &Room {
        &self.room
    }

    /// Waits for the next event.
    ///
    /// Cancel safe: an event that was not returned is returned next time.
    ///
    /// # Errors
    /// The member is too far behind and its room sends it away.
    pub async fn next(&mut self) -> Result<Seen, Lagged> {
        loop {
            if let Some(seen) = self.try_next()? {
                return Ok(seen);
            }
            // The sender lives in the room that this membership holds, so it cannot be gone.
            let _ = self.head.changed().await;
        }
    }

    /// The next event, if there is one.
    ///
    /// # Errors
    /// As for [`next`](Self::next).
    pub fn try_next(&mut self) -> Result<Option<Seen>, Lagged> {
        let room = Arc::clone(&self.room);
        loop {
            // What is pushed from now on wakes the next wait.
            self.head.mark_unchanged();
            let state = room.state();
            if self.cursor < state.first() {
                let seen = self.fall_behind(&state)?;
                drop(state);
                if seen.is_some() {
                    return Ok(seen);
                }
                continue;
            }
            if self.room.policy == Policy::Latest {
                self.coalesce(&state);
            }
            let Some(broadcast) = state.get(self.cursor).cloned() else {
                return Ok(None);
            };
            drop(state);
            self.cursor += 1;
            let age = self
                .cursor
                .is_multiple_of(MEASURED)
                .then(|| broadcast.age());
            if let Some(seen) = self.see(broadcast) {
                let counts = self.hub.counts();
                counts.delivered.inc();
                if let Some(age) = age {
                    counts.delivery.0.observe(age.as_secs_f64());
                }
                return Ok(Some(seen));
            }
        }
    }

    /// The event as this member sees it; `None` if it has it already.
    fn see(&mut self, broadcast: Arc<Broadcast>) -> Option<Seen> {
        match broadcast.event() {
            // Stored: new, unless the replay had it; known already if it was seen as provisional.
            Event::Message(stored) => {
                let position = stored.position;
                let is_given = self.given.is_some_and(|given| {
                    given.epoch == position.epoch && position.offset <= given.offset
                });
                if is_given {
                    return None;
                }
                self.last = Some(position);
                let seen_before = |number: u64| self.provisional.contains(&number);
                if broadcast.provisional.is_some_and(seen_before) {
                    return Some(Seen::Again(broadcast));
                }
            }
            // Not stored yet: shown at once, and remembered for the time when it comes with a position.
            Event::Provisional(_) => {
                let number = broadcast.provisional.unwrap_or_default();
                if self.provisional.end != number {
                    // Some before it were missed and must not be taken for seen.
                    self.provisional.start = number;
                }
                self.provisional.end = number + 1;
            }
            // From before this member joined: it is in the list that the member was given.
            Event::Presence { .. } | Event::Count(_) if self.cursor <= self.present_from => {
                return None;
            }
            Event::Presence { .. } | Event::Count(_) | Event::Gap(_) => {}
        }
        Some(Seen::Event(broadcast))
    }

    /// Decides what follows from having missed events.
    fn fall_behind(&mut self, state: &RoomState) -> Result<Option<Seen>, Lagged> {
        if state.newest_lost.is_none_or(|lost| lost < self.cursor) {
            // Nothing but comings and goings, which nobody is sent away for: how many are there now is enough.
            self.cursor = state.first();
            let count = Broadcast::new(Event::Count(state.roster.len()));
            return Ok(Some(Seen::Event(Arc::new(count))));
        }
        let (policy, missed) = (self.room.policy, state.first() - self.cursor);
        let label = PolicyLabel {
            policy: policy.name(),
        };
        let counts = self.hub.counts();
        counts.lagged.get_or_create(&label).inc();
        counts.dropped.get_or_create(&label).inc_by(missed);
        match policy {
            // The member is closed with 1013 and comes back with its position.
            Policy::Disconnect => Err(Lagged { missed }),
            // The member goes on with what is kept, after a gap.
            Policy::DropOldest => {
                self.cursor = state.first();
                counts.gap(Reason::Slow.name());
                Ok(Some(Seen::Gap(Gap {
                    after: self.last,
                    next: state.position_from(self.cursor),
                    reason: Reason::Slow,
                })))
            }
            // What was lost is worthless; `coalesce` leads to the newest message.
            Policy::Latest => {
                self.cursor = state.first();
                Ok(None)
            }
        }
    }

    /// Goes past messages that a newer one has made worthless.
    fn coalesce(&mut self, state: &RoomState) {
        let Some(newest) = state.newest_message(self.cursor) else {
            return;
        };
        let mut passed = 0;
        while self.cursor < newest {
            let event = state.get(self.cursor).map(|broadcast| broadcast.event());
            if !matches!(event, Some(Event::Message(_) | Event::Provisional(_))) {
                break;
            }
            self.cursor += 1;
            passed += 1;
        }
        if passed > 0 {
            let label = PolicyLabel {
                policy: Policy::Latest.name(),
            };
            let dropped = &self.hub.counts().dropped;
            dropped.get_or_create(&label).inc_by(passed);
        }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.hub.leave(&self.room, &self.me);
    }
}

/// Of so many events of a room the delivery of one is measured, to every member.
const MEASURED: u64 = 16;
