//! `/rooms/{room}/messages`: sending and reading without a socket.

use std::sync::Arc;
use std::time::Instant;

use axum::body::{Body, to_bytes};
use axum::extract::{Path, Query as UriQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{HeaderMap, Request, StatusCode, header};
use serde::{Deserialize, Serialize};
use values::limiter::{KeyedRateLimiter, source};

use super::bearer::{denied, insufficient, problem, token};
use super::chat::MessageBody;
use crate::access::{Grant, MAX_ADDRESSES, Right};
use crate::connection::Connection;
use crate::rooms::backplane::{Query, Range};
use crate::rooms::{Epoch, MemberName, MessageId, Position, Post, Receipt, RoomName};
use crate::router::{Context, authority};

/// What the handlers need.
#[derive(Clone)]
struct Rooms {
    context: Arc<Context>,
    rates: Arc<KeyedRateLimiter>,
}

/// A message as it is posted.
#[derive(Debug, Deserialize)]
struct Posted {
    /// Who sends it; not needed with a token.
    from: Option<MemberName>,
    text: Arc<str>,
    id: Option<MessageId>,
}

/// What became of it.
#[derive(Debug, Serialize)]
struct Placed<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<Epoch>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a MessageId>,
    duplicate: bool,
}

/// What is wanted of the history.
#[derive(Debug, Deserialize)]
struct Wanted {
    after: Option<Position>,
    before: Option<Position>,
    limit: Option<usize>,
}

/// Messages that are kept.
#[derive(Debug, Serialize)]
struct Kept<'a> {
    messages: Vec<MessageBody<'a>>,
    complete: bool,
    more: bool,
    /// The room's end.
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<Position>,
}

/// The routes of rooms without a socket.
pub(crate) fn room_requests(context: &Arc<Context>) -> Router {
    let settings = context.rooms.settings();
    let rates = KeyedRateLimiter::new(settings.message_rate(), MAX_ADDRESSES);
    let rooms = Rooms {
        context: Arc::clone(context),
        rates: Arc::new(rates),
    };
    let both = get(read).post(post);
    Router::new().route("/rooms/{room}/messages", both.with_state(rooms))
}

/// Sends a message: 201 with its place, 202 while it waits for the backplane.
async fn post(
    State(rooms): State<Rooms>,
    Path(room): Path<String>,
    request: Request<Body>,
) -> Response<Body> {
    let answer = try_post(&rooms, &room, request).await;
    answer.unwrap_or_else(|refusal| rooms.refused(*refusal))
}

/// Gives messages that are kept.
async fn read(
    State(rooms): State<Rooms>,
    Path(room): Path<String>,
    request: Request<Body>,
) -> Response<Body> {
    let wanted = wanted(&rooms, &room, &request);
    // A body, which nobody asked for, need not be kept while the store answers.
    drop(request);
    let answer = match wanted {
        Ok((room, query)) => recall(&rooms, &room, query).await,
        Err(refusal) => Err(refusal),
    };
    answer.unwrap_or_else(|refusal| rooms.refused(*refusal))
}

type Refusal = Box<Response<Body>>;

fn refuse<T>(status: StatusCode, detail: &str) -> Result<T, Refusal> {
    Err(Box::new(problem(status, detail)))
}

async fn try_post(
    rooms: &Rooms,
    room: &str,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let (grant, room) = rooms.admit(room, &request, Right::Publish)?;
    if !is_json(request.headers()) {
        let detail = "the message is sent as application/json";
        return refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail);
    }
    let hub = &rooms.context.rooms;
    let most = hub.settings().max_text_bytes;
    let body = match to_bytes(request.into_body(), most).await {
        Ok(body) => body,
        Err(error) if is_too_long(&error) => {
            let detail = format!("at most {most} bytes are allowed");
            return refuse(StatusCode::PAYLOAD_TOO_LARGE, &detail);
        }
        Err(_) => return refuse(StatusCode::BAD_REQUEST, "the body ended early"),
    };
    let posted: Posted = match serde_json::from_slice(&body) {
        Ok(posted) => posted,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, &format!("the body: {error}")),
    };
    let from = match (grant.name().cloned(), posted.from) {
        (Some(name), Some(from)) if name != from => {
            return refuse(StatusCode::FORBIDDEN, "the token is for another name");
        }
        (Some(name), _) | (None, Some(name)) => name,
        (None, None) => return refuse(StatusCode::BAD_REQUEST, "the body: `from` is missing"),
    };
    if posted.text.is_empty() {
        return refuse(StatusCode::BAD_REQUEST, "the body: `text` is empty");
    }
    let id = posted.id.clone();
    let post = Post {
        from,
        member: None,
        text: posted.text,
        id: posted.id,
    };
    match hub.publish(&room, post).await {
        Ok(Receipt::Stored(published)) => {
            let placed = Placed {
                epoch: Some(published.position.epoch),
                offset: Some(published.position.offset),
                id: id.as_ref(),
                duplicate: published.duplicate,
            };
            let status = if published.duplicate {
                StatusCode::OK
            } else {
                StatusCode::CREATED
            };
            Ok((status, Json(placed)).into_response())
        }
        Ok(Receipt::Provisional(_)) => {
            let placed = Placed {
                epoch: None,
                offset: None,
                id: id.as_ref(),
                duplicate: false,
            };
            Ok((StatusCode::ACCEPTED, Json(placed)).into_response())
        }
        Err(error) => refuse(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
    }
}

