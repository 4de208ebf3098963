//! The backplane of one process: in memory, with nothing to install.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tokio::sync::mpsc;

use super::{
    Backplane, Delivery, Health, History, PublishError, Published, Query, Range, Unavailable,
};
use crate::rooms::history::Ring;
use crate::rooms::message::Draft;
use crate::rooms::name::RoomName;
use crate::rooms::position::Epoch;
use crate::rooms::settings::Settings;

/// The backplane of one process.
///
/// Every room has an epoch of its own, chosen when the room is first heard of, so that a room which was forgotten and made
/// anew is not taken for the old one. Rooms that nobody is interested in are forgotten after the retention time, or sooner
/// when there are too many; the histories of all rooms together are bounded as well.
#[derive(Debug)]
pub struct Local {
    settings: Settings,
    kept: Mutex<Kept>,
    /// Deliveries under way: publishers wait while it is full.
    sender: mpsc::Sender<Delivery>,
    receiver: Mutex<Option<mpsc::Receiver<Delivery>>>,
}

#[derive(Debug)]
struct Kept {
    rooms: HashMap<RoomName, Room>,
    bytes: usize,
    swept_at: Instant,
}

#[derive(Debug)]
struct Room {
    ring: Ring,
    /// Whether this node has members there.
    wanted: bool,
    used_at: Instant,
}

impl Local {
    /// Nothing is kept yet.
    pub fn new(settings: Settings) -> Self {
        let (sender, receiver) = mpsc::channel(DELIVERIES);
        Self {
            settings,
            kept: Mutex::new(Kept {
                rooms: HashMap::new(),
                bytes: 0,
                swept_at: Instant::now(),
            }),
            sender,
            receiver: Mutex::new(Some(receiver)),
        }
    }

    /// How many rooms are remembered.
    pub fn rooms(&self) -> usize {
        lock(&self.kept).rooms.len()
    }
}

#[async_trait]
impl Backplane for Local {
    async fn publish(&self, room: &RoomName, draft: &Draft) -> Result<Published, PublishError> {
        // The place in the queue comes first, so that storing and delivering are one step: order is the same for all.
        let place = self.sender.reserve().await.map_err(|_| ending())?;
        let mut kept = lock(&self.kept);
        kept.sweep(&self.settings, Instant::now());
        let ring = &mut kept.room(room, &self.settings)?.ring;
        if let Some(position) = ring.find(draft) {
            return Ok(Published {
                position,
                duplicate: true,
            });
        }
        let before = ring.bytes();
        let stored = ring.push(draft.clone());
        let after = ring.bytes();
        let position = stored.position;
        kept.bytes = kept.bytes + after - before;
        kept.bound(self.settings.history_memory, room);
        place.send(Delivery::Message {
            room: room.clone(),
            stored,
        });
        Ok(Published {
            position,
            duplicate: false,
        })
    }

    async fn history(&self, room: &RoomName, query: Query) -> Result<History, Unavailable> {
        let kept = lock(&self.kept);
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
        let receiver = self
            .receiver
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        match receiver {
            Some(receiver) => futures_util::stream::unfold(receiver, |mut receiver| async {
                let delivery = receiver.recv().await?;
                Some((delivery, receiver))
            })
            .boxed(),
            None => futures_util::stream::pending().boxed(),
        }
    }

    fn interest(&self, room: &RoomName, wanted: bool) {
        let mut kept = lock(&self.kept);
        // Beyond the number of rooms there is nothing to remember yet; publishing will say so.
        if let Ok(room) = kept.room(room, &self.settings) {
            room.wanted = wanted;
        }
        kept.sweep(&self.settings, Instant::now());
    }

    fn health(&self) -> Health {
        Health::Up
    }
}

impl Kept {
    /// The room, made if need be.
    fn room(&mut self, name: &RoomName, settings: &Settings) -> Result<&mut Room, PublishError> {
        let is_new = !self.rooms.contains_key(name);
        if is_new && self.rooms.len() >= settings.max_rooms {
            self.forget(|room| !room.wanted).ok_or_else(|| {
                let most = settings.max_rooms;
                PublishError::Refused(format!(
                    "there are {most} rooms in use, no more are allowed"
                ))
            })?;
        }
        let room = self.rooms.entry(name.clone()).or_insert_with(|| Room {
            ring: Ring::new(
                Epoch(rand::random()),
                settings.history_messages,
                settings.history_bytes,
            ),
            wanted: false,
            used_at: Instant::now(),
        });
        room.used_at = Instant::now();
        Ok(room)
    }

    /// Forgets the room that has gone unused for longest among those that `may` go.
    fn forget(&mut self, may: impl Fn(&Room) -> bool) -> Option<()> {
        let rooms = self.rooms.iter().filter(|(_, room)| may(room));
        let (name, _) = rooms.min_by_key(|(_, room)| room.used_at)?;
        let name = name.clone();
        let room = self.rooms.remove(&name)?;
        self.bytes -= room.ring.bytes();
        Some(())
    }

    /// Forgets rooms whose time is over; looks at most once a second.
    fn sweep(&mut self, settings: &Settings, now: Instant) {
        if now.saturating_duration_since(self.swept_at) < SWEEP_INTERVAL {
            return;
        }
        self.swept_at = now;
        let bytes = &mut self.bytes;
        self.rooms.retain(|_, room| {
            let idle = now.saturating_duration_since(room.used_at);
            let stays = room.wanted || idle < settings.retention;
            if !stays {
                *bytes -= room.ring.bytes();
            }
            stays
        });
    }

    /// Makes room for what `current` has just got: whole histories go, those that have gone unused for longest first.
    fn bound(&mut self, most: usize, current: &RoomName) {
        while self.bytes > most {
            if self
                .forget(|room| !room.wanted && room.ring.bytes() > 0)
                .is_some()
            {
                continue;
            }
            let others = self.rooms.iter_mut();
            let with_bytes =
                others.filter(|(name, room)| *name != current && room.ring.bytes() > 0);
            let Some((_, room)) = with_bytes.min_by_key(|(_, room)| room.used_at) else {
                return;
            };
            self.bytes -= room.ring.bytes();
            room.ring.clear();
        }
    }
}

fn ending() -> Unavailable {
    Unavailable("nobody takes deliveries any more, the server is ending".to_owned())
}

/// Locks; what a panicking holder left behind still makes sense.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Deliveries that may wait to be read.
const DELIVERIES: usize = 1024;

/// How often rooms are looked through for those whose time is over.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

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
        let kept = lock(&local.kept);
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
        let mut kept = lock(&local.kept);
        let later = Instant::now() + Duration::from_secs(599);
        kept.sweep(&local.settings, later);
        assert_eq!(kept.rooms.len(), 2);
        kept.sweep(&local.settings, later + Duration::from_secs(2));
        assert!(kept.rooms.contains_key(&a) && kept.rooms.len() == 1);
    }
}
