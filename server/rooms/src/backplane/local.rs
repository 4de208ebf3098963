//! The backplane of one process: in memory, with nothing to install.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tokio::sync::{Notify, mpsc};
use tokio::time::sleep_until;
use values::sync::lock;

use super::{
    Backplane, Delivery, Health, History, PublishError, Published, Query, Range, Unavailable,
};
use crate::history::Ring;
use crate::message::Draft;
use crate::name::RoomName;
use crate::position::Epoch;
use crate::settings::Settings;

/// The backplane of one process.
///
/// Every room has an epoch of its own, chosen when the room is first used, so that a room which was forgotten and made
/// anew is not taken for the old one. Rooms that nobody is interested in are forgotten after the retention time, whether or
/// not anything else happens, or sooner when there are too many; the histories of all rooms together are bounded as well.
#[derive(Debug)]
pub struct Local {
    settings: Settings,
    shared: Arc<Shared>,
    /// Deliveries under way: publishers wait while it is full.
    sender: mpsc::Sender<Delivery>,
    receiver: Mutex<Option<mpsc::Receiver<Delivery>>>,
}

/// State that callers share with the stream of deliveries, which forgets rooms in time.
#[derive(Debug, Default)]
struct Shared {
    kept: Mutex<Kept>,
    /// Another room is the next to be forgotten.
    due: Notify,
}

#[derive(Debug, Default)]
struct Kept {
    rooms: HashMap<RoomName, KeptRoom>,
    /// Of all histories together.
    bytes: usize,
    /// All rooms in the order in which they may go.
    order: BTreeMap<Turn, RoomName>,
    /// Those of them that have messages.
    filled: BTreeMap<Turn, RoomName>,
    uses: u64,
}

#[derive(Debug)]
struct KeptRoom {
    ring: Ring,
    turn: Turn,
    used_at: Instant,
}

/// Rank of a room for removal: before those that are wanted, and before those that were used after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    /// True if this node has members there.
    wanted: bool,
    /// The number of its latest use.
    used: u64,
}

impl Local {
    /// Nothing is kept yet.
    pub fn new(settings: Settings) -> Self {
        let (sender, receiver) = mpsc::channel(DELIVERIES);
        Self {
            settings,
            shared: Arc::default(),
            sender,
            receiver: Mutex::new(Some(receiver)),
        }
    }

    /// The number of rooms that are remembered.
    pub fn rooms(&self) -> usize {
        self.shared.kept().rooms.len()
    }
}

#[async_trait]
impl Backplane for Local {
    async fn publish(&self, room: &RoomName, draft: &Draft) -> Result<Published, PublishError> {
        // The slot in the queue comes first, so that storing and delivering are one step: order is the same for all.
        let slot = self.sender.reserve().await.map_err(|_| ending())?;
        let mut kept = self.shared.kept();
        kept.sweep(self.settings.retention, Instant::now());
        let pushed = kept.with(room, &self.settings, |room| match room.ring.find(draft) {
            Some(position) => Err(position),
            None => Ok(room.ring.push(draft.clone())),
        })?;
        let stored = match pushed {
            Ok(stored) => stored,
            Err(position) => {
                return Ok(Published {
                    position,
                    duplicate: true,
                });
            }
        };
        kept.bound(self.settings.history_memory, room);
        let position = stored.position;
        slot.send(Delivery::Message {
            room: room.clone(),
            stored,
        });
        Ok(Published {
            position,
            duplicate: false,
        })
    }

    async fn history(&self, room: &RoomName, query: Query) -> Result<History, Unavailable> {
        let mut kept = self.shared.kept();
        kept.sweep(self.settings.retention, Instant::now());
        Ok(match kept.rooms.get(room) {
            Some(room) => room.ring.read(query),
            None => History {
                messages: Vec::new(),
                complete: query.range == Range::Newest,
                more: false,
                end: None,
            },
        })
    }

