//! The backplane over NATS.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use rooms::backplane::{
    Backplane, Delivery, Health, History, Nats, NatsCounts, Presence, PublishError, Published,
    Query, Unavailable,
};
use rooms::{Draft, RoomName, Settings};
use tokio::time::{sleep, timeout};

use crate::broker::Broker;
use crate::suite;

/// A backplane that was waited for: the connection begins with its deliveries.
struct Connected {
    nats: Nats,
    deliveries: Mutex<Option<BoxStream<'static, Delivery>>>,
}

impl Connected {
    async fn new(nats: Nats) -> Self {
        let deliveries = Mutex::new(Some(nats.deliveries()));
        let connecting = async {
            while !nats.health().is_up() {
                sleep(Duration::from_millis(10)).await;
            }
        };
        let connected = timeout(Duration::from_secs(20), connecting).await;
        assert!(connected.is_ok(), "{:?}", nats.health());
        Self { nats, deliveries }
    }
}

#[async_trait]
impl Backplane for Connected {
    async fn publish(&self, room: &RoomName, draft: &Draft) -> Result<Published, PublishError> {
        self.nats.publish(room, draft).await
    }

    async fn history(&self, room: &RoomName, query: Query) -> Result<History, Unavailable> {
        self.nats.history(room, query).await
    }

    fn deliveries(&self) -> BoxStream<'static, Delivery> {
        self.deliveries.lock().unwrap().take().unwrap()
    }

    fn interest(&self, room: &RoomName, wanted: bool) {
        self.nats.interest(room, wanted);
    }

    fn presence(&self) -> Option<&dyn Presence> {
        self.nats.presence()
    }

    fn health(&self) -> Health {
        self.nats.health()
    }
}

#[tokio::test]
#[ignore = "needs nats-server"]
async fn nats_backplane_keeps_to_the_rules() {
    let broker = Broker::started().await;
    suite::check(async |settings: Settings| {
        let mut nats = broker.settings();
        // How much is kept is a property of the stream.
        nats.stream = format!("keeps-{}", settings.history_messages);
        let nats = Nats::new(nats, settings, NatsCounts::default()).unwrap();
        Arc::new(Connected::new(nats).await) as Arc<dyn Backplane>
    })
    .await;
}
