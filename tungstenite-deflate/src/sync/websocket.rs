//! A connection over a stream.

use std::io::{Read, Write};
use std::time::Instant;

use bytes::BytesMut;

use super::context::WebSocketContext;
use super::halves::{Duplex, Halves};
use crate::close::Closed;
use crate::deflate::{Agreed, Compression, Statistics};
use crate::options::Options;
use crate::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use crate::tungstenite::{Message, Result};

/// A WebSocket connection over a stream that blocks, or that returns `WouldBlock`; tungstenite's type, with compression.
///
/// All state is in this value: a call that an error of kind `WouldBlock` interrupts has lost nothing.
#[derive(Debug)]
pub struct WebSocket<Stream> {
    socket: Stream,
    context: WebSocketContext,
}

/// # Creation
impl<Stream> WebSocket<Stream> {
    /// A connection whose handshake was done elsewhere. Nobody negotiated compression, so there is none:
    /// [`with_options`](Self::with_options) takes what was agreed.
    ///
    /// # Panics
    /// If `max_write_buffer_size` is not above `write_buffer_size`.
    pub fn from_raw_socket(stream: Stream, role: Role, config: Option<WebSocketConfig>) -> Self {
        Self::new(stream, WebSocketContext::new(role, config))
    }

    /// The same with bytes that were read already.
    ///
    /// # Panics
    /// As for [`from_raw_socket`](Self::from_raw_socket).
    pub fn from_partially_read(
        stream: Stream,
        part: Vec<u8>,
        role: Role,
        config: Option<WebSocketConfig>,
    ) -> Self {
        let context = WebSocketContext::from_partially_read(part, role, config);
        Self::new(stream, context)
    }

    /// The same with all options, and the permessage-deflate parameters that the handshake agreed on (`None`: no
    /// compression).
    ///
    /// # Panics
    /// As for [`from_raw_socket`](Self::from_raw_socket).
    pub fn with_options(
        stream: Stream,
        part: BytesMut,
        role: Role,
        options: impl Into<Options>,
        agreed: Option<Agreed>,
    ) -> Self {
        let context = WebSocketContext::with_options(part, role, options, agreed);
        Self::new(stream, context)
    }

    fn new(socket: Stream, context: WebSocketContext) -> Self {
        Self { socket, context }
    }
}

/// # Looking at the connection
impl<Stream> WebSocket<Stream> {
    /// Gives the stream back; bytes received and not yet delivered are dropped, see [`into_parts`](Self::into_parts).
    pub fn into_inner(self) -> Stream {
        self.socket
    }

    /// Gives the stream back with the bytes that were received after the last message.
    pub fn into_parts(self) -> (Stream, BytesMut) {
        (self.socket, self.context.take_buffer())
    }

    /// Returns the stream.
    pub fn get_ref(&self) -> &Stream {
        &self.socket
    }

    /// Returns the stream, to set its options; reading or writing through it breaks the framing.
    pub fn get_mut(&mut self) -> &mut Stream {
        &mut self.socket
    }

    /// Changes the configuration.
    ///
    /// # Panics
    /// As for [`from_raw_socket`](Self::from_raw_socket).
    pub fn set_config(&mut self, set_func: impl FnOnce(&mut WebSocketConfig)) {
        self.context.set_config(set_func);
    }

    /// Returns the configuration.
    pub fn get_config(&self) -> &WebSocketConfig {
        self.context.get_config()
    }

    /// Returns whether messages may still arrive: until the peer's Close, also after a Close of ours.
    pub fn can_read(&self) -> bool {
        self.context.can_read()
    }

    /// Returns whether messages may still be sent: until a Close was sent or received.
    pub fn can_write(&self) -> bool {
        self.context.can_write()
    }

    /// Returns the parameters of permessage-deflate in force, if it was agreed.
    pub fn agreed(&self) -> Option<Agreed> {
        self.context.agreed()
    }

    /// Returns counts of what compression did so far; `None` if it was not agreed.
    pub fn statistics(&self) -> Option<Statistics> {
        self.context.statistics()
    }

    /// Returns how the connection ended, or is ending; `None` while it is open.
    pub fn closed(&self) -> Option<&Closed> {
        self.context.closed()
    }

    /// Returns the bytes queued and not yet taken by the stream.
    pub fn outgoing_bytes(&self) -> usize {
        self.context.outgoing_bytes()
    }

