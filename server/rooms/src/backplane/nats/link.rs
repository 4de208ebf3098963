//! One connection to NATS, with the stream and the bucket that rooms need.

use std::error::Error;
use std::sync::Arc;

use async_nats::jetstream::{self, context, kv, stream};
use async_nats::{Client, ConnectOptions, Event};
use tokio::sync::Notify;
use tracing::{debug, warn};

use super::envelope;
use super::settings::NatsSettings;
use crate::position::Epoch;
use crate::settings::Settings;

/// One connection to NATS; what was made over it ends with it.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) client: Client,
    pub(super) context: jetstream::Context,
    pub(super) stream: stream::Stream,
    pub(super) bucket: kv::Store,
    pub(super) epoch: Epoch,
    /// Newest sequence number when the connection was made.
    pub(super) last_sequence: u64,
    /// Messages of one room that the stream keeps.
    pub(super) max_per_room: u64,
    /// Notified when the connection is lost.
    pub(super) lost: Arc<Notify>,
}

impl Link {
    /// Connects, and makes what is not there yet.
    ///
    /// # Errors
    /// For people.
    pub(super) async fn open(settings: &NatsSettings, rooms: &Settings) -> Result<Self, String> {
        let lost = Arc::new(Notify::new());
        let options = options(settings, &lost)?;
        // Twice the timeout: several servers may be tried.
        let connecting = options.connect(settings.servers.as_slice());
        let client = tokio::time::timeout(settings.timeout * 2, connecting)
            .await
            .map_err(|_| "no answer".to_owned())?
            .map_err(|error| tell(&error))?;
        let context = context::ContextBuilder::new()
            .timeout(settings.timeout)
            .ack_timeout(settings.timeout)
            .build(client.clone());
        let stream = context
            .get_or_create_stream(stream_config(settings, rooms))
            .await
            .map_err(|error| format!("the stream `{}`: {}", settings.stream, tell(&error)))?;
        let bucket = open_bucket(&context, settings).await?;
        let info = stream.cached_info();
        // The stream may be another's work: differences from the settings are logged, not mended.
        examine(info, settings);
        Ok(Self {
            epoch: epoch(info),
            last_sequence: info.state.last_sequence,
            max_per_room: u64::try_from(info.config.max_messages_per_subject).unwrap_or(u64::MAX),
            client,
            context,
            stream,
            bucket,
            lost,
        })
    }
}

/// Options of the connection. We reconnect, with all that belongs to it, rather than the client library.
fn options(settings: &NatsSettings, lost: &Arc<Notify>) -> Result<ConnectOptions, String> {
    let lost = Arc::clone(lost);
    let mut options = ConnectOptions::new()
        .name("wss rooms")
        .connection_timeout(settings.timeout)
        .request_timeout(Some(settings.timeout))
        .ping_interval(settings.heartbeat * 3)
        .event_callback(move |event| {
            match event {
                Event::Disconnected | Event::Closed => lost.notify_one(),
                Event::SlowConsumer(_) => warn!("NATS sends faster than this node reads"),
                event => debug!(%event, "NATS"),
            }
            std::future::ready(())
        });
    if let Some(path) = &settings.authorities {
        options = options.add_root_certificates(path.clone());
    }
    let credentials = settings.read_credentials();
    if let Some(credentials) = credentials.map_err(|error| error.to_string())? {
        // Its errors are not repeated: they might hold parts of the file.
        options = options
            .credentials(&credentials)
            .map_err(|_| "the file of --nats-credentials holds no JWT with its seed".to_owned())?;
    }
    if let Some((user, password)) = settings.user().map_err(|error| error.to_string())? {
        options = options.user_and_password(user, password);
    }
    Ok(options)
}

/// The stream as this node would make it.
fn stream_config(settings: &NatsSettings, rooms: &Settings) -> stream::Config {
    stream::Config {
        name: settings.stream.clone(),
        description: Some("messages of rooms, one subject for each".to_owned()),
        subjects: vec![settings.subjects()],
        max_messages_per_subject: i64::try_from(rooms.history_messages).unwrap_or(i64::MAX),
        max_bytes: i64::try_from(settings.max_bytes).unwrap_or(i64::MAX),
        max_age: settings.max_age,
        max_message_size: i32::try_from(envelope::max_bytes(rooms) + HEADERS).unwrap_or(i32::MAX),
        duplicate_window: settings.duplicate_window.min(settings.max_age),
        discard: stream::DiscardPolicy::Old,
        storage: stream::StorageType::File,
        num_replicas: settings.replicas,
        allow_direct: true,
        ..stream::Config::default()
    }
}

/// The bucket; one that is there is taken as it is.
async fn open_bucket(
    context: &jetstream::Context,
    settings: &NatsSettings,
) -> Result<kv::Store, String> {
    let name = settings.bucket();
    // Made as the stream that it is: the call for buckets reads an account's figures, which nats-server 2.9 tells otherwise.
    let config = stream::Config {
        name: format!("KV_{name}"),
        description: Some("who is in which room".to_owned()),
        subjects: vec![format!("$KV.{name}.>")],
        max_messages_per_subject: 1,
        max_message_size: MAX_PRESENCE,
        max_age: settings.presence_ttl,
        duplicate_window: settings.presence_ttl,
        discard: stream::DiscardPolicy::New,
        storage: stream::StorageType::Memory,
        num_replicas: settings.replicas,
        allow_rollup: true,
        deny_delete: true,
        allow_direct: true,
        ..stream::Config::default()
    };
    let wrong = |error: String| format!("the bucket `{name}`: {error}");
    context
        .get_or_create_stream(config)
        .await
        .map_err(|error| wrong(tell(&error)))?;
    context
        .get_key_value(&name)
        .await
        .map_err(|error| wrong(tell(&error)))
}

/// Says what of a stream that was there is not as this node would have made it.
fn examine(info: &stream::Info, settings: &NatsSettings) {
    let subjects = settings.subjects();
    if !info.config.subjects.contains(&subjects) {
        warn!(stream = settings.stream, %subjects, "the stream in NATS does not take what rooms send");
    }
    if info.config.max_messages_per_subject <= 0 && info.config.max_bytes <= 0 {
        warn!(stream = settings.stream, "the stream in NATS has no bounds");
    }
}

/// The identity of a stream: the moment at which it was made.
pub(super) fn epoch(info: &stream::Info) -> Epoch {
    // Moments before 1970 and after 2554 do not occur; cut off they would still differ.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "any 64 bits of it tell one stream from another"
    )]
    Epoch(info.created.unix_timestamp_nanos() as u64)
}

/// An error with everything that caused it, in one line.
pub(super) fn tell(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

/// Bytes that the headers of a message may take.
const HEADERS: usize = 1024;

/// Longest entry in the bucket, in bytes.
const MAX_PRESENCE: i32 = 1024;
