//! The backplane of many nodes: messages in a `JetStream` stream, presence in a key-value bucket.
//!
//! | module | holds |
//! |---|---|
//! | [`settings`] | where NATS is, and what is kept there |
//! | [`envelope`] | a message as it stands in the stream |
//! | [`link`] | one connection with its stream and bucket |
//! | [`feed`] | messages of a stream in order, none left out unseen |
//! | [`live`] | the task that keeps the connection and delivers |
//! | [`history`] | what is kept of a room |
//! | [`presence`] | who is where, with a time to live |
//!
//! All rooms share one stream, each has a subject of its own, `STREAM.room.ROOM`. An offset is the sequence number in the
//! stream, so a room's offsets leave numbers out; the epoch is the moment at which the stream was made, in nanoseconds
//! since 1970, so that a stream that was lost and made anew is not taken for the old one.
//!
//! A message is stored once its acknowledgement from `JetStream` is there. The sender's name, the message's id and a digest
//! of its text make up the `Nats-Msg-Id`, by which `JetStream` itself knows a repeat within its window; one that comes later is looked for in
//! the room's history.

pub(crate) mod envelope;
mod feed;
mod history;
mod link;
mod live;
mod mirror;
mod presence;
mod settings;
mod shared;

use std::sync::{Arc, Mutex};

use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::message::PublishMessage;
use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use tokio::sync::{Notify, mpsc};
use tokio_util::task::AbortOnDropHandle;
use values::sync::lock;

use super::{
    Backplane, Delivery, Health, History, Presence, PublishError, Published, Query, Unavailable,
};
use crate::message::Draft;
use crate::name::RoomName;
use crate::position::Position;
use crate::presence::Present;
use crate::settings::Settings as RoomSettings;

use mirror::Mirror;
pub use settings::{NatsError, NatsSettings};
pub use shared::NatsCounts;
use shared::{LinkState, Shared};

/// The backplane over NATS.
///
/// It can be made while NATS is away: then nothing can be stored, and the connection is tried again and again. The
/// connection is kept by a task that begins with [`deliveries`](Backplane::deliveries) and ends when their stream is
/// dropped.
#[derive(Debug)]
pub struct Nats {
    shared: Arc<Shared>,
}

impl Nats {
    /// A backplane that is not yet connected; files that the settings name are read at once.
    ///
    /// # Errors
    /// A file cannot be read or says nothing that is of use, or a name is not allowed.
    pub fn new(
        settings: NatsSettings,
        rooms: RoomSettings,
        counts: NatsCounts,
    ) -> Result<Self, NatsError> {
        settings.check()?;
        let mirror = Mirror::new(settings.presence_ttl);
        Ok(Self {
            shared: Arc::new(Shared {
                settings,
                rooms,
                counts,
                state: Mutex::new(LinkState::Down("not connected yet".to_owned())),
                mirror: Mutex::new(mirror),
                interest: Notify::new(),
                unsettled: Mutex::default(),
                started: Mutex::new(false),
            }),
        })
    }
}

#[async_trait]
impl Backplane for Nats {
    async fn publish(&self, room: &RoomName, draft: &Draft) -> Result<Published, PublishError> {
        let shared = &self.shared;
        let payload = envelope::encode(draft);
        let largest = envelope::max_bytes(&shared.rooms);
        if payload.len() > largest {
            let bytes = payload.len();
            return Err(PublishError::Refused(format!(
                "{bytes} bytes with everything that belongs to it, at most {largest} are allowed"
            )));
        }
        let link = shared.link()?;
        let id = envelope::identity(room, draft);
        let first_sent = shared.begin(&id);
        // NATS recognises a repetition within its window alone. A message whose first attempt is older is looked for
        // in the stream, so that it is not stored twice.
        if first_sent.is_some_and(|passed| passed * 2 > shared.settings.duplicate_window)
            && let Some(position) = history::find(shared, &link, room, draft).await?
        {
            lock(&shared.unsettled).remove(&id);
            return Ok(Published {
                position,
                duplicate: true,
            });
        }
        let message = PublishMessage::build()
            .payload(payload.into())
            .message_id(&id)
            .expected_stream(&shared.settings.stream);
        let sent = link
            .context
            .send_publish(shared.settings.subject(room), message)
            .await;
        let acknowledged = match sent {
            Ok(acknowledgement) => acknowledgement.await,
            Err(error) => Err(error),
        };
        match acknowledged {
            Ok(acknowledged) => {
                lock(&shared.unsettled).remove(&id);
                Ok(Published {
                    position: Position::new(link.epoch, acknowledged.sequence),
                    duplicate: acknowledged.duplicate,
                })
            }
            // No later attempt can succeed.
            Err(error) if error.kind() == PublishErrorKind::MaxPayloadExceeded => {
                lock(&shared.unsettled).remove(&id);
                Err(PublishError::Refused(link::tell(&error)))
            }
            // The outcome is unknown: it stays among the unsettled, and is sent again under the same id.
            Err(error) => Err(Unavailable(link::tell(&error)).into()),
        }
    }

    async fn history(&self, room: &RoomName, query: Query) -> Result<History, Unavailable> {
        let link = self.shared.link()?;
        history::read(&self.shared, &link, room, query).await
    }

    fn deliveries(&self) -> BoxStream<'static, Delivery> {
        if std::mem::replace(&mut *lock(&self.shared.started), true) {
            return stream::pending().boxed();
        }
        let (sender, receiver) = mpsc::channel(DELIVERIES);
        let task = tokio::spawn(live::run(Arc::clone(&self.shared), sender));
        // The task ends with the stream.
        let state = (receiver, AbortOnDropHandle::new(task));
        stream::unfold(state, |(mut receiver, task)| async {
            let delivery = receiver.recv().await?;
            Some((delivery, (receiver, task)))
        })
        .boxed()
    }

    /// With the first member of a room on this node, those on other nodes become known.
    fn interest(&self, room: &RoomName, wanted: bool) {
        if wanted && lock(&self.shared.mirror).want(room) {
            self.shared.interest.notify_one();
        }
    }

    fn presence(&self) -> Option<&dyn Presence> {
        Some(self)
    }

    fn health(&self) -> Health {
        match &*lock(&self.shared.state) {
            LinkState::Up(_) => Health::Up,
            LinkState::Down(reason) => Health::Down(reason.clone()),
        }
    }
}

#[async_trait]
impl Presence for Nats {
    async fn announce(&self, room: &RoomName, who: &Present) -> Result<(), Unavailable> {
        lock(&self.shared.mirror).add_own(room, who);
        let link = self.shared.link()?;
        presence::put(&link, room, who).await
    }

    fn departed(&self, room: &RoomName, who: &Present) {
        lock(&self.shared.mirror).remove_own(room, who);
    }

    async fn withdraw(&self, room: &RoomName, who: &Present) -> Result<(), Unavailable> {
        lock(&self.shared.mirror).remove_own(room, who);
        let link = self.shared.link()?;
        presence::remove(&link, room, who).await
    }

    async fn members(&self, room: &RoomName) -> Result<Vec<Present>, Unavailable> {
        self.shared.link()?;
        Ok(lock(&self.shared.mirror).members(room))
    }
}

/// Deliveries that may wait to be read; beyond it NATS is left waiting.
const DELIVERIES: usize = 1024;
