//! The backplane over a real nats-server: order, repeats, what is kept, presence, and everything that can happen to it.
//!
//! `scripts/nats-test` runs these; they need the program nats-server (2.9 or newer) on the path.

#![allow(
    clippy::large_futures,
    clippy::unwrap_used,
    reason = "it is a test: it may panic, and needs no small stack"
)]

#[path = "common/broker.rs"]
mod broker;
mod common;
#[path = "common/operator.rs"]
mod operator;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use broker::Broker;
use common::network::{BadNetwork, Conditions};
use common::{soon, until};
use futures_util::stream::BoxStream;
use futures_util::{SinkExt, StreamExt};
use operator::Operator;
use rustix::process::Signal;
use server::rooms::backplane::{
    Backplane, Delivery, Health, History, Nats, NatsCounts, NatsSettings, Query, Range,
};
use server::rooms::event::{Event, Gap, Reason};
use server::rooms::presence::{Change, Present};
use server::rooms::{
    Counts, Draft, Hub, Joined, MemberId, Post, Receipt, RoomName, Seen, Settings, Stored,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A number that the environment may set, for longer runs.
fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |value| value.parse().unwrap())
}

/// A backplane that is connected, with its deliveries.
async fn connected(backplane: &Nats) -> BoxStream<'static, Delivery> {
    let deliveries = backplane.deliveries();
    let up = until(async || backplane.health().is_up());
    let up = tokio::time::timeout(common::PATIENCE / 2, up).await;
    assert!(up.is_ok(), "{:?}", backplane.health());
    deliveries
}

fn room(name: &str) -> RoomName {
    name.parse().unwrap()
}

