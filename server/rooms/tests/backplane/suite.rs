//! The rules of `rooms::Backplane`, one function for each.
//!
//! Rooms have names of their own in every check, so that one store can serve all of them.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use rooms::backplane::{Backplane, Delivery, History, Published, Query, Range};
use rooms::{Draft, Epoch, MemberId, Position, RoomName, Settings, Stored};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// A backplane whose deliveries are being read.
struct Node {
    plane: Arc<dyn Backplane>,
    deliveries: mpsc::UnboundedReceiver<Delivery>,
}

/// Checks a backplane against every rule that a single node can show. `make` gives a new one that keeps as much as the
/// settings say; it may use a store that others use too, but no other node may write into rooms whose names it makes up.
pub(crate) async fn check(make: impl AsyncFn(Settings) -> Arc<dyn Backplane>) {
    stored_messages_are_delivered_as_they_were_published(node(&make).await).await;
    offsets_grow_in_the_order_of_delivery(node(&make).await).await;
    a_repeat_is_not_stored_again(node(&make).await).await;
    identity_is_room_sender_id_and_text(node(&make).await).await;
    nobody_elses_id_swallows_a_message(node(&make).await).await;
    history_is_complete_or_says_that_it_is_not(node(&make).await).await;
    history_is_given_within_limits(node(&make).await).await;
    what_is_forgotten_is_a_gap(&make).await;
    presence_can_be_told_and_taken_back(node(&make).await).await;
}

async fn node(make: &impl AsyncFn(Settings) -> Arc<dyn Backplane>) -> Node {
    start(make(Settings::default()).await)
}

fn start(plane: Arc<dyn Backplane>) -> Node {
    let (sender, receiver) = mpsc::unbounded_channel();
    let mut stream = plane.deliveries();
    tokio::spawn(async move {
        while let Some(delivery) = stream.next().await {
            if sender.send(delivery).is_err() {
                return;
            }
        }
    });
    Node {
        plane,
        deliveries: receiver,
    }
}

impl Node {
    async fn publish(&self, room: &RoomName, draft: &Draft) -> Published {
        soon(self.plane.publish(room, draft)).await.unwrap()
    }

    /// The next message of `room`.
    async fn next(&mut self, room: &RoomName) -> Stored {
        loop {
            let delivery = soon(self.deliveries.recv()).await.unwrap();
            if let Delivery::Message { room: of, stored } = delivery
                && of == *room
            {
                return stored;
            }
        }
    }

    async fn history(&self, room: &RoomName, range: Range, max_messages: usize) -> History {
        let query = Query {
            range,
            max_messages,
            max_bytes: usize::MAX,
        };
        soon(self.plane.history(room, query)).await.unwrap()
    }
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), future)
        .await
        .expect("this should not take so long")
}

/// A room that nobody else uses.
fn room() -> RoomName {
    format!("t-{:016x}", rand_u64()).parse().unwrap()
}

/// A number that no other test has.
fn rand_u64() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish()
}

fn draft(from: &str, id: &str, text: &str) -> Draft {
    Draft {
        id: id.parse().unwrap(),
        from: from.parse().unwrap(),
        member: None,
        text: text.into(),
        at: 1_795_240_000_000,
    }
}

fn offsets(history: &History) -> Vec<u64> {
    let messages = history.messages.iter();
    messages.map(|stored| stored.position.offset).collect()
}

async fn stored_messages_are_delivered_as_they_were_published(mut node: Node) {
    let (tea, other) = (room(), room());
    assert!(node.plane.health().is_up());
    let texts = ["olá", "", "a\r\n\0b", "😀", &"x".repeat(64 << 10)];
    for (number, text) in texts.into_iter().enumerate() {
        let mut sent = draft("João", &format!("id-{number}"), text);
        sent.member = (number % 2 == 0).then(|| MemberId("node:1".into()));
        node.publish(&other, &draft("eva", &format!("o-{number}"), "noise"))
            .await;
        let published = node.publish(&tea, &sent).await;
        assert!(!published.duplicate);
        let stored = node.next(&tea).await;
        assert_eq!(stored.position, published.position);
        assert_eq!(stored.draft, sent);
    }
    assert_eq!(
        node.history(&other, Range::Newest, 99).await.messages.len(),
        5
    );
}

