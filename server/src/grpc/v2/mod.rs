//! Rooms over gRPC, `chat.v2.ChatService`: the same rooms, limits and tokens as over WebSocket.

mod encoded;
mod session;
mod told;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use futures_util::stream::{self, BoxStream, StreamExt};
use tokio::sync::mpsc;
use tonic::{Request, Response, Status, Streaming};
use values::limiter::{KeyedRateLimiter, source};

use super::proto_v2::{ConverseRequest, SendRequest, SendResponse, SubscribeRequest};
use super::rooms::chat_service_server::ChatService;
use crate::access::{Denied, Grant, MAX_ADDRESSES, Right};
use crate::connection::Peer;
use crate::rooms::backplane::PublishError;
use crate::rooms::{MemberName, MessageId, Position, Post, Receipt, RoomName};
use crate::router::Context;
use crate::routes::bearer_token;
pub(super) use encoded::{EncodedCodec, EncodedEvent};
use session::Session;

/// Rooms over gRPC.
#[derive(Clone)]
pub(super) struct Rooms {
    context: Arc<Context>,
    /// Messages that one address may send without joining.
    rates: Arc<KeyedRateLimiter>,
}

/// Who wants to join which room.
struct Wish {
    room: RoomName,
    name: MemberName,
    since: Option<Position>,
    grant: Grant,
}

type Events = BoxStream<'static, Result<EncodedEvent, Status>>;

impl Rooms {
    pub(super) fn new(context: &Arc<Context>) -> Self {
        let settings = context.rooms.settings();
        let rates = KeyedRateLimiter::new(settings.message_rate(), MAX_ADDRESSES);
        Self {
            context: Arc::clone(context),
            rates: Arc::new(rates),
        }
    }

    /// Looks at the token of a call.
    fn admit<T>(&self, request: &Request<T>) -> Result<(Grant, IpAddr), Status> {
        let Some(Peer(peer)) = request.extensions().get::<Peer>() else {
            return Err(Status::internal("the connection of this call is unknown"));
        };
        let token = bearer_token(request.metadata().as_ref());
        let checked = self.context.access.check(token, peer.ip(), Instant::now());
        let grant = checked.map_err(|error| self.reject("token", denied(&error)))?;
        Ok((grant, peer.ip()))
    }

    /// Counts a refusal.
    fn reject(&self, reason: &'static str, status: Status) -> Status {
        self.context.rooms.counts().reject(reason);
        status
    }

    /// The room, if the token allows this there.
    fn room(&self, name: &str, right: Right, grant: &Grant) -> Result<RoomName, Status> {
        let room: RoomName = name.parse().map_err(|error| self.wrong(&error))?;
        if grant.may(right, &room) {
            return Ok(room);
        }
        let text = format!("the token does not allow to {} in {room}", right.name());
        Err(self.reject("forbidden", Status::permission_denied(text)))
    }

    /// The name that a caller goes by.
    fn name(&self, asked: &str, grant: &Grant) -> Result<MemberName, Status> {
        let asked = Some(asked)
            .filter(|asked| !asked.is_empty())
            .map(str::parse);
        let asked: Option<MemberName> = asked.transpose().map_err(|error| self.wrong(&error))?;
        match (grant.name().cloned(), asked) {
            (Some(name), Some(asked)) if name != asked => Err(self.reject(
                "forbidden",
                Status::permission_denied("the token is for another name"),
            )),
            (Some(name), _) | (None, Some(name)) => Ok(name),
            (None, None) => Err(self.wrong(&"a name is missing")),
        }
    }

    fn wrong(&self, problem: &dyn std::fmt::Display) -> Status {
        self.reject("malformed", Status::invalid_argument(problem.to_string()))
    }

    /// Reads a request to join.
    fn wish(&self, request: &SubscribeRequest, grant: Grant) -> Result<Wish, Status> {
        let room = self.room(&request.room, Right::Join, &grant)?;
        let name = self.name(&request.name, &grant)?;
        let since = Some(request.since.as_str()).filter(|since| !since.is_empty());
        let since: Option<Position> = since
            .map(str::parse)
            .transpose()
            .map_err(|error| self.wrong(&error))?;
        if since.is_some() && !grant.may(Right::History, &room) {
            let text = "the token does not allow history, so no since either";
            return Err(self.reject("forbidden", Status::permission_denied(text)));
        }
        Ok(Wish {
            room,
            name,
            since,
            grant,
        })
    }
}

