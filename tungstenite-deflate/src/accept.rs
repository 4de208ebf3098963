//! Servers: from a stream to a WebSocket connection.

use std::pin::Pin;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::deflate::Agreed;
use crate::exchange::{part, read_more, write, write_last};
use crate::handshake::answer::{self, Refusal};
use crate::handshake::server::RequestReader;
use crate::options::{HeadLimits, Options};
use crate::stream::WebSocketStream;
use crate::tungstenite::Error;
use crate::tungstenite::handshake::server::{Callback, NoCallback, Request};
use crate::tungstenite::protocol::{Role, WebSocketConfig};

/// Accepts a WebSocket connection: reads the client's request from `stream`, and answers it.
///
/// permessage-deflate is agreed if the client offers it; [`accept_async_with_options`] chooses.
///
/// # Errors
/// The request is not an opening handshake, then it was answered with the fitting status
/// ([`Rejection`](crate::handshake::Rejection)); or the stream failed.
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
/// is sent with Content-Length and `Connection: close`.
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
    let answered = answer::accept(&request, callback, options.deflate.as_ref());
    // Else the future keeps it while it writes.
    drop(request);
    let (head, agreed) = match answered {
        Ok(accepted) => accepted,
        Err(refusal) => return Err(refuse(&mut stream, refusal).await),
    };
    write(&mut stream, &head).await?;
    Ok(established(stream, buffer, options, agreed))
}

/// Hands the connection over once the response is written, with the bytes received after the request. Not asynchronous:
/// a future inside the caller's would hold stream and options a second time.
pub(crate) fn established<S>(
    stream: S,
    buffer: BytesMut,
    options: Options,
    agreed: Option<Agreed>,
) -> WebSocketStream<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    WebSocketStream::with_options(stream, part(buffer), Role::Server, options, agreed)
}

/// Reads the request within its deadline. The steps are boxed, since programs keep these futures in their tasks.
pub(crate) async fn read_request<S>(
    stream: &mut S,
    buffer: &mut BytesMut,
    limits: HeadLimits,
) -> Result<Request, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match limits.request_timeout {
        None => Box::pin(read_head(stream, buffer, limits)).await,
        Some(limit) => Box::pin(read_in_time(stream, buffer, limits, limit)).await,
    }
}

async fn read_in_time<S>(
    stream: &mut S,
    buffer: &mut BytesMut,
    limits: HeadLimits,
    limit: Duration,
) -> Result<Request, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let reading = read_head(stream, buffer, limits);
    match tokio::time::timeout(limit, reading).await {
        Ok(result) => result,
        Err(_) => Err(refuse(stream, Refusal::overdue(limit)).await),
    }
}

async fn read_head<S>(
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
            Err(rejection) => return Err(refuse(stream, Refusal::from(rejection)).await),
        }
    }
}

pub(crate) fn refuse<S>(
    stream: &mut S,
    refusal: Refusal,
) -> Pin<Box<impl Future<Output = Error> + use<'_, S>>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    // Boxed: the future of every accepted connection would otherwise hold memory for it.
    Box::pin(async move {
        write_last(stream, &refusal.response).await;
        *refusal.error
    })
}