async fn offsets_grow_in_the_order_of_delivery(mut node: Node) {
    const SENDERS: usize = 4;
    const EACH: usize = 25;
    let tea = room();
    let sending = (0..SENDERS).map(|sender| {
        let (plane, tea) = (Arc::clone(&node.plane), tea.clone());
        tokio::spawn(async move {
            let mut published = Vec::new();
            for number in 0..EACH {
                let id = format!("{sender}-{number}");
                let draft = draft(&format!("s{sender}"), &id, "x");
                let stored = soon(plane.publish(&tea, &draft)).await.unwrap();
                published.push((stored.position.offset, id));
            }
            published
        })
    });
    let sending: Vec<_> = sending.collect();
    let mut delivered = Vec::new();
    for _ in 0..SENDERS * EACH {
        let stored = node.next(&tea).await;
        delivered.push((stored.position.offset, stored.draft.id.to_string()));
    }
    assert!(
        delivered.is_sorted_by(|one, next| one.0 < next.0),
        "{delivered:?}"
    );
    let mut published = Vec::new();
    for sending in sending {
        let own = sending.await.unwrap();
        assert!(own.is_sorted_by(|one, next| one.0 < next.0), "{own:?}");
        published.extend(own);
    }
    published.sort();
    assert_eq!(published, delivered);
}

async fn a_repeat_is_not_stored_again(mut node: Node) {
    let tea = room();
    let first = node.publish(&tea, &draft("ana", "1", "once")).await;
    node.publish(&tea, &draft("ana", "2", "between")).await;
    let again = node.publish(&tea, &draft("ana", "1", "once")).await;
    assert_eq!((again.position, again.duplicate), (first.position, true));
    node.publish(&tea, &draft("ana", "3", "last")).await;
    for text in ["once", "between", "last"] {
        assert_eq!(&*node.next(&tea).await.draft.text, text);
    }
    assert_eq!(
        node.history(&tea, Range::Newest, 99).await.messages.len(),
        3
    );
}

/// A name and its ids, taken first for other texts, make nothing vanish.
async fn nobody_elses_id_swallows_a_message(mut node: Node) {
    let tea = room();
    let texts = ["one", "two", "three", "four", "five"];
    for (id, text) in texts.iter().enumerate() {
        let id = id.to_string();
        node.publish(&tea, &draft("ana", &id, "taken")).await;
        let said = draft("ana", &id, text);
        let published = node.publish(&tea, &said).await;
        assert!(!published.duplicate, "{text}");
        let again = node.publish(&tea, &said).await;
        assert_eq!(
            (again.position, again.duplicate),
            (published.position, true)
        );
        assert_eq!(&*node.next(&tea).await.draft.text, "taken");
        assert_eq!(node.next(&tea).await.draft, said);
    }
}

async fn identity_is_room_sender_id_and_text(mut node: Node) {
    let (tea, other) = (room(), room());
    for (room, from) in [(&tea, "ana"), (&tea, "bob"), (&other, "ana")] {
        let published = node.publish(room, &draft(from, "same", "x")).await;
        assert!(!published.duplicate, "{from} in {room}");
    }
    assert_eq!(node.next(&tea).await.draft.from.as_str(), "ana");
    assert_eq!(node.next(&tea).await.draft.from.as_str(), "bob");
}

async fn history_is_complete_or_says_that_it_is_not(node: Node) {
    let tea = room();
    let unknown = node.history(&room(), Range::Newest, 9).await;
    assert!(unknown.messages.is_empty());
    let mut positions: Vec<Position> = Vec::new();
    for number in 0..6 {
        let published = node
            .publish(&tea, &draft("ana", &number.to_string(), "x"))
            .await;
        positions.push(published.position);
    }
    let all: Vec<u64> = positions.iter().map(|position| position.offset).collect();
    let newest = node.history(&tea, Range::Newest, 99).await;
    assert_eq!((offsets(&newest), newest.more), (all.clone(), false));
    assert_eq!(newest.end, Some(positions[5]));
    for (index, position) in positions.iter().enumerate() {
        let after = node.history(&tea, Range::After(*position), 99).await;
        assert_eq!(offsets(&after), all[index + 1..], "behind {position}");
        assert!(
            after.complete && !after.more,
            "behind {position}: {after:?}"
        );
        let before = node.history(&tea, Range::Before(*position), 99).await;
        assert_eq!(offsets(&before), all[..index], "before {position}");
        assert!(!before.more);
    }
    let foreign = Position {
        epoch: Epoch(!positions[0].epoch.0),
        ..positions[2]
    };
    assert!(!node.history(&tea, Range::After(foreign), 99).await.complete);
    let ahead = Position {
        offset: positions[5].offset + 1_000_000,
        ..positions[5]
    };
    assert!(
        !node.history(&tea, Range::After(ahead), 99).await.complete,
        "nobody was there"
    );
}

