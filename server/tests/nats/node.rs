//! A node with its hub, and what a member of it has seen.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use server::rooms::backplane::Nats;
use server::rooms::event::{Event, Gap};
use server::rooms::{Counts, Hub, Joined, Post, Receipt, Seen, Settings};
use tokio::task::JoinHandle;

use super::{common, room};
use crate::common::{soon, until};

/// A node: its hub, and the task that lets it flow.
pub(super) struct Node {
    pub(super) hub: Hub,
    task: JoinHandle<()>,
}

impl Node {
    pub(super) fn new(backplane: Nats) -> Self {
        Self::with(backplane, Settings::default())
    }

    pub(super) fn with(backplane: Nats, mut settings: Settings) -> Self {
        // What the members read is looked at only at the end.
        settings.queue_messages = 100_000;
        settings.queue_bytes = 100 << 20;
        let hub = Hub::new(settings, Arc::new(backplane), Counts::default());
        let task = tokio::spawn(hub.clone().run());
        Self { hub, task }
    }

    pub(super) async fn up(&self) {
        until(async || self.hub.health().is_up()).await;
    }

    pub(super) async fn join(&self, name: &str) -> Joined {
        soon(self.hub.join(&room("tea"), name.parse().unwrap(), None))
            .await
            .unwrap()
    }

    /// Sends one message; whether it was stored, at once or later.
    pub(super) async fn send(&self, id: &str) -> bool {
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

/// Stored messages that a member has seen.
#[derive(Default)]
pub(super) struct Account {
    /// Texts in the order of their coming, as stored messages.
    pub(super) stored: Vec<(u64, String)>,
    pub(super) gaps: Vec<Gap>,
}

/// Reads until every text of `wanted` has come, or a gap was reported; panics after a while.
pub(super) async fn account(joined: &mut Joined, wanted: &HashSet<String>) -> Account {
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
pub(super) fn check(account: &Account) {
    let mut seen = HashMap::new();
    for (offset, text) in &account.stored {
        assert_eq!(seen.insert(text, offset), None, "{text} came twice");
    }
    assert!(account.stored.is_sorted_by_key(|(offset, _)| *offset));
}
