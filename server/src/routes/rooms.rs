//! `/rooms/{room}/messages`: sending and reading without a socket.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router, middleware};
use http::{HeaderMap, Request, StatusCode, header};
use serde::{Deserialize, Serialize};

use super::bearer::token;
use super::history;
use super::problem::{problem, refused};
use crate::context::Context;
use crate::cors::{self, Sharing};
use crate::ledger::{Account, BodyError, Part};
use crate::turns::Credentials;
use rooms::participant::{Posted, Visit};
use rooms::{Epoch, MessageId, Position, Refusal, Right};

/// A message as it is posted.
#[derive(Debug, Deserialize)]
struct NewMessage {
    /// Name of the sender; not needed with a token.
    from: Option<String>,
    text: Arc<str>,
    id: Option<String>,
}

/// Response to a message.
#[derive(Debug, Serialize)]
struct Acknowledgement<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<Epoch>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a MessageId>,
    duplicate: bool,
}

/// Query for a portion of the history.
#[derive(Debug, Deserialize)]
struct Wanted {
    after: Option<Position>,
    before: Option<Position>,
    limit: Option<usize>,
}

/// The routes of rooms without a socket.
pub(crate) fn room_requests(context: &Arc<Context>) -> Router {
    let both = get(read).post(post).with_state(Arc::clone(context));
    Router::new()
        .route("/rooms/{room}/messages", both)
        .route_layer(middleware::from_fn_with_state(
            (Arc::clone(context), SHARING),
            cors::check,
        ))
}

/// Answers a request that is refused.
enum Refused {
    /// By the rooms.
    Participant(Refusal),
    /// By HTTP itself: a status, a word for the metrics, and why.
    Request(StatusCode, &'static str, String),
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self::Participant(refusal)
    }
}

/// Sends a message: 201 with its position, 202 while it waits for the backplane.
async fn post(
    State(context): State<Arc<Context>>,
    Path(room): Path<String>,
    request: Request<Body>,
) -> Response<Body> {
    let answer = try_post(&context, &room, request).await;
    answer.unwrap_or_else(|refusal| respond(&context, refusal))
}

/// Gives messages that are kept.
async fn read(
    State(context): State<Arc<Context>>,
    Path(room): Path<String>,
    request: Request<Body>,
) -> Response<Body> {
    let answer = try_read(&context, &room, request).await;
    answer.unwrap_or_else(|refusal| respond(&context, refusal))
}

async fn try_post(
    context: &Context,
    room: &str,
    request: Request<Body>,
) -> Result<Response<Body>, Refused> {
    let visit = visit(context, room, credentials(&request)?, Right::Publish).await?;
    if !is_json(request.headers()) {
        let detail = "the message is sent as application/json".to_owned();
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Err(Refused::Request(status, "malformed", detail));
    }
    let message = body(context, request).await?;
    let posting = visit.post(message.from.as_deref(), message.text, message.id.as_deref());
    Ok(acknowledgement(&posting.await?))
}

/// Reads the message that a request carries.
async fn body(context: &Context, request: Request<Body>) -> Result<NewMessage, Refused> {
    let max = context.rooms.settings().max_text_bytes;
    let bytes = match to_bytes(request.into_body(), max).await {
        Ok(bytes) => bytes,
        Err(error) if is_too_long(&error) => {
            let detail = format!("at most {max} bytes are allowed");
            let status = StatusCode::PAYLOAD_TOO_LARGE;
            return Err(Refused::Request(status, "too_long", detail));
        }
        Err(error) => return Err(unread(&error)),
    };
    serde_json::from_slice(&bytes).map_err(|error| malformed(format!("the body: {error}")))
}

/// The reason for which a body was not read to its end.
fn unread(error: &axum::Error) -> Refused {
    let (status, word) = match BodyError::of(error) {
        Some(BodyError::Spent) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        Some(BodyError::Stalled) => (StatusCode::REQUEST_TIMEOUT, "malformed"),
        None => return malformed("the body ended early".to_owned()),
    };
    Refused::Request(status, word, error.to_string())
}

/// The response to a message that was taken.
fn acknowledgement(posted: &Posted) -> Response<Body> {
    let published = posted.published;
    let acknowledgement = Acknowledgement {
        epoch: published.map(|published| published.position.epoch),
        offset: published.map(|published| published.position.offset),
        id: posted.id.as_ref(),
        duplicate: published.is_some_and(|published| published.duplicate),
    };
    let status = match published {
        None => StatusCode::ACCEPTED,
        Some(published) if published.duplicate => StatusCode::OK,
        Some(_) => StatusCode::CREATED,
    };
    (status, Json(acknowledgement)).into_response()
}

async fn try_read(
    context: &Context,
    room: &str,
    request: Request<Body>,
) -> Result<Response<Body>, Refused> {
    let visit = visit(context, room, credentials(&request)?, Right::History).await?;
    let Query(wanted) = Query::<Wanted>::try_from_uri(request.uri())
        .map_err(|error| malformed(format!("the query: {error}")))?;
    let account = request.extensions().get::<Account>().cloned();
    // A body, which nobody asked for, need not be kept while the store answers.
    drop(request);
    let reading = visit.history(wanted.before, wanted.after, wanted.limit);
    let history = reading.await?;
    let account = account.ok_or_else(unknown_connection)?;
    let memory = account.budget(Part::Responses);
    history::response(history, &memory).map_err(|_| {
        account.refused(Part::Responses);
        let detail = "the server has no memory left for this history, try again later";
        Refused::Request(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            detail.to_owned(),
        )
    })
}

/// Answers a request that did not come over a connection of ours.
fn unknown_connection() -> Refused {
    let detail = "the connection of this request is unknown".to_owned();
    Refused::Request(StatusCode::INTERNAL_SERVER_ERROR, "malformed", detail)
}

/// Returns the credentials of a request.
fn credentials(request: &Request<Body>) -> Result<Credentials, Refused> {
    let credentials = Credentials::new(token(request.headers()), request.extensions());
    credentials.ok_or_else(unknown_connection)
}

/// Checks everything that does not need the body; the Origin has been checked by [`cors`].
async fn visit(
    context: &Context,
    room: &str,
    credentials: Credentials,
    right: Right,
) -> Result<Visit, Refused> {
    let participant = context.admit(credentials).await?;
    Ok(participant.visit(room, right)?)
}

fn malformed(detail: String) -> Refused {
    Refused::Request(StatusCode::BAD_REQUEST, "malformed", detail)
}

/// The response to a request that is refused.
fn respond(context: &Context, refusal: Refused) -> Response<Body> {
    match refusal {
        Refused::Participant(refusal) => refused(&refusal),
        Refused::Request(status, reason, detail) => {
            context.rooms.counts().reject(reason);
            problem(status, &detail)
        }
    }
}

/// Returns true if the body is declared as JSON.
fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE);
    let text = value.and_then(|value| value.to_str().ok()).unwrap_or("");
    let media_type = text.split(';').next().unwrap_or("").trim();
    media_type.eq_ignore_ascii_case("application/json")
}

/// Returns true if reading failed because of the limit.
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

/// Pages may post and read, and see when to try again and what their token lacks.
const SHARING: Sharing = Sharing {
    methods: "GET, HEAD, POST",
    request_headers: "authorization, content-type",
    response_headers: "retry-after, www-authenticate",
    refuse: |text| problem(StatusCode::FORBIDDEN, text),
};
