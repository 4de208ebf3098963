//! One member of a room over gRPC: events out, messages in.

use std::future::pending;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::time::timeout;
use tonic::{Status, Streaming};
use values::limiter::RateLimiter;

use super::encoded::EncodedEvent;
use super::{Wish, id, told};
use crate::access::{Grant, Right};
use crate::grpc::proto_v2::converse_request::Kind as Asked;
use crate::grpc::proto_v2::event::Kind;
use crate::grpc::proto_v2::{ConverseRequest, Say, SubscribeRequest};
use crate::rooms::backplane::{PublishError, Published};
use crate::rooms::posting::Posting;
use crate::rooms::{Hub, Joined, Lagged, Membership, MessageId, Rendering, Seen, Stored};
use crate::router::Context;

/// Where events go; who reads them is the call.
pub(super) type Outgoing = mpsc::Sender<Result<EncodedEvent, Status>>;

/// Somebody in a room.
pub(super) struct Session<'a> {
    hub: Hub,
    grant: Grant,
    membership: Membership,
    rate: RateLimiter,
    outgoing: &'a Outgoing,
    /// How long a client may take for one event.
    patience: Duration,
    /// `None` for those who only listen, and once the client has said everything.
    requests: Option<Streaming<ConverseRequest>>,
    /// Whether the stream ends once everything that the client said is settled.
    leaving: bool,
    posting: Posting,
}

/// What woke a session up.
enum Woken {
    Request(Result<Option<ConverseRequest>, Status>),
    Seen(Result<Seen, Lagged>),
    Settled(Option<MessageId>, Result<Published, PublishError>),
    Gone,
}

/// The first request of a conversation, which joins.
pub(super) async fn first(
    context: &Context,
    requests: &mut Streaming<ConverseRequest>,
    outgoing: &Outgoing,
) -> Result<SubscribeRequest, Status> {
    let patience = context.grpc_timeout.unwrap_or(Duration::MAX);
    let first = tokio::select! {
        first = timeout(patience, requests.message()) => first,
        () = outgoing.closed() => return Err(Status::cancelled("the client has gone")),
    };
    match first {
        Err(_) => Err(Status::deadline_exceeded("no request to join came in time")),
        Ok(first) => match first?.and_then(|first| first.kind) {
            Some(Asked::Join(join)) => Ok(join),
            _ => Err(Status::invalid_argument("the first request must join")),
        },
    }
}

impl<'a> Session<'a> {
    /// Joins, and tells what happens until one side has enough.
    ///
    /// # Errors
    /// What the call ends with.
    pub(super) async fn subscribe(
        context: &Context,
        wish: Wish,
        outgoing: &'a Outgoing,
    ) -> Result<(), Status> {
        Self::join(context, wish, None, outgoing).await
    }

    /// The same, with messages from `requests`.
    ///
    /// # Errors
    /// What the call ends with.
    pub(super) async fn converse(
        context: &Context,
        wish: Wish,
        requests: Streaming<ConverseRequest>,
        outgoing: &'a Outgoing,
    ) -> Result<(), Status> {
        Self::join(context, wish, Some(requests), outgoing).await
    }

    async fn join(
        context: &Context,
        wish: Wish,
        requests: Option<Streaming<ConverseRequest>>,
        outgoing: &'a Outgoing,
    ) -> Result<(), Status> {
        let hub = context.rooms.clone();
        let joined = match hub.join(&wish.room, wish.name, wish.since).await {
            Ok(joined) => joined,
            Err(error) => {
                hub.counts().reject("full");
                return Err(Status::resource_exhausted(error.to_string()));
            }
        };
        let told = greeting(&joined);
        let rate = RateLimiter::new(hub.settings().message_rate());
        let mut session = Self {
            posting: Posting::new(hub.clone(), &joined.membership),
            hub,
            grant: wish.grant,
            membership: joined.membership,
            rate,
            outgoing,
            patience: context.write_timeout,
            requests,
            leaving: false,
        };
        for kind in told {
            session.tell(kind).await?;
        }
        session.stay().await
    }

    /// Passes messages both ways until one side has enough.
    async fn stay(mut self) -> Result<(), Status> {
        loop {
            match self.wait().await {
                Woken::Gone => return Ok(()),
                Woken::Seen(Ok(seen)) => self.pass_on(&seen).await?,
                Woken::Seen(Err(lagged)) => return Err(Status::unavailable(lagged.to_string())),
                Woken::Request(Ok(Some(request))) => self.hear(request).await?,
                Woken::Request(Ok(None)) => (self.requests, self.leaving) = (None, true),
                Woken::Request(Err(status)) => return Err(status),
                Woken::Settled(id, outcome) => self.settle(id, outcome).await?,
            }
            if self.leaving && self.posting.is_settled() {
                return Ok(());
            }
        }
    }

