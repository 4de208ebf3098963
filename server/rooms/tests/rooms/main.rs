//! Rooms without a network: slow members, many members, and a backplane that goes away.

#![allow(clippy::unwrap_used, reason = "it is a test: it may panic")]

mod late;
#[cfg(target_os = "linux")]
mod memory;
mod slow;
mod storm;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use rooms::backplane::{
    Backplane, Delivery, Health, History, Presence, PublishError, Published, Query, Unavailable,
};
use rooms::event::Reason;
use rooms::presence::{Change, Present};
use rooms::{
    Counts, Draft, Event, Hub, Joined, Local, MemberId, Post, Receipt, RoomName, Seen, Settings,
};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// A backplane that can be switched off, and that loses or delays what comes meanwhile.
struct Switched {
    local: Local,
    is_off: Arc<AtomicBool>,
    /// Members of other nodes.
    elsewhere: std::sync::Mutex<Vec<Present>>,
    /// Deliveries that were lost.
    lost: Arc<AtomicUsize>,
    /// True if publishing hangs rather than fails while off.
    hangs: bool,
    more: mpsc::UnboundedSender<Delivery>,
    receiver: std::sync::Mutex<Option<mpsc::UnboundedReceiver<Delivery>>>,
}

impl Switched {
    fn new(settings: &Settings, hangs: bool) -> Arc<Self> {
        let (more, receiver) = mpsc::unbounded_channel();
        Arc::new(Self {
            local: Local::new(settings.clone()),
            is_off: Arc::default(),
            lost: Arc::default(),
            elsewhere: std::sync::Mutex::default(),
            hangs,
            more,
            receiver: std::sync::Mutex::new(Some(receiver)),
        })
    }

    fn switch(&self, on: bool) {
        self.is_off.store(!on, Ordering::SeqCst);
        let delivery = if on {
            Delivery::Resumed
        } else {
            Delivery::Interrupted
        };
        self.more.send(delivery).unwrap();
    }

    /// Lets another node store messages that this one does not receive.
    async fn publish_elsewhere(&self, texts: &[&str]) {
        let before = self.lost.load(Ordering::SeqCst);
        for text in texts {
            let draft = Draft {
                id: text.parse().unwrap(),
                from: "eva".parse().unwrap(),
                member: None,
                text: (*text).into(),
                at: 0,
            };
            self.local.publish(&tea(), &draft).await.unwrap();
        }
        soon(async {
            while self.lost.load(Ordering::SeqCst) < before + texts.len() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
    }

    async fn answer(&self) -> Result<(), Unavailable> {
        if !self.is_off.load(Ordering::SeqCst) {
            return Ok(());
        }
        if self.hangs {
            std::future::pending::<()>().await;
        }
        Err(Unavailable("switched off".to_owned()))
    }
}

#[async_trait]
impl Backplane for Switched {
    async fn publish(&self, room: &RoomName, draft: &Draft) -> Result<Published, PublishError> {
        self.answer().await?;
        self.local.publish(room, draft).await
    }

    async fn history(&self, room: &RoomName, query: Query) -> Result<History, Unavailable> {
        self.answer().await?;
        self.local.history(room, query).await
    }

    fn deliveries(&self) -> BoxStream<'static, Delivery> {
        let receiver = self.receiver.lock().unwrap().take().unwrap();
        let more = futures_util::stream::unfold(receiver, |mut receiver| async {
            Some((receiver.recv().await?, receiver))
        });
        let (is_off, lost) = (Arc::clone(&self.is_off), Arc::clone(&self.lost));
        let messages = self.local.deliveries().filter(move |_| {
            let is_lost = is_off.load(Ordering::SeqCst);
            lost.fetch_add(usize::from(is_lost), Ordering::SeqCst);
            std::future::ready(!is_lost)
        });
        futures_util::stream::select(messages, more).boxed()
    }

    fn interest(&self, room: &RoomName, wanted: bool) {
        self.local.interest(room, wanted);
    }

    fn presence(&self) -> Option<&dyn Presence> {
        Some(self)
    }

    fn health(&self) -> Health {
        // Like a client that has not noticed yet, while it hangs.
        if self.is_off.load(Ordering::SeqCst) && !self.hangs {
            return Health::Down("switched off".to_owned());
        }
        Health::Up
    }
}

#[async_trait]
impl Presence for Switched {
    async fn announce(&self, _: &RoomName, _: &Present) -> Result<(), Unavailable> {
        self.answer().await
    }

    fn departed(&self, _: &RoomName, _: &Present) {}

    async fn withdraw(&self, _: &RoomName, _: &Present) -> Result<(), Unavailable> {
        self.answer().await
    }

