//! The tokio glue: a `Stream` and `Sink` of messages over any byte stream. Nothing of the protocol is decided here.

mod byte_stream;
mod chunk;
mod halves;
mod receiving;
mod sending;
mod timer;
mod wakers;

use std::io;
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite};

pub use self::byte_stream::{ByteStream, MessageKind};
pub use self::halves::{OwnedReadHalf, OwnedWriteHalf};
use self::timer::Timer;
use self::wakers::Wakers;
use crate::close::{CloseReport, Closed};
use crate::connection::Connection;
use crate::deflate::{Agreed, CompressedMessages, Statistics};
use crate::memory::MemoryBudget;
use crate::options::Options;
use crate::tungstenite::Error;
use crate::tungstenite::protocol::{Role, WebSocketConfig};

/// A WebSocket connection over `S` after its handshake: a [`Stream`](futures_core::Stream) and a
/// [`Sink`](futures_sink::Sink) of messages.
///
/// # Receiving
/// The stream gives every message, and Pings, Pongs and the peer's Close as well. Pongs and the answer to a Close are
/// sent without further calls. What was [`feed`](futures_util::SinkExt::feed)ed is written before the stream waits: a
/// handler feeds its answers and goes back to `next()`.
///
/// # The end
/// After a violation by the peer the stream gives the messages received before, then the error at once. With a
/// `close_timeout` the next call gives `None` when the peer has taken the Close that tells it why, or after a second:
/// go on until `None`, since a TCP socket that is dropped with unread bytes is reset, and the Close may be lost. A
/// transport that fails is not waited for.
///
/// # Sending
/// [`send`](futures_util::SinkExt::send) writes at once. [`feed`](futures_util::SinkExt::feed) queues: the queue is
/// written when it holds more than `write_buffer_size`, on flush, and whenever the stream is polled. A queue that would
/// pass `max_write_buffer_size` gives the message back as [`Error::WriteBufferFull`].
///
/// # Cancel safety
/// All state is in this value. Dropping a `next()`, `send()`, `feed()`, `flush()` or `close()` future loses no message,
/// Ping or Close: a message was either taken into the queue as a whole or not at all, and what is queued goes out with
/// the next poll.
///
/// # Splitting
/// [`StreamExt::split`](futures_util::StreamExt::split) halves may be polled by two tasks: both are woken by whatever
/// concerns them, and the receiving half sends Pongs while the other one waits.
#[derive(Debug)]
pub struct WebSocketStream<S> {
    stream: S,
    connection: Connection,
    /// Received and not yet parsed.
    buffer: BytesMut,
    phase: Phase,
    /// The error that the stream gives before it ends.
    failure: Option<Error>,
    /// The transport gives no more bytes.
    read_over: bool,
    /// The transport takes no more bytes.
    write_failed: Option<io::ErrorKind>,
    /// Something was written since the last flush.
    unflushed: bool,
    timer: Timer,
    /// Reads since the deadlines were last looked at.
    reads: u8,
    wakers: Wakers,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Messages come and go.
    Active,
    /// Nothing more is received: the queue is written and the transport closed, at the latest at the instant.
    Finishing {
        until: Option<Instant>,
        /// The peer broke a rule, or the transport failed.
        failed: bool,
        /// Bytes that the transport had taken when the deadline was set.
        written: u64,
        shut_down: bool,
    },
    /// The stream has ended.
    Ended,
}

/// # Creation
impl<S> WebSocketStream<S> {
    /// A connection whose handshake was done elsewhere: `part` are bytes already read after it, `agreed` the
    /// permessage-deflate parameters that the handshake settled on (`None`: no compression).
    ///
    /// # Panics
    /// If `max_write_buffer_size` is not above `write_buffer_size`, as tungstenite does.
    pub fn with_options(
        stream: S,
        part: BytesMut,
        role: Role,
        options: impl Into<Options>,
        agreed: Option<Agreed>,
    ) -> Self {
        Self::with_shared_options(stream, part, role, Arc::new(options.into()), agreed)
    }

