//! Joins and leaves of this node's members that are yet to be announced to other nodes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use tokio::sync::Notify;
use values::sync::lock;

use super::message::MemberId;
use super::name::RoomName;
use super::presence::{Change, Present};

/// A change to report to other nodes.
pub(super) type Announcement = (RoomName, Change, Present);

/// Joins and leaves to report to other nodes, in order; leaf in the order of locks.
///
/// No leave is ever dropped: otherwise other nodes would keep a departed member forever. The queue is still bounded, by
/// twice the number of members that this node has at once: a leave whose join was not reported removes that join, and
/// the other leaves are reported before every later join.
#[derive(Debug, Default)]
pub(super) struct Announcements {
    queue: Mutex<Queue>,
    added: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: BTreeMap<u64, Announcement>,
    /// The joins among them, by member.
    joins: HashMap<MemberId, u64>,
    next: u64,
}

impl Announcements {
    /// Adds a change.
    pub(super) fn add(&self, room: &RoomName, change: Change, who: Present) {
        let mut queue = lock(&self.queue);
        let waiting = queue.joins.get(&who.member).copied();
        match (change, waiting) {
            (Change::Join, Some(_)) => return,
            (Change::Join, None) => {
                let number = queue.next;
                queue.joins.insert(who.member.clone(), number);
            }
            (Change::Leave, Some(number)) => {
                queue.joins.remove(&who.member);
                queue.waiting.remove(&number);
                return;
            }
            (Change::Leave, None) => {}
        }
        let number = queue.next;
        queue.next += 1;
        queue.waiting.insert(number, (room.clone(), change, who));
        drop(queue);
        self.added.notify_one();
    }

    /// Takes the oldest change, which is reported from now on; waits until there is one.
    pub(super) async fn take(&self) -> Announcement {
        loop {
            if let Some(oldest) = self.pop() {
                return oldest;
            }
            self.added.notified().await;
        }
    }

    fn pop(&self) -> Option<Announcement> {
        let mut queue = lock(&self.queue);
        let (_, oldest) = queue.waiting.pop_first()?;
        if oldest.1 == Change::Join {
            queue.joins.remove(&oldest.2.member);
        }
        Some(oldest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn present(member: &str) -> Present {
        Present {
            member: MemberId(member.into()),
            name: "ana".parse().unwrap(),
        }
    }

    #[test]
    fn a_leave_takes_its_unreported_join_along_and_nothing_else_is_dropped() {
        let (all, room) = (Announcements::default(), "tea".parse::<RoomName>().unwrap());
        let announced = || std::iter::from_fn(|| all.pop());
        let add = |change, member: &str| all.add(&room, change, present(member));
        add(Change::Join, "a");
        add(Change::Join, "b");
        add(Change::Join, "a");
        add(Change::Leave, "a");
        add(Change::Join, "c");
        let seen: Vec<_> = announced()
            .map(|(_, change, who)| (change, who.member.0))
            .collect();
        assert_eq!(
            seen,
            [(Change::Join, "b".into()), (Change::Join, "c".into())]
        );
        // What has been reported, or is being, is taken back.
        add(Change::Leave, "b");
        add(Change::Leave, "c");
        assert_eq!(announced().count(), 2);
        // A crowd that comes and goes while nothing is reported leaves nothing behind.
        for number in 0..100_000 {
            add(Change::Join, &number.to_string());
            add(Change::Leave, &number.to_string());
        }
        assert_eq!(announced().count(), 0);
        assert!(all.queue.lock().unwrap().joins.is_empty());
    }
}