    async fn members(&self, _: &RoomName) -> Result<Vec<Present>, Unavailable> {
        self.answer().await?;
        Ok(self.elsewhere.lock().unwrap().clone())
    }
}

fn hub(settings: Settings, backplane: Arc<dyn Backplane>) -> Hub {
    let hub = Hub::new(settings, backplane, Counts::default());
    tokio::spawn(hub.clone().run());
    hub
}

fn local_hub(settings: Settings) -> Hub {
    let backplane = Arc::new(Local::new(settings.clone()));
    hub(settings, backplane)
}

fn settings(change: impl FnOnce(&mut Settings)) -> Settings {
    let mut settings = Settings::default();
    change(&mut settings);
    settings
}

fn tea() -> RoomName {
    "tea".parse().unwrap()
}

fn post(from: &str, id: &str, text: &str) -> Post {
    Post {
        from: from.parse().unwrap(),
        member: None,
        text: text.into(),
        id: Some(id.parse().unwrap()),
    }
}

async fn join(hub: &Hub, name: &str) -> Joined {
    hub.join(&tea(), name.parse().unwrap(), None).await.unwrap()
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), future)
        .await
        .expect("this should not take so long")
}

/// The next event of a member in a word; joins and leaves are skipped.
async fn next(joined: &mut Joined) -> String {
    loop {
        let (kind, broadcast) = match soon(joined.membership.next()).await.unwrap() {
            Seen::Event(broadcast) => ("", broadcast),
            Seen::Again(broadcast) => ("again ", broadcast),
            Seen::Gap(gap) => return format!("gap {}", gap.reason.name()),
        };
        match broadcast.event() {
            Event::Message(stored) => return format!("{kind}{}", stored.draft.text),
            Event::Provisional(draft) => return format!("provisional {}", draft.text),
            Event::Gap(gap) => return format!("room gap {}", gap.reason.name()),
            Event::Presence { .. } | Event::Count(_) => {}
        }
    }
}

async fn publish(hub: &Hub, text: &str) -> Receipt {
    soon(hub.publish(&tea(), post("ana", text, text)))
        .await
        .unwrap()
}

#[tokio::test]
async fn members_go_on_while_the_backplane_is_away() {
    let settings = Settings::default();
    let plane = Switched::new(&settings, false);
    let hub = hub(settings, plane.clone());
    let mut bob = join(&hub, "bob").await;
    assert!(matches!(publish(&hub, "one").await, Receipt::Stored(_)));
    assert_eq!(next(&mut bob).await, "one");

    plane.switch(false);
    let Receipt::Provisional(two) = publish(&hub, "two").await else {
        panic!("it cannot be stored");
    };
    let Receipt::Provisional(three) = publish(&hub, "three").await else {
        panic!("it cannot be stored");
    };
    assert_eq!(next(&mut bob).await, "provisional two");
    // Who comes now gets the notice that the past is not available, and has not seen what bob has.
    let since = "00000000deadbeef:1".parse().unwrap();
    let mut eva = hub
        .join(&tea(), "eva".parse().unwrap(), Some(since))
        .await
        .unwrap();
    let gap = eva.replay.take().unwrap().gap.unwrap();
    assert_eq!(gap.reason, Reason::Unavailable);
    // A repeat is known as one while the first still waits.
    let Receipt::Provisional(repeat) = publish(&hub, "two").await else {
        panic!("it cannot be stored");
    };
    let mut two = tokio_test_pending(two);
    assert!(two.is_pending().await, "nobody is told before it is stored");

    plane.switch(true);
    let first = soon(two.future).await.unwrap();
    assert!(!first.duplicate);
    let repeat = soon(repeat).await.unwrap();
    assert_eq!((repeat.position, repeat.duplicate), (first.position, true));
    let last = soon(three).await.unwrap();
    assert!(last.position.offset > first.position.offset);
    assert_eq!(next(&mut bob).await, "provisional three");
    assert_eq!(next(&mut bob).await, "again two");
    assert_eq!(next(&mut bob).await, "again three");
    assert_eq!(next(&mut eva).await, "two");
    assert_eq!(next(&mut eva).await, "three");
    assert!(matches!(publish(&hub, "four").await, Receipt::Stored(_)));
    assert_eq!(next(&mut bob).await, "four");
}

/// A future that can be asked whether it still waits.
struct Asked<F> {
    future: F,
}

fn tokio_test_pending<F: Future + Unpin>(future: F) -> Asked<F> {
    Asked { future }
}

impl<F: Future + Unpin> Asked<F> {
    async fn is_pending(&mut self) -> bool {
        timeout(Duration::from_millis(200), &mut self.future)
            .await
            .is_err()
    }
}