    /// Returns the instant by which [`read`](Self::read) is to be called next; `None` without a deadline.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.context.next_timeout()
    }
}

impl<Stream: Read + Write> WebSocket<Stream> {
    /// Reads a message: waits for one, or until the stream returns an error.
    ///
    /// Pings and the peer's Close are returned as messages. Their answers are queued, and written with the next call of
    /// `read`, [`write`](Self::write) or [`flush`](Self::flush).
    ///
    /// After the peer's Close read on until [`Error::ConnectionClosed`](crate::sync::Error::ConnectionClosed): it writes the
    /// answer, and a client waits for the server to close its stream (RFC 6455 §7.1.1). Then drop the connection.
    ///
    /// # Errors
    /// - [`Error::ConnectionClosed`](crate::sync::Error::ConnectionClosed): the closing handshake is done.
    /// - [`Error::AlreadyClosed`](crate::sync::Error::AlreadyClosed): an earlier call has returned that, or a violation.
    /// - [`Error::Io`](crate::sync::Error::Io): the stream failed. Of kind `WouldBlock`: call again.
    /// - [`Error::Protocol`](crate::sync::Error::Protocol), `Capacity`, `Utf8` and others: the peer's violation. The Close that
    ///   reports it is written.
    pub fn read(&mut self) -> Result<Message> {
        self.context.read(&mut self.socket)
    }

    /// Writes and flushes a message: [`write`](Self::write), then [`flush`](Self::flush).
    ///
    /// # Errors
    /// As for these. After `WouldBlock` the message is queued: flush, do not send it again.
    pub fn send(&mut self, message: Message) -> Result<()> {
        self.write(message)?;
        self.flush()
    }

    /// Sends a message with a choice of its own about compression.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    pub fn send_with(&mut self, message: Message, compression: Compression) -> Result<()> {
        self.context.queue(message, compression)?;
        self.flush()
    }

    /// Queues a message. The queue is written, without a flush, when it is longer than `write_buffer_size`.
    ///
    /// # Errors
    /// - [`Error::WriteBufferFull`](crate::sync::Error::WriteBufferFull) with the message: the queue would exceed
    ///   `max_write_buffer_size`.
    /// - [`Error::Protocol`](crate::sync::Error::Protocol): after a Close, or a control frame that cannot be sent.
    /// - [`Error::Io`](crate::sync::Error::Io): the stream failed. The message is queued.
    /// - [`Error::AlreadyClosed`](crate::sync::Error::AlreadyClosed): the connection is over.
    pub fn write(&mut self, message: Message) -> Result<()> {
        self.context.write(&mut self.socket, message)
    }

    /// Writes and flushes what is queued.
    ///
    /// # Errors
    /// [`Error::Io`](crate::sync::Error::Io): the stream failed; of kind `WouldBlock`: call again. On a server
    /// [`Error::ConnectionClosed`](crate::sync::Error::ConnectionClosed) when the closing handshake is done.
    pub fn flush(&mut self) -> Result<()> {
        self.context.flush(&mut self.socket)
    }

    /// Starts the closing handshake unless it has begun, and flushes the Close. Read on until
    /// [`Error::ConnectionClosed`](crate::sync::Error::ConnectionClosed).
    ///
    /// # Errors
    /// As for [`flush`](Self::flush); [`Error::Protocol`](crate::sync::Error::Protocol) for a Close that must not be sent.
    pub fn close(&mut self, code: Option<CloseFrame>) -> Result<()> {
        self.context.close(&mut self.socket, code)
    }
}

impl<Stream: Duplex> WebSocket<Stream> {
    /// Splits the connection into a half that reads and a half that writes, each for a thread of its own.
    ///
    /// Answers to Pings and Closes are written whichever half is active; see
    /// [`OwnedReadHalf::read`](super::halves::OwnedReadHalf::read). The stream is closed when both are dropped, or
    /// in the writing direction when the connection is over.
    ///
    /// # Errors
    /// The stream cannot be used by two threads; see [`Duplex::into_halves`].
    pub fn split_owned(self) -> std::io::Result<Halves<Stream>> {
        let (reader, writer) = self.socket.into_halves()?;
        Ok(super::halves::of(self.context, reader, writer))
    }
}
