//! The members of one room on this node and what they have yet to read.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use values::sync::lock;

use super::attendance::{Attendance, Late};
use super::backplane::Published;
use super::event::{Broadcast, Event, Gap, Reason};
use super::kind::Policy;
use super::message::{Draft, Identity, MemberId, Stored};
use super::name::RoomName;
use super::position::Position;
use super::presence::{Change, Present, Roster};
use super::renderings::{Rendering, Renderings};
use super::settings::Settings;

/// One room on this node.
///
/// An event is written once, into a ring that all members read from; a member that is further behind than the ring is long
/// has missed something, and the room's policy says what follows. So a room takes the same memory however many members it
/// has and however slow they are.
#[derive(Debug)]
pub struct Room {
    pub(super) name: RoomName,
    pub(super) policy: Policy,
    state: Mutex<RoomState>,
    /// Number of the event that comes next.
    head: watch::Sender<u64>,
    queue_messages: usize,
    queue_bytes: usize,
    /// The list of rooms that have something to report later.
    late: Arc<Late>,
    /// Values that the writers of events share.
    writers: Renderings,
}

/// The mutable state of a room.
#[derive(Debug)]
pub(super) struct RoomState {
    ring: VecDeque<Arc<Broadcast>>,
    /// Number of the first event in the ring.
    first: u64,
    bytes: usize,
    /// Number of the newest event that is gone and was more than a coming or going.
    pub(super) newest_lost: Option<u64>,
    pub(super) roster: Roster,
    /// Members on this node.
    pub(super) local: usize,
    /// The position of the newest message that the backplane delivered.
    pub(super) dispatched: Option<Position>,
    /// The lowest position from which a member went on before anything was delivered.
    pub(super) base: Option<Position>,
    /// Numbers of the messages that wait for the backplane.
    provisional: HashMap<Identity, u64>,
    /// Number that the next such message gets.
    pub(super) next_provisional: u64,
    pub(super) attendance: Attendance,
}

impl Room {
    pub(super) fn new(name: RoomName, settings: &Settings, late: Arc<Late>) -> Self {
        Self {
            policy: settings.policy_of(&name),
            name,
            state: Mutex::new(RoomState {
                ring: VecDeque::new(),
                first: 0,
                bytes: 0,
                newest_lost: None,
                roster: Roster::default(),
                local: 0,
                dispatched: None,
                base: None,
                provisional: HashMap::new(),
                next_provisional: 0,
                attendance: Attendance::new(settings.presence_rate(), settings.max_presence),
            }),
            head: watch::Sender::new(0),
            queue_messages: settings.queue_messages.max(1),
            queue_bytes: settings.queue_bytes,
            late,
            writers: Renderings::default(),
        }
    }