    fn deliveries(&self) -> BoxStream<'static, Delivery> {
        let receiver = lock(&self.receiver).take();
        let Some(receiver) = receiver else {
            return futures_util::stream::pending().boxed();
        };
        let (shared, retention) = (Arc::clone(&self.shared), self.settings.retention);
        let state = (receiver, shared);
        futures_util::stream::unfold(state, move |(mut receiver, shared)| async move {
            let delivery = tokio::select! {
                biased;
                delivery = receiver.recv() => delivery?,
                never = shared.forget_in_time(retention) => match never {},
            };
            Some((delivery, (receiver, shared)))
        })
        .boxed()
    }

    fn interest(&self, room: &RoomName, wanted: bool) {
        let mut kept = self.shared.kept();
        // Beyond the number of rooms there is nothing to remember yet; publishing will say so.
        let _ = kept.with(room, &self.settings, |room| room.turn.wanted = wanted);
        kept.sweep(self.settings.retention, Instant::now());
        drop(kept);
        self.shared.due.notify_one();
    }

    fn health(&self) -> Health {
        Health::Up
    }
}

impl Shared {
    /// Locks; what a panicking holder left behind still makes sense.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        lock(&self.kept)
    }

    /// Forgets rooms as soon as their time is over, for ever.
    async fn forget_in_time(&self, retention: Duration) -> Infallible {
        loop {
            let oldest = {
                let mut kept = self.kept();
                kept.sweep(retention, Instant::now());
                kept.oldest_use()
            };
            // A time too far away to be expressed is none.
            let due_at = oldest.and_then(|used_at| used_at.checked_add(retention));
            tokio::select! {
                () = self.due.notified() => {}
                () = async {
                    match due_at {
                        Some(due_at) => sleep_until(due_at.into()).await,
                        None => pending().await,
                    }
                } => {}
            }
        }
    }
}

impl Kept {
    /// Uses the room, which is made if need be.
    fn with<T>(
        &mut self,
        name: &RoomName,
        settings: &Settings,
        purpose: impl FnOnce(&mut KeptRoom) -> T,
    ) -> Result<T, PublishError> {
        let mut room = match self.take(name) {
            Some(room) => room,
            None => self.make(settings)?,
        };
        let result = purpose(&mut room);
        self.uses += 1;
        room.turn.used = self.uses;
        room.used_at = Instant::now();
        self.put(name.clone(), room);
        Ok(result)
    }

    /// A new room; the one that may go first makes way if there are too many.
    fn make(&mut self, settings: &Settings) -> Result<KeptRoom, PublishError> {
        if self.rooms.len() >= settings.max_rooms && !self.forget(|_| true) {
            let limit = settings.max_rooms;
            return Err(PublishError::Refused(format!(
                "there are {limit} rooms in use, no more are allowed"
            )));
        }
        Ok(KeptRoom {
            ring: Ring::new(
                Epoch(rand::random()),
                settings.history_messages,
                settings.history_bytes,
            ),
            turn: Turn {
                wanted: false,
                used: 0,
            },
            used_at: Instant::now(),
        })
    }

    fn take(&mut self, name: &RoomName) -> Option<KeptRoom> {
        let room = self.rooms.remove(name)?;
        self.bytes -= room.ring.bytes();
        self.order.remove(&room.turn);
        self.filled.remove(&room.turn);
        Some(room)
    }

    fn put(&mut self, name: RoomName, room: KeptRoom) {
        self.bytes += room.ring.bytes();
        self.order.insert(room.turn, name.clone());
        if room.ring.bytes() > 0 {
            self.filled.insert(room.turn, name.clone());
        }
        self.rooms.insert(name, room);
    }

    /// Forgets the room that nobody wants and that has gone unused for longest, if it `may` go; tells whether it did.
    fn forget(&mut self, may: impl FnOnce(&KeptRoom) -> bool) -> bool {
        let Some((turn, name)) = self.order.first_key_value() else {
            return false;
        };
        if turn.wanted || !self.rooms.get(name).is_some_and(may) {
            return false;
        }
        let name = name.clone();
        self.take(&name).is_some()
    }

    /// Forgets rooms whose time is over.
    fn sweep(&mut self, retention: Duration, now: Instant) {
        let is_over = |room: &KeptRoom| now.saturating_duration_since(room.used_at) >= retention;
        while self.forget(is_over) {}
    }

