//! The two halves of a connection, owned, for two tasks.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_sink::Sink;
use tokio::io::{AsyncRead, AsyncWrite};

use super::WebSocketStream;
use crate::close::Closed;
use crate::deflate::{Agreed, Compression, Statistics};
use crate::prepared::PreparedMessage;
use crate::tungstenite::protocol::CloseFrame;
use crate::tungstenite::{Error, Message};

/// The half of a [`WebSocketStream`] that receives; see [`WebSocketStream::split_owned`].
pub struct OwnedReadHalf<S>(Shared<S>);

/// The half of a [`WebSocketStream`] that sends; see [`WebSocketStream::split_owned`].
pub struct OwnedWriteHalf<S>(Shared<S>);

/// Locked for one poll at a time, never while a task waits.
type Shared<S> = Arc<Mutex<WebSocketStream<S>>>;

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocketStream<S> {
    /// Splits the connection into two halves for two tasks, which need neither `StreamExt` nor `SinkExt`.
    ///
    /// The reading half answers Pings and Closes while the writing half is idle. Both halves are woken by whatever concerns
    /// them. The transport is closed when both are dropped.
    ///
    /// ```
    /// # use tungstenite_deflate::{WebSocketStream, tungstenite::{Error, Message}};
    /// # async fn example<S>(socket: WebSocketStream<S>) -> Result<(), Error>
    /// # where S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static {
    /// let (mut reader, mut writer) = socket.split_owned();
    /// tokio::spawn(async move {
    ///     while let Some(Ok(message)) = reader.next().await {
    ///         println!("{message}");
    ///     }
    /// });
    /// writer.send(Message::text("Olá")).await?;
    /// println!("{} bytes are still queued", writer.outgoing_bytes());
    /// writer.close(None).await
    /// # }
    /// ```
    pub fn split_owned(self) -> (OwnedReadHalf<S>, OwnedWriteHalf<S>) {
        let shared = Arc::new(Mutex::new(self));
        (OwnedReadHalf(Arc::clone(&shared)), OwnedWriteHalf(shared))
    }
}

fn lock<S>(shared: &Shared<S>) -> MutexGuard<'_, WebSocketStream<S>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S> OwnedReadHalf<S> {
    /// Returns the outcome of the connection, or how it is ending; `None` while it is open.
    pub fn closed(&self) -> Option<Closed> {
        lock(&self.0).closed().cloned()
    }

    /// Returns the parameters of permessage-deflate in force, if it was agreed.
    pub fn agreed(&self) -> Option<Agreed> {
        lock(&self.0).agreed()
    }

    /// Returns counts of what compression did so far; `None` if it was not agreed.
    pub fn statistics(&self) -> Option<Statistics> {
        lock(&self.0).statistics()
    }

    /// Makes the connection whole again.
    ///
    /// # Errors
    /// The halves are of different connections: both are given back.
    pub fn reunite(
        self,
        writer: OwnedWriteHalf<S>,
    ) -> Result<WebSocketStream<S>, (Self, OwnedWriteHalf<S>)> {
        if !Arc::ptr_eq(&self.0, &writer.0) {
            return Err((self, writer));
        }
        drop(writer);
        match Arc::try_unwrap(self.0) {
            Ok(stream) => Ok(stream.into_inner().unwrap_or_else(PoisonError::into_inner)),
            Err(_) => unreachable!("a connection has two halves, and both were here"),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> OwnedReadHalf<S> {
    /// Receives the next message; `None` after the end. See [`WebSocketStream`]'s section "Receiving".
    ///
    /// # Errors
    /// The peer violated the protocol, a deadline passed, or the transport failed.
    ///
    /// # Cancel safety
    /// Cancel safe: no message is lost.
    pub async fn next(&mut self) -> Option<Result<Message, Error>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for OwnedReadHalf<S> {
    type Item = Result<Message, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *lock(&self.0)).poll_next(cx)
    }
}

impl<S> OwnedWriteHalf<S> {
    /// Returns the bytes queued and not yet taken by the transport.
    pub fn outgoing_bytes(&self) -> usize {
        lock(&self.0).outgoing_bytes()
    }

    /// Returns the bytes that the transport has taken so far.
    pub fn written_bytes(&self) -> u64 {
        lock(&self.0).written_bytes()
    }
}

/// Each of these queues its message as a whole or not at all; what is queued goes out with the next poll of either half.
impl<S: AsyncRead + AsyncWrite + Unpin> OwnedWriteHalf<S> {
    /// Sends a message and flushes it.
    ///
    /// # Errors
    /// The connection is closed, the message is one that may not be sent, or the transport failed.
    pub async fn send(&mut self, message: Message) -> Result<(), Error> {
        self.feed(message).await?;
        self.flush().await
    }

    /// Queues a message; it is written when more than `write_buffer_size` bytes are queued, and with the next poll of the
    /// reading half.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    pub async fn feed(&mut self, message: Message) -> Result<(), Error> {
        self.feed_with(message, Compression::Auto).await
    }

    /// Queues a message with a choice of its own about compression.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    pub async fn feed_with(
        &mut self,
        message: Message,
        compression: Compression,
    ) -> Result<(), Error> {
        self.ready().await?;
        lock(&self.0).queue(message, compression)
    }

    /// Queues a message that many connections send: its frames are made, and compressed, once for all of them.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    pub async fn feed_prepared(&mut self, prepared: &PreparedMessage) -> Result<(), Error> {
        self.ready().await?;
        lock(&self.0).start_send_prepared(prepared)
    }

    /// Writes all that is queued.
    ///
    /// # Errors
    /// The connection is closed, or the transport failed.
    pub async fn flush(&mut self) -> Result<(), Error> {
        poll_fn(|cx| Pin::new(&mut *lock(&self.0)).poll_flush(cx)).await
    }

    /// Starts the closing handshake and flushes the Close frame. The reading half finishes it: go on there until `None`.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    pub async fn close(&mut self, frame: Option<CloseFrame>) -> Result<(), Error> {
        self.send(Message::Close(frame)).await
    }

    async fn ready(&mut self) -> Result<(), Error> {
        poll_fn(|cx| Pin::new(&mut *lock(&self.0)).poll_ready(cx)).await
    }
}

impl<S> fmt::Debug for OwnedReadHalf<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("OwnedReadHalf")
            .finish_non_exhaustive()
    }
}

impl<S> fmt::Debug for OwnedWriteHalf<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("OwnedWriteHalf")
            .finish_non_exhaustive()
    }
}