    /// Locks; what a panicking holder left behind still makes sense.
    pub(super) fn state(&self) -> MutexGuard<'_, RoomState> {
        lock(&self.state)
    }

    /// Returns what all who write events in this form share.
    pub(super) fn writer<T: Send + Sync + 'static>(
        &self,
        rendering: Rendering,
        make: impl Fn() -> T,
    ) -> Arc<T> {
        self.writers.get(rendering, make)
    }

    /// Notifies of events to come.
    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.head.subscribe()
    }

    /// Writes an event and wakes the members.
    fn push(&self, state: &mut RoomState, broadcast: Broadcast) {
        state.bytes += broadcast.bytes();
        state.ring.push_back(Arc::new(broadcast));
        while state.ring.len() > self.queue_messages
            || (state.bytes > self.queue_bytes && state.ring.len() > 1)
        {
            if let Some(oldest) = state.ring.pop_front() {
                state.bytes -= oldest.bytes();
                if !matches!(oldest.event(), Event::Presence { .. } | Event::Count(_)) {
                    state.newest_lost = Some(state.first);
                }
                state.first += 1;
            }
        }
        self.head.send_replace(state.next());
    }

    /// A message that the backplane delivered; one that was delivered before is left out.
    pub(super) fn deliver(&self, stored: Stored) {
        let mut state = self.state();
        let position = stored.position;
        match state.dispatched {
            Some(last) if last.epoch == position.epoch && position.offset <= last.offset => return,
            Some(last) if last.epoch != position.epoch => {
                let gap = Gap {
                    after: Some(last),
                    next: Some(position),
                    reason: Reason::Epoch,
                };
                self.push(&mut state, Broadcast::new(Event::Gap(gap)));
            }
            _ => {}
        }
        state.dispatched = Some(position);
        let provisional = state.provisional.remove(&stored.draft.identity());
        let mut broadcast = Broadcast::new(Event::Message(stored));
        broadcast.provisional = provisional;
        self.push(&mut state, broadcast);
    }

    /// The position of a message that the backplane delivered a moment ago.
    pub(super) fn published(&self, draft: &Draft) -> Option<Published> {
        let state = self.state();
        let mut newest = state.ring.iter().rev();
        newest.find_map(|broadcast| match broadcast.event() {
            Event::Message(stored) => {
                stored.draft.is_repeat_of(draft).then(|| Published {
                    position: stored.position,
                    // The sender said it before; else it is this very draft, whose answer is late.
                    duplicate: stored.draft != *draft,
                })
            }
            _ => None,
        })
    }

    /// A message that waits for the backplane.
    pub(super) fn deliver_provisional(&self, draft: Draft) {
        let mut state = self.state();
        let number = state.next_provisional;
        state.next_provisional += 1;
        state.provisional.insert(draft.identity(), number);
        let mut broadcast = Broadcast::new(Event::Provisional(draft));
        broadcast.provisional = Some(number);
        self.push(&mut state, broadcast);
    }

    /// A message that waited for the backplane will never be stored.
    pub(super) fn forget_provisional(&self, draft: &Draft) {
        self.state().provisional.remove(&draft.identity());
    }

    /// Tells everybody that messages are missing.
    pub(super) fn deliver_gap(&self, gap: Gap) {
        let mut state = self.state();
        self.push(&mut state, Broadcast::new(Event::Gap(gap)));
    }

    /// Tells everybody that somebody came, unless that is known; `here` says whether to this node.
    pub(super) fn enter(&self, state: &mut RoomState, who: &Present, here: bool) {
        if state.roster.insert(who, here) {
            self.tell(state, Change::Join, who.clone());
        }
    }

    /// Tells everybody that somebody went, unless that is known.
    pub(super) fn leave(&self, state: &mut RoomState, member: &MemberId, here: bool) {
        if let Some(who) = state.roster.remove(member, here) {
            self.tell(state, Change::Leave, who);
        }
    }

    /// Tells a join or leave, at once or later.
    fn tell(&self, state: &mut RoomState, change: Change, who: Present) {
        let (count, now) = (state.roster.len(), Instant::now());
        let event = state.attendance.change(change, who, count, now);
        if let Some(event) = event {
            self.push(state, Broadcast::new(event));
        }
        if state.attendance.wait(count, now).is_some() {
            self.late.add(&self.name);
        }
    }

    /// Reports what could not be reported at once, as far as its time has come; returns the time until the rest is due.
    pub(super) fn tell_late(&self, now: Instant) -> Option<Duration> {
        let mut state = self.state();
        let count = state.roster.len();
        while let Some(event) = state.attendance.due(count, now) {
            self.push(&mut state, Broadcast::new(event));
        }
        state.attendance.wait(count, now)
    }
}

impl RoomState {
    /// Number of the event that comes next.
    pub(super) fn next(&self) -> u64 {
        self.first + self.ring.len() as u64
    }

    /// Number of the oldest event that can be read.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// The event with `number`, if it is still here.
    pub(super) fn get(&self, number: u64) -> Option<&Arc<Broadcast>> {
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.ring.get(index)
    }

    /// Number of the newest message, at or after `from`.
    pub(super) fn newest_message(&self, from: u64) -> Option<u64> {
        let skipped = usize::try_from(from.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let ring = self.ring.iter().enumerate().skip(skipped).rev();
        let is_message = |broadcast: &Broadcast| {
            matches!(broadcast.event(), Event::Message(_) | Event::Provisional(_))
        };
        let mut messages = ring.filter(|(_, broadcast)| is_message(broadcast));
        messages.next().map(|(index, _)| self.first + index as u64)
    }

    /// The position of the first message at or after the event with `number`.
    pub(super) fn position_from(&self, number: u64) -> Option<Position> {
        let skipped = usize::try_from(number.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let mut ring = self.ring.iter().skip(skipped);
        ring.find_map(|broadcast| match broadcast.event() {
            Event::Message(stored) => Some(stored.position),
            _ => None,
        })
    }

    /// The position after everything that members have been given.
    pub(super) fn reached(&self) -> Option<Position> {
        self.dispatched.or(self.base)
    }
}
