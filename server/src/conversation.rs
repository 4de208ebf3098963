//! The messages of one connection, with everything a handler should not have to think of.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::AsyncWriteExt;
use tracing::{debug, warn};
use tungstenite_deflate::WebSocketStream;
use tungstenite_deflate::tungstenite::protocol::CloseFrame;
use tungstenite_deflate::tungstenite::protocol::frame::coding::CloseCode;
use tungstenite_deflate::tungstenite::{Error, Message};

use crate::connection::ConnectionInfo;
use crate::stream::ServerStream;

/// The messages of one connection: counts them, answers control frames, says goodbye when the server ends.
#[derive(Debug)]
pub struct Conversation {
    socket: WebSocketStream<ServerStream>,
    info: ConnectionInfo,
    /// Whether the handler's side of the conversation is over; what still comes in is dropped.
    closing: bool,
    /// A Close that waits for room in the queue.
    pending_close: Option<CloseFrame>,
    /// Whether the transport has been shut down.
    finished: bool,
}

impl Conversation {
    /// Takes over what a handler was given.
    pub fn new(socket: WebSocketStream<ServerStream>, info: ConnectionInfo) -> Self {
        Self {
            socket,
            info,
            closing: false,
            pending_close: None,
            finished: false,
        }
    }

    /// What is known of the connection.
    pub fn info(&self) -> &ConnectionInfo {
        &self.info
    }

    /// The next text or binary message; `None` once the connection is closed, however it came about.
    ///
    /// What was fed is sent before this waits. When the server ends, the client gets 1001 (going away) and has the
    /// close timeout to answer it. Call it until it gives `None`, else the closing handshake is not finished.
    ///
    /// Cancel safe.
    pub async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some(frame) = self.pending_close.clone() {
                let sent = self.feed(Message::Close(Some(frame))).await;
                self.pending_close = None;
                if sent.is_err() {
                    self.finish().await;
                    return None;
                }
            }
            let received = tokio::select! {
                biased;
                received = self.socket.next() => received,
                () = self.info.going_away(), if !self.closing => {
                    self.close(CloseCode::Away, "server is shutting down");
                    continue;
                }
            };
            let message = match received {
                Some(Ok(message)) => message,
                Some(Err(error)) => {
                    note(&error);
                    self.finish().await;
                    return None;
                }
                None => {
                    self.finish().await;
                    return None;
                }
            };
            self.info.received(&message);
            if (message.is_text() || message.is_binary()) && !self.closing {
                return Some(message);
            }
        }
    }

    /// Queues a message; [`next`](Self::next) sends it, several at once where it can.
    ///
    /// Waits while the queue is full.
    ///
    /// # Errors
    /// The connection is closed, or the peer did not read for the write timeout.
    pub async fn feed(&mut self, message: Message) -> Result<(), Error> {
        let copy = message.clone();
        self.socket.feed(message).await?;
        self.info.sent(&copy);
        Ok(())
    }

    /// Queues a message and sends everything queued.
    ///
    /// # Errors
    /// As for [`feed`](Self::feed).
    pub async fn send(&mut self, message: Message) -> Result<(), Error> {
        self.feed(message).await?;
        self.socket.flush().await
    }

    /// Starts the closing handshake; [`next`](Self::next) carries it out.
    pub fn close(&mut self, code: CloseCode, reason: &'static str) {
        if !self.closing {
            self.closing = true;
            self.pending_close = Some(CloseFrame {
                code,
                reason: reason.into(),
            });
        }
    }

    /// Ends the transport in order, so that the peer sees an end rather than a cut.
    async fn finish(&mut self) {
        if !std::mem::replace(&mut self.finished, true) {
            if let Some(end) = self.socket.closed() {
                self.info.note_end(end);
            }
            let _ = tokio::time::timeout(SHUTDOWN_TIMEOUT, self.socket.get_mut().shutdown()).await;
        }
    }
}

/// Says why a connection failed, as loudly as it deserves.
fn note(error: &Error) {
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed => {}
        Error::Io(error) if error.kind() == std::io::ErrorKind::TimedOut => {
            warn!(%error, "connection dropped");
        }
        Error::Io(error) => debug!(%error, "connection lost"),
        error => warn!(%error, "the peer broke the protocol"),
    }
}

/// How long the transport may take for its own goodbye.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);
