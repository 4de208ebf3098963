//! State that the task which keeps the connection shares with callers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use tokio::sync::Notify;
use values::sync::lock;

use super::link::Link;
use super::mirror::Mirror;
use super::settings::NatsSettings;
use crate::backplane::Unavailable;
use crate::counts::ReasonLabel;
use crate::settings::Settings as RoomSettings;

/// State that the task which keeps the connection shares with callers.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) settings: NatsSettings,
    pub(super) rooms: RoomSettings,
    pub(super) counts: NatsCounts,
    pub(super) state: Mutex<LinkState>,
    pub(super) mirror: Mutex<Mirror>,
    /// Rooms of interest have become more.
    pub(super) interest: Notify,
    /// Messages sent whose acknowledgement has not come, with the moment at which they were first sent.
    pub(super) unsettled: Mutex<HashMap<String, Instant>>,
    pub(super) started: Mutex<bool>,
}

/// The connection, or the reason why there is none.
#[derive(Clone, Debug)]
pub(super) enum LinkState {
    Up(Arc<Link>),
    /// With the reason, for people.
    Down(String),
}

/// The counters of the connection; cheap to clone, every clone counts the same.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct NatsCounts {
    /// Messages in NATS that are none of ours, by what is wrong with them.
    pub ignored: Family<ReasonLabel, Counter>,
    /// Connections that were made.
    pub connections: Counter,
    /// Connections that were lost, and attempts that failed.
    pub failures: Counter,
}

impl NatsCounts {
    pub(super) fn ignore(&self, reason: &'static str) {
        self.ignored.get_or_create(&ReasonLabel { reason }).inc();
    }
}

impl Shared {
    /// The connection, if there is one.
    pub(super) fn link(&self) -> Result<Arc<Link>, Unavailable> {
        match &*lock(&self.state) {
            LinkState::Up(link) => Ok(Arc::clone(link)),
            LinkState::Down(reason) => Err(Unavailable(reason.clone())),
        }
    }

    /// Notes that a message is sent; tells how long ago it was sent first, if it was.
    pub(super) fn begin(&self, id: &str) -> Option<Duration> {
        let now = Instant::now();
        let mut unsettled = lock(&self.unsettled);
        if let Some(first) = unsettled.get(id) {
            return Some(now.saturating_duration_since(*first));
        }
        if unsettled.len() >= MAX_UNSETTLED
            && let Some(oldest) = unsettled.iter().min_by_key(|(_, at)| **at)
        {
            let oldest = oldest.0.clone();
            unsettled.remove(&oldest);
        }
        unsettled.insert(id.to_owned(), now);
        None
    }
}

/// Messages without acknowledgement that are remembered; more than may wait for the backplane by default.
const MAX_UNSETTLED: usize = 4096;
