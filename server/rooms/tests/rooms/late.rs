//! A backplane that is there, but always later than it may be.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use rooms::backplane::{
    Backplane, Delivery, Health, History, Local, PublishError, Published, Query, Unavailable,
};
use rooms::{Draft, Hub, Receipt, RoomName};

use super::{hub, join, next, publish, settings, soon};

/// A backplane that is there, but always later than it may be; what it was sent once it stores, whoever still waits.
struct Late {
    local: Arc<Local>,
    stores: Duration,
    answers: Duration,
    delivers: bool,
}

#[async_trait]
impl Backplane for Late {
    async fn publish(&self, room: &RoomName, draft: &Draft) -> Result<Published, PublishError> {
        let (local, room, draft) = (Arc::clone(&self.local), room.clone(), draft.clone());
        let (stores, answers) = (self.stores, self.answers);
        let storing = tokio::spawn(async move {
            tokio::time::sleep(stores).await;
            let outcome = local.publish(&room, &draft).await;
            tokio::time::sleep(answers).await;
            outcome
        });
        storing.await.unwrap()
    }

    async fn history(&self, room: &RoomName, query: Query) -> Result<History, Unavailable> {
        self.local.history(room, query).await
    }

    fn deliveries(&self) -> BoxStream<'static, Delivery> {
        let delivers = self.delivers;
        let deliveries = self.local.deliveries();
        deliveries
            .filter(move |_| std::future::ready(delivers))
            .boxed()
    }

    fn health(&self) -> Health {
        Health::Up
    }
}

/// Time for which the hub waits for [`Late`].
const PATIENCE: Duration = Duration::from_millis(100);

/// A hub over a backplane that stores and answers so many times later than it may.
fn late_hub(stores: u32, answers: u32, delivers: bool) -> Hub {
    let settings = settings(|settings| {
        settings.publish_timeout = PATIENCE;
        settings.outbox_time = Duration::from_secs(5);
    });
    let plane = Late {
        local: Arc::new(Local::new(settings.clone())),
        stores: PATIENCE * stores,
        answers: PATIENCE * answers,
        delivers,
    };
    hub(settings, Arc::new(plane))
}

#[tokio::test(start_paused = true)]
async fn x3_what_is_stored_late_and_never_answered_in_time_is_settled_when_it_is_delivered() {
    let hub = late_hub(3, 100, true);
    let mut bob = join(&hub, "bob").await;
    for text in ["one", "two"] {
        let Receipt::Provisional(pending) = publish(&hub, text).await else {
            panic!("it is not stored in time");
        };
        assert_eq!(next(&mut bob).await, format!("provisional {text}"));
        let published = soon(pending).await.unwrap();
        assert!(!published.duplicate);
        assert_eq!(next(&mut bob).await, format!("again {text}"));
    }
    assert_eq!(hub.counts().waiting.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn x3_what_was_delivered_before_the_answer_is_stored_and_not_provisional() {
    let hub = late_hub(0, 100, true);
    let mut bob = join(&hub, "bob").await;
    for is_repeat in [false, true] {
        let Receipt::Stored(published) = publish(&hub, "one").await else {
            panic!("it is there");
        };
        assert_eq!(published.duplicate, is_repeat);
        // Another moment, as with a sender who asks again.
        std::thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(next(&mut bob).await, "one");
}

#[tokio::test(start_paused = true)]
async fn x3_an_answer_that_always_comes_late_is_waited_for_longer() {
    let hub = late_hub(0, 5, false);
    let Receipt::Provisional(pending) = publish(&hub, "one").await else {
        panic!("it is not answered in time");
    };
    soon(pending).await.unwrap();
    assert_eq!(hub.counts().waiting.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn x3_who_waits_too_long_for_the_backplane_is_told_so() {
    let hub = late_hub(1_000_000, 0, true);
    let begun = tokio::time::Instant::now();
    let mut waiting = Vec::new();
    for text in ["one", "two"] {
        let Receipt::Provisional(pending) = publish(&hub, text).await else {
            panic!("it cannot be stored");
        };
        waiting.push(pending);
    }
    for pending in waiting {
        let error = soon(pending).await.unwrap_err();
        assert!(matches!(error, PublishError::Unavailable(_)), "{error}");
    }
    let passed = begun.elapsed();
    assert!(
        passed >= Duration::from_secs(5) && passed < Duration::from_secs(6),
        "{passed:?}"
    );
    assert_eq!(hub.counts().waiting.get(), 0);
    assert_eq!(hub.counts().waiting_dropped.get(), 2);
}
