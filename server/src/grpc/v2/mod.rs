//! Rooms over gRPC, `chat.v2.ChatService`: the same rooms, limits and tokens as over WebSocket.

mod encoded;
mod event;
mod outgoing;
mod session;
mod status;

use std::sync::Arc;

use futures_util::stream::{BoxStream, StreamExt};
use tonic::{Request, Response, Status, Streaming};

use super::proto_v2::{ConverseRequest, SendRequest, SendResponse, SubscribeRequest};
use super::rooms::chat_service_server::ChatService;
use crate::context::Context;
use crate::limits::Permit;
use crate::routes::bearer_token;
use crate::turns::Credentials;
pub(super) use encoded::{EncodedCodec, EncodedEvent};
use outgoing::{Outgoing, channel};
use rooms::participant::{Member, Welcome};
use rooms::{Participant, Refusal, Right};
use session::Subscription;
use status::status;

/// Rooms over gRPC.
#[derive(Clone)]
pub(super) struct Rooms {
    context: Arc<Context>,
}

type Events = BoxStream<'static, Result<EncodedEvent, Status>>;

impl Rooms {
    pub(super) fn new(context: &Arc<Context>) -> Self {
        Self {
            context: Arc::clone(context),
        }
    }

    /// Counts a stream with the WebSockets for as long as the permit lives.
    fn place(&self, credentials: &Credentials) -> Result<Permit, Status> {
        let permit = self.context.websockets.admit(credentials.peer.counted());
        permit.map_err(|full| Status::resource_exhausted(full.stream_text().trim_end()))
    }

    /// Admits the sender of a call.
    async fn admit(&self, credentials: Credentials) -> Result<Participant, Status> {
        let admitted = self.context.admit(credentials).await;
        admitted.map_err(|refusal| status(&refusal))
    }
}

#[tonic::async_trait]
impl ChatService for Rooms {
    type SubscribeStream = Events;
    type ConverseStream = Events;

    async fn send(&self, request: Request<SendRequest>) -> Result<Response<SendResponse>, Status> {
        let participant = self.admit(credentials(&request)?).await?;
        let request = request.into_inner();
        let sending = async {
            let visit = participant.visit(&request.room, Right::Publish)?;
            let (from, id) = (Some(request.sender.as_str()), Some(request.id.as_str()));
            visit.post(from, request.text.into(), id).await
        };
        let posted = sending.await.map_err(|refusal| status(&refusal))?;
        Ok(Response::new(match posted.published {
            Some(published) => SendResponse {
                position: published.position.to_string(),
                duplicate: published.duplicate,
                provisional: false,
            },
            None => SendResponse {
                provisional: true,
                ..SendResponse::default()
            },
        }))
    }

    async fn subscribe(
        &self,
        request: Request<SubscribeRequest>,
    ) -> Result<Response<Events>, Status> {
        let credentials = credentials(&request)?;
        let permit = self.place(&credentials)?;
        let participant = self.admit(credentials).await?;
        let (expiry, patience) = (participant.expiry(), self.context.write_timeout);
        let joining = expiry.bound(join(participant, request.get_ref()));
        let joined = joining.await.and_then(|joined| joined);
        let (member, welcome) = joined.map_err(|refusal| status(&refusal))?;
        let (sender, events) = channel(permit);
        tokio::spawn(async move {
            let session = Subscription::new(member, &sender, patience, None);
            let ended = expiry.bound(session.run(welcome)).await;
            finish(&sender, ended);
        });
        Ok(Response::new(events.boxed()))
    }

    async fn converse(
        &self,
        request: Request<Streaming<ConverseRequest>>,
    ) -> Result<Response<Events>, Status> {
        let credentials = credentials(&request)?;
        let permit = self.place(&credentials)?;
        let participant = self.admit(credentials).await?;
        let (expiry, context) = (participant.expiry(), Arc::clone(&self.context));
        let mut requests = request.into_inner();
        let (sender, events) = channel(permit);
        tokio::spawn(async move {
            let conversing = async {
                let first = session::first(&context, &mut requests, &sender).await?;
                let joined = join(participant, &first).await;
                let (member, welcome) = joined.map_err(|refusal| status(&refusal))?;
                let patience = context.write_timeout;
                let session = Subscription::new(member, &sender, patience, Some(requests));
                session.run(welcome).await
            };
            let ended = expiry.bound(conversing).await;
            finish(&sender, ended);
        });
        Ok(Response::new(events.boxed()))
    }
}

/// Returns the credentials of a call.
fn credentials<T>(request: &Request<T>) -> Result<Credentials, Status> {
    let token = bearer_token(request.metadata().as_ref());
    let credentials = Credentials::new(token, request.extensions());
    credentials.ok_or_else(|| Status::internal("the connection of this call is unknown"))
}

/// Joins as a request says.
async fn join(
    participant: Participant,
    request: &SubscribeRequest,
) -> Result<(Member, Welcome), Refusal> {
    let (name, since) = (Some(request.name.as_str()), Some(request.since.as_str()));
    participant.join(&request.room, name, since).await
}

/// Ends a stream of events: with a status, unless both sides have had enough.
fn finish(sender: &Outgoing, ended: Result<Result<(), Status>, Refusal>) {
    if let Err(status) = ended.unwrap_or_else(|refusal| Err(status(&refusal))) {
        sender.fail(status);
    }
}
