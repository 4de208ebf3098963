//! Servers: from a stream to a WebSocket connection.

use std::io::{Read, Write};

use super::mid_handshake::HandshakeError;
use super::roles::ServerHandshake;
use super::websocket::WebSocket;
use crate::options::Options;
use crate::tungstenite::handshake::server::{Callback, NoCallback};
use crate::tungstenite::protocol::WebSocketConfig;

/// Accepts a WebSocket connection: reads the client's request from `stream`, and answers it.
///
/// permessage-deflate is agreed if the client offers it; [`accept_with_options`] chooses. For TLS give a stream of
/// `rustls` or `native-tls`.
///
/// # Errors
/// [`HandshakeError::Interrupted`] if the stream would block. [`HandshakeError::Failure`] if the request is not an opening
/// handshake, then it was answered with the fitting status ([`Rejection`](crate::handshake::Rejection)); or the stream
/// failed.
pub fn accept<S: Read + Write>(
    stream: S,
) -> Result<WebSocket<S>, HandshakeError<ServerHandshake<S, NoCallback>>> {
    accept_with_config(stream, None)
}

/// [`accept`] with tungstenite's configuration.
///
/// # Errors
/// As for [`accept`].
pub fn accept_with_config<S: Read + Write>(
    stream: S,
    config: Option<WebSocketConfig>,
) -> Result<WebSocket<S>, HandshakeError<ServerHandshake<S, NoCallback>>> {
    accept_hdr_with_config(stream, NoCallback, config)
}

/// [`accept`] with everything that can be chosen.
///
/// # Errors
/// As for [`accept`].
pub fn accept_with_options<S: Read + Write>(
    stream: S,
    options: impl Into<Options>,
) -> Result<WebSocket<S>, HandshakeError<ServerHandshake<S, NoCallback>>> {
    accept_hdr_with_options(stream, NoCallback, options)
}

/// [`accept`] with a callback that sees the request and may change the response or refuse, as
/// [`accept_hdr_async`](crate::accept_hdr_async) does.
///
/// # Errors
/// As for [`accept`]; `Error::Http` with the callback's response if it refused.
pub fn accept_hdr<S: Read + Write, C: Callback>(
    stream: S,
    callback: C,
) -> Result<WebSocket<S>, HandshakeError<ServerHandshake<S, C>>> {
    accept_hdr_with_config(stream, callback, None)
}

/// [`accept_hdr`] with tungstenite's configuration.
///
/// # Errors
/// As for [`accept_hdr`].
pub fn accept_hdr_with_config<S: Read + Write, C: Callback>(
    stream: S,
    callback: C,
    config: Option<WebSocketConfig>,
) -> Result<WebSocket<S>, HandshakeError<ServerHandshake<S, C>>> {
    accept_hdr_with_options(stream, callback, Options::drop_in(config))
}

/// [`accept_hdr`] with everything that can be chosen.
///
/// # Errors
/// As for [`accept_hdr`].
pub fn accept_hdr_with_options<S: Read + Write, C: Callback>(
    stream: S,
    callback: C,
    options: impl Into<Options>,
) -> Result<WebSocket<S>, HandshakeError<ServerHandshake<S, C>>> {
    ServerHandshake::start_with_options(stream, callback, options.into()).handshake()
}
