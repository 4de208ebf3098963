//! `/chat/{room}`: rooms over WebSocket.

mod entry;
mod json;
mod session;
mod speaker;
mod text;

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::any;
use http::{Method, Request, header};
use tracing::debug;

use crate::access::{Grant, Right};
use crate::connection::Connection;
use crate::metrics::RefusalLabels;
use crate::router::{Context, WebSocketRoute};
use crate::routes::bearer;
use crate::upgrade;
use entry::Entry;

pub(super) use json::MessageBody;
pub(crate) use json::Request as ChatRequest;
pub(crate) use text::message as line;

/// Subprotocols of this route: JSON objects; `chat` speaks lines of text, as no subprotocol does.
const PROTOCOLS: &[&str] = &["chat.v1.json", "chat"];

/// The path, as axum writes it.
const PATH: &str = "/chat/{room}";

/// The route of rooms over WebSocket.
pub(crate) fn chat(context: &Arc<Context>) -> Router {
    // Any method: HTTP/2 arrives as CONNECT.
    Router::new().route(PATH, any(open).with_state(Arc::clone(context)))
}

/// Looks at the token, then lets the request become a WebSocket.
///
/// What is wrong with names is told over the WebSocket, since a browser does not show a page what a refusal says; a token
/// that is not good is refused before.
async fn open(
    State(context): State<Arc<Context>>,
    Path(room): Path<String>,
    request: Request<Body>,
) -> Response<Body> {
    let grant = match admit(&context, &room, &request) {
        Ok(grant) => grant,
        Err(refusal) => {
            let status = refusal.status();
            debug!(%status, "refused to enter a room");
            let labels = RefusalLabels {
                route: PATH,
                status: status.as_u16(),
            };
            context
                .metrics
                .refused_upgrades
                .get_or_create(&labels)
                .inc();
            context.rooms.counts().reject("token");
            return *refusal;
        }
    };
    let entry = Entry::read(&room, request.uri(), grant);
    let (hub, deflate) = (context.rooms.clone(), context.options.deflate.clone());
    let most = hub.settings().max_text_bytes + ENVELOPE_BYTES;
    let mut route = WebSocketRoute::new(PATH, PROTOCOLS, move |socket, info| {
        session::run(hub.clone(), deflate.clone(), entry.clone(), socket, info)
    });
    route.max_message_bytes = Some(most);
    upgrade::open(&context, &route, request)
}

/// What the sender of a request may do. What asks for no WebSocket need not show a token to be told so.
fn admit(
    context: &Context,
    room: &str,
    request: &Request<Body>,
) -> Result<Grant, Box<Response<Body>>> {
    let is_websocket =
        request.method() == Method::CONNECT || request.headers().contains_key(header::UPGRADE);
    let connection = request.extensions().get::<Arc<Connection>>();
    let Some(connection) = connection.filter(|_| is_websocket) else {
        return Ok(Grant::everything());
    };
    let token = bearer::token(request.headers());
    let grant = context
        .access
        .check(token, connection.peer.ip(), Instant::now())
        .map_err(|denied| Box::new(bearer::denied(&denied)))?;
    // A name that is none gets its answer later.
    if let Ok(room) = room.parse()
        && !grant.may(Right::Join, &room)
    {
        return Err(Box::new(bearer::insufficient("join", room.as_str())));
    }
    Ok(grant)
}

/// What a message may have around its text.
const ENVELOPE_BYTES: usize = 1024;
