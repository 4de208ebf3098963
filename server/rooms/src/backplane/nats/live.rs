//! The task that keeps the connection and delivers what happens.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::jetstream::consumer::DeliverPolicy;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};
use tracing::{debug, info, warn};
use values::sync::lock;

use super::feed::{Feed, Received};
use super::link::Link;
use super::shared::{LinkState, Shared};
use super::{envelope, presence};
use crate::backplane::Delivery;
use crate::message::Stored;
use crate::position::{Epoch, Position};

/// State that outlives a connection.
#[derive(Default)]
struct Progress {
    /// The newest message that was delivered, or that was there when the first connection was made.
    reached: Option<Position>,
    /// True if the reader has been notified that deliveries may be missing, and not yet that they flow again.
    interrupted: bool,
    /// True if there was ever a connection.
    connected: bool,
    /// Failures in a row.
    failures: u32,
}

/// Connects, delivers, and when the connection is lost begins again; ends when nobody reads.
pub(super) async fn run(shared: Arc<Shared>, deliveries: mpsc::Sender<Delivery>) {
    let mut progress = Progress::default();
    let started = Instant::now();
    loop {
        let reason = match serve(&shared, &deliveries, &mut progress).await {
            Ok(()) => return,
            Err(reason) => reason,
        };
        shared.counts.failures.inc();
        // One warning for each interruption, however long it lasts.
        if progress.failures == 0 {
            warn!(reason, "no NATS; trying again");
        } else {
            debug!(reason, "still no NATS");
        }
        *lock(&shared.state) = LinkState::Down(reason);
        // While the server starts NATS may be a moment late, which is no interruption yet.
        let is_late = progress.connected || started.elapsed() > shared.settings.timeout;
        if is_late && !progress.interrupted {
            progress.interrupted = true;
            if deliveries.send(Delivery::Interrupted).await.is_err() {
                return;
            }
        }
        sleep(pause(progress.failures)).await;
        progress.failures = progress.failures.saturating_add(1);
    }
}

/// One connection from its making to its loss. `Ok` when nobody reads any more.
async fn serve(
    shared: &Arc<Shared>,
    deliveries: &mpsc::Sender<Delivery>,
    progress: &mut Progress,
) -> Result<(), String> {
    let settings = &shared.settings;
    let link = Arc::new(Link::open(settings, &shared.rooms).await?);
    let start = start(progress.reached, &link);
    let mut messages = Feed::open(
        &link,
        &link.stream,
        settings.subjects(),
        DeliverPolicy::ByStartSequence {
            start_sequence: start.offset + 1,
        },
        settings.heartbeat,
    )
    .await?;
    let mut members = presence::watch(&link, settings).await?;
    progress.reached = Some(start);
    shared.counts.connections.inc();
    info!(server = %link.client.server_info().server_name, epoch = %link.epoch, "connected to NATS");
    lock(&shared.mirror).forgive(Instant::now());
    *lock(&shared.state) = LinkState::Up(Arc::clone(&link));
    // The reader may have refused things since the start, even if it was not long ago.
    if progress.interrupted || progress.failures > 0 {
        progress.interrupted = false;
        if deliveries.send(Delivery::Resumed).await.is_err() {
            return Ok(());
        }
    }
    (progress.connected, progress.failures) = (true, 0);
    let mut upkeep = interval_at(Instant::now() + UPKEEP, UPKEEP);
    upkeep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let refreshing = Arc::new(AtomicBool::new(false));
    let mut refresh = interval_at(Instant::now(), settings.presence_ttl / 3);
    refresh.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let deliveries_due = tokio::select! {
            message = messages.next() => {
                let message = message?;
                progress.reached = Some(Position::new(link.epoch, message.sequence));
                match stored(shared, link.epoch, &message) {
                    Some(delivery) => vec![delivery],
                    None => continue,
                }
            }
            entry = members.next() => presence::received(shared, &entry?),
            () = shared.interest.notified() => lock(&shared.mirror).wanted(),
            _ = upkeep.tick() => lock(&shared.mirror).expire(Instant::now()),
            _ = refresh.tick() => {
                spawn_once(&refreshing, presence::refresh(Arc::clone(shared), Arc::clone(&link)));
                continue;
            }
            () = link.lost.notified() => return Err("the connection was lost".to_owned()),
            () = deliveries.closed() => return Ok(()),
        };
        for delivery in deliveries_due {
            if deliveries.send(delivery).await.is_err() {
                return Ok(());
            }
        }
    }
}

/// The position after which to go on: where the last connection was, if that was in the same stream and not too long ago.
fn start(reached: Option<Position>, link: &Link) -> Position {
    let end = Position::new(link.epoch, link.last_sequence);
    match reached {
        Some(reached)
            if reached.epoch == end.epoch
                && reached.offset <= end.offset
                && end.offset - reached.offset <= MAX_BACKLOG =>
        {
            reached
        }
        // The reader asks for the history of each room that it has members in, which is less.
        _ => end,
    }
}

/// A message as a delivery; `None`, with a count, if it is none of ours.
fn stored(shared: &Shared, epoch: Epoch, message: &Received) -> Option<Delivery> {
    let Some(room) = shared.settings.room(&message.subject) else {
        shared.counts.ignore("subject");
        return None;
    };
    match envelope::decode(&message.payload, &shared.rooms) {
        Ok(draft) => Some(Delivery::Message {
            room,
            stored: Stored {
                position: Position {
                    epoch,
                    offset: message.sequence,
                },
                draft,
            },
        }),
        Err(reason) => {
            shared.counts.ignore(reason);
            None
        }
    }
}

/// Runs `task` beside this one, unless it still runs from the last time.
fn spawn_once(running: &Arc<AtomicBool>, task: impl Future<Output = ()> + Send + 'static) {
    if running.swap(true, Ordering::AcqRel) {
        return;
    }
    let running = Arc::clone(running);
    tokio::spawn(async move {
        task.await;
        running.store(false, Ordering::Release);
    });
}

/// Time before the next attempt, after so many that failed: up to two seconds, not the same for all nodes.
fn pause(failures: u32) -> Duration {
    let pause = MIN_PAUSE * 2_u32.saturating_pow(failures.min(5));
    pause.min(MAX_PAUSE).mul_f64(rand::random_range(0.5..1.0))
}

/// Pause after the first failure.
const MIN_PAUSE: Duration = Duration::from_millis(100);

/// Longest pause between two attempts.
const MAX_PAUSE: Duration = Duration::from_secs(2);

/// Interval at which members of nodes that have gone are looked for.
const UPKEEP: Duration = Duration::from_secs(1);

/// Messages that are delivered after an interruption; if there are more, deliveries begin at the end.
const MAX_BACKLOG: u64 = 10_000;