    /// Returns the instant of last use of the room that may go first, if one may go.
    fn oldest_use(&self) -> Option<Instant> {
        let (turn, name) = self.order.first_key_value()?;
        let room = self.rooms.get(name).filter(|_| !turn.wanted)?;
        Some(room.used_at)
    }

    /// Makes space for what `current` has just got: whole histories go, with their rooms where nobody wants these.
    fn bound(&mut self, limit: usize, current: &RoomName) {
        while self.bytes > limit {
            let mut others = self.filled.values().filter(|name| *name != current);
            let Some(name) = others.next().cloned() else {
                return;
            };
            let Some(mut room) = self.take(&name) else {
                return;
            };
            if room.turn.wanted {
                room.ring.clear();
                self.put(name, room);
            }
        }
    }
}

fn ending() -> Unavailable {
    Unavailable("nobody takes deliveries any more, the server is ending".to_owned())
}

/// Deliveries that may wait to be read.
const DELIVERIES: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(text: &str) -> Draft {
        Draft {
            id: rand::random::<u64>().to_string().parse().unwrap(),
            from: "ana".parse().unwrap(),
            member: None,
            text: text.into(),
            at: 0,
        }
    }

    fn local(change: impl FnOnce(&mut Settings)) -> Local {
        let mut settings = Settings::default();
        change(&mut settings);
        Local::new(settings)
    }

    #[tokio::test]
    async fn rooms_that_nobody_wants_make_way_for_new_ones() {
        let local = local(|settings| settings.max_rooms = 2);
        let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| name.parse().unwrap());
        local.publish(&a, &draft("1")).await.unwrap();
        local.interest(&b, true);
        local.publish(&c, &draft("1")).await.unwrap();
        assert_eq!(local.rooms(), 2, "`a` was forgotten");
        local.interest(&c, true);
        let refused = local.publish(&d, &draft("1")).await.unwrap_err();
        assert!(matches!(refused, PublishError::Refused(_)), "{refused}");
        local.interest(&b, false);
        local.publish(&d, &draft("1")).await.unwrap();
    }

    #[tokio::test]
    async fn a_forgotten_room_comes_back_with_another_epoch() {
        let local = local(|settings| settings.max_rooms = 1);
        let [a, b] = ["a", "b"].map(|name| name.parse().unwrap());
        let first = local.publish(&a, &draft("1")).await.unwrap().position;
        local.publish(&b, &draft("1")).await.unwrap();
        let second = local.publish(&a, &draft("1")).await.unwrap().position;
        assert_eq!(first.offset, second.offset);
        assert_ne!(first.epoch, second.epoch);
    }

    #[tokio::test]
    async fn all_histories_together_are_bounded() {
        let local = local(|settings| settings.history_memory = 10_000);
        let names: Vec<RoomName> = (0..20).map(|n| format!("r{n}").parse().unwrap()).collect();
        for name in &names {
            local.interest(name, true);
            local
                .publish(name, &draft(&"x".repeat(2_000)))
                .await
                .unwrap();
        }
        let kept = local.shared.kept();
        assert!(kept.bytes <= 10_000, "{}", kept.bytes);
        let sum: usize = kept.rooms.values().map(|room| room.ring.bytes()).sum();
        assert_eq!(sum, kept.bytes);
        assert!(kept.rooms[&names[19]].ring.bytes() > 2_000);
        assert_eq!(kept.rooms[&names[0]].ring.end().offset, 1);
    }

    #[test]
    fn idle_rooms_are_forgotten_after_their_time() {
        let local = local(|_| {});
        let [a, b] = ["a", "b"].map(|name| name.parse().unwrap());
        local.interest(&a, true);
        local.interest(&b, true);
        local.interest(&b, false);
        let mut kept = local.shared.kept();
        let later = Instant::now() + Duration::from_secs(599);
        kept.sweep(local.settings.retention, later);
        assert_eq!(kept.rooms.len(), 2);
        kept.sweep(local.settings.retention, later + Duration::from_secs(2));
        assert!(kept.rooms.contains_key(&a) && kept.rooms.len() == 1);
    }
}
