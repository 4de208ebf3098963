//! Messages of a stream in order, none left out unseen.

use std::time::Duration;

use async_nats::jetstream::{self, consumer, stream};
use async_nats::{Client, StatusCode, Subject, Subscriber};
use futures_util::StreamExt;
use tokio::time::{Instant, timeout_at};

use super::link::{Link, tell};

/// Messages of a stream that a filter lets through, in order.
///
/// Behind it is a consumer that NATS forgets soon after this is dropped. Whatever is lost on the way, and whatever becomes
/// of the consumer, is an error here, so that the caller begins anew where it was.
pub(super) struct Feed {
    client: Client,
    context: jetstream::Context,
    subscriber: Subscriber,
    /// Messages that were there when this began.
    pub(super) pending: u64,
    /// Number that the next message has among those of this feed.
    next: u64,
    /// An answer that NATS waits for before it sends more.
    owed: Option<Subject>,
    heartbeat: Duration,
    last_received: Instant,
}

/// One message with its position.
pub(super) struct Received {
    pub(super) subject: Subject,
    pub(super) payload: bytes::Bytes,
    pub(super) headers: Option<async_nats::HeaderMap>,
    /// Sequence number in the stream.
    pub(super) sequence: u64,
    /// The number of those that follow, as far as NATS knew.
    pub(super) pending: u64,
}

impl Feed {
    /// Messages of `stream` on subjects that `filter` names, from where `policy` says.
    ///
    /// # Errors
    /// For people.
    pub(super) async fn open(
        link: &Link,
        stream: &stream::Stream,
        filter: String,
        policy: consumer::DeliverPolicy,
        heartbeat: Duration,
    ) -> Result<Self, String> {
        let inbox = link.client.new_inbox();
        // There before the consumer, so that nothing goes past it.
        let subscriber = link
            .client
            .subscribe(inbox.clone())
            .await
            .map_err(|error| tell(&error))?;
        let config = consumer::push::Config {
            deliver_subject: inbox,
            deliver_policy: policy,
            ack_policy: consumer::AckPolicy::None,
            filter_subject: filter,
            max_deliver: 1,
            flow_control: true,
            idle_heartbeat: heartbeat,
            inactive_threshold: heartbeat * 5,
            memory_storage: true,
            num_replicas: 1,
            ..consumer::push::Config::default()
        };
        let consumer = stream
            .create_consumer(config)
            .await
            .map_err(|error| tell(&error))?;
        Ok(Self {
            client: link.client.clone(),
            context: link.context.clone(),
            subscriber,
            pending: consumer.cached_info().num_pending,
            next: 1,
            owed: None,
            heartbeat,
            last_received: Instant::now(),
        })
    }

    /// The next message.
    ///
    /// Cancel safe: a message that was not returned is returned next time.
    ///
    /// # Errors
    /// One was lost, or NATS is silent; for people.
    pub(super) async fn next(&mut self) -> Result<Received, String> {
        loop {
            if let Some(subject) = self.owed.clone() {
                let answered = self.client.publish(subject, bytes::Bytes::new()).await;
                answered.map_err(|error| tell(&error))?;
                self.owed = None;
            }
            let patience = self.heartbeat * HEARTBEATS;
            let message = timeout_at(self.last_received + patience, self.subscriber.next())
                .await
                .map_err(|_| format!("NATS was silent for {patience:?}"))?
                .ok_or_else(|| "the subscription ended".to_owned())?;
            self.last_received = Instant::now();
            match message.status {
                None => return self.stored(message),
                // A heartbeat, or a request for a sign that what was sent is read.
                Some(StatusCode::IDLE_HEARTBEAT) => {
                    let headers = message.headers.as_ref();
                    let stalled = headers.and_then(|headers| headers.get("Nats-Consumer-Stalled"));
                    self.owed = message
                        .reply
                        .or_else(|| stalled.map(|subject| subject.as_str().into()));
                }
                Some(status) => {
                    let text = message.description.unwrap_or_default();
                    return Err(format!("the consumer ended: {status} {text}"));
                }
            }
        }
    }

    /// `message` with its position; an error if there should be another before it.
    fn stored(&mut self, message: async_nats::Message) -> Result<Received, String> {
        let message = jetstream::Message {
            message,
            context: self.context.clone(),
        };
        let info = message
            .info()
            .map_err(|error| format!("a message without its position: {error}"))?;
        let (sequence, pending) = (info.stream_sequence, info.pending);
        if info.consumer_sequence != self.next {
            let missed = info.consumer_sequence.saturating_sub(self.next);
            return Err(format!("{missed} messages were lost on the way"));
        }
        self.next += 1;
        Ok(Received {
            sequence,
            pending,
            subject: message.message.subject,
            payload: message.message.payload,
            headers: message.message.headers,
        })
    }
}

/// Heartbeats that may be missing.
const HEARTBEATS: u32 = 3;
