//! The answer to a request: the bytes to write, and the outcome.

use http::StatusCode;
use http::header::{self, HeaderMap, HeaderValue};

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
            response: encode(rejection.response().map(Some)),
            error: Box::new(rejection.into()),
        }
    }
}

/// The callback's refusal. A response that says success is none: the peer gets 500.
fn refusal(response: ErrorResponse) -> Refusal {
    if response.status().is_success() || response.status().is_informational() {
        let mut response = ErrorResponse::new(None);
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        return Refusal {
            response: encode(response),
            error: Box::new(Error::Protocol(ProtocolError::CustomResponseSuccessful)),
        };
    }
    let error = response.clone().map(|body| body.map(String::into_bytes));
    Refusal {
        response: encode(response),
        error: Box::new(Error::Http(Box::new(error))),
    }
}

/// Returns the bytes of a response after which the connection ends.
fn encode(mut response: ErrorResponse) -> Vec<u8> {
    let length = response.body().as_ref().map_or(0, String::len);
    let headers = response.headers_mut();
    if !headers.contains_key(header::CONTENT_LENGTH)
        && !headers.contains_key(header::TRANSFER_ENCODING)
    {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    if !headers
        .get_all(header::CONNECTION)
        .iter()
        .any(|value| value == "close")
    {
        headers.append(header::CONNECTION, HeaderValue::from_static("close"));
    }
    let mut bytes = server::encode(&response);
    bytes.extend_from_slice(response.body().as_deref().unwrap_or_default().as_bytes());
    bytes
}
