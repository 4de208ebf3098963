//! Who is where, with a time to live: an entry in the bucket for each member, which its node renews.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::consumer::DeliverPolicy;
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tracing::debug;

use super::feed::{Fed, Feed};
use super::link::{Link, tell};
use super::settings::NatsSettings;
use super::{Shared, lock};
use crate::backplane::{Delivery, Unavailable};
use crate::message::MemberId;
use crate::name::RoomName;
use crate::presence::{Change, Present};

/// Everybody in every room, as this node knows it.
#[derive(Debug)]
pub(super) struct Mirror {
    ttl: Duration,
    /// Members of this node, by key.
    own: HashMap<String, (RoomName, Present)>,
    /// Members of other nodes, with the moment at which they were last heard of.
    others: HashMap<RoomName, BTreeMap<MemberId, Other>>,
    count: usize,
    /// Rooms of which the reader has yet to hear who is there.
    wanted: HashSet<RoomName>,
}

#[derive(Debug)]
struct Other {
    who: Present,
    heard: Instant,
}

/// An entry as it stands in the bucket.
#[derive(Deserialize, Serialize)]
struct Entry {
    v: u32,
    who: Present,
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

    /// Everybody of other nodes in `room`.
    pub(super) fn members(&self, room: &RoomName) -> Vec<Present> {
        let members = self.others.get(room).into_iter().flat_map(BTreeMap::values);
        members.map(|other| other.who.clone()).collect()
    }

    /// Notes that the reader wants to hear who is in `room`; `false` if there is nobody to hear of.
    pub(super) fn want(&mut self, room: &RoomName) -> bool {
        let is_used = self.others.contains_key(room);
        if is_used {
            self.wanted.insert(room.clone());
        }
        is_used
    }

    /// What the reader wants to hear.
    pub(super) fn wanted(&mut self) -> Vec<Delivery> {
        let rooms = std::mem::take(&mut self.wanted);
        let mut told = Vec::new();
        for room in rooms {
            let members = self.members(&room);
            told.extend(
                members
                    .into_iter()
                    .map(|who| change(&room, Change::Join, who)),
            );
        }
        told
    }

    /// Somebody is there: told if that is new.
    fn join(&mut self, room: &RoomName, who: Present, now: Instant) -> Option<Delivery> {
        if self.own.contains_key(&key(room, &who)) {
            return None;
        }
        let known = self
            .others
            .get_mut(room)
            .and_then(|members| members.get_mut(&who.member));
        if let Some(other) = known {
            other.heard = now;
            return None;
        }
        if self.count >= MAX_OTHERS {
            return None;
        }
        self.count += 1;
        let other = Other {
            who: who.clone(),
            heard: now,
        };
        let members = self.others.entry(room.clone()).or_default();
        members.insert(who.member.clone(), other);
        Some(change(room, Change::Join, who))
    }

    /// Whoever has `key` has gone.
    fn leave(&mut self, room: &RoomName, key: &str) -> Option<Delivery> {
        let members = self.others.get_mut(room)?;
        let member = members.keys().find(|member| token(member) == key)?.clone();
        let other = members.remove(&member)?;
        self.count -= 1;
        if members.is_empty() {
            self.others.remove(room);
        }
        Some(change(room, Change::Leave, other.who))
    }

    /// Lets everybody live on for a full time, since nobody could be heard of.
    pub(super) fn forgive(&mut self, now: Instant) {
        for other in self.others.values_mut().flat_map(BTreeMap::values_mut) {
            other.heard = now;
        }
    }

    /// Takes those for gone that have not been heard of for too long.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<Delivery> {
        let mut told = Vec::new();
        for (room, members) in &mut self.others {
            let before = members.len();
            members.retain(|_, other| {
                let lives = now.saturating_duration_since(other.heard) < self.ttl;
                if !lives {
                    told.push(change(room, Change::Leave, other.who.clone()));
                }
                lives
            });
            self.count -= before - members.len();
        }
        self.others.retain(|_, members| !members.is_empty());
        told
    }
}

/// What the bucket says, from the newest entry of everybody on.
pub(super) async fn watch(link: &Link, settings: &NatsSettings) -> Result<Feed, String> {
    Feed::open(
        link,
        &link.bucket.stream,
        format!("$KV.{}.>", settings.bucket()),
        DeliverPolicy::LastPerSubject,
        settings.heartbeat,
    )
    .await
}

/// What follows from an entry.
pub(super) fn heard(shared: &Shared, entry: &Fed) -> Vec<Delivery> {
    let prefix = format!("$KV.{}.", shared.settings.bucket());
    let key = entry.subject.strip_prefix(prefix.as_str());
    let place = key.and_then(|key| key.split_once('.'));
    let Some((Ok(room), key)) = place.map(|(room, key)| (room.parse::<RoomName>(), key)) else {
        shared.counts.ignore("presence");
        return Vec::new();
    };
    let operation = entry.headers.as_ref();
    let is_gone = operation.is_some_and(|headers| headers.get("KV-Operation").is_some());
    let mut mirror = lock(&shared.mirror);
    if is_gone {
        return mirror.leave(&room, key).into_iter().collect();
    }
    let parsed = serde_json::from_slice::<Entry>(&entry.payload).ok();
    let Some(entry) =
        parsed.filter(|parsed| parsed.v == VERSION && token(&parsed.who.member) == key)
    else {
        shared.counts.ignore("presence");
        return Vec::new();
    };
    mirror
        .join(&room, entry.who, Instant::now())
        .into_iter()
        .collect()
}

/// Says that somebody is there.
pub(super) async fn put(link: &Link, room: &RoomName, who: &Present) -> Result<(), Unavailable> {
    let entry = Entry {
        v: VERSION,
        who: who.clone(),
    };
    let value = serde_json::to_vec(&entry).map_err(|error| Unavailable(error.to_string()))?;
    let put = link.bucket.put(key(room, who), value.into()).await;
    put.map(drop).map_err(|error| Unavailable(tell(&error)))
}

/// Says that somebody has gone.
pub(super) async fn remove(link: &Link, room: &RoomName, who: &Present) -> Result<(), Unavailable> {
    let removed = link.bucket.delete(key(room, who)).await;
    removed.map_err(|error| Unavailable(tell(&error)))
}

/// Renews everybody of this node.
pub(super) async fn refresh(shared: Arc<Shared>, link: Arc<Link>) {
    let own: Vec<(RoomName, Present)> = lock(&shared.mirror).own.values().cloned().collect();
    let (shared, link) = (&shared, &link);
    futures_util::stream::iter(own)
        .for_each_concurrent(REFRESHING, |(room, who)| async move {
            // Who went in the meantime must not be brought back.
            if !lock(&shared.mirror).own.contains_key(&key(&room, &who)) {
                return;
            }
            if let Err(error) = put(link, &room, &who).await {
                debug!(%room, %error, "presence not renewed");
            }
        })
        .await;
}

/// The key of an entry.
fn key(room: &RoomName, who: &Present) -> String {
    format!("{room}.{}", token(&who.member))
}

/// A member's id in characters that a key takes; different ids never give the same.
fn token(member: &MemberId) -> String {
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

/// The version of entries that is written, and the only one that is read.
const VERSION: u32 = 1;

/// Members of other nodes that are remembered; beyond it one that comes is not heard of.
const MAX_OTHERS: usize = 100_000;

/// Entries renewed at once.
const REFRESHING: usize = 32;

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
    fn members_come_once_and_go_when_nothing_is_heard_of_them() {
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
