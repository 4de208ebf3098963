//! Order, repeats, what is kept, presence: the backplane as a log.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use server::rooms::backplane::{
    Backplane, Delivery, History, Nats, NatsCounts, Presence, Query, Range,
};
use server::rooms::presence::{Change, Present};
use server::rooms::{Draft, MemberId, RoomName, Settings, Stored};

use super::{common, room};
use crate::broker::Broker;
use crate::common::{soon, until};

/// A backplane that is connected, with its deliveries.
pub(super) async fn connected(backplane: &Nats) -> BoxStream<'static, Delivery> {
    let deliveries = backplane.deliveries();
    let up = until(async || backplane.health().is_up());
    let up = tokio::time::timeout(common::PATIENCE / 2, up).await;
    assert!(up.is_ok(), "{:?}", backplane.health());
    deliveries
}

pub(super) fn draft(id: &str, text: &str) -> Draft {
    Draft {
        id: id.parse().unwrap(),
        from: "ana".parse().unwrap(),
        member: None,
        text: text.into(),
        at: 0,
    }
}

fn query(range: Range) -> Query {
    Query {
        range,
        max_messages: usize::MAX,
        max_bytes: usize::MAX,
    }
}

/// The next message that is delivered; presence goes by, and the end of a connection that was late at the start.
pub(super) async fn next_message(
    deliveries: &mut BoxStream<'static, Delivery>,
) -> (RoomName, Stored) {
    loop {
        match soon(deliveries.next()).await.unwrap() {
            Delivery::Message { room, stored } => return (room, stored),
            Delivery::Presence { .. } | Delivery::Resumed => {}
            other @ Delivery::Interrupted => panic!("{other:?}"),
        }
    }
}

/// Reads until `wanted`, and says what came before it.
async fn read_until(
    deliveries: &mut BoxStream<'static, Delivery>,
    wanted: impl Fn(&Delivery) -> bool,
) -> Vec<Delivery> {
    let mut before = Vec::new();
    soon(async {
        loop {
            let delivery = deliveries.next().await.unwrap();
            if wanted(&delivery) {
                return before;
            }
            before.push(delivery);
        }
    })
    .await
}

fn texts(history: &History) -> Vec<&str> {
    history
        .messages
        .iter()
        .map(|stored| &*stored.draft.text)
        .collect()
}

#[tokio::test]
#[ignore = "needs nats-server"]
async fn two_nodes_see_the_same_messages_in_the_same_order() {
    let broker = Broker::started().await;
    let (one, two) = (Arc::new(broker.backplane()), Arc::new(broker.backplane()));
    let (mut first, mut second) = (connected(&one).await, connected(&two).await);
    let senders = [&one, &two].map(|node| {
        let node = Arc::clone(node);
        let name = format!("{:p}", Arc::as_ptr(&node));
        tokio::spawn(async move {
            for number in 0..100 {
                let room = room(if number % 3 == 0 { "tea" } else { "coffee" });
                node.publish(&room, &draft(&format!("{name}-{number}"), "hello"))
                    .await
                    .unwrap();
            }
        })
    });
    let (mut here, mut there) = (Vec::new(), Vec::new());
    for _ in 0..200 {
        here.push(next_message(&mut first).await);
        there.push(next_message(&mut second).await);
    }
    assert_eq!(here, there);
    let offsets: Vec<u64> = here
        .iter()
        .map(|(_, stored)| stored.position.offset)
        .collect();
    assert!(offsets.is_sorted());
    assert_eq!(offsets.iter().collect::<HashSet<_>>().len(), 200);
    for sender in senders {
        sender.await.unwrap();
    }
}

#[tokio::test]
#[ignore = "needs nats-server"]
async fn a_repeat_is_known_as_one() {
    let broker = Broker::started().await;
    let one = broker.backplane();
    let mut deliveries = connected(&one).await;
    let (tea, coffee) = (room("tea"), room("coffee"));
    let first = one.publish(&tea, &draft("1", "hello")).await.unwrap();
    assert!(!first.duplicate);
    let again = one.publish(&tea, &draft("1", "hello")).await.unwrap();
    assert!(again.duplicate);
    assert_eq!(again.position, first.position);
    // The same id in another room is another message.
    let other = one.publish(&coffee, &draft("1", "hello")).await.unwrap();
    assert!(!other.duplicate);
    assert_eq!(
        next_message(&mut deliveries).await.1.position,
        first.position
    );
    assert_eq!(
        next_message(&mut deliveries).await.1.position,
        other.position
    );
}