#[tokio::test]
async fn a_backplane_that_hangs_counts_as_away_after_its_time() {
    let settings = settings(|settings| settings.publish_timeout = Duration::from_millis(100));
    let plane = Switched::new(&settings, true);
    let hub = hub(settings, plane.clone());
    let mut bob = join(&hub, "bob").await;
    plane.switch(false);
    let start = Instant::now();
    let Receipt::Provisional(one) = publish(&hub, "one").await else {
        panic!("it cannot be stored");
    };
    assert!(start.elapsed() < Duration::from_secs(5));
    let Receipt::Provisional(_) = publish(&hub, "two").await else {
        panic!("it cannot be stored");
    };
    plane.switch(true);
    soon(one).await.unwrap();
    let seen: Vec<String> = [next(&mut bob).await, next(&mut bob).await].into();
    assert_eq!(seen, ["provisional one", "provisional two"]);
    assert_eq!(next(&mut bob).await, "again one");
    assert_eq!(next(&mut bob).await, "again two");
}

#[tokio::test]
async fn too_many_that_wait_are_dropped_from_the_oldest_and_their_senders_told() {
    let settings = settings(|settings| settings.outbox_messages = 3);
    let plane = Switched::new(&settings, false);
    let hub = hub(settings, plane.clone());
    plane.switch(false);
    let mut receipts = Vec::new();
    for number in 0..5 {
        let Receipt::Provisional(pending) = publish(&hub, &number.to_string()).await else {
            panic!("it cannot be stored");
        };
        receipts.push(pending);
    }
    let mut receipts = receipts.into_iter();
    for _ in 0..2 {
        let error = soon(receipts.next().unwrap()).await.unwrap_err();
        assert!(matches!(error, PublishError::Refused(_)), "{error}");
    }
    plane.switch(true);
    for pending in receipts {
        soon(pending).await.unwrap();
    }
    assert_eq!(hub.counts().waiting_dropped.get(), 2);
    assert_eq!(hub.counts().waiting.get(), 0);
    let mut eva = hub
        .join(
            &tea(),
            "eva".parse().unwrap(),
            Some("00000000deadbeef:1".parse().unwrap()),
        )
        .await
        .unwrap();
    let messages = eva.replay.take().unwrap().messages;
    let texts: Vec<&str> = messages.iter().map(|stored| &*stored.draft.text).collect();
    assert_eq!(texts, ["2", "3", "4"]);
}

#[tokio::test]
async fn what_was_missed_in_an_interruption_is_given_or_said() {
    let settings = settings(|settings| settings.history_messages = 3);
    let plane = Switched::new(&settings, false);
    let hub = hub(settings, plane.clone());
    let mut bob = join(&hub, "bob").await;
    publish(&hub, "one").await;
    assert_eq!(next(&mut bob).await, "one");
    plane.switch(false);
    plane.publish_elsewhere(&["a", "b"]).await;
    plane.switch(true);
    assert_eq!(next(&mut bob).await, "a");
    assert_eq!(next(&mut bob).await, "b");
    plane.switch(false);
    plane.publish_elsewhere(&["c", "d", "e", "f", "g"]).await;
    plane.switch(true);
    assert_eq!(next(&mut bob).await, "room gap expired");
    for text in ["e", "f", "g"] {
        assert_eq!(next(&mut bob).await, text);
    }
    plane.switch(false);
    plane.switch(true);
    // Nothing was missed, so nothing is said.
    publish(&hub, "last").await;
    assert_eq!(next(&mut bob).await, "last");
}

/// The next coming or going, as `join NAME COUNT`.
async fn next_presence(joined: &mut Joined) -> String {
    loop {
        let Seen::Event(broadcast) = soon(joined.membership.next()).await.unwrap() else {
            continue;
        };
        if let Event::Presence { change, who, count } = broadcast.event() {
            let change = if *change == Change::Join {
                "join"
            } else {
                "leave"
            };
            return format!("{change} {} {count}", who.name);
        }
    }
}

fn present(member: &str, name: &str) -> Present {
    Present {
        member: MemberId(member.into()),
        name: name.parse().unwrap(),
    }
}

