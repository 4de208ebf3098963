//! Clients: from a stream to a WebSocket connection.

use std::io::{Read, Write};

use super::mid_handshake::HandshakeError;
use super::roles::ClientHandshake;
use super::websocket::WebSocket;
use crate::handshake::url::client_request;
use crate::options::Options;
use crate::tungstenite::client::IntoClientRequest;
use crate::tungstenite::handshake::client::Response;
use crate::tungstenite::protocol::WebSocketConfig;

/// Opens a WebSocket connection over `stream`: sends `request`, and checks the server's response.
///
/// permessage-deflate is offered; [`client_with_options`] chooses.
///
/// # Errors
/// [`HandshakeError::Interrupted`] if the stream would block. [`HandshakeError::Failure`] with [`Error::Http`](crate::sync::Error::Http) for a status
/// other than 101, with its body, [`Error::Protocol`](crate::sync::Error::Protocol) for a response that does not accept the handshake, [`Error::Url`](crate::sync::Error::Url) for a
/// URL that is none, [`Error::Io`](crate::sync::Error::Io) if the stream failed.
pub fn client<Stream, Req>(
    request: Req,
    stream: Stream,
) -> Result<(WebSocket<Stream>, Response), HandshakeError<ClientHandshake<Stream>>>
where
    Stream: Read + Write,
    Req: IntoClientRequest,
{
    client_with_config(request, stream, None)
}

/// [`client`] with tungstenite's configuration.
///
/// # Errors
/// As for [`client`].
pub fn client_with_config<Stream, Req>(
    request: Req,
    stream: Stream,
    config: Option<WebSocketConfig>,
) -> Result<(WebSocket<Stream>, Response), HandshakeError<ClientHandshake<Stream>>>
where
    Stream: Read + Write,
    Req: IntoClientRequest,
{
    client_with_options(request, stream, Options::drop_in(config))
}

/// [`client`] with everything that can be chosen.
///
/// # Errors
/// As for [`client`].
pub fn client_with_options<Stream, Req>(
    request: Req,
    stream: Stream,
    options: impl Into<Options>,
) -> Result<(WebSocket<Stream>, Response), HandshakeError<ClientHandshake<Stream>>>
where
    Stream: Read + Write,
    Req: IntoClientRequest,
{
    let request = client_request(request)?;
    ClientHandshake::start_with_options(stream, request, options.into())?.handshake()
}
