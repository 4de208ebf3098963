//! Messages that wait for the backplane to return.

use std::collections::VecDeque;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::backplane::{PublishError, Published};
use super::message::Draft;
use super::name::RoomName;

/// The outcome for a sender.
pub(super) type Outcome = Result<Published, PublishError>;

/// Messages that wait for the backplane to return, in the order in which they came.
///
/// Bounded: when it is full the oldest is dropped, and its sender is notified; so is the sender of one that waits too long.
#[derive(Debug)]
pub struct Outbox {
    waiting: VecDeque<Queued>,
    limit: usize,
}

/// A message that waits.
#[derive(Debug)]
pub struct Queued {
    /// Its room.
    pub room: RoomName,
    /// The message.
    pub draft: Draft,
    since: Instant,
    senders: Vec<oneshot::Sender<Outcome>>,
}

impl Outbox {
    /// Empty, for at most so many messages.
    pub fn new(limit: usize) -> Self {
        Self {
            waiting: VecDeque::new(),
            limit: limit.max(1),
        }
    }

    /// The number of messages that wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Reports whether none waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Adds a message.
    ///
    /// Returns what its sender awaits, whether it is new (a repeat of one that waits is not added), and the one that had
    /// to go for it.
    pub fn push(
        &mut self,
        room: &RoomName,
        draft: &Draft,
    ) -> (oneshot::Receiver<Outcome>, bool, Option<Queued>) {
        let (sender, receiver) = oneshot::channel();
        let same = |waiting: &&mut Queued| waiting.is(room, draft);
        if let Some(waiting) = self.waiting.iter_mut().find(same) {
            if waiting.senders.len() >= MAX_SENDERS {
                // Whoever repeats itself that often has long given up waiting for the first answers.
                waiting.senders.remove(0);
            }
            waiting.senders.push(sender);
            return (receiver, false, None);
        }
        self.waiting.push_back(Queued {
            room: room.clone(),
            draft: draft.clone(),
            since: Instant::now(),
            senders: vec![sender],
        });
        let dropped = if self.waiting.len() > self.limit {
            self.waiting.pop_front()
        } else {
            None
        };
        (receiver, true, dropped)
    }

    /// The oldest.
    pub fn front(&self) -> Option<(RoomName, Draft)> {
        let waiting = self.waiting.front()?;
        Some((waiting.room.clone(), waiting.draft.clone()))
    }

    /// Since when the oldest waits.
    pub fn oldest(&self) -> Option<Instant> {
        self.waiting.front().map(|waiting| waiting.since)
    }

    /// Takes the oldest out, if it waits since `then` or longer.
    pub fn take_older(&mut self, then: Instant) -> Option<Queued> {
        if self.oldest()? > then {
            return None;
        }
        self.waiting.pop_front()
    }

    /// Takes a message out, if it has not been dropped meanwhile.
    pub fn take(&mut self, room: &RoomName, draft: &Draft) -> Option<Queued> {
        let mut waiting = self.waiting.iter();
        let index = waiting.position(|waiting| waiting.is(room, draft))?;
        self.waiting.remove(index)
    }
}

impl Queued {
    fn is(&self, room: &RoomName, draft: &Draft) -> bool {
        self.draft.is_repeat_of(draft) && self.room == *room
    }

    /// Notifies its sender of the outcome; one that sent it again learns that it is a repeat.
    pub fn settle(self, outcome: &Outcome) {
        for (index, sender) in self.senders.into_iter().enumerate() {
            let outcome = outcome.clone().map(|published| Published {
                duplicate: published.duplicate || index > 0,
                ..published
            });
            // A sender that is gone does not need to know.
            let _ = sender.send(outcome);
        }
    }
}

/// Repeats of one message that wait for an answer.
const MAX_SENDERS: usize = 16;
