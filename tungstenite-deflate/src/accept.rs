//! Servers: from a stream to a WebSocket connection.

use bytes::BytesMut;
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderValue};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::deflate::Agreed;
use crate::exchange::{part, read_more, write, write_last};
use crate::handshake::Rejection;
use crate::handshake::server::{self, RequestReader};
use crate::options::{HeadLimits, Options};
use crate::stream::WebSocketStream;
use crate::tungstenite::Error;
use crate::tungstenite::error::ProtocolError;
use crate::tungstenite::handshake::server::{
    Callback, ErrorResponse, NoCallback, Request, Response,
};
use crate::tungstenite::protocol::{Role, WebSocketConfig};

/// Accepts a WebSocket connection: reads the client's request from `stream`, and answers it.
///
/// permessage-deflate is agreed if the client offers it; [`accept_async_with_options`] chooses.
///
/// # Errors
/// The request is not an opening handshake, then it was answered with the fitting status
/// ([`Rejection`]); or the stream failed.
///
/// # Cancel safety
/// Dropping the future drops the stream, and so closes the connection: that is how a deadline is set.
pub async fn accept_async<S>(stream: S) -> Result<WebSocketStream<S>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    accept(stream, NoCallback, Options::drop_in(None)).await
}

/// [`accept_async`] with tungstenite's configuration.
///
/// # Errors
/// As for [`accept_async`].
pub async fn accept_async_with_config<S>(
    stream: S,
    config: Option<WebSocketConfig>,
) -> Result<WebSocketStream<S>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    accept(stream, NoCallback, Options::drop_in(config)).await
}

/// [`accept_async`] with everything that can be chosen.
///
/// # Errors
/// As for [`accept_async`].
pub async fn accept_async_with_options<S>(
    stream: S,
    options: impl Into<Options>,
) -> Result<WebSocketStream<S>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    accept(stream, NoCallback, options.into()).await
}

/// [`accept_async`] with a callback that sees the request and may change the response or refuse.
///
/// The callback is called with requests that passed all checks only. The response it gets names the extension that is
/// about to be agreed; if it gives back another Sec-WebSocket-Extensions or none, the connection is uncompressed. A refusal
/// is sent with Content-Length and `Connection: close` unless it has its own.
///
/// # Errors
/// As for [`accept_async`]; [`Error::Http`] with the callback's response if it refused.
pub async fn accept_hdr_async<S, C>(stream: S, callback: C) -> Result<WebSocketStream<S>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
    C: Callback + Unpin,
{
    accept(stream, callback, Options::drop_in(None)).await
}

/// [`accept_hdr_async`] with tungstenite's configuration.
///
/// # Errors
/// As for [`accept_hdr_async`].
pub async fn accept_hdr_async_with_config<S, C>(
    stream: S,
    callback: C,
    config: Option<WebSocketConfig>,
) -> Result<WebSocketStream<S>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
    C: Callback + Unpin,
{
    accept(stream, callback, Options::drop_in(config)).await
}

/// [`accept_hdr_async`] with everything that can be chosen.
///
/// # Errors
/// As for [`accept_hdr_async`].
pub async fn accept_hdr_async_with_options<S, C>(
    stream: S,
    callback: C,
    options: impl Into<Options>,
) -> Result<WebSocketStream<S>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
    C: Callback + Unpin,
{
    accept(stream, callback, options.into()).await
}

async fn accept<S, C>(
    mut stream: S,
    callback: C,
    options: Options,
) -> Result<WebSocketStream<S>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
    C: Callback + Unpin,
{
    let mut buffer = BytesMut::new();
    let request = read_request(&mut stream, &mut buffer, options.limits.head).await?;
    let (response, agreed) = match server::accept(&request, options.deflate.as_ref()) {
        Ok(accepted) => accepted,
        Err(rejection) => return Err(reject(&mut stream, rejection).await),
    };
    let answered = answered(callback, &request, response, agreed);
    // Else the future keeps it while it writes.
    drop(request);
    let (head, agreed) = match answered {
        Ok(accepted) => accepted,
        Err(refusal) => return Err(refuse(&mut stream, *refusal).await),
    };
    write(&mut stream, &head).await?;
    Ok(WebSocketStream::with_options(
        stream,
        part(buffer),
        Role::Server,
        options,
        agreed,
    ))
}

/// Returns the bytes that accept `request`, once the callback agrees, and the extension that they name.
fn answered<C: Callback>(
    callback: C,
    request: &Request,
    response: Response,
    agreed: Option<Agreed>,
) -> Result<(Vec<u8>, Option<Agreed>), Box<ErrorResponse>> {
    let extensions = response
        .headers()
        .get(header::SEC_WEBSOCKET_EXTENSIONS)
        .cloned();
    let response = callback.on_request(request, response)?;
    let head = [
        server::interim_response(request),
        &server::encode(&response),
    ];
    let agreed = agreed.filter(|_| names_only(response.headers(), extensions.as_ref()));
    Ok((head.concat(), agreed))
}

async fn read_request<S>(
    stream: &mut S,
    buffer: &mut BytesMut,
    limits: HeadLimits,
) -> Result<Request, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut reader = RequestReader::new(limits);
    loop {
        read_more(stream, buffer).await?;
        match reader.receive(buffer) {
            Ok(Some(request)) => return Ok(request),
            Ok(None) => {}
            Err(rejection) => return Err(reject(stream, rejection).await),
        }
    }
}

/// Whether the callback left the extensions as they were.
fn names_only(headers: &HeaderMap, extensions: Option<&HeaderValue>) -> bool {
    headers
        .get_all(header::SEC_WEBSOCKET_EXTENSIONS)
        .iter()
        .eq(extensions)
}

async fn reject<S>(stream: &mut S, rejection: Rejection) -> Error
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    // Boxed, here and below: the future of every accepted connection would otherwise keep room for it.
    Box::pin(answer(stream, rejection.response().map(Some))).await;
    rejection.into()
}

async fn refuse<S>(stream: &mut S, refusal: ErrorResponse) -> Error
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if refusal.status().is_success() || refusal.status().is_informational() {
        let mut response = ErrorResponse::new(None);
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        Box::pin(answer(stream, response)).await;
        return Error::Protocol(ProtocolError::CustomResponseSuccessful);
    }
    Box::pin(answer(stream, refusal.clone())).await;
    Error::Http(Box::new(refusal.map(|body| body.map(String::into_bytes))))
}

/// Sends a response after which the connection ends.
async fn answer<S>(stream: &mut S, mut response: ErrorResponse)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
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
    write_last(stream, &bytes).await;
}
