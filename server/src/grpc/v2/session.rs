//! One member of a room over gRPC: events out, messages in.

use std::future::pending;
use std::time::Duration;

use tokio::time::timeout;
use tonic::{Status, Streaming};

use super::encoded::EncodedEvent;
use super::event;
use super::outgoing::Outgoing;
use super::status::status;
use crate::context::Context;
use crate::grpc::proto_v2::converse_request::Kind as Asked;
use crate::grpc::proto_v2::event::Kind;
use crate::grpc::proto_v2::{ConverseRequest, Renew, Say, SubscribeRequest};
use rooms::backplane::Published;
use rooms::participant::{Answer, Member, Next, Request, Welcome};
use rooms::{MessageId, Refusal, Rendering, Seen, Stored};

/// Somebody in a room.
pub(super) struct Subscription<'a> {
    member: Member,
    outgoing: &'a Outgoing,
    /// How long a client may take for one event.
    patience: Duration,
    /// `None` for those who only listen, and once the client has said everything.
    requests: Option<Streaming<ConverseRequest>>,
    /// Whether the stream ends once everything that the client said is settled.
    leaving: bool,
}

/// Input from a client: a request, its end, or the reason why there is none.
type Incoming = Result<Option<ConverseRequest>, Status>;

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

impl<'a> Subscription<'a> {
    /// Somebody who has joined; with `requests`, what it says is heard too.
    pub(super) fn new(
        member: Member,
        outgoing: &'a Outgoing,
        patience: Duration,
        requests: Option<Streaming<ConverseRequest>>,
    ) -> Self {
        Self {
            member,
            outgoing,
            patience,
            requests,
            leaving: false,
        }
    }

    /// Tells what happens, and passes messages both ways, until one side has enough.
    ///
    /// # Errors
    /// The status with which the call ends.
    pub(super) async fn run(mut self, welcome: Welcome) -> Result<(), Status> {
        for kind in greeting(&welcome) {
            self.send(kind).await?;
        }
        drop(welcome);
        loop {
            let Some(next) = self.wait().await? else {
                return Ok(());
            };
            match next {
                Next::Seen(seen) => self.pass_on(&seen).await?,
                Next::Incoming(Ok(Some(request))) => self.take(request).await?,
                Next::Incoming(Ok(None)) => (self.requests, self.leaving) = (None, true),
                Next::Incoming(Err(status)) => return Err(status),
                Next::Settled { id, outcome } => self.settle(id, outcome).await?,
            }
            if self.leaving && self.member.is_settled() {
                return Ok(());
            }
        }
    }

    /// Waits for whatever comes first; `None` if that is the client's end.
    async fn wait(&mut self) -> Result<Option<Next<Incoming>>, Status> {
        self.wait_for_demand().await?;
        let incoming = async {
            match &mut self.requests {
                Some(requests) => requests.message().await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.outgoing.closed() => Ok(None),
            next = self.member.next(incoming) => match next {
                Ok(next) => Ok(Some(next)),
                Err(refusal) => Err(status(&refusal)),
            },
        }
    }

    /// Does what a request asks for.
    async fn take(&mut self, request: ConverseRequest) -> Result<(), Status> {
        let request = match request.kind {
            Some(Asked::Say(Say { text, id })) => said(text, &id),
            Some(Asked::Renew(Renew { token })) => Ok(Request::Renew { token }),
            Some(Asked::Join(_)) | None => {
                let text = "only the first request joins; the others say something";
                return Err(Status::invalid_argument(text));
            }
        };
        match self.member.request(request).await {
            Ok(Answer::Nothing | Answer::History(_)) => Ok(()),
            Ok(Answer::Renewed(end)) => self.send(event::renewed(end)).await,
            Err(complaint) if complaint.refusal.is_final() => Err(status(&complaint.refusal)),
            Err(complaint) => {
                let id = complaint.id.as_ref();
                self.send(event::error(id, &complaint.refusal)).await
            }
        }
    }

    /// Tells an event; it is encoded once for all who get it.
    async fn pass_on(&mut self, seen: &Seen) -> Result<(), Status> {
        let broadcast = match seen {
            Seen::Event(broadcast) | Seen::Again(broadcast) => broadcast,
            Seen::Gap(gap) => return self.send(event::gap(gap)).await,
        };
        let counts = self.member.counts();
        let encoded = broadcast.rendered(Rendering::Grpc, |event| {
            counts.render(Rendering::Grpc);
            EncodedEvent::new(event::happened(event))
        });
        self.send_encoded(encoded.as_ref().clone()).await
    }

    /// Tells the sender of a message what became of it, if it gave it a name.
    async fn settle(
        &mut self,
        id: Option<MessageId>,
        outcome: Result<Published, Refusal>,
    ) -> Result<(), Status> {
        let kind = match (outcome, &id) {
            (Ok(published), Some(id)) => event::ack(id, &published),
            (Ok(_), None) => return Ok(()),
            (Err(refusal), id) => event::error(id.as_ref(), &refusal),
        };
        self.send(kind).await
    }

    /// Sends an event.
    ///
    /// # Errors
    /// The client takes nothing, for longer than it may; the membership is not held for it any longer.
    async fn send(&mut self, kind: Kind) -> Result<(), Status> {
        self.send_encoded(EncodedEvent::new(kind)).await
    }

    /// The same with an event that is encoded already.
    async fn send_encoded(&mut self, event: EncodedEvent) -> Result<(), Status> {
        match timeout(self.patience, self.outgoing.send(event)).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Status::cancelled("the client has gone")),
            Err(_) => Err(self.slow()),
        }
    }

    /// Waits until the next event would leave at once, in a room whose events are news: the room holds the latest one
    /// until then, and an event that was taken earlier would grow old.
    async fn wait_for_demand(&mut self) -> Result<(), Status> {
        if !self.member.takes_latest() {
            return Ok(());
        }
        let wanted = async {
            tokio::select! {
                () = self.outgoing.wanted() => {}
                () = self.outgoing.closed() => {}
            }
        };
        timeout(self.patience, wanted)
            .await
            .map_err(|_| self.slow())
    }

    /// The status for a client that takes nothing.
    fn slow(&self) -> Status {
        let patience = self.patience;
        Status::unavailable(format!("slow consumer: nothing was taken for {patience:?}"))
    }
}

/// Reads a client's request.
fn said(text: String, id: &str) -> Result<Request, Refusal> {
    let id = Some(id).filter(|id| !id.is_empty());
    let id = id.map(str::parse).transpose()?;
    let text = text.into();
    Ok(Request::Say { text, id })
}

/// What a new member is events: where it is, and what it missed.
fn greeting(welcome: &Welcome) -> Vec<Kind> {
    let mut events = vec![event::joined(welcome)];
    let Some(replay) = &welcome.replay else {
        return events;
    };
    events.extend(replay.gap.as_ref().map(event::gap));
    let complete = replay.gap.is_none();
    if replay.messages.is_empty() {
        events.push(event::history(&[], complete));
    }
    let mut rest = replay.messages.as_slice();
    while !rest.is_empty() {
        let (portion, later) = rest.split_at(portion(rest));
        events.push(event::history(portion, complete));
        rest = later;
    }
    events
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
