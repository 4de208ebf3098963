//! A backplane to which joins and leaves are reported slowly.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use rooms::backplane::{
    Backplane, Delivery, Health, History, Local, Presence, PublishError, Published, Query,
    Unavailable,
};
use rooms::presence::Present;
use rooms::{Draft, Hub, RoomName};
use tokio::sync::Semaphore;

use super::{hub, join, settings, soon};

/// A backplane to which a join or leave is reported for each permit that it is given.
struct Slow {
    local: Arc<Local>,
    permits: Semaphore,
    /// Names of the members that other nodes know.
    present: Mutex<BTreeSet<String>>,
    /// The number of joins that were reported.
    joins: Mutex<usize>,
}

impl Slow {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            local: Arc::new(Local::new(settings(|_| {}))),
            permits: Semaphore::new(0),
            present: Mutex::default(),
            joins: Mutex::default(),
        })
    }

    async fn reported(&self) {
        self.permits.acquire().await.unwrap().forget();
    }
}

#[async_trait]
impl Backplane for Slow {
    async fn publish(&self, room: &RoomName, draft: &Draft) -> Result<Published, PublishError> {
        self.local.publish(room, draft).await
    }

    async fn history(&self, room: &RoomName, query: Query) -> Result<History, Unavailable> {
        self.local.history(room, query).await
    }

    fn deliveries(&self) -> BoxStream<'static, Delivery> {
        self.local.deliveries()
    }

    fn presence(&self) -> Option<&dyn Presence> {
        Some(self)
    }

    fn health(&self) -> Health {
        Health::Up
    }
}

#[async_trait]
impl Presence for Slow {
    async fn announce(&self, _: &RoomName, who: &Present) -> Result<(), Unavailable> {
        self.reported().await;
        self.present.lock().unwrap().insert(who.name.to_string());
        *self.joins.lock().unwrap() += 1;
        Ok(())
    }

    async fn withdraw(&self, _: &RoomName, who: &Present) -> Result<(), Unavailable> {
        self.reported().await;
        self.present.lock().unwrap().remove(&who.name.to_string());
        Ok(())
    }

    fn departed(&self, _: &RoomName, _: &Present) {}

    async fn members(&self, _: &RoomName) -> Result<Vec<Present>, Unavailable> {
        Ok(Vec::new())
    }
}

/// A hub over `slow`, which waits for it as long as it takes.
fn slow_hub(slow: &Arc<Slow>) -> Hub {
    let patient =
        settings(|settings| settings.publish_timeout = std::time::Duration::from_secs(60));
    hub(patient, Arc::clone(slow) as Arc<dyn Backplane>)
}

/// Lets changes be reported until other nodes know the members that `is_right` accepts.
async fn until_present(slow: &Slow, is_right: impl Fn(&BTreeSet<String>) -> bool) {
    soon(async {
        while !is_right(&slow.present.lock().unwrap()) {
            slow.permits.add_permits(1);
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn x3_a_leave_survives_a_crowd_and_a_slow_backplane() {
    let slow = Slow::new();
    let hub = slow_hub(&slow);
    let mut ghosts = Vec::new();
    for number in 0..100 {
        ghosts.push(join(&hub, &format!("ghost{number}")).await);
    }
    until_present(&slow, |present| present.len() == 100).await;
    let before = *slow.joins.lock().unwrap();
    // They leave, and far more come and go, while nothing is reported.
    drop(ghosts);
    for number in 0..5_000 {
        drop(join(&hub, &format!("crowd{number}")).await);
    }
    let _stays = join(&hub, "ana").await;
    let ana = BTreeSet::from(["ana".to_owned()]);
    until_present(&slow, |present| *present == ana).await;
    // Most of the crowd was never reported: the queue holds those who are there or were reported.
    let reported = *slow.joins.lock().unwrap() - before;
    assert!(reported <= 100, "{reported} joins were reported");
}
