//! `/chat/{room}`: rooms over WebSocket.

mod closing;
mod join_request;
mod json;
mod session;
mod speaker;
mod text;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::any;
use http::{Method, Request, header};

use crate::context::Context;
use crate::metrics::RefusalLabels;
use crate::request::may_call;
use crate::route::{Endpoint, Running};
use crate::routes::{bearer, problem};
use crate::turns::Credentials;
use crate::upgrade;
use join_request::JoinRequest;
use rooms::{Participant, Refusal, Right};

pub(super) use json::MessageBody;
pub(crate) use json::Request as ChatRequest;
pub(crate) use text::message as line;

/// Subprotocols of this route: JSON objects; `chat` speaks lines of text, as no subprotocol does.
const PROTOCOLS: &[&str] = &["chat.v1.json", "chat"];

/// The path, as axum writes it.
const PATH: &str = "/chat/{room}";

/// The route of rooms over WebSocket.
pub(crate) fn chat(context: &Arc<Context>) -> Router {
    let max = context.rooms.settings().max_message_bytes();
    let endpoint = Endpoint::new(PATH, PROTOCOLS).max_message_bytes(max);
    let state = (Arc::clone(context), Arc::new(endpoint));
    // Any method: HTTP/2 arrives as CONNECT.
    Router::new().route(PATH, any(open).with_state(state))
}

/// Admits the participant, then lets the request become a WebSocket.
///
/// Faults of names are reported over the WebSocket, since a browser does not show a page the text of a refusal; a token
/// that is not good is refused before.
async fn open(
    State((context, endpoint)): State<(Arc<Context>, Arc<Endpoint>)>,
    Path(room): Path<String>,
    request: Request<Body>,
) -> Response<Body> {
    let participant = match admit(&context, &room, credentials(&context, &request)).await {
        Ok(participant) => participant,
        Err(refusal) => return refuse(&context, &refusal),
    };
    let entry = participant.map(|participant| {
        let entry = JoinRequest::read(&room, request.uri());
        (
            participant,
            entry.map_err(|refusal| context.participants.refuse(refusal)),
        )
    });
    let (hub, deflate) = (context.rooms.clone(), context.options.deflate.clone());
    upgrade::open(&context, &endpoint, request, |socket, info| -> Running {
        Box::pin(async move {
            // Without an entry the request was refused.
            if let Some((participant, entry)) = entry {
                session::run(hub, deflate, participant, entry, socket, info).await;
            }
        })
    })
}

/// Returns the credentials of a request; `None` if the upgrade will refuse it anyway.
///
/// A request for no WebSocket is told so without a token, and a page whose Origin may not connect does not spend
/// its visitor's attempts.
fn credentials(context: &Context, request: &Request<Body>) -> Option<Credentials> {
    let is_websocket =
        request.method() == Method::CONNECT || request.headers().contains_key(header::UPGRADE);
    let may_connect = is_websocket && may_call(&context.origins, request);
    let credentials = || Credentials::new(bearer::token(request.headers()), request.extensions());
    may_connect.then(credentials)?
}

/// Admits the sender of a request who shows something.
async fn admit(
    context: &Context,
    room: &str,
    credentials: Option<Credentials>,
) -> Result<Option<Participant>, Refusal> {
    let Some(credentials) = credentials else {
        return Ok(None);
    };
    let participant = context.admit(credentials).await?;
    match participant.require(Right::Join, room) {
        Err(refusal @ Refusal::Forbidden { .. }) => Err(refusal),
        // A name that is none gets its answer later.
        _ => Ok(Some(participant)),
    }
}

/// The response to somebody who may not enter.
fn refuse(context: &Context, refusal: &Refusal) -> Response<Body> {
    let response = problem::refused(refusal);
    let status = response.status();
    let labels = RefusalLabels {
        route: PATH,
        status: status.as_u16(),
    };
    let refused = &context.metrics.refused_upgrades;
    refused.get_or_create(&labels).inc();
    response
}