#[tonic::async_trait]
impl ChatService for Rooms {
    type SubscribeStream = Events;
    type ConverseStream = Events;

    async fn send(&self, request: Request<SendRequest>) -> Result<Response<SendResponse>, Status> {
        let (grant, address) = self.admit(&request)?;
        let request = request.into_inner();
        let room = self.room(&request.room, Right::Publish, &grant)?;
        let from = self.name(&request.sender, &grant)?;
        if request.text.is_empty() {
            return Err(self.wrong(&"a message needs a text"));
        }
        let id = id(&request.id).map_err(|error| self.wrong(&error))?;
        if self.rates.admit(source(address), Instant::now()).is_err() {
            let text = "too many messages from this address, try again in a second";
            return Err(self.reject("rate", Status::resource_exhausted(text)));
        }
        let post = Post {
            from,
            member: None,
            text: request.text.into(),
            id,
        };
        match self.context.rooms.publish(&room, post).await {
            Ok(Receipt::Stored(published)) => Ok(Response::new(SendResponse {
                position: published.position.to_string(),
                duplicate: published.duplicate,
                provisional: false,
            })),
            Ok(Receipt::Provisional(_)) => Ok(Response::new(SendResponse {
                provisional: true,
                ..SendResponse::default()
            })),
            Err(PublishError::Unavailable(error)) => Err(Status::unavailable(error.to_string())),
            Err(error) => {
                let status = match error {
                    PublishError::TooLong { .. } => Status::resource_exhausted,
                    _ => Status::failed_precondition,
                };
                Err(self.reject(error.code(), status(error.to_string())))
            }
        }
    }

    async fn subscribe(
        &self,
        request: Request<SubscribeRequest>,
    ) -> Result<Response<Events>, Status> {
        let (grant, _) = self.admit(&request)?;
        let wish = self.wish(request.get_ref(), grant)?;
        let (this, (sender, events)) = (self.clone(), channel());
        tokio::spawn(async move {
            if let Err(status) = Session::subscribe(&this.context, wish, &sender).await {
                // Nobody hears it who is not there any more.
                let _ = sender.try_send(Err(status));
            }
        });
        Ok(Response::new(events))
    }

    async fn converse(
        &self,
        request: Request<Streaming<ConverseRequest>>,
    ) -> Result<Response<Events>, Status> {
        let (grant, _) = self.admit(&request)?;
        let mut requests = request.into_inner();
        let (this, (sender, events)) = (self.clone(), channel());
        tokio::spawn(async move {
            let conversing = async {
                let first = session::first(&this.context, &mut requests, &sender).await?;
                let wish = this.wish(&first, grant)?;
                Session::converse(&this.context, wish, requests, &sender).await
            };
            if let Err(status) = conversing.await {
                let _ = sender.try_send(Err(status));
            }
        });
        Ok(Response::new(events))
    }
}

/// Events on their way out. One may wait beside the one that is being sent; the others wait in the room.
fn channel() -> (session::Outgoing, Events) {
    // One more place than is ever filled with events, for the status at the end.
    let (sender, receiver) = mpsc::channel(2);
    let events = stream::unfold(receiver, |mut receiver| async {
        let event = receiver.recv().await?;
        Some((event, receiver))
    });
    (sender, events.boxed())
}

/// What a sender calls a message; empty for nothing.
fn id(text: &str) -> Result<Option<MessageId>, crate::rooms::message::IdError> {
    let id = Some(text).filter(|text| !text.is_empty());
    id.map(str::parse).transpose()
}

/// What somebody gets who may do nothing.
fn denied(denied: &Denied) -> Status {
    let text = denied.to_string();
    match denied {
        Denied::Missing | Denied::Invalid(_) => Status::unauthenticated(text),
        Denied::TooMany => Status::resource_exhausted(text),
        Denied::NotLocal => Status::permission_denied(text),
    }
}
