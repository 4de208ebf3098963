//! Presence with a time to live: an entry in the bucket for each member, which its node renews.

use std::sync::Arc;

use async_nats::jetstream::consumer::DeliverPolicy;
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tracing::debug;
use values::sync::lock;

use super::feed::{Feed, Received};
use super::link::{Link, tell};
use super::mirror::{key, token};
use super::settings::NatsSettings;
use super::shared::Shared;
use crate::backplane::{Delivery, Unavailable};
use crate::name::RoomName;
use crate::presence::Present;

/// An entry as it stands in the bucket.
#[derive(Deserialize, Serialize)]
struct BucketEntry {
    v: u32,
    who: Present,
}

/// Entries of the bucket, from the newest one of every member on.
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

/// Takes an entry and returns the join or leave event that follows.
pub(super) fn received(shared: &Shared, entry: &Received) -> Vec<Delivery> {
    let prefix = format!("$KV.{}.", shared.settings.bucket());
    let key = entry.subject.strip_prefix(prefix.as_str());
    let address = key.and_then(|key| key.split_once('.'));
    let Some((Ok(room), key)) = address.map(|(room, key)| (room.parse::<RoomName>(), key)) else {
        shared.counts.ignore("presence");
        return Vec::new();
    };
    let operation = entry.headers.as_ref();
    // DEL and PURGE are the only operations that the header names.
    let is_gone = operation.is_some_and(|headers| headers.get("KV-Operation").is_some());
    let mut mirror = lock(&shared.mirror);
    if is_gone {
        return mirror.leave(&room, key).into_iter().collect();
    }
    let parsed = serde_json::from_slice::<BucketEntry>(&entry.payload).ok();
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
    let entry = BucketEntry {
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
    let own = lock(&shared.mirror).own();
    let (shared, link) = (&shared, &link);
    futures_util::stream::iter(own)
        .for_each_concurrent(REFRESHING, |(room, who)| async move {
            // Who went in the meantime must not be brought back.
            if !lock(&shared.mirror).is_own(&room, &who) {
                return;
            }
            if let Err(error) = put(link, &room, &who).await {
                debug!(%room, %error, "presence not renewed");
            }
        })
        .await;
}

/// The version of entries that is written, and the only one that is read.
const VERSION: u32 = 1;

/// Entries renewed at once.
const REFRESHING: usize = 32;
