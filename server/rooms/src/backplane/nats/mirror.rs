//! Everybody in every room, as this node knows it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write;
use std::time::Duration;

use tokio::time::Instant;

use crate::backplane::Delivery;
use crate::message::MemberId;
use crate::name::RoomName;
use crate::presence::{Change, Present};

/// Everybody in every room, as this node knows it.
#[derive(Debug)]
pub(super) struct Mirror {
    ttl: Duration,
    /// Members of this node, by key.
    own: HashMap<String, (RoomName, Present)>,
    /// Members of other nodes, with the moment of their latest entry.
    others: HashMap<RoomName, BTreeMap<MemberId, Other>>,
    count: usize,
    /// Rooms whose members the reader has yet to receive.
    wanted: HashSet<RoomName>,
}

#[derive(Debug)]
struct Other {
    who: Present,
    last_seen: Instant,
}

impl Mirror {
    pub(super) fn new(ttl: Duration) -> Self {
        Self {
            ttl,
            own: HashMap::new(),
            others: HashMap::new(),
            count: 0,
            wanted: HashSet::new(),
        }
    }

    pub(super) fn add_own(&mut self, room: &RoomName, who: &Present) {
        self.own.insert(key(room, who), (room.clone(), who.clone()));
    }

    pub(super) fn remove_own(&mut self, room: &RoomName, who: &Present) {
        self.own.remove(&key(room, who));
    }

    /// Members of this node.
    pub(super) fn own(&self) -> Vec<(RoomName, Present)> {
        self.own.values().cloned().collect()
    }

    /// Reports if `who` is still a member of this node.
    pub(super) fn is_own(&self, room: &RoomName, who: &Present) -> bool {
        self.own.contains_key(&key(room, who))
    }

    /// Everybody of other nodes in `room`.
    pub(super) fn members(&self, room: &RoomName) -> Vec<Present> {
        let members = self.others.get(room).into_iter().flat_map(BTreeMap::values);
        members.map(|other| other.who.clone()).collect()
    }

    /// Notes that the reader wants the members of `room`; returns `false` if there are none.
    pub(super) fn want(&mut self, room: &RoomName) -> bool {
        let is_used = self.others.contains_key(room);
        if is_used {
            self.wanted.insert(room.clone());
        }
        is_used
    }

    /// The members of rooms that the reader wants.
    pub(super) fn wanted(&mut self) -> Vec<Delivery> {
        let rooms = std::mem::take(&mut self.wanted);
        let mut deliveries = Vec::new();
        for room in rooms {
            let members = self.members(&room);
            deliveries.extend(
                members
                    .into_iter()
                    .map(|who| change(&room, Change::Join, who)),
            );
        }
        deliveries
    }

    /// Notes that somebody is there; returns the event if that is new.
    pub(super) fn join(&mut self, room: &RoomName, who: Present, now: Instant) -> Option<Delivery> {
        // Our own entry comes back from the bucket, and its member is in the room already.
        if self.own.contains_key(&key(room, &who)) {
            return None;
        }
        let known = self
            .others
            .get_mut(room)
            .and_then(|members| members.get_mut(&who.member));
        // Renewed by its node: it lives for another `presence_ttl`.
        if let Some(other) = known {
            other.last_seen = now;
            return None;
        }
        // The bucket is written by other nodes, so its size is not ours to trust.
        if self.count >= MAX_OTHERS {
            return None;
        }
        self.count += 1;
        let other = Other {
            who: who.clone(),
            last_seen: now,
        };
        let members = self.others.entry(room.clone()).or_default();
        members.insert(who.member.clone(), other);
        Some(change(room, Change::Join, who))
    }

    /// Removes the member with `key`.
    pub(super) fn leave(&mut self, room: &RoomName, key: &str) -> Option<Delivery> {
        let members = self.others.get_mut(room)?;
        let member = members.keys().find(|member| token(member) == key)?.clone();
        let other = members.remove(&member)?;
        self.count -= 1;
        if members.is_empty() {
            self.others.remove(room);
        }
        Some(change(room, Change::Leave, other.who))
    }

    /// Lets everybody live on for a full time, since no entry could arrive.
    pub(super) fn forgive(&mut self, now: Instant) {
        for other in self.others.values_mut().flat_map(BTreeMap::values_mut) {
            other.last_seen = now;
        }
    }

    /// Removes those whose latest entry is too old.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<Delivery> {
        let mut deliveries = Vec::new();
        for (room, members) in &mut self.others {
            let before = members.len();
            members.retain(|_, other| {
                let lives = now.saturating_duration_since(other.last_seen) < self.ttl;
                if !lives {
                    deliveries.push(change(room, Change::Leave, other.who.clone()));
                }
                lives
            });
            self.count -= before - members.len();
        }
        self.others.retain(|_, members| !members.is_empty());
        deliveries
    }
}

/// The key of an entry.
pub(super) fn key(room: &RoomName, who: &Present) -> String {
    format!("{room}.{}", token(&who.member))
}

/// A member's id in characters that a key takes; different ids never give the same.
pub(super) fn token(member: &MemberId) -> String {
    let mut token = String::with_capacity(member.0.len());
    for byte in member.0.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' {
            token.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(token, "={byte:02x}");
        }
    }
    token
}

fn change(room: &RoomName, change: Change, who: Present) -> Delivery {
    Delivery::Presence {
        room: room.clone(),
        change,
        who,
    }
}

/// Members of other nodes that are remembered; one that exceeds it is ignored.
const MAX_OTHERS: usize = 100_000;

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
    fn keys_differ_as_ids_do() {
        let room: RoomName = "tea".parse().unwrap();
        assert_eq!(key(&room, &present("0a:17")), "tea.0a=3a17");
        let ids = ["a:1", "a=3a1", "a.1", "a_1", "ä", ">", "*"];
        let tokens: HashSet<String> = ids.map(|id| token(&MemberId(id.into()))).into();
        assert_eq!(tokens.len(), ids.len());
        assert!(
            tokens
                .iter()
                .all(|token| !token.contains(['.', '*', '>', ' ']))
        );
    }

    #[test]
    fn members_come_once_and_go_when_their_entries_stop() {
        let (room, now) = ("tea".parse::<RoomName>().unwrap(), Instant::now());
        let mut mirror = Mirror::new(Duration::from_secs(30));
        mirror.add_own(&room, &present("me:1"));
        assert_eq!(mirror.join(&room, present("me:1"), now), None);
        assert!(mirror.join(&room, present("a:1"), now).is_some());
        assert_eq!(
            mirror.join(&room, present("a:1"), now + Duration::from_secs(20)),
            None
        );
        assert!(mirror.join(&room, present("b:1"), now).is_some());
        assert_eq!(mirror.members(&room).len(), 2);
        let gone = mirror.expire(now + Duration::from_secs(40));
        assert_eq!(gone, [change(&room, Change::Leave, present("b:1"))]);
        assert!(mirror.want(&room));
        assert_eq!(
            mirror.wanted(),
            [change(&room, Change::Join, present("a:1"))]
        );
        assert!(mirror.leave(&room, "a=3a1").is_some());
        assert!(mirror.others.is_empty() && mirror.count == 0);
        assert!(!mirror.want(&room));
    }
}
