//! Nothing acknowledged is lost, whatever happens to NATS.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use server::rooms::backplane::NatsCounts;
use server::rooms::event::{Event, Gap, Reason};
use server::rooms::{Post, Receipt, Seen, Settings};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::node::{Node, account, check};
use super::{common, room};
use crate::broker::{Broker, free_port};
use crate::common::network::{BadNetwork, Conditions};
use crate::common::{soon, until};

/// A number that the environment may set, for longer runs.
fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |value| value.parse().unwrap())
}

/// Two nodes at one broker, of which `far` has a network of changing weather before it.
struct Apart {
    weather: watch::Sender<Conditions>,
    far: Arc<Node>,
    near: Arc<Node>,
    _way: BadNetwork,
    _broker: Broker,
}

impl Apart {
    /// Both up in good weather; an answer that takes `far` longer than `patience` is late.
    async fn started(patience: Duration) -> Self {
        let broker = Broker::started().await;
        let (weather, conditions) = watch::channel(Conditions::default());
        let address = ([127, 0, 0, 1], broker.port).into();
        let way = BadNetwork::with(address, move |_| conditions.clone()).await;
        let mut nats = broker.settings();
        nats.servers = vec![format!("nats://{}", way.address).parse().unwrap()];
        let settings = Settings {
            publish_timeout: patience,
            ..Settings::default()
        };
        let backplane = Broker::backplane_with(nats, NatsCounts::default());
        let far = Arc::new(Node::with(backplane, settings));
        let near = Arc::new(Node::new(broker.backplane()));
        far.up().await;
        near.up().await;
        Self {
            weather,
            far,
            near,
            _way: way,
            _broker: broker,
        }
    }
}

/// Sends messages until a signal to stop; returns those that were acknowledged.
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
                // Nothing passes, and nobody is notified.
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
        let Apart {
            weather, far, near, ..
        } = &Apart::started(patience).await;
        let (mut here, mut there) = (far.join("x").await, near.join("y").await);
        let (stop, sent) = (Arc::default(), Arc::default());
        let senders = [
            load(far, "far", &stop, &sent),
            load(near, "near", &stop, &sent),
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

/// NATS is there, but each of its answers comes later than it may, for as long as the test takes.
#[tokio::test]
#[ignore = "needs nats-server"]
async fn x3_what_is_provisional_is_settled_while_nats_stays_slow() {
    let patience = Duration::from_millis(300);
    let Apart {
        weather, far, near, ..
    } = &Apart::started(patience).await;
    let (mut here, mut there) = (far.join("x").await, near.join("y").await);
    // An answer takes twice that; beyond `--nats-timeout` NATS would count as away.
    weather.send_replace(Conditions {
        delay: patience,
        ..Conditions::default()
    });
    let mut acknowledged = HashSet::new();
    let mut provisional = 0;
    for number in 0..8 {
        // In turn here and in a room that nobody is in.
        let name = room(if number % 2 == 0 { "tea" } else { "empty" });
        let post = Post {
            from: "ana".parse().unwrap(),
            member: None,
            text: number.to_string().into(),
            id: Some(number.to_string().parse().unwrap()),
        };
        if let Receipt::Provisional(pending) = soon(far.hub.publish(&name, post)).await.unwrap() {
            soon(pending).await.unwrap();
            provisional += 1;
        }
        if number % 2 == 0 {
            acknowledged.insert(number.to_string());
        }
    }
    assert!(provisional >= 7, "{provisional} were provisional");
    assert_eq!(far.hub.counts().waiting.get(), 0);
    for joined in [&mut here, &mut there] {
        check(&account(joined, &acknowledged).await);
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
    // Each knows the other by now, or soon will.
    until(async || {
        let joined = node.join("z").await;
        joined
            .members
            .iter()
            .any(|member| member.name.as_str() == "y")
    })
    .await;
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
    let urls: Vec<_> = (0..3)
        .map(|_| format!("nats://127.0.0.1:{}", free_port()))
        .collect();
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
