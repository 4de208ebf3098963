//! The backplane of one process.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use rooms::backplane::{Query, Range};
use rooms::{Backplane, Draft, Local, MessageId, Settings};
use tokio::time::timeout;

use crate::suite;

#[tokio::test]
async fn local_backplane_keeps_to_the_rules() {
    suite::check(async |settings| Arc::new(Local::new(settings)) as Arc<dyn Backplane>).await;
}

/// Retention holds although nothing else happens on the server: each way to use a room ends with its time.
#[tokio::test]
async fn rooms_are_forgotten_in_time_on_an_idle_server() {
    let settings = Settings {
        retention: Duration::from_millis(300),
        ..Settings::default()
    };
    let local = Local::new(settings);
    let mut deliveries = local.deliveries();
    tokio::spawn(async move { while deliveries.next().await.is_some() {} });
    let [posted, left, both] = ["posted", "left", "both"].map(|name| name.parse().unwrap());
    let draft = Draft {
        id: MessageId::random(),
        from: "ana".parse().unwrap(),
        member: None,
        text: "x".into(),
        at: 0,
    };
    local.publish(&posted, &draft).await.unwrap();
    local.interest(&left, true);
    local.interest(&left, false);
    local.interest(&both, true);
    local.publish(&both, &draft).await.unwrap();
    assert_eq!(local.rooms(), 3);
    let down_to = async |count: usize| {
        while local.rooms() > count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let patience = Duration::from_secs(10);
    timeout(patience, down_to(1)).await.expect("forgotten");
    // One that has members stays for as long as it has, and then for the same time.
    let since = Instant::now();
    local.interest(&both, false);
    timeout(patience, down_to(0)).await.expect("forgotten");
    assert!(since.elapsed() >= Duration::from_millis(300));
    let newest = Query {
        range: Range::Newest,
        max_messages: 9,
        max_bytes: usize::MAX,
    };
    let history = local.history(&both, newest).await.unwrap();
    assert!(history.messages.is_empty() && history.end.is_none());
}