async fn history_is_given_within_limits(node: Node) {
    let tea = room();
    let mut positions: Vec<Position> = Vec::new();
    for number in 0..6 {
        let text = "x".repeat(1_000);
        let published = node
            .publish(&tea, &draft("ana", &number.to_string(), &text))
            .await;
        positions.push(published.position);
    }
    let all: Vec<u64> = positions.iter().map(|position| position.offset).collect();
    let after = node.history(&tea, Range::After(positions[0]), 2).await;
    assert_eq!(
        (offsets(&after), after.complete, after.more),
        (all[1..3].to_vec(), true, true)
    );
    let newest = node.history(&tea, Range::Newest, 2).await;
    assert_eq!((offsets(&newest), newest.more), (all[4..].to_vec(), true));
    let before = node.history(&tea, Range::Before(positions[4]), 2).await;
    assert_eq!((offsets(&before), before.more), (all[2..4].to_vec(), true));
    let end = node.history(&tea, Range::Newest, 0).await;
    assert_eq!((end.messages.len(), end.end), (0, Some(positions[5])));
    let query = Query {
        range: Range::After(positions[0]),
        max_messages: 99,
        max_bytes: 2_500,
    };
    let small = soon(node.plane.history(&tea, query)).await.unwrap();
    assert!(
        (1..=2).contains(&small.messages.len()) && small.more,
        "{}",
        small.messages.len()
    );
}

async fn what_is_forgotten_is_a_gap(make: &impl AsyncFn(Settings) -> Arc<dyn Backplane>) {
    let settings = Settings {
        history_messages: 5,
        ..Settings::default()
    };
    let (node, tea) = (start(make(settings).await), room());
    let mut positions: Vec<Position> = Vec::new();
    for number in 0..12 {
        let published = node
            .publish(&tea, &draft("ana", &number.to_string(), "x"))
            .await;
        positions.push(published.position);
    }
    let all: Vec<u64> = positions.iter().map(|position| position.offset).collect();
    let kept = node.history(&tea, Range::Newest, 99).await;
    assert_eq!(offsets(&kept), all[7..]);
    assert!(
        !kept.complete,
        "the first message of the room is not among them"
    );
    // The message at the position is kept, so nothing after it is missing.
    let after = node.history(&tea, Range::After(positions[7]), 99).await;
    assert_eq!((offsets(&after), after.complete), (all[8..].to_vec(), true));
    let lost = node.history(&tea, Range::After(positions[5]), 99).await;
    assert_eq!((offsets(&lost), lost.complete), (all[7..].to_vec(), false));
    let end = node.history(&tea, Range::After(positions[11]), 99).await;
    assert_eq!((offsets(&end), end.complete), (vec![], true));
}

async fn presence_can_be_told_and_taken_back(node: Node) {
    let tea = room();
    let who = rooms::presence::Present {
        member: MemberId("node:1".into()),
        name: "João".parse().unwrap(),
    };
    node.plane.interest(&tea, true);
    if let Some(nodes) = node.plane.presence() {
        soon(nodes.announce(&tea, &who)).await.unwrap();
        let members = soon(nodes.members(&tea)).await.unwrap();
        assert!(members.iter().all(|member| *member == who), "{members:?}");
        soon(nodes.withdraw(&tea, &who)).await.unwrap();
        assert!(soon(nodes.members(&tea)).await.unwrap().is_empty());
    }
    node.plane.interest(&tea, false);
}