#[tokio::test]
async fn members_of_other_nodes_are_seen_to_come_and_go() {
    let settings = Settings::default();
    let plane = Switched::new(&settings, false);
    let hub = hub(settings, plane.clone());
    *plane.elsewhere.lock().unwrap() = vec![present("other:1", "eva"), present("other:2", "max")];
    let mut bob = join(&hub, "bob").await;
    assert_eq!(
        (bob.count, bob.members.len()),
        (3, 3),
        "who was there before is known"
    );
    let tell = |change, who| {
        let room = tea();
        let delivery = Delivery::Presence { room, change, who };
        plane.more.send(delivery).unwrap();
    };
    // An echo of this node's own members, late, is not somebody new.
    let (node, _) = bob.membership.me().member.0.split_once(':').unwrap();
    tell(Change::Join, present(&format!("{node}:999"), "ghost"));
    tell(Change::Leave, bob.membership.me().clone());
    tell(Change::Join, present("other:3", "kim"));
    tell(Change::Join, present("other:3", "kim"));
    tell(Change::Leave, present("other:1", "eva"));
    assert_eq!(next_presence(&mut bob).await, "join kim 4");
    assert_eq!(next_presence(&mut bob).await, "leave eva 3");
    // What changed during an interruption is made up for.
    *plane.elsewhere.lock().unwrap() = vec![present("other:3", "kim"), present("other:4", "lea")];
    plane.switch(false);
    plane.switch(true);
    assert_eq!(next_presence(&mut bob).await, "leave max 2");
    assert_eq!(next_presence(&mut bob).await, "join lea 3");
}

#[tokio::test]
async fn a_long_absence_is_given_in_full_or_from_its_end_with_a_gap() {
    let plane = Arc::new(Local::new(Settings::default()));
    let hub = hub(settings(|settings| settings.history_messages = 3), plane);
    let Receipt::Stored(first) = publish(&hub, "first").await else {
        panic!("it can be stored");
    };
    for number in 0..10 {
        publish(&hub, &number.to_string()).await;
    }
    let room = tea();
    let back = || hub.join(&room, "eva".parse().unwrap(), Some(first.position));
    let replay = back().await.unwrap().replay.unwrap();
    assert_eq!((replay.gap, replay.messages.len()), (None, 10));
    for number in 10..20 {
        publish(&hub, &number.to_string()).await;
    }
    let mut eva = back().await.unwrap();
    let replay = eva.replay.take().unwrap();
    let texts: Vec<&str> = replay
        .messages
        .iter()
        .map(|stored| &*stored.draft.text)
        .collect();
    assert_eq!(texts, ["17", "18", "19"]);
    let gap = replay.gap.unwrap();
    assert_eq!(
        (gap.reason, gap.after),
        (Reason::Expired, Some(first.position))
    );
    assert_eq!(gap.next, Some(replay.messages[0].position));
    publish(&hub, "next").await;
    assert_eq!(next(&mut eva).await, "next");
}

#[tokio::test]
async fn ten_thousand_members_of_one_room_see_every_message() {
    const MEMBERS: usize = 10_000;
    const MESSAGES: usize = 5;
    let hub = local_hub(Settings::default());
    let start = Instant::now();
    let mut members = Vec::with_capacity(MEMBERS);
    for number in 0..MEMBERS {
        members.push(join(&hub, &format!("m{number}")).await.membership);
    }
    assert_eq!((hub.rooms(), hub.counts().members.get()), (1, 10_000));
    let mut readers = tokio::task::JoinSet::new();
    for mut member in members {
        readers.spawn(async move {
            let mut offsets = Vec::new();
            while offsets.len() < MESSAGES {
                if let Seen::Event(broadcast) = member.next().await.unwrap()
                    && let Event::Message(stored) = broadcast.event()
                {
                    offsets.push(stored.position.offset);
                }
            }
            // Nobody leaves before all have read, so that there is nothing else to read.
            (member, offsets)
        });
    }
    for number in 0..MESSAGES {
        publish(&hub, &number.to_string()).await;
    }
    let (members, seen): (Vec<_>, HashSet<_>) = soon(readers.join_all()).await.into_iter().unzip();
    assert_eq!(seen, HashSet::from([vec![1, 2, 3, 4, 5]]));
    println!(
        "10,000 joins and 50,000 deliveries in {:?}",
        start.elapsed()
    );
    drop(members);
    assert_eq!((hub.rooms(), hub.counts().members.get()), (0, 0));
}

#[tokio::test]
async fn rooms_and_members_are_bounded() {
    let settings = settings(|settings| {
        settings.max_rooms = 2;
        settings.max_members = 2;
    });
    let hub = local_hub(settings);
    let name = |text: &str| text.parse::<RoomName>().unwrap();
    let ana = || "ana".parse().unwrap();
    let one = hub.join(&name("a"), ana(), None).await.unwrap();
    let two = hub.join(&name("a"), ana(), None).await.unwrap();
    assert_eq!(two.count, 2);
    let full = hub.join(&name("a"), ana(), None).await.unwrap_err();
    assert_eq!(
        full.to_string(),
        "too many members in this room, try again later"
    );
    let other = hub.join(&name("b"), ana(), None).await.unwrap();
    let full = hub.join(&name("c"), ana(), None).await.unwrap_err();
    assert_eq!(full.to_string(), "too many rooms, try again later");
    drop((one, two, other));
    hub.join(&name("c"), ana(), None).await.unwrap();
    assert_eq!(hub.rooms(), 0, "a membership that is dropped leaves");
}
