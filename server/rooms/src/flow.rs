//! The tasks of a node's rooms: deliveries, waiting messages, presence.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::{debug, info, warn};
use values::sync::lock;

use super::backplane::{Delivery, PublishError, Published, Query, Range, Unavailable};
use super::event::{Gap, Reason};
use super::hub::{Hub, gauge, reason};
use super::message::Stored;
use super::name::RoomName;
use super::position::Position;
use super::presence::{Change, Present};
use super::room::Room;

impl Hub {
    /// Lets everything flow: deliveries to members, waiting messages to the backplane, presence to other nodes.
    ///
    /// Never ends while the backplane delivers; dropping it stops the flow. To be called once.
    pub async fn run(self) {
        let flow = async {
            tokio::join!(
                self.flush(),
                self.give_up(),
                self.tell_others(),
                self.tell_late(),
                self.watch_health()
            );
        };
        tokio::select! {
            () = self.dispatch() => warn!("the backplane has ended its deliveries"),
            () = flow => {}
        }
    }

    /// Hands what the backplane delivers to the rooms.
    async fn dispatch(&self) {
        let mut deliveries = self.inner.backplane.deliveries();
        while let Some(delivery) = deliveries.next().await {
            match delivery {
                Delivery::Message { room, stored } => {
                    self.deliver(&room, stored);
                }
                Delivery::Presence { room, change, who } => {
                    // Members of this node entered when they joined; the backplane only repeats them.
                    if let Some(room) = self.room(&room).filter(|_| !self.is_ours(&who)) {
                        let mut state = room.state();
                        match change {
                            Change::Join => room.enter(&mut state, &who, false),
                            Change::Leave => room.leave(&mut state, &who.member, false),
                        }
                    }
                }
                Delivery::Interrupted => {
                    warn!(
                        "the backplane is interrupted; members of this node go on among themselves"
                    );
                    self.inner.counts.interruptions.inc();
                }
                Delivery::Resumed => {
                    info!("the backplane is back");
                    // What waits in the outbox is sent, and what other nodes stored meanwhile is read.
                    self.inner.flush.notify_one();
                    self.inner.resumed.notify_waiters();
                    self.catch_up().await;
                }
            }
        }
    }

    /// Hands a stored message to its room, and to its sender, if it waits, the news that it is stored: the answer to the
    /// publishing itself may be late each time, or lost.
    fn deliver(&self, name: &RoomName, stored: Stored) {
        let inner = &self.inner;
        let position = stored.position;
        // Locked until it is in the room: it begins to wait either before and is found here, or after and is found there.
        let mut outbox = lock(&inner.outbox);
        let waiting = outbox.take(name, &stored.draft);
        if let Some(room) = self.room(name) {
            room.deliver(stored);
        }
        let left = outbox.len();
        drop(outbox);
        if let Some(waiting) = waiting {
            inner.counts.waiting.set(gauge(left));
            inner.counts.result("stored");
            waiting.settle(&Ok(Published {
                position,
                duplicate: false,
            }));
        }
    }

    /// Gives every room what it missed, or says that it cannot be had; tells and asks who is there.
    async fn catch_up(&self) {
        let rooms: Vec<Arc<Room>> = lock(&self.inner.rooms).values().cloned().collect();
        futures_util::stream::iter(rooms)
            .for_each_concurrent(CATCHING_UP, |room| async move {
                self.catch_up_messages(&room).await;
                self.refresh_presence(&room).await;
            })
            .await;
    }

    async fn catch_up_messages(&self, room: &Room) {
        let reached = room.state().reached();
        let Some(mut after) = reached else {
            return;
        };
        loop {
            let query = Query::all(Range::After(after));
            let history = match self.history(&room.name, query).await {
                Ok(history) => history,
                Err(error) => {
                    debug!(room = %room.name, %error, "cannot catch up");
                    return self.tell_gap(room, after, None, Reason::Unavailable);
                }
            };
            let next = history.messages.first().map(|stored| stored.position);
            if !history.complete {
                self.tell_gap(room, after, next, reason(after, history.end));
                // Said already: the delivery of another epoch need not say it again.
                let mut state = room.state();
                if next.is_some_and(|next| next.epoch != after.epoch) {
                    state.dispatched = None;
                }
            }
            let (last, more) = (history.messages.last().cloned(), history.more);
            for stored in history.messages {
                self.deliver(&room.name, stored);
            }
            match last {
                Some(last) if more => after = last.position,
                _ => return,
            }
        }
    }

    fn tell_gap(&self, room: &Room, after: Position, next: Option<Position>, reason: Reason) {
        self.inner.counts.gap(reason.name());
        room.deliver_gap(Gap {
            after: Some(after),
            next,
            reason,
        });
    }

    /// Announces the members of this node again and learns those of others.
    async fn refresh_presence(&self, room: &Room) {
        {
            // Locked, so that nobody's join is announced again after its leave.
            let state = room.state();
            for who in state.roster.local() {
                self.announce(&room.name, Change::Join, who);
            }
        }
        self.learn_presence(room).await;
    }

