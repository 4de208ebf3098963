//! Clients: from a stream to a WebSocket connection.

use bytes::BytesMut;
use http::header;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::exchange::{part, read_more, write};
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
/// As tungstenite: [`Error::Http`] with the response for a status other than 101 (its body up to 64 KiB, as far as
/// Content-Length announces it), [`Error::Protocol`] for one that does not accept the handshake, [`Error::Url`] for a URL
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
                *response.body_mut() = Some(read_body(&mut stream, buffer, &response).await);
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

/// The body of a response that refuses: what came with the head, and the rest of what Content-Length announces.
async fn read_body<S: AsyncRead + Unpin>(
    stream: &mut S,
    mut buffer: BytesMut,
    response: &Response,
) -> Vec<u8> {
    const MOST: usize = 64 << 10;
    let length = response
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse().ok());
    let wanted = length.unwrap_or(0).min(MOST);
    while buffer.len() < wanted && read_more(stream, &mut buffer).await.is_ok() {}
    if length.is_some() {
        buffer.truncate(wanted);
    }
    buffer.to_vec()
}