#[tokio::test]
#[ignore = "needs nats-server"]
async fn a_repeat_is_known_as_one_when_nats_has_forgotten() {
    let broker = Broker::started().await;
    let mut settings = broker.settings();
    settings.duplicate_window = Duration::from_millis(500);
    let one = Broker::backplane_with(settings, NatsCounts::default());
    let mut deliveries = connected(&one).await;
    let tea = room("tea");
    // Sent, but whoever sent it never learns what became of it.
    let first = draft("1", "hello");
    let mut publishing = one.publish(&tea, &first);
    assert!(futures_util::poll!(&mut publishing).is_pending());
    let stored = next_message(&mut deliveries).await.1;
    drop(publishing);
    // The time after which NATS forgets; it has no sign for that.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let again = soon(one.publish(&tea, &draft("1", "hello"))).await.unwrap();
    assert!(again.duplicate);
    // Nor is it delivered again.
    let next = one.publish(&tea, &draft("2", "next")).await.unwrap();
    assert_eq!(again.position, stored.position);
    assert_eq!(
        next_message(&mut deliveries).await.1.position,
        next.position
    );
}

#[tokio::test]
#[ignore = "needs nats-server"]
async fn history_says_what_is_kept_and_what_is_not() {
    let broker = Broker::started().await;
    let rooms = Settings {
        history_messages: 5,
        ..Settings::default()
    };
    let one = Nats::new(broker.settings(), rooms, NatsCounts::default()).unwrap();
    let _deliveries = connected(&one).await;
    let (tea, coffee) = (room("tea"), room("coffee"));
    let nothing = one.history(&tea, query(Range::Newest)).await.unwrap();
    assert!(nothing.messages.is_empty() && nothing.complete && !nothing.more);
    let before_all = nothing.end.unwrap();
    let mut places = Vec::new();
    for number in 1..=4 {
        let id = number.to_string();
        places.push(one.publish(&tea, &draft(&id, &id)).await.unwrap().position);
        one.publish(&coffee, &draft(&id, "other")).await.unwrap();
    }
    let after = async |place| one.history(&tea, query(Range::After(place))).await.unwrap();
    let all = after(before_all).await;
    assert_eq!(
        (texts(&all), all.complete, all.more),
        (vec!["1", "2", "3", "4"], true, false)
    );
    assert_eq!(all.end, Some(places[3]));
    assert_eq!(texts(&after(places[1]).await), ["3", "4"]);
    let none = after(places[3]).await;
    assert!(none.messages.is_empty() && none.complete);
    // A limit leaves the newest out, and says so.
    let limited = Query {
        max_messages: 2,
        ..query(Range::After(before_all))
    };
    let part = one.history(&tea, limited).await.unwrap();
    assert_eq!(
        (texts(&part), part.complete, part.more),
        (vec!["1", "2"], true, true)
    );
    let older = one
        .history(&tea, query(Range::Before(places[2])))
        .await
        .unwrap();
    assert_eq!((texts(&older), older.complete), (vec!["1", "2"], true));
    let newest = Query {
        max_messages: 2,
        ..query(Range::Newest)
    };
    let newest = one.history(&tea, newest).await.unwrap();
    assert_eq!(
        (texts(&newest), newest.complete, newest.more),
        (vec!["3", "4"], false, true)
    );
    // More than are kept: the oldest go, and whoever was before them gets a gap.
    for number in 5..=8 {
        let id = number.to_string();
        places.push(one.publish(&tea, &draft(&id, &id)).await.unwrap().position);
    }
    let expired = after(places[0]).await;
    assert_eq!(
        (texts(&expired), expired.complete),
        (vec!["4", "5", "6", "7", "8"], false)
    );
    let kept = after(places[3]).await;
    assert_eq!(
        (texts(&kept), kept.complete),
        (vec!["5", "6", "7", "8"], true)
    );
    let mut foreign = places[7];
    foreign.epoch.0 ^= 1;
    let foreign = after(foreign).await;
    assert!(
        !foreign.complete && foreign.messages.len() == 5,
        "{foreign:?}"
    );
    let mut future = places[7];
    future.offset += 1000;
    assert!(!after(future).await.complete);
}