fn draft(id: &str, text: &str) -> Draft {
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

/// The next message that is delivered; presence goes by.
async fn next_message(deliveries: &mut BoxStream<'static, Delivery>) -> (RoomName, Stored) {
    loop {
        match soon(deliveries.next()).await.unwrap() {
            Delivery::Message { room, stored } => return (room, stored),
            Delivery::Presence { .. } => {}
            other => panic!("{other:?}"),
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
    let mut rooms = Settings::default();
    rooms.history_messages = 5;
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
    // More than are kept: the oldest go, and whoever was before them is told.
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
    // Who is interested later hears of it too.
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

/// A node: its hub, and the task that lets it flow.
struct Node {
    hub: Hub,
    task: JoinHandle<()>,
}

impl Node {
    fn new(backplane: Nats) -> Self {
        Self::with(backplane, Settings::default())
    }

    fn with(backplane: Nats, mut settings: Settings) -> Self {
        // What the members read is looked at only at the end.
        settings.queue_messages = 100_000;
        settings.queue_bytes = 100 << 20;
        let hub = Hub::new(settings, Arc::new(backplane), Counts::default());
        let task = tokio::spawn(hub.clone().run());
        Self { hub, task }
    }

    async fn up(&self) {
        until(async || self.hub.health().is_up()).await;
    }

    async fn join(&self, name: &str) -> Joined {
        soon(self.hub.join(&room("tea"), name.parse().unwrap(), None))
            .await
            .unwrap()
    }

    /// Sends one message; whether it was stored, at once or later.
    async fn send(&self, id: &str) -> bool {
        let post = Post {
            from: "ana".parse().unwrap(),
            member: None,
            text: id.into(),
            id: Some(id.parse().unwrap()),
        };
        match self.hub.publish(&room("tea"), post).await {
            Ok(Receipt::Stored(_)) => true,
            // Longer than any freeze.
            Ok(Receipt::Provisional(pending)) => {
                tokio::time::timeout(Duration::from_secs(90), pending)
                    .await
                    .unwrap()
                    .is_ok()
            }
            Err(_) => false,
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a member has seen of stored messages.
#[derive(Default)]
struct Account {
    /// Texts in the order of their coming, as stored messages.
    stored: Vec<(u64, String)>,
    gaps: Vec<Gap>,
}

/// Reads until every text of `wanted` has come, or a gap was told; panics after a while.
async fn account(joined: &mut Joined, wanted: &HashSet<String>) -> Account {
    let mut account = Account::default();
    let mut missing = wanted.clone();
    let reading = async {
        while !missing.is_empty() {
            match joined.membership.next().await.unwrap() {
                Seen::Event(broadcast) | Seen::Again(broadcast) => match broadcast.event() {
                    Event::Message(stored) => {
                        missing.remove(&*stored.draft.text);
                        let text = stored.draft.text.to_string();
                        account.stored.push((stored.position.offset, text));
                    }
                    Event::Gap(gap) => account.gaps.push(*gap),
                    _ => {}
                },
                Seen::Gap(gap) => account.gaps.push(gap),
            }
        }
    };
    let read = tokio::time::timeout(common::PATIENCE, reading).await;
    assert!(
        read.is_ok(),
        "missing: {missing:?}; gaps: {:?}",
        account.gaps
    );
    account
}

/// No message twice, all in order.
fn check(account: &Account) {
    let mut seen = HashMap::new();
    for (offset, text) in &account.stored {
        assert_eq!(seen.insert(text, offset), None, "{text} came twice");
    }
    assert!(account.stored.is_sorted_by_key(|(offset, _)| *offset));
}

/// Sends messages until told to stop; gives those that were acknowledged.
fn load(
    node: &Arc<Node>,
    name: &'static str,
    stop: &Arc<AtomicBool>,
    sent: &Arc<AtomicU64>,
) -> JoinHandle<HashSet<String>> {
    let (node, stop, sent) = (Arc::clone(node), Arc::clone(stop), Arc::clone(sent));
    tokio::spawn(async move {
        let mut acknowledged = HashSet::new();
        let mut number = 0;
        while !stop.load(Ordering::Relaxed) {
            let id = format!("{name}-{number}");
            number += 1;
            if node.send(&id).await {
                acknowledged.insert(id);
            }
            sent.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        acknowledged
    })
}

/// Two nodes under load while `disturb` happens to NATS: nothing acknowledged is lost, nothing comes twice.
async fn survive(broker: &mut Broker, disturb: impl AsyncFnOnce(&mut Broker)) {
    let nodes = [(); 2].map(|()| Arc::new(Node::new(broker.backplane())));
    for node in &nodes {
        node.up().await;
    }
    let (mut here, mut there) = (nodes[0].join("x").await, nodes[1].join("y").await);
    let (stop, sent) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let senders = [
        load(&nodes[0], "a", &stop, &sent),
        load(&nodes[0], "b", &stop, &sent),
        load(&nodes[1], "c", &stop, &sent),
    ];
    let some_more = async |sent: &AtomicU64| {
        let goal = sent.load(Ordering::Relaxed) + 60;
        until(async || sent.load(Ordering::Relaxed) >= goal).await;
    };
    let stopping = async {
        some_more(&sent).await;
        disturb(broker).await;
        some_more(&sent).await;
        stop.store(true, Ordering::Relaxed);
        let mut acknowledged = HashSet::new();
        for sender in senders {
            acknowledged.extend(soon(sender).await.unwrap());
        }
        acknowledged
    };
    let acknowledged = stopping.await;
    assert!(acknowledged.len() > 100, "{}", acknowledged.len());
    for joined in [&mut here, &mut there] {
        let account = account(joined, &acknowledged).await;
        check(&account);
        // Nothing was lost, so that nothing had to be said; asking in vain is said.
        assert!(
            account
                .gaps
                .iter()
                .all(|gap| gap.reason == Reason::Unavailable),
            "{:?}",
            account.gaps
        );
    }
}

#[tokio::test]
#[ignore = "needs nats-server"]
async fn nothing_acknowledged_is_lost_when_nats_is_killed() {
    // X3
    let mut broker = Broker::started().await;
    survive(&mut broker, async |broker: &mut Broker| {
        for _ in 0..setting("NATS_TEST_KILLS", 3) {
            broker.kill();
            tokio::time::sleep(Duration::from_millis(300)).await;
            broker.start().await;
            tokio::time::sleep(Duration::from_millis(700)).await;
        }
    })
    .await;
}

#[tokio::test]
#[ignore = "needs nats-server"]
async fn nothing_acknowledged_is_lost_when_nats_freezes() {
    // X3
    let mut broker = Broker::started().await;
    survive(&mut broker, async |broker: &mut Broker| {
        for round in 0..setting("NATS_TEST_FREEZES", 1) {
            broker.signal(Signal::STOP);
            let seconds = setting("NATS_TEST_FREEZE_SECONDS", 5);
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            broker.signal(Signal::CONT);
            if round > 0 {
                // Long enough for everything that waited.
                tokio::time::sleep(Duration::from_secs(3)).await;
            }
        }
    })
    .await;
}

/// A way to NATS that can swallow everything, as a network does that is cut in two; gives its port and the switch.
async fn brittle_way(to: u16) -> (u16, watch::Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (switch, cut) = watch::channel(false);
    tokio::spawn(async move {
        loop {
            let (mut near, _) = listener.accept().await.unwrap();
            let mut cut = cut.clone();
            tokio::spawn(async move {
                let passing = async {
                    let mut far = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                };
                tokio::select! {
                    biased;
                    _ = cut.wait_for(|cut| *cut) => {}
                    () = passing => return,
                }
                // Nothing passes, and nobody is told.
                let _ = cut.wait_for(|cut| !*cut).await;
            });
        }
    });
    (port, switch)
}

#[tokio::test]
#[ignore = "needs nats-server"]
async fn a_partition_heals() {
    // X4
    let broker = Broker::started().await;
    let (way, switch) = brittle_way(broker.port).await;
    let mut settings = broker.settings();
    settings.servers = vec![format!("nats://127.0.0.1:{way}").parse().unwrap()];
    let far = Node::new(Broker::backplane_with(settings, NatsCounts::default()));
    let near = Node::new(broker.backplane());
    far.up().await;
    near.up().await;
    let (mut there, mut here) = (far.join("x").await, near.join("y").await);
    switch.send_replace(true);
    until(async || !far.hub.health().is_up()).await;
    assert!(near.send("near").await);
    let post = Post {
        from: "ana".parse().unwrap(),
        member: None,
        text: "far".into(),
        id: Some("far".parse().unwrap()),
    };
    let receipt = soon(far.hub.publish(&room("tea"), post)).await.unwrap();
    assert!(matches!(receipt, Receipt::Provisional(_)), "{receipt:?}");
    let healed = std::time::Instant::now();
    switch.send_replace(false);
    let wanted = HashSet::from(["near".to_owned(), "far".to_owned()]);
    for joined in [&mut there, &mut here] {
        let account = account(joined, &wanted).await;
        check(&account);
        assert!(account.gaps.is_empty(), "{:?}", account.gaps);
    }
    assert!(
        healed.elapsed() < Duration::from_secs(5),
        "{:?}",
        healed.elapsed()
    );
}

/// NATS gets slower than it may be: a node's own members have its messages all the same, and nothing acknowledged is
/// lost, by then or when NATS is as fast as before.
#[tokio::test]
#[ignore = "needs nats-server"]
async fn x3_nothing_acknowledged_is_lost_when_nats_is_slow() {
    let patience = Duration::from_millis(300);
    let fast = Conditions::default();
    for slow in [
        Conditions {
            delay: patience,
            ..fast
        },
        Conditions {
            piece: 20,
            rate: 2_000,
            ..fast
        },
    ] {
        let broker = Broker::started().await;
        let (weather, conditions) = watch::channel(fast);
        let address = ([127, 0, 0, 1], broker.port).into();
        let way = BadNetwork::with(address, move |_| conditions.clone()).await;
        let mut nats = broker.settings();
        nats.servers = vec![format!("nats://{}", way.address).parse().unwrap()];
        let mut settings = Settings::default();
        settings.publish_timeout = patience;
        let backplane = Broker::backplane_with(nats, NatsCounts::default());
        let far = Arc::new(Node::with(backplane, settings));
        let near = Arc::new(Node::new(broker.backplane()));
        far.up().await;
        near.up().await;
        let (mut here, mut there) = (far.join("x").await, near.join("y").await);
        let (stop, sent) = (Arc::default(), Arc::default());
        let senders = [
            load(&far, "far", &stop, &sent),
            load(&near, "near", &stop, &sent),
        ];
        until(async || sent.load(Ordering::Relaxed) > 50).await;
        weather.send_replace(slow);
        let mut early = HashSet::new();
        soon(async {
            loop {
                if let Seen::Event(broadcast) = here.membership.next().await.unwrap() {
                    match broadcast.event() {
                        Event::Provisional(_) => break,
                        Event::Message(stored) => drop(early.insert(stored.draft.text.to_string())),
                        _ => {}
                    }
                }
            }
        })
        .await;
        let goal = sent.load(Ordering::Relaxed) + 50;
        until(async || sent.load(Ordering::Relaxed) >= goal).await;
        weather.send_replace(fast);
        stop.store(true, Ordering::Relaxed);
        let mut acknowledged = HashSet::new();
        for sender in senders {
            acknowledged.extend(soon(sender).await.unwrap());
        }
        assert!(acknowledged.iter().any(|id| id.starts_with("far")));
        let late = acknowledged.difference(&early).cloned().collect();
        for (joined, wanted) in [(&mut here, &late), (&mut there, &acknowledged)] {
            let account = account(joined, wanted).await;
            check(&account);
            let lost = |gap: &Gap| gap.reason != Reason::Unavailable;
            assert!(
                !account.gaps.iter().any(lost),
                "{slow:?}: {:?}",
                account.gaps
            );
        }
    }
}

#[tokio::test]
#[ignore = "needs nats-server"]
async fn rooms_work_before_nats_is_there() {
    // X3
    let mut broker = Broker::absent();
    let node = Node::new(broker.backplane());
    let other = Node::new(broker.backplane());
    let (mut here, mut there) = (node.join("x").await, other.join("y").await);
    let post = Post {
        from: "ana".parse().unwrap(),
        member: None,
        text: "early".into(),
        id: Some("early".parse().unwrap()),
    };
    let receipt = soon(node.hub.publish(&room("tea"), post)).await.unwrap();
    let Receipt::Provisional(pending) = receipt else {
        panic!("{receipt:?}")
    };
    // Those who are here have it already.
    soon(async {
        loop {
            let Seen::Event(broadcast) = here.membership.next().await.unwrap() else {
                panic!("a gap")
            };
            if let Event::Provisional(draft) = broadcast.event() {
                return assert_eq!(&*draft.text, "early");
            }
        }
    })
    .await;
    broker.start().await;
    soon(pending).await.unwrap();
    let wanted = HashSet::from(["early".to_owned()]);
    for joined in [&mut here, &mut there] {
        check(&account(joined, &wanted).await);
    }
    // Each has heard of the other by now, or soon will.
    until(async || {
        let joined = node.join("z").await;
        joined
            .members
            .iter()
            .any(|member| member.name.as_str() == "y")
    })
    .await;
}

/// Reads lines of text until one says `wanted`.
async fn hear(client: &mut common::Client, wanted: &str) {
    soon(async {
        loop {
            let message = client.next().await.unwrap().unwrap();
            if message.to_text().is_ok_and(|text| text.trim() == wanted) {
                return;
            }
        }
    })
    .await;
}

/// Somebody who has joined the room, which shows when its own words come back.
async fn enter(server: &common::Running, name: &str) -> common::Client {
    let (mut client, _) = server.open(&format!("/chat/tea?name={name}"), &[]).await;
    client.send("here".into()).await.unwrap();
    hear(&mut client, &format!("{name}: here")).await;
    client
}

#[tokio::test]
#[ignore = "needs nats-server"]
async fn two_servers_share_their_rooms() {
    let mut broker = Broker::started().await;
    let url = format!("nats://127.0.0.1:{}", broker.port);
    let flags = ["--nats", &url, "--nats-timeout", "1s"];
    let one = common::start(&flags).await;
    let two = common::start(&[&flags[..], &["--nats-required-for-readiness", "on"]].concat()).await;
    until(async || two.get("/readyz").await.contains("200 OK")).await;
    let mut ana = enter(&one, "ana").await;
    let mut rui = enter(&two, "rui").await;
    ana.send("one".into()).await.unwrap();
    hear(&mut rui, "ana: one").await;
    rui.send("two".into()).await.unwrap();
    hear(&mut ana, "rui: two").await;
    broker.kill();
    until(async || two.get("/readyz").await.contains("503")).await;
    assert!(one.get("/readyz").await.contains("200 OK"));
    // Whoever is on the same node goes on; the others get it later.
    let mut eva = enter(&one, "eva").await;
    ana.send("three".into()).await.unwrap();
    hear(&mut eva, "ana: three").await;
    broker.start().await;
    hear(&mut rui, "ana: three").await;
    until(async || two.get("/readyz").await.contains("200 OK")).await;
    assert!(
        two.get("/metrics")
            .await
            .contains("wss_nats_connections_total 2")
    );
    drop((ana, rui, eva));
    for server in [one, two] {
        assert_eq!(server.stop().await.cut_off, 0);
    }
}

#[tokio::test]
#[ignore = "needs nats-server"]
async fn nats_is_reached_with_tls_and_a_password() {
    // The certificates are those of a server of ours; any authority would do.
    let server = common::start(&[]).await;
    let certs = server.certs.path();
    let mut broker = Broker::absent();
    for (flag, value) in [
        ("--tlscert", certs.join("server.crt").to_str().unwrap()),
        ("--tlskey", certs.join("server.key").to_str().unwrap()),
        ("--user", "ana"),
        ("--pass", "secret"),
    ] {
        broker.flags.extend([flag.to_owned(), value.to_owned()]);
    }
    broker.flags.push("--tls".to_owned());
    broker.start().await;
    let user = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(user.path(), "ana:secret\n").unwrap();
    let url = format!("tls://localhost:{}", broker.port);
    let mut settings = NatsSettings::new(vec![url.parse().unwrap()]);
    settings.authorities = Some(server.authority());
    settings.user_file = Some(user.path().to_owned());
    let good = Broker::backplane_with(settings.clone(), NatsCounts::default());
    let _deliveries = connected(&good).await;
    good.publish(&room("tea"), &draft("1", "hello"))
        .await
        .unwrap();
    // Without the password, and without trust, there is no connection, and it is said why.
    let down = async |settings: NatsSettings, wanted: &str| {
        let bad = Broker::backplane_with(settings, NatsCounts::default());
        let _deliveries = bad.deliveries();
        until(async || match bad.health() {
            Health::Down(reason) => reason.to_lowercase().contains(wanted),
            Health::Up => panic!("connected"),
        })
        .await;
    };
    let mut stranger = settings.clone();
    stranger.user_file = None;
    down(stranger, "authorization").await;
    let mut distrustful = settings;
    distrustful.authorities = None;
    down(distrustful, "certificate").await;
}

#[tokio::test]
#[ignore = "needs nats-server"]
async fn nats_is_reached_with_credentials_of_an_account() {
    let server = common::start(&[]).await;
    let certs = server.certs.path();
    let (ours, theirs) = (Operator::new(), Operator::new());
    let directory = tempfile::tempdir().unwrap();
    let mut broker = Broker::absent();
    let configuration = directory.path().join("nats.conf");
    std::fs::write(&configuration, ours.configuration(directory.path())).unwrap();
    for (flag, value) in [
        ("-c", &configuration),
        ("--tlscert", &certs.join("server.crt")),
        ("--tlskey", &certs.join("server.key")),
    ] {
        let value = value.to_str().unwrap().to_owned();
        broker.flags.extend([flag.to_owned(), value]);
    }
    broker.flags.push("--tls".to_owned());
    broker.start().await;
    let credentials = |name: &str, text: String| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let url = format!("tls://localhost:{}", broker.port);
    let mut settings = NatsSettings::new(vec![url.parse().unwrap()]);
    settings.authorities = Some(server.authority());
    settings.credentials = Some(credentials("good.creds", ours.credentials()));
    let good = Broker::backplane_with(settings.clone(), NatsCounts::default());
    let mut deliveries = connected(&good).await;
    let stored = good.publish(&room("tea"), &draft("1", "hello")).await;
    assert_eq!(
        next_message(&mut deliveries).await.1.position,
        stored.unwrap().position
    );
    let down = async |credentials, wanted: &str| {
        let mut settings = settings.clone();
        settings.credentials = credentials;
        let bad = Broker::backplane_with(settings, NatsCounts::default());
        let _deliveries = bad.deliveries();
        until(async || match bad.health() {
            Health::Down(reason) => reason.to_lowercase().contains(wanted),
            Health::Up => panic!("connected"),
        })
        .await;
    };
    down(None, "authorization").await;
    let foreign = credentials("foreign.creds", theirs.credentials());
    down(Some(foreign), "authorization").await;
    let (jwt, seed) = (ours.credentials(), theirs.credentials());
    let (jwt, _) = jwt.split_once("-----BEGIN USER").unwrap();
    let (_, seed) = seed.split_once("-----BEGIN USER").unwrap();
    let mixed = credentials("mixed.creds", format!("{jwt}-----BEGIN USER{seed}"));
    down(Some(mixed), "authorization").await;
    let rubbish = credentials("rubbish.creds", "rubbish".to_owned());
    down(Some(rubbish), "rubbish.creds").await;
}

/// Asks until `condition` holds, which takes as long as elections and copies take on a busy machine.
async fn slowly<F: Future<Output = bool>>(mut condition: impl FnMut() -> F) {
    let asking = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let in_time = tokio::time::timeout(common::PATIENCE * 4, asking).await;
    assert!(in_time.is_ok(), "this should not take so long");
}

/// Three brokers that are one cluster, where a message can be stored on all of them.
async fn three_brokers() -> Vec<Broker> {
    let mut brokers: Vec<_> = (0..3).map(|_| Broker::absent()).collect();
    // Ports for what they have to tell each other.
    let listeners: Vec<_> = (0..3)
        .map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap())
        .collect();
    let ports = listeners.iter().map(|port| port.local_addr().unwrap());
    let urls: Vec<_> = ports.map(|port| format!("nats://{port}")).collect();
    drop(listeners);
    for (number, broker) in brokers.iter_mut().enumerate() {
        for (flag, value) in [
            ("--name", format!("n{number}")),
            ("--cluster_name", "three".to_owned()),
            ("--cluster", urls[number].clone()),
            ("--routes", urls.join(",")),
        ] {
            broker.flags.extend([flag.to_owned(), value]);
        }
    }
    for broker in &mut brokers {
        broker.start().await;
    }
    brokers
}

#[tokio::test]
#[ignore = "needs nats-server"]
async fn nothing_acknowledged_is_lost_when_one_of_three_nats_servers_is() {
    // X3
    let mut brokers = three_brokers().await;
    let mut settings = brokers[0].settings();
    settings.replicas = 3;
    settings.timeout = Duration::from_secs(5);
    settings.servers = brokers
        .iter()
        .map(|broker| format!("nats://127.0.0.1:{}", broker.port).parse().unwrap())
        .collect();
    let node = || {
        Node::new(Broker::backplane_with(
            settings.clone(),
            NatsCounts::default(),
        ))
    };
    let nodes = [node(), node()].map(Arc::new);
    for node in &nodes {
        // They have to elect somebody first.
        let up = async {
            while !node.hub.health().is_up() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let up = tokio::time::timeout(common::PATIENCE * 3, up).await;
        assert!(up.is_ok(), "{:?}", node.hub.health());
    }
    let (mut here, mut there) = (nodes[0].join("x").await, nodes[1].join("y").await);
    let (stop, sent) = <(Arc<AtomicBool>, Arc<AtomicU64>)>::default();
    let senders = [
        load(&nodes[0], "a", &stop, &sent),
        load(&nodes[1], "b", &stop, &sent),
    ];
    let some_more = async || {
        let goal = sent.load(Ordering::Relaxed) + 40;
        slowly(async || sent.load(Ordering::Relaxed) >= goal).await;
    };
    some_more().await;
    let stream = async_nats::jetstream::new(brokers[2].stranger().await)
        .get_stream("wss-rooms")
        .await
        .unwrap();
    let info = stream.cached_info();
    assert_eq!(info.config.num_replicas, 3);
    assert_eq!(info.cluster.as_ref().unwrap().replicas.len(), 2);
    // Each of them in turn, so whoever leads is among them; it has to catch up before the next may go.
    for victim in 0..3 {
        brokers[victim].kill();
        some_more().await;
        brokers[victim].start().await;
        let other = brokers[(victim + 1) % 3].stranger().await;
        let context = async_nats::jetstream::new(other);
        let is_whole = async || {
            let Ok(stream) = context.get_stream("wss-rooms").await else {
                return false;
            };
            let cluster = stream.cached_info().cluster.clone().unwrap_or_default();
            let replicas = cluster.replicas;
            cluster.leader.is_some()
                && replicas.len() == 2
                && replicas.iter().all(|replica| replica.current)
        };
        slowly(is_whole).await;
        some_more().await;
    }
    stop.store(true, Ordering::Relaxed);
    let mut acknowledged = HashSet::new();
    for sender in senders {
        acknowledged.extend(soon(sender).await.unwrap());
    }
    assert!(acknowledged.len() > 200, "{}", acknowledged.len());
    for joined in [&mut here, &mut there] {
        let account = account(joined, &acknowledged).await;
        check(&account);
        let known = |gap: &Gap| gap.reason == Reason::Unavailable;
        assert!(account.gaps.iter().all(known), "{:?}", account.gaps);
    }
}