    /// Waits for whatever comes first.
    async fn wait(&mut self) -> Woken {
        let has_room = self.posting.has_room();
        let request = async {
            match &mut self.requests {
                Some(requests) if has_room => requests.message().await,
                _ => pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.outgoing.closed() => Woken::Gone,
            (id, outcome) = self.posting.settled() => Woken::Settled(id, outcome),
            request = request => Woken::Request(request),
            seen = self.membership.next() => Woken::Seen(seen),
        }
    }

    /// Does what a request asks for.
    async fn hear(&mut self, request: ConverseRequest) -> Result<(), Status> {
        if self.rate.admit(Instant::now()).is_err() {
            self.hub.counts().reject("rate");
            let most = self.hub.settings().burst;
            let text = format!("more than {most} messages at once");
            return Err(Status::resource_exhausted(text));
        }
        let Some(Asked::Say(Say { text, id: name })) = request.kind else {
            let text = "only the first request joins; the others say something";
            return Err(Status::invalid_argument(text));
        };
        let (name, problem) = match id(&name) {
            Err(error) => (None, Some(("malformed", error.to_string()))),
            Ok(name) if text.is_empty() => {
                let problem = "a message needs a text".to_owned();
                (name, Some(("empty", problem)))
            }
            Ok(name) if !self.grant.may(Right::Publish, self.membership.room()) => {
                let problem = "the token does not allow to publish in this room".to_owned();
                (name, Some(("forbidden", problem)))
            }
            Ok(name) => (name, None),
        };
        if let Some((code, problem)) = problem {
            self.hub.counts().reject(code);
            return self.tell(told::error(name.as_ref(), code, &problem)).await;
        }
        self.posting.say(text.into(), name);
        Ok(())
    }

    /// Tells an event; it is encoded once for all who get it.
    async fn pass_on(&mut self, seen: &Seen) -> Result<(), Status> {
        let broadcast = match seen {
            Seen::Event(broadcast) | Seen::Again(broadcast) => broadcast,
            Seen::Gap(gap) => return self.tell(told::gap(gap)).await,
        };
        let counts = self.hub.counts();
        let encoded = broadcast.rendered(Rendering::Grpc, |event| {
            counts.render(Rendering::Grpc);
            EncodedEvent::new(told::happened(event))
        });
        self.tell_encoded(encoded.as_ref().clone()).await
    }

    /// Tells the sender of a message what became of it, if it gave it a name.
    async fn settle(
        &mut self,
        id: Option<MessageId>,
        outcome: Result<Published, PublishError>,
    ) -> Result<(), Status> {
        let kind = match (outcome, &id) {
            (Ok(published), Some(id)) => told::ack(id, &published),
            (Ok(_), None) => return Ok(()),
            (Err(error), id) => told::error(id.as_ref(), error.code(), &error.to_string()),
        };
        self.tell(kind).await
    }

    /// Sends an event.
    ///
    /// # Errors
    /// The client takes nothing, for longer than it may; the membership is not held for it any longer.
    async fn tell(&mut self, kind: Kind) -> Result<(), Status> {
        self.tell_encoded(EncodedEvent::new(kind)).await
    }

    /// The same with an event that is encoded already.
    async fn tell_encoded(&mut self, event: EncodedEvent) -> Result<(), Status> {
        let sending = async {
            // The place that this leaves free is for the status.
            let places = self.outgoing.reserve_many(2).await;
            places.map(|mut places| places.next().map(|place| place.send(Ok(event))))
        };
        match timeout(self.patience, sending).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(Status::cancelled("the client has gone")),
            Err(_) => {
                let patience = self.patience;
                let text = format!("slow consumer: nothing was taken for {patience:?}");
                Err(Status::unavailable(text))
            }
        }
    }
}

/// What a new member is told: where it is, and what it missed.
fn greeting(joined: &Joined) -> Vec<Kind> {
    let mut told = vec![told::joined(joined)];
    let Some(replay) = &joined.replay else {
        return told;
    };
    told.extend(replay.gap.as_ref().map(told::gap));
    let complete = replay.gap.is_none();
    if replay.messages.is_empty() {
        told.push(told::history(&[], complete));
    }
    let mut rest = replay.messages.as_slice();
    while !rest.is_empty() {
        let (portion, later) = rest.split_at(portion(rest));
        told.push(told::history(portion, complete));
        rest = later;
    }
    told
}

/// How many of `messages` go into one event; at least one.
fn portion(messages: &[Stored]) -> usize {
    let mut bytes = 0;
    let fits = |stored: &&Stored| {
        bytes += stored.draft.bytes();
        bytes <= PORTION_BYTES
    };
    messages.iter().take_while(fits).count().max(1)
}

/// Most bytes in one history event, as long as it has more than one message.
const PORTION_BYTES: usize = 64 << 10;