    /// The same with options that many connections share: saves some 200 bytes a connection.
    ///
    /// # Panics
    /// As [`with_options`](Self::with_options).
    pub fn with_shared_options(
        stream: S,
        part: BytesMut,
        role: Role,
        options: Arc<Options>,
        agreed: Option<Agreed>,
    ) -> Self {
        Self {
            stream,
            connection: Connection::new(role, options, agreed, timer::now),
            buffer: part,
            phase: Phase::Active,
            failure: None,
            read_over: false,
            write_failed: None,
            unflushed: false,
            timer: Timer::default(),
            reads: 0,
            wakers: Wakers::default(),
        }
    }

    /// tokio-tungstenite's constructor. It cannot compress, since nobody has negotiated it:
    /// [`with_options`](Self::with_options) takes what a handshake has agreed on.
    #[expect(clippy::unused_async, reason = "tokio-tungstenite's signature")]
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

    /// [`from_raw_socket`](Self::from_raw_socket) with bytes already read.
    #[expect(clippy::unused_async, reason = "tokio-tungstenite's signature")]
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
}

/// # Looking at the connection
impl<S> WebSocketStream<S> {
    /// Counts this connection's memory against budgets of its own; see
    /// [`Connection::set_memory`](crate::Connection::set_memory).
    pub fn set_memory(&mut self, unfinished: &MemoryBudget, contexts: MemoryBudget) {
        self.connection.set_memory(unfinished, contexts);
    }

    /// Returns the options in force.
    pub fn options(&self) -> &Options {
        self.connection.options()
    }

    /// The parameters of permessage-deflate in force, if it was agreed.
    pub fn agreed(&self) -> Option<Agreed> {
        self.connection.agreed()
    }

    /// Returns counts of what compression did so far; `None` if it was not agreed.
    pub fn statistics(&self) -> Option<Statistics> {
        self.connection.statistics()
    }

    /// Returns the part of [`statistics`](Self::statistics) about messages sent, which takes no lock; zero if compression
    /// was not agreed.
    pub fn sent_compressed(&self) -> CompressedMessages {
        self.connection.sent_compressed()
    }

    /// Returns the part of [`statistics`](Self::statistics) about messages received, which takes no lock; zero if
    /// compression was not agreed.
    pub fn received_compressed(&self) -> CompressedMessages {
        self.connection.received_compressed()
    }

    /// Returns how the connection ended, or is ending; `None` while it is open.
    pub fn closed(&self) -> Option<&Closed> {
        self.connection.closed()
    }

    /// Returns a handle that reads [`closed`](Self::closed) after this stream is dropped, for whoever hands the stream
    /// to a handler and accounts for its end.
    pub fn close_report(&mut self) -> CloseReport {
        self.connection.close_report()
    }

    /// Bytes that the transport has taken so far; a slow reader shows by how this grows.
    pub fn written_bytes(&self) -> u64 {
        self.connection.written_bytes()
    }

    /// Bytes queued and not yet taken by the transport.
    pub fn outgoing_bytes(&self) -> usize {
        self.connection.outgoing_bytes()
    }

    /// Gives the underlying stream back; bytes received and not yet delivered are dropped, see
    /// [`into_parts`](Self::into_parts).
    pub fn into_inner(self) -> S {
        self.stream
    }

    /// Gives the underlying stream back with the bytes that were received after the last message.
    pub fn into_parts(self) -> (S, BytesMut) {
        (self.stream, self.buffer)
    }

    /// The underlying stream.
    pub fn get_ref(&self) -> &S
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        &self.stream
    }

    /// The underlying stream, to set its options; reading or writing through it breaks the framing.
    pub fn get_mut(&mut self) -> &mut S
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        &mut self.stream
    }

    /// tungstenite's part of the options in force.
    pub fn get_config(&self) -> &WebSocketConfig {
        &self.connection.options().websocket
    }
}