    /// Learns who is in the room on other nodes.
    pub(super) async fn learn_presence(&self, room: &Room) {
        let Some(nodes) = self.inner.backplane.presence() else {
            return;
        };
        let patience = self.inner.settings.publish_timeout;
        let members = timeout(patience, nodes.members(&room.name)).await;
        let Ok(Ok(members)) = members else {
            return;
        };
        let mut state = room.state();
        for known in state.roster.remote() {
            if !members.contains(&known) {
                room.leave(&mut state, &known.member, false);
            }
        }
        for who in members.iter().filter(|who| !self.is_ours(who)) {
            room.enter(&mut state, who, false);
        }
    }

    /// Reports whether the member's connection is, or was, on this node, which then knows better than what others tell.
    fn is_ours(&self, who: &Present) -> bool {
        who.member.is_of(&self.inner.node)
    }

    /// Publishes what waits, the oldest first, as soon as the backplane takes it.
    ///
    /// A backplane that is there but does not answer in time is given more of it with each try: sent again and again, a
    /// message whose answer always comes too late would wait for ever.
    async fn flush(&self) {
        let inner = &self.inner;
        let mut patience = inner.settings.publish_timeout;
        let max_patience = patience.saturating_mul(MAX_PATIENCE_FACTOR);
        loop {
            let Some((room, draft)) = lock(&inner.outbox).front() else {
                patience = inner.settings.publish_timeout;
                inner.flush.notified().await;
                continue;
            };
            let outcome = tokio::select! {
                outcome = self.try_publish(&room, &draft, patience) => outcome,
                () = inner.resumed.notified() => continue,
            };
            if let Err(PublishError::Unavailable(_)) = outcome {
                patience = patience.saturating_mul(2).min(max_patience);
                let _ = timeout(RETRY_PAUSE, inner.flush.notified()).await;
                // Woken by another message that waits, this would try again at once, and again.
                sleep(MIN_RETRY_PAUSE).await;
                continue;
            }
            let mut outbox = lock(&inner.outbox);
            let waiting = outbox.take(&room, &draft);
            inner.counts.waiting.set(gauge(outbox.len()));
            drop(outbox);
            if let Some(waiting) = waiting {
                let result = if outcome.is_ok() { "stored" } else { "refused" };
                inner.counts.result(result);
                if outcome.is_err() {
                    self.forget_provisional(&room, &draft);
                }
                waiting.settle(&outcome);
            }
        }
    }

    /// Tells the senders of messages that have waited too long that they were not stored, as far as is known.
    async fn give_up(&self) {
        let inner = &self.inner;
        let limit = inner.settings.outbox_time;
        loop {
            let Some(oldest) = lock(&inner.outbox).oldest() else {
                inner.waits.notified().await;
                continue;
            };
            // Those after it came later, and whatever leaves meanwhile does no harm.
            sleep_until(oldest + limit).await;
            let mut outbox = lock(&inner.outbox);
            let waiting = outbox.take_older(Instant::now() - limit);
            inner.counts.waiting.set(gauge(outbox.len()));
            drop(outbox);
            if let Some(waiting) = waiting {
                inner.counts.waiting_dropped.inc();
                self.forget_provisional(&waiting.room, &waiting.draft);
                let text = format!("not stored within {limit:?}; the same id may be sent again");
                waiting.settle(&Err(Unavailable(text).into()));
            }
        }
    }

    /// Tells other nodes who comes and goes, in order.
    ///
    /// Also while the backplane is away, when it fails at once: it should know whom not to renew.
    async fn tell_others(&self) {
        let inner = &self.inner;
        let Some(nodes) = inner.backplane.presence() else {
            return;
        };
        loop {
            let (room, change, who) = inner.announcements.take().await;
            let telling = async {
                match change {
                    Change::Join => nodes.announce(&room, &who).await,
                    Change::Leave => nodes.withdraw(&room, &who).await,
                }
            };
            match timeout(inner.settings.publish_timeout, telling).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => debug!(%room, %error, "presence not announced"),
                Err(_) => debug!(%room, "presence not announced in time"),
            }
        }
    }

    /// Reports the joins and leaves that could not be reported at once.
    async fn tell_late(&self) {
        let late = &self.inner.late;
        loop {
            let mut wait = Duration::MAX;
            for name in late.take() {
                let Some(room) = self.room(&name) else {
                    continue;
                };
                if let Some(rest) = room.tell_late(Instant::now().into_std()) {
                    late.add(&name);
                    wait = wait.min(rest);
                }
            }
            if wait == Duration::MAX {
                late.added().await;
            } else {
                sleep(wait.max(MIN_LATE_PAUSE)).await;
            }
        }
    }

    /// Keeps the gauge of the backplane's health.
    async fn watch_health(&self) {
        let inner = &self.inner;
        loop {
            let is_up = inner.backplane.health().is_up();
            inner.counts.backplane_up.set(i64::from(is_up));
            sleep(HEALTH_INTERVAL).await;
        }
    }
}

/// Rooms that catch up at once after an interruption.
const CATCHING_UP: usize = 16;
/// Maximum growth of the time that the backplane has to store a message that waits.
const MAX_PATIENCE_FACTOR: u32 = 8;
/// Time after which a message that waits is tried again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// Shortest time between two tries.
const MIN_RETRY_PAUSE: Duration = Duration::from_millis(50);
/// Minimum time between two looks at the rooms that have something to tell later.
const MIN_LATE_PAUSE: Duration = Duration::from_millis(10);
/// Interval at which the health of the backplane is looked at, for the metrics.
const HEALTH_INTERVAL: Duration = Duration::from_secs(1);