/// What is wanted of which room.
fn wanted(
    rooms: &Rooms,
    room: &str,
    request: &Request<Body>,
) -> Result<(RoomName, Query), Refusal> {
    let (_, room) = rooms.admit(room, request, Right::History)?;
    let wanted = match UriQuery::<Wanted>::try_from_uri(request.uri()) {
        Ok(UriQuery(wanted)) => wanted,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, &format!("the query: {error}")),
    };
    let range = match (wanted.before, wanted.after) {
        (None, None) => Range::Newest,
        (Some(before), None) => Range::Before(before),
        (None, Some(after)) => Range::After(after),
        (Some(_), Some(_)) => {
            let detail = "the query: before or after, not both";
            return refuse(StatusCode::BAD_REQUEST, detail);
        }
    };
    let query = Query {
        range,
        max_messages: wanted.limit.unwrap_or(DEFAULT_LIMIT),
        max_bytes: usize::MAX,
    };
    Ok((room, query))
}

async fn recall(rooms: &Rooms, room: &RoomName, query: Query) -> Result<Response<Body>, Refusal> {
    match rooms.context.rooms.history(room, query).await {
        Ok(history) => {
            let kept = Kept {
                messages: history.messages.iter().map(MessageBody::stored).collect(),
                complete: history.complete,
                more: history.more,
                end: history.end,
            };
            Ok(Json(kept).into_response())
        }
        Err(error) => refuse(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
    }
}

impl Rooms {
    /// Checks everything that does not need the body.
    fn admit(
        &self,
        room: &str,
        request: &Request<Body>,
        right: Right,
    ) -> Result<(Grant, RoomName), Refusal> {
        let context = &self.context;
        let Some(connection) = request.extensions().get::<Arc<Connection>>() else {
            let detail = "the connection of this request is unknown";
            return refuse(StatusCode::INTERNAL_SERVER_ERROR, detail);
        };
        let authority = authority(request).unwrap_or_default();
        if !context.origins.allow(request.headers(), authority) {
            return refuse(StatusCode::FORBIDDEN, "this page's Origin may not do this");
        }
        let (address, now) = (connection.peer.ip(), Instant::now());
        let grant = context.access.check(token(request.headers()), address, now);
        let grant = grant.map_err(|error| Box::new(denied(&error)))?;
        let room: RoomName = match room.parse() {
            Ok(room) => room,
            Err(error) => return refuse(StatusCode::BAD_REQUEST, &format!("{error}")),
        };
        if !grant.may(right, &room) {
            return Err(Box::new(insufficient(right.name(), room.as_str())));
        }
        if self.rates.admit(source(address), now).is_err() {
            let detail = "too many requests from this address, try again in a second";
            return refuse(StatusCode::TOO_MANY_REQUESTS, detail);
        }
        Ok((grant, room))
    }

    /// Counts a refusal.
    fn refused(&self, refusal: Response<Body>) -> Response<Body> {
        let reason = match refusal.status() {
            StatusCode::UNAUTHORIZED => "token",
            StatusCode::FORBIDDEN => "forbidden",
            StatusCode::PAYLOAD_TOO_LARGE => "too_long",
            StatusCode::TOO_MANY_REQUESTS => "rate",
            StatusCode::SERVICE_UNAVAILABLE => "unavailable",
            _ => "malformed",
        };
        self.context.rooms.counts().reject(reason);
        refusal
    }
}

/// Whether the body is said to be JSON.
fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE);
    let text = value.and_then(|value| value.to_str().ok()).unwrap_or("");
    let media_type = text.split(';').next().unwrap_or("").trim();
    media_type.eq_ignore_ascii_case("application/json")
}

/// Whether reading failed because of the limit.
fn is_too_long(error: &axum::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if error.is::<http_body_util::LengthLimitError>() {
            return true;
        }
        source = error.source();
    }
    false
}

/// Messages that are given to somebody who does not say how many.
const DEFAULT_LIMIT: usize = 50;
