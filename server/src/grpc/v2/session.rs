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
use rooms::history::portions;
use rooms::participant::{Member, Next, Notice, Request, Welcome};
use rooms::{Refusal, Rendering, Seen};

/// Somebody in a room.
pub(super) struct Subscription<'a> {
    member: Member,
    outgoing: &'a Outgoing,
    /// Maximum time for a client to take one event.
    patience: Duration,
    /// `None` for those who only listen, and once the client has said everything.
    requests: Option<Streaming<ConverseRequest>>,
    /// True if the stream ends once all requests of the client are settled.
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
    /// Somebody who has joined; with `requests`, its requests are read too.
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
                Next::Settled(notice) => self.notify(notice).await?,
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
        let notice = self.member.request(request).await;
        self.notify(notice.map_err(|refusal| status(&refusal))?)
            .await
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

    /// Tells the member what concerns it alone.
    async fn notify(&mut self, notice: Option<Notice>) -> Result<(), Status> {
        let kind = match notice {
            // A conversation does not ask for history.
            None | Some(Notice::History(_)) => return Ok(()),
            Some(Notice::Stored { id, published }) => event::ack(&id, &published),
            Some(Notice::Renewed(end)) => event::renewed(end),
            Some(Notice::Refused { id, refusal }) => event::error(id.as_ref(), &refusal),
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

/// Events for a new member: where it is, and what it missed.
fn greeting(welcome: &Welcome) -> Vec<Kind> {
    let mut events = vec![event::joined(welcome)];
    let Some(replay) = &welcome.replay else {
        return events;
    };
    events.extend(replay.gap.as_ref().map(event::gap));
    let complete = replay.gap.is_none();
    events.extend(portions(&replay.messages).map(|(portion, _)| event::history(portion, complete)));
    events
}
