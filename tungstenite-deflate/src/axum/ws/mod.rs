//! axum's `extract::ws` with permessage-deflate: the same names, types and behaviour, so that a program changes its imports alone.
//!
//! ```
//! use axum::{Router, response::Response, routing::any};
//! use tungstenite_deflate::axum::ws::{Message, WebSocket, WebSocketUpgrade};
//!
//! async fn handler(upgrade: WebSocketUpgrade) -> Response {
//!     upgrade.on_upgrade(echo)
//! }
//!
//! async fn echo(mut socket: WebSocket) {
//!     // To the end, past an error too: the stream still writes its Close and ends the transport.
//!     while let Some(received) = socket.recv().await {
//!         if let Ok(data @ (Message::Text(_) | Message::Binary(_))) = received {
//!             // A failed send is reported by `recv`.
//!             let _ = socket.send(data).await;
//!         }
//!     }
//! }
//! let router: Router = Router::new().route("/ws", any(handler));
//! ```
//!
//! Beyond axum's: [`WebSocketUpgrade::deflate`] and [`options`](WebSocketUpgrade::options) choose compression, limits and
//! deadlines; [`WebSocket::into_inner`] gives the [`WebSocketStream`](crate::WebSocketStream) beneath.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum_core::Error;
use futures_core::{FusedStream, Stream};
use futures_sink::Sink;
use futures_util::{SinkExt, StreamExt};
use http::HeaderValue;

use crate::hyper::UpgradedStream;

pub mod close_code;
mod message;
mod upgrade;

pub use message::{CloseCode, CloseFrame, Message, Utf8Bytes};
pub use upgrade::{DefaultOnFailedUpgrade, OnFailedUpgrade, WebSocketUpgrade};

/// Requests that are refused: a type for each check.
pub mod rejection {
    pub use crate::handshake::rejection::{Rejection as WebSocketUpgradeRejection, *};
}

/// A stream and sink of axum's messages.
///
/// After a received Close, or an error, the stream ends; the Close is answered by then.
#[derive(Debug)]
pub struct WebSocket {
    stream: UpgradedStream,
    protocol: Option<HeaderValue>,
}

impl WebSocket {
    /// Receives the next message; `None` after the end.
    ///
    /// # Errors
    /// The peer violated the protocol, or the transport broke.
    ///
    /// # Cancel safety
    /// Cancel safe: no message is lost.
    pub async fn recv(&mut self) -> Option<Result<Message, Error>> {
        self.next().await
    }

    /// Sends a message and flushes it.
    ///
    /// # Errors
    /// The connection is closed, the message is one that may not be sent, or the transport broke.
    ///
    /// # Cancel safety
    /// Dropped while it waits, the message is either not sent at all or sent with the next one.
    pub async fn send(&mut self, message: Message) -> Result<(), Error> {
        self.stream.send(message.into()).await.map_err(Error::new)
    }

    /// Returns the subprotocol that was agreed.
    pub fn protocol(&self) -> Option<&HeaderValue> {
        self.protocol.as_ref()
    }

    /// Returns the stream beneath, of tungstenite's messages.
    pub fn into_inner(self) -> UpgradedStream {
        self.stream
    }
}

impl Stream for WebSocket {
    type Item = Result<Message, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            return Poll::Ready(match ready!(self.stream.poll_next_unpin(context)) {
                Some(Ok(message)) => match Message::received(message) {
                    Some(message) => Some(Ok(message)),
                    None => continue,
                },
                Some(Err(error)) => Some(Err(Error::new(error))),
                None => None,
            });
        }
    }
}

impl FusedStream for WebSocket {
    fn is_terminated(&self) -> bool {
        self.stream.is_terminated()
    }
}

impl Sink<Message> for WebSocket {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.stream.poll_ready_unpin(context).map_err(Error::new)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        self.stream
            .start_send_unpin(message.into())
            .map_err(Error::new)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.stream.poll_flush_unpin(context).map_err(Error::new)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.stream.poll_close_unpin(context).map_err(Error::new)
    }
}