#[tokio::test]
#[ignore = "needs nats-server"]
async fn rubbish_is_ignored_with_a_count() {
    // X5
    let broker = Broker::started().await;
    let counts = NatsCounts::default();
    let one = Broker::backplane_with(broker.settings(), counts.clone());
    let mut deliveries = connected(&one).await;
    let stranger = broker.stranger().await;
    let tea = room("tea");
    let before = one.publish(&tea, &draft("1", "before")).await.unwrap();
    for number in 0..10_000_u32 {
        let bytes: Vec<u8> = (0..number % 300).map(|_| rand::random()).collect();
        stranger
            .publish("wss-rooms.room.tea", bytes.into())
            .await
            .unwrap();
    }
    for payload in [
        &br#"{"v":2,"draft":{}}"#[..],
        br#"{"v":1,"draft":{"id":"x y","from":"ana","text":"x","at":1}}"#,
        br#"{"v":1,"draft":{"id":"1","from":"ana","text":"x","at":-1}}"#,
    ] {
        stranger
            .publish("wss-rooms.room.tea", payload.to_vec().into())
            .await
            .unwrap();
    }
    // Other subjects, and more than anybody takes: NATS itself refuses the latter.
    stranger
        .publish("wss-rooms.other", "x".into())
        .await
        .unwrap();
    stranger
        .publish("wss-rooms.room.a.b", "x".into())
        .await
        .unwrap();
    stranger
        .publish("wss-rooms.room.caf\u{e9}", "x".into())
        .await
        .unwrap();
    stranger
        .publish("$KV.wss-rooms-presence.tea.x", "rubbish".into())
        .await
        .unwrap();
    let nearly = vec![b'x'; 900_000];
    stranger
        .publish("wss-rooms.room.tea", nearly.into())
        .await
        .unwrap();
    assert!(
        stranger
            .publish("wss-rooms.room.tea", vec![0; 10 << 20].into())
            .await
            .is_err()
    );
    soon(stranger.flush()).await.unwrap();
    one.publish(&tea, &draft("2", "after")).await.unwrap();
    assert_eq!(
        next_message(&mut deliveries).await.1.position,
        before.position
    );
    assert_eq!(&*next_message(&mut deliveries).await.1.draft.text, "after");
    let history = one.history(&tea, query(Range::Newest)).await.unwrap();
    assert_eq!(texts(&history).last(), Some(&"after"));
    let mut registry = prometheus_client::registry::Registry::default();
    registry.register("ignored", "ignored", counts.ignored.clone());
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    for line in [
        "ignored_total{reason=\"version\"} 1",
        "ignored_total{reason=\"malformed\"} 10002",
        "ignored_total{reason=\"presence\"} 1",
        "ignored_total{reason=\"subject\"} 1",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
}

#[tokio::test]
#[ignore = "needs nats-server"]
async fn members_are_known_on_other_nodes_until_their_node_is_gone() {
    let broker = Broker::started().await;
    let mut settings = broker.settings();
    settings.presence_ttl = Duration::from_secs(2);
    let (one, two) = (
        Broker::backplane_with(settings.clone(), NatsCounts::default()),
        Broker::backplane_with(settings, NatsCounts::default()),
    );
    let (deliveries, mut there) = (connected(&one).await, connected(&two).await);
    let tea = room("tea");
    let who = |member: &str| Present {
        member: MemberId(member.into()),
        name: "ana".parse().unwrap(),
    };
    for member in ["a:1", "a:2"] {
        soon(one.announce(&tea, &who(member))).await.unwrap();
    }
    let told = |change: Change, member: &str| Delivery::Presence {
        room: room("tea"),
        change,
        who: who(member),
    };
    assert_eq!(soon(there.next()).await, Some(told(Change::Join, "a:1")));
    assert_eq!(soon(there.next()).await, Some(told(Change::Join, "a:2")));
    assert_eq!(two.members(&tea).await.unwrap().len(), 2);
    soon(one.withdraw(&tea, &who("a:1"))).await.unwrap();
    assert_eq!(soon(there.next()).await, Some(told(Change::Leave, "a:1")));
    // Longer than the time to live: the node renews it.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(two.members(&tea).await.unwrap(), [who("a:2")]);
    // A node that is interested later receives it too.
    two.interest(&tea, true);
    assert_eq!(soon(there.next()).await, Some(told(Change::Join, "a:2")));
    drop(deliveries);
    assert_eq!(soon(there.next()).await, Some(told(Change::Leave, "a:2")));
    assert!(two.members(&tea).await.unwrap().is_empty());
}

#[tokio::test]
#[ignore = "needs nats-server"]
async fn a_stream_made_anew_has_another_epoch() {
    let broker = Broker::started().await;
    let one = broker.backplane();
    let mut deliveries = connected(&one).await;
    let tea = room("tea");
    let old = one
        .publish(&tea, &draft("1", "old"))
        .await
        .unwrap()
        .position;
    next_message(&mut deliveries).await;
    let stranger = async_nats::jetstream::new(broker.stranger().await);
    stranger.delete_stream("wss-rooms").await.unwrap();
    let before = read_until(&mut deliveries, |delivery| {
        *delivery == Delivery::Interrupted
    })
    .await;
    assert!(before.is_empty(), "{before:?}");
    let before = read_until(&mut deliveries, |delivery| *delivery == Delivery::Resumed).await;
    assert!(before.is_empty(), "{before:?}");
    let new = one
        .publish(&tea, &draft("2", "new"))
        .await
        .unwrap()
        .position;
    assert_ne!(new.epoch, old.epoch);
    let history = one.history(&tea, query(Range::After(old))).await.unwrap();
    assert_eq!((texts(&history), history.complete), (vec!["new"], false));
}
