//! All rooms of this node.

mod joining;
mod publishing;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;
use values::sync::lock;

use super::announcements::Announcements;
use super::attendance::Late;
use super::backplane::{Backplane, Health, History, Query, Unavailable};
use super::counts::Counts;
use super::name::RoomName;
use super::outbox::Outbox;
use super::presence::{Change, Present};
use super::room::Room;
use super::settings::Settings;

pub(super) use self::joining::reason;
pub use self::joining::{JoinError, Joined, Replay};
pub use self::publishing::{Pending, Post, Receipt};

/// All rooms of this node; cheap to clone, every clone is the same.
///
/// Nothing flows until [`run`](Self::run) does.
///
/// # Order of locks
/// A lock is taken only while none that stands to its right is held, and none is held across an await:
///
/// ```text
/// outbox ──► rooms ──► state of one room
///   │          │         └ enter, leave, deliver: what members see changes as one step
///   │          └ join, leave: the number of rooms and the interest in each change with the last member
///   └ wait, deliver, flush: a message is in the outbox or in its room, never in both or neither
/// ```
#[derive(Clone)]
pub struct Hub {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) settings: Settings,
    pub(super) backplane: Arc<dyn Backplane>,
    pub(super) counts: Counts,
    pub(super) rooms: Mutex<HashMap<RoomName, Arc<Room>>>,
    pub(super) outbox: Mutex<Outbox>,
    /// Something waits in the outbox, or the backplane is back.
    pub(super) flush: Notify,
    /// The backplane is back: what it has not answered by then it will not.
    pub(super) resumed: Notify,
    /// Something waits in the outbox.
    pub(super) waits: Notify,
    /// Joins and leaves to report to other nodes.
    pub(super) announcements: Announcements,
    /// Rooms with joins and leaves that are reported later.
    pub(super) late: Arc<Late>,
    /// The name of this node in the ids that it gives.
    pub(super) node: String,
}

impl Hub {
    /// No rooms yet.
    pub fn new(settings: Settings, backplane: Arc<dyn Backplane>, counts: Counts) -> Self {
        counts
            .backplane_up
            .set(i64::from(backplane.health().is_up()));
        Self {
            inner: Arc::new(Inner {
                outbox: Mutex::new(Outbox::new(settings.outbox_messages)),
                settings,
                backplane,
                counts,
                rooms: Mutex::default(),
                flush: Notify::new(),
                resumed: Notify::new(),
                waits: Notify::new(),
                announcements: Announcements::default(),
                late: Arc::default(),
                node: format!("{:012x}", rand::random::<u64>() >> 16),
            }),
        }
    }

    /// The counters.
    pub fn counts(&self) -> &Counts {
        &self.inner.counts
    }

    /// The limits.
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// Reports whether messages can be stored at the moment.
    pub fn health(&self) -> Health {
        self.inner.backplane.health()
    }

    /// The number of rooms that have members on this node.
    pub fn rooms(&self) -> usize {
        lock(&self.inner.rooms).len()
    }

    /// Messages of a room that are kept; at most as many as [`Settings`] say are kept of a room, whatever is asked for.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn history(&self, room: &RoomName, query: Query) -> Result<History, Unavailable> {
        let settings = &self.inner.settings;
        let query = Query {
            max_messages: query.max_messages.min(settings.history_messages),
            max_bytes: query.max_bytes.min(settings.history_bytes),
            ..query
        };
        match timeout(
            settings.publish_timeout,
            self.inner.backplane.history(room, query),
        )
        .await
        {
            Ok(history) => history,
            Err(_) => Err(no_answer(settings.publish_timeout)),
        }
    }

    pub(super) fn room(&self, name: &RoomName) -> Option<Arc<Room>> {
        lock(&self.inner.rooms).get(name).cloned()
    }

    pub(super) fn announce(&self, room: &RoomName, change: Change, who: Present) {
        let Some(nodes) = self.inner.backplane.presence() else {
            return;
        };
        if change == Change::Leave {
            nodes.departed(room, &who);
        }
        self.inner.announcements.add(room, change, who);
    }
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = formatter.debug_struct("Hub");
        debug
            .field("node", &self.inner.node)
            .finish_non_exhaustive()
    }
}

fn no_answer(patience: Duration) -> Unavailable {
    Unavailable(format!("no answer within {patience:?}"))
}

pub(super) fn gauge(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
