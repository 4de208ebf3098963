//! Clients: from a stream to a WebSocket connection.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::task::Poll;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::future;
use futures_util::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::exchange::{part, read_more, write};
use crate::handshake::body::Framing;
use crate::handshake::client::OpeningHandshake;
use crate::handshake::url::client_request;
use crate::options::Options;
use crate::stream::WebSocketStream;
use crate::tungstenite::Error;
use crate::tungstenite::client::IntoClientRequest;
use crate::tungstenite::handshake::client::Response;
use crate::tungstenite::protocol::{Role, WebSocketConfig};

/// Opens a WebSocket connection over `stream`: sends `request`, and checks the server's response.
///
/// `request` is a URL, or an `http::Request` if it shall have headers of its own. permessage-deflate is offered;
/// [`client_async_with_options`] chooses, and a request that carries Sec-WebSocket-Extensions keeps its own offers
/// ([`OpeningHandshake::start`]).
///
/// # Errors
/// As tungstenite: [`Error::Http`] with the response for a status other than 101 (with its body, without the framing of
/// chunks, within [`HeadLimits`](crate::HeadLimits)), [`Error::Protocol`] for one that does not accept the handshake, [`Error::Url`] for a URL
/// that is none, [`Error::Io`] if the stream failed.
///
/// # Cancel safety
/// Dropping the future drops the stream, and so closes the connection: that is how a deadline is set.
#[expect(
    clippy::extra_unused_lifetimes,
    reason = "tokio-tungstenite's signature"
)]
pub async fn client_async<'a, R, S>(
    request: R,
    stream: S,
) -> Result<(WebSocketStream<S>, Response), Error>
where
    R: IntoClientRequest + Unpin,
    S: AsyncRead + AsyncWrite + Unpin,
{
    open(request, stream, Options::drop_in(None)).await
}

/// [`client_async`] with tungstenite's configuration.
///
/// # Errors
/// As for [`client_async`].
#[expect(
    clippy::extra_unused_lifetimes,
    reason = "tokio-tungstenite's signature"
)]
pub async fn client_async_with_config<'a, R, S>(
    request: R,
    stream: S,
    config: Option<WebSocketConfig>,
) -> Result<(WebSocketStream<S>, Response), Error>
where
    R: IntoClientRequest + Unpin,
    S: AsyncRead + AsyncWrite + Unpin,
{
    open(request, stream, Options::drop_in(config)).await
}

/// [`client_async`] with everything that can be chosen.
///
/// # Errors
/// As for [`client_async`].
pub async fn client_async_with_options<R, S>(
    request: R,
    stream: S,
    options: impl Into<Options>,
) -> Result<(WebSocketStream<S>, Response), Error>
where
    R: IntoClientRequest + Unpin,
    S: AsyncRead + AsyncWrite + Unpin,
{
    open(request, stream, options.into()).await
}

pub(crate) async fn open<R, S>(
    request: R,
    mut stream: S,
    options: Options,
) -> Result<(WebSocketStream<S>, Response), Error>
where
    R: IntoClientRequest + Unpin,
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut opening = OpeningHandshake::start(client_request(request)?, &options)?;
    write(&mut stream, opening.request()).await?;
    let mut buffer = BytesMut::new();
    let (response, agreed) = loop {
        read_more(&mut stream, &mut buffer).await?;
        match opening.receive(&mut buffer) {
            Ok(Some(accepted)) => break accepted,
            Ok(None) => {}
            Err(Error::Http(mut response)) => {
                let reading = read_body(&mut stream, &mut buffer, &response, &options);
                *response.body_mut() = Some(Box::pin(reading).await);
                return Err(Error::Http(response));
            }
            Err(error) => return Err(error),
        }
    };
    Ok((
        WebSocketStream::with_options(stream, part(buffer), Role::Client, options, agreed),
        response,
    ))
}

/// The body of a response that refuses (RFC 9112 §6.3), as far as it arrives within the limits.
async fn read_body<S: AsyncRead + Unpin>(
    stream: &mut S,
    buffer: &mut BytesMut,
    response: &Response,
    options: &Options,
) -> Vec<u8> {
    let limits = options.limits.head;
    let framing = Framing::of(response);
    let whole =
        |buffer: &BytesMut| buffer.len() >= limits.max_refusal_bytes || framing.decode(buffer).1;
    let reading = async { while !whole(buffer) && read_more(stream, buffer).await.is_ok() {} };
    if options.uses_timers() {
        let _ = tokio::time::timeout(limits.refusal_timeout, reading).await;
    } else {
        let deadline = sleep_on_thread(limits.refusal_timeout);
        future::select(pin!(reading), pin!(deadline)).await;
    }
    buffer.truncate(limits.max_refusal_bytes);
    framing.decode(buffer).0
}

/// Waits for `time` by a thread, which ends with the wait: for runtimes without a time driver, and other executors.
/// There is no wait without a thread.
async fn sleep_on_thread(time: Duration) {
    let fired = Arc::new((AtomicBool::new(false), AtomicWaker::new()));
    let (_keep, dropped) = mpsc::channel::<Infallible>();
    let theirs = Arc::clone(&fired);
    let thread = std::thread::Builder::new().name("refusal-timeout".to_owned());
    let spawned = thread.spawn(move || {
        let _ = dropped.recv_timeout(time);
        theirs.0.store(true, Ordering::Release);
        theirs.1.wake();
    });
    if spawned.is_err() {
        return;
    }
    future::poll_fn(|cx| {
        fired.1.register(cx.waker());
        if fired.0.load(Ordering::Acquire) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}
