//! A stream of bytes over messages: `AsyncRead`, `AsyncBufRead` and `AsyncWrite`.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use futures_core::Stream;
use futures_sink::Sink;
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};

use super::WebSocketStream;
use crate::frame::Header;
use crate::tungstenite::Message;
use crate::tungstenite::error::{Error, ProtocolError};

/// The kind of message that a [`ByteStream`] writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MessageKind {
    /// Binary messages.
    #[default]
    Binary,
    /// Text messages; what is written must be UTF-8. A character that is not whole waits for its rest.
    Text,
}

/// A stream of bytes over the messages of a [`WebSocketStream`], for protocols that know nothing of messages; see
/// [`WebSocketStream::into_byte_stream`].
///
/// # Reading
/// Gives the payloads of text and binary messages one after the other; Pings and Closes are answered. The end is that of
/// the closing handshake. A connection that ends without one is an error of kind `UnexpectedEof`, so that a protocol sees
/// that it was cut off. One message is held at a time, up to `max_message_size`.
///
/// # Writing
/// Each write becomes one message of at most `max_message_bytes`. It waits while the queue is longer than
/// `write_buffer_size`. `flush` writes the queue. `shutdown` sends a Close without code: go on reading until the end to
/// finish the closing handshake.
#[derive(Debug)]
pub struct ByteStream<S> {
    socket: WebSocketStream<S>,
    /// Received and not yet read.
    received: Bytes,
    kind: MessageKind,
    max_message_bytes: usize,
    /// The start of a character whose rest is still to be written, and its length.
    partial: ([u8; 4], usize),
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocketStream<S> {
    /// Turns the connection into a stream of bytes, written in messages of `kind` and of at most 64 KiB.
    ///
    /// ```
    /// # use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt};
    /// # use tungstenite_deflate::{MessageKind, WebSocketStream};
    /// # async fn example<S: AsyncRead + AsyncWrite + Unpin>(socket: WebSocketStream<S>) -> std::io::Result<()> {
    /// let mut stream = socket.into_byte_stream(MessageKind::Binary);
    /// stream.write_all(b"HELO example.com\r\n").await?;
    /// stream.flush().await?;
    /// let mut line = String::new();
    /// stream.read_line(&mut line).await?;
    /// # Ok(()) }
    /// ```
    pub fn into_byte_stream(self, kind: MessageKind) -> ByteStream<S> {
        ByteStream {
            socket: self,
            received: Bytes::new(),
            kind,
            max_message_bytes: 64 << 10,
            partial: ([0; 4], 0),
        }
    }
}

impl<S> ByteStream<S> {
    /// Sets the maximum bytes of a written message, at least 4. Default: 64 KiB.
    pub fn max_message_bytes(mut self, bytes: usize) -> Self {
        self.max_message_bytes = bytes.max(MAX_CHARACTER_BYTES);
        self
    }

    /// Returns the connection, for its state.
    pub fn get_ref(&self) -> &WebSocketStream<S> {
        &self.socket
    }

    /// Returns the connection; bytes that were received and not read are dropped.
    pub fn into_inner(self) -> WebSocketStream<S> {
        self.socket
    }
}

/// Bytes of the longest character in UTF-8.
const MAX_CHARACTER_BYTES: usize = 4;

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncBufRead for ByteStream<S> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        while this.received.is_empty() {
            match ready!(Pin::new(&mut this.socket).poll_next(cx)) {
                Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => {
                    this.received = message.into_data();
                }
                Some(Ok(Message::Frame(frame))) => this.received = frame.into_payload(),
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_))) => {}
                Some(Err(error)) => return Poll::Ready(Err(into_io(error))),
                None => break,
            }
        }
        Poll::Ready(Ok(&this.received))
    }

    fn consume(mut self: Pin<&mut Self>, bytes: usize) {
        self.received.advance(bytes);
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for ByteStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let available = ready!(self.as_mut().poll_fill_buf(cx))?;
        let length = available.len().min(buffer.remaining());
        buffer.put_slice(&available[..length]);
        self.consume(length);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for ByteStream<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let space = ready!(this.poll_space(cx))?;
        let result = match this.kind {
            MessageKind::Binary => {
                let taken = bytes.len().min(space);
                let message = Message::Binary(Bytes::copy_from_slice(&bytes[..taken]));
                this.send(message).map(|()| taken)
            }
            MessageKind::Text => this.write_text(bytes, space),
        };
        Poll::Ready(result)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx).map_err(into_io)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.partial.1 > 0 {
            return Poll::Ready(Err(not_utf8()));
        }
        Pin::new(&mut self.socket).poll_close(cx).map_err(into_io)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> ByteStream<S> {
    /// Waits for space in the queue, and returns the bytes that a message may have.
    fn poll_space(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        ready!(Pin::new(&mut self.socket).poll_ready(cx)).map_err(into_io)?;
        if self.space() < MAX_CHARACTER_BYTES {
            ready!(Pin::new(&mut self.socket).poll_flush(cx)).map_err(into_io)?;
        }
        Poll::Ready(Ok(self
            .space()
            .clamp(MAX_CHARACTER_BYTES, self.max_message_bytes)))
    }

    fn space(&self) -> usize {
        let limit = self
            .socket
            .connection
            .options()
            .websocket
            .max_write_buffer_size;
        limit.saturating_sub(self.socket.outgoing_bytes() + Header::MAX_BYTES)
    }

    fn send(&mut self, message: Message) -> io::Result<()> {
        Pin::new(&mut self.socket)
            .start_send(message)
            .map_err(into_io)
    }

    /// Sends the whole characters at the start of `bytes`, and keeps the start of one that is cut at their end.
    fn write_text(&mut self, bytes: &[u8], space: usize) -> io::Result<usize> {
        if self.partial.1 > 0 {
            return self.complete_character(bytes[0]);
        }
        let piece = &bytes[..bytes.len().min(space)];
        let (text, is_cut) = match std::str::from_utf8(piece) {
            Ok(text) => (text, false),
            Err(error) => {
                let (valid, _) = piece.split_at(error.valid_up_to());
                let text = std::str::from_utf8(valid).map_err(|_| not_utf8())?;
                (text, error.error_len().is_none())
            }
        };
        match text.len() {
            0 if is_cut => {
                self.partial.0[..piece.len()].copy_from_slice(piece);
                self.partial.1 = piece.len();
                Ok(piece.len())
            }
            0 => Err(not_utf8()),
            length => self.send(Message::text(text)).map(|()| length),
        }
    }

    fn complete_character(&mut self, byte: u8) -> io::Result<usize> {
        let (mut character, length) = self.partial;
        character[length] = byte;
        match std::str::from_utf8(&character[..=length]) {
            Ok(text) => {
                self.send(Message::text(text))?;
                self.partial.1 = 0;
            }
            Err(error) if error.error_len().is_none() => self.partial = (character, length + 1),
            Err(_) => return Err(not_utf8()),
        }
        Ok(1)
    }
}

fn not_utf8() -> io::Error {
    let text = "text messages carry UTF-8 only (RFC 6455 §5.6)";
    io::Error::new(io::ErrorKind::InvalidData, text)
}

fn into_io(error: Error) -> io::Error {
    let kind = match error {
        Error::Io(error) => return error,
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Protocol(ProtocolError::SendAfterClosing) => io::ErrorKind::BrokenPipe,
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
            io::ErrorKind::UnexpectedEof
        }
        _ => io::ErrorKind::InvalidData,
    };
    io::Error::new(kind, error)
}
