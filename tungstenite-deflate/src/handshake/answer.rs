//! The answer to a request: the bytes to write, and the outcome.

use std::io;
use std::time::Duration;

use http::header::{self, HeaderMap, HeaderValue};
use http::{Response, StatusCode};

use super::rejection::Rejection;
use super::server;
use crate::deflate::{Agreed, DeflateConfig};
use crate::tungstenite::Error;
use crate::tungstenite::error::ProtocolError;
use crate::tungstenite::handshake::server::{Callback, ErrorResponse, Request};

/// A response after which the connection ends.
pub(crate) struct Refusal {
    /// The bytes to write.
    pub(crate) response: Vec<u8>,
    /// The error to report. Boxed: the future of every accepted connection would otherwise keep room for it.
    pub(crate) error: Box<Error>,
}

/// Returns the bytes that accept `request`, once the callback agrees, and the extension that they name.
pub(crate) fn accept<C: Callback>(
    request: &Request,
    callback: C,
    deflate: Option<&DeflateConfig>,
) -> Result<(Vec<u8>, Option<Agreed>), Refusal> {
    let (response, agreed) = server::accept(request, deflate)?;
    let extensions = response
        .headers()
        .get(header::SEC_WEBSOCKET_EXTENSIONS)
        .cloned();
    let response = callback.on_request(request, response).map_err(refusal)?;
    let head = [
        server::interim_response(request),
        &server::encode(&response),
    ];
    let agreed = agreed.filter(|_| names_only(response.headers(), extensions.as_ref()));
    Ok((head.concat(), agreed))
}

/// Returns whether the callback left the extensions as they were.
fn names_only(headers: &HeaderMap, extensions: Option<&HeaderValue>) -> bool {
    headers
        .get_all(header::SEC_WEBSOCKET_EXTENSIONS)
        .iter()
        .eq(extensions)
}

impl From<Rejection> for Refusal {
    fn from(rejection: Rejection) -> Self {
        Self {
            response: encode(rejection.response()),
            error: Box::new(rejection.into()),
        }
    }
}

impl Refusal {
    /// The request was not whole after `limit`.
    pub(crate) fn overdue(limit: Duration) -> Self {
        let text = format!("the request was not whole after {limit:?}");
        let mut response = Response::new(format!("{text}\n"));
        *response.status_mut() = StatusCode::REQUEST_TIMEOUT;
        Self {
            response: encode(response),
            error: Box::new(Error::Io(io::Error::new(io::ErrorKind::TimedOut, text))),
        }
    }
}

/// The callback's refusal.
fn refusal(response: ErrorResponse) -> Refusal {
    let error = response.clone().map(|body| body.map(String::into_bytes));
    match refuse(response.map(Option::unwrap_or_default)) {
        Ok(response) => Refusal {
            response,
            error: Box::new(Error::Http(Box::new(error))),
        },
        Err(refusal) => refusal,
    }
}

/// Returns the bytes of a response that refuses.
///
/// # Errors
/// Its status says success, and so refuses nothing: the peer gets 500.
pub(crate) fn refuse(response: Response<impl AsRef<[u8]>>) -> Result<Vec<u8>, Refusal> {
    if !(response.status().is_success() || response.status().is_informational()) {
        return Ok(encode(response));
    }
    let mut response = Response::new("");
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    Err(Refusal {
        response: encode(response),
        error: Box::new(Error::Protocol(ProtocolError::CustomResponseSuccessful)),
    })
}

/// Returns the bytes of a response after which the connection ends. It is framed by its body, whatever its headers say, so
/// that nothing can be read as a second response (RFC 9112 §6.3).
fn encode(mut response: Response<impl AsRef<[u8]>>) -> Vec<u8> {
    let length = response.body().as_ref().len();
    let headers = response.headers_mut();
    headers.remove(header::TRANSFER_ENCODING);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    if !headers
        .get_all(header::CONNECTION)
        .iter()
        .any(|value| value == "close")
    {
        headers.append(header::CONNECTION, HeaderValue::from_static("close"));
    }
    let mut bytes = server::encode(&response);
    bytes.extend_from_slice(response.body().as_ref());
    bytes
}
