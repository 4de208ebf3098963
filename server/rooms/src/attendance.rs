//! Decides which joins and leaves a room reports at once, which later, and which as a number.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use values::limiter::{Rate, RateLimiter};
use values::sync::lock;

use super::event::Event;
use super::message::MemberId;
use super::name::RoomName;
use super::presence::{Change, Present};

/// Decides which joins and leaves a room reports at once, which later, and which as a number.
///
/// ```text
/// at most `max_presence` members          more
///   within the rate: at once                at most once a second, how many there are
///   beyond it: later, in order
///   came and went meanwhile: never, but
///   how many there are
/// ```
/// Nothing is lost: the last thing that is reported agrees with who is there.
#[derive(Debug)]
pub(super) struct Attendance {
    limiter: RateLimiter,
    max_presence: usize,
    /// Changes to report later, in order of arrival.
    pending: BTreeMap<u64, (Change, Present)>,
    /// Members whose join is among it.
    unannounced: HashMap<MemberId, u64>,
    next: u64,
    /// The number of members that was reported last.
    reported: usize,
    counted_at: Option<Instant>,
}

/// The rooms that have something to tell later; leaf in the order of locks.
#[derive(Debug, Default)]
pub(super) struct Late {
    rooms: Mutex<HashSet<RoomName>>,
    added: Notify,
}

impl Attendance {
    /// Changes reported one by one at `rate`, while there are at most `max_presence` members.
    pub(super) fn new(rate: Rate, max_presence: usize) -> Self {
        Self {
            limiter: RateLimiter::new(rate),
            max_presence,
            pending: BTreeMap::new(),
            unannounced: HashMap::new(),
            next: 0,
            reported: 0,
            counted_at: None,
        }
    }

    /// Notes a change, after which there are `count` members; gives what is to be reported of it at once.
    pub(super) fn change(
        &mut self,
        change: Change,
        who: Present,
        count: usize,
        now: Instant,
    ) -> Option<Event> {
        if count > self.max_presence {
            self.pending.clear();
            self.unannounced.clear();
            return self.count(count, now);
        }
        if change == Change::Leave
            && let Some(number) = self.unannounced.remove(&who.member)
        {
            // Nobody has been notified of its join.
            self.pending.remove(&number);
            return None;
        }
        if self.pending.is_empty() && self.limiter.admit(now).is_ok() {
            self.reported = count;
            return Some(Event::Presence { change, who, count });
        }
        if change == Change::Join {
            self.unannounced.insert(who.member.clone(), self.next);
        }
        self.pending.insert(self.next, (change, who));
        self.next += 1;
        None
    }

    /// The next of what is to be reported later, if its time has come.
    pub(super) fn due(&mut self, count: usize, now: Instant) -> Option<Event> {
        if count > self.max_presence {
            return self.count(count, now);
        }
        if self.is_announced(count) || self.limiter.admit(now).is_err() {
            return None;
        }
        self.reported = count;
        let Some((_, (change, who))) = self.pending.pop_first() else {
            return Some(Event::Count(count));
        };
        self.unannounced.remove(&who.member);
        Some(Event::Presence { change, who, count })
    }

    /// The time until [`due`](Self::due) has something to tell; `None` if everything is reported.
    pub(super) fn wait(&self, count: usize, now: Instant) -> Option<Duration> {
        if self.is_announced(count) {
            return None;
        }
        if count > self.max_presence {
            let passed = self.counted_at.map(|at| now.saturating_duration_since(at));
            return Some(passed.map_or(Duration::ZERO, |passed| {
                COUNT_INTERVAL.saturating_sub(passed)
            }));
        }
        let exceeded = self.limiter.check(now).err();
        Some(exceeded.map_or(Duration::ZERO, |exceeded| exceeded.retry_after))
    }

    /// Reports whether the join of a member of this room is yet to be reported.
    pub(super) fn is_unannounced(&self, member: &MemberId) -> bool {
        self.unannounced.contains_key(member)
    }

    fn is_announced(&self, count: usize) -> bool {
        self.pending.is_empty() && self.reported == count
    }

    /// Returns the number of members, unless it was reported less than an interval ago.
    fn count(&mut self, count: usize, now: Instant) -> Option<Event> {
        let passed = self.counted_at.map(|at| now.saturating_duration_since(at));
        if self.reported == count || passed.is_some_and(|passed| passed < COUNT_INTERVAL) {
            return None;
        }
        (self.counted_at, self.reported) = (Some(now), count);
        Some(Event::Count(count))
    }
}

impl Late {
    /// Notes that `room` has something to tell later.
    pub(super) fn add(&self, room: &RoomName) {
        let mut rooms = lock(&self.rooms);
        if !rooms.contains(room) {
            rooms.insert(room.clone());
            self.added.notify_one();
        }
    }

    /// Waits for rooms that have something to tell later.
    pub(super) async fn added(&self) {
        self.added.notified().await;
    }

    /// Takes all of them.
    pub(super) fn take(&self) -> HashSet<RoomName> {
        let mut rooms = lock(&self.rooms);
        std::mem::take(&mut rooms)
    }
}

/// Minimum time between two counts of the members of a large room.
const COUNT_INTERVAL: Duration = Duration::from_secs(1);
