//! The tokio glue: a `Stream` and `Sink` of messages over any byte stream. Nothing of the protocol is decided here.

mod chunk;
mod timer;
mod wakers;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use futures_core::Stream;
use futures_core::stream::FusedStream;
use futures_sink::Sink;
use futures_util::SinkExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::io::{poll_read_buf, poll_write_buf};

use self::timer::Timer;
use self::wakers::{Side, Wakers};
use crate::close::Closed;
use crate::connection::{Connection, Event};
use crate::deflate::{Agreed, Compression, Statistics};
use crate::error::SendError;
use crate::options::Options;
use crate::prepared::PreparedMessage;
use crate::tungstenite::error::ProtocolError as Upstream;
use crate::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use crate::tungstenite::{Error, Message};

/// A WebSocket connection over `S` after its handshake: a [`Stream`] and a [`Sink`] of messages.
///
/// # Receiving
/// The stream gives every message, and Pings, Pongs and the peer's Close as well. Pongs and the answer to a Close are
/// sent without further calls. After a violation by the peer it gives the messages received before, then the error, when
/// the fitting Close has been sent; then it ends. What was [`feed`](SinkExt::feed)ed is written before the stream waits:
/// a handler feeds its answers and goes back to `next()`.
///
/// # Sending
/// [`SinkExt::send`] writes at once. [`SinkExt::feed`] queues: the queue is written when it holds more than
/// `write_buffer_size`, on flush, and whenever the stream is polled. A queue that would pass `max_write_buffer_size`
/// gives the message back as [`Error::WriteBufferFull`].
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
    /// What the stream will give as its last item.
    failure: Option<Error>,
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
        shut_down: bool,
    },
    /// The stream has ended.
    Ended,
}

/// Longest wait for a peer to take the Close that tells it of its violation and to go, if `close_timeout` is not shorter.
const LINGER: Duration = Duration::from_secs(1);

/// Reads in a row after which other things have their turn though there is more to read.
const READS_AT_MOST: u8 = 32;

/// # Creation
impl<S> WebSocketStream<S> {
    /// A connection whose handshake was done elsewhere: `part` are bytes already read behind it, `agreed` the
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
            connection: Connection::new(role, options, agreed, timer::now()),
            buffer: part,
            phase: Phase::Active,
            failure: None,
            write_failed: None,
            unflushed: false,
            timer: Timer::default(),
            reads: 0,
            wakers: Wakers::default(),
        }
    }

    /// tokio-tungstenite's constructor: no handshake, no compression.
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

    /// tokio-tungstenite's constructor with bytes already read: no handshake, no compression.
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
    /// The parameters of permessage-deflate in force, if it was agreed.
    pub fn agreed(&self) -> Option<Agreed> {
        self.connection.agreed()
    }

    /// What compression did so far; `None` if it was not agreed.
    pub fn statistics(&self) -> Option<Statistics> {
        self.connection.statistics()
    }

    /// How the connection ended, or is ending; `None` while it is open.
    pub fn closed(&self) -> Option<&Closed> {
        self.connection.closed()
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

    /// Gives the underlying stream back with the bytes that were received behind the last message.
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

/// # Sending
impl<S: AsyncRead + AsyncWrite + Unpin> WebSocketStream<S> {
    /// Starts the closing handshake and flushes the Close frame. Go on receiving until the stream ends to finish it.
    ///
    /// # Errors
    /// As for sending a message.
    pub async fn close(&mut self, frame: Option<CloseFrame>) -> Result<(), Error> {
        self.send(Message::Close(frame)).await
    }

    /// Queues a message with a choice of its own about compression, as [`SinkExt::feed`] does without.
    ///
    /// # Errors
    /// As for sending a message.
    pub async fn feed_with(
        &mut self,
        message: Message,
        compression: Compression,
    ) -> Result<(), Error> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_ready(cx)).await?;
        self.queue(message, compression)
    }

    /// Queues a message that many connections send: its frames are made, and compressed, once for all of them.
    ///
    /// # Errors
    /// As for sending a message.
    pub async fn feed_prepared(&mut self, prepared: &PreparedMessage) -> Result<(), Error> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_ready(cx)).await?;
        self.start_send_prepared(prepared)
    }

    /// As [`feed_prepared`](Self::feed_prepared) for a stream that is ready: what
    /// [`Sink::start_send`] is to a message.
    ///
    /// # Errors
    /// As for sending a message; one that finds no room in the queue is [`Error::WriteBufferFull`].
    pub fn start_send_prepared(&mut self, prepared: &PreparedMessage) -> Result<(), Error> {
        self.queue_with(|connection| connection.send_prepared_by_clock(prepared, timer::now))
    }

    fn queue(&mut self, message: Message, compression: Compression) -> Result<(), Error> {
        self.queue_with(|connection| connection.send_by_clock(message, compression, timer::now))
    }

    fn queue_with(
        &mut self,
        send: impl FnOnce(&mut Connection) -> Result<(), SendError>,
    ) -> Result<(), Error> {
        if let Some(kind) = self.write_failed {
            return Err(Error::Io(kind.into()));
        }
        let was_open = self.connection.is_open();
        send(&mut self.connection)?;
        if was_open && !self.connection.is_open() {
            // The receiving task has a deadline to keep from now on.
            self.wakers.wake_other(Side::Sender, None);
        }
        if self.is_over_write_buffer() {
            let waker = self.wakers.for_eager_write();
            let mut cx = Context::from_waker(&waker);
            if let Poll::Ready(Err(error)) = self.poll_transmit(&mut cx) {
                self.note_write_failure(&error);
            }
        }
        Ok(())
    }

    fn is_over_write_buffer(&self) -> bool {
        self.connection.outgoing_bytes() > self.connection.options().websocket.write_buffer_size
    }

    /// Writes and flushes all that is queued.
    fn poll_transmit(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.write_failed.is_some() {
            return Poll::Ready(Ok(()));
        }
        loop {
            let outgoing = self.connection.outgoing();
            if !outgoing.has_remaining() {
                break;
            }
            let stream = Pin::new(&mut self.stream);
            let written = if outgoing.chunk().len() == outgoing.remaining() {
                // The common case, without a list of slices to fill.
                let written = ready!(stream.poll_write(cx, outgoing.chunk()))?;
                outgoing.advance(written);
                written
            } else {
                ready!(poll_write_buf(stream, cx, outgoing))?
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unflushed = true;
        }
        if self.unflushed {
            ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    fn note_write_failure(&mut self, error: &io::Error) {
        self.connection.transmit_failed();
        self.unflushed = false;
        self.write_failed = Some(error.kind());
    }

    /// The sending task's way to the transport.
    fn poll_send<T>(
        &mut self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Self, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let both = self.wakers.for_transport(Side::Sender, cx.waker());
        let waker = both.as_ref().unwrap_or(cx.waker());
        let result = poll(self, &mut Context::from_waker(waker));
        match result {
            Poll::Pending => self.wakers.waits(Side::Sender, cx.waker()),
            Poll::Ready(_) => self.wakers.proceeds(Side::Sender),
        }
        result
    }

    fn poll_flush_queue(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if let Some(kind) = self.write_failed {
            return Poll::Ready(if self.connection.is_receiving_over() {
                Ok(())
            } else {
                Err(Error::Io(kind.into()))
            });
        }
        match ready!(self.poll_transmit(cx)) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(error) => {
                self.note_write_failure(&error);
                // The closing handshake is done but for our answer, which the peer did not wait for.
                Poll::Ready(if self.connection.is_receiving_over() {
                    Ok(())
                } else {
                    Err(Error::Io(error))
                })
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Sink<Message> for WebSocketStream<S> {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let this = self.get_mut();
        if !this.is_over_write_buffer() {
            return Poll::Ready(Ok(()));
        }
        this.poll_send(cx, |this, cx| match this.poll_flush_queue(cx) {
            Poll::Pending if !this.is_over_write_buffer() => Poll::Ready(Ok(())),
            result => result,
        })
    }

    fn start_send(self: Pin<&mut Self>, item: Message) -> Result<(), Error> {
        self.get_mut().queue(item, Compression::Auto)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.get_mut().poll_send(cx, Self::poll_flush_queue)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let this = self.get_mut();
        if this.connection.is_open() {
            this.queue(Message::Close(None), Compression::Auto)?;
        }
        this.poll_send(cx, Self::poll_flush_queue)
    }
}

/// # Receiving
impl<S: AsyncRead + AsyncWrite + Unpin> WebSocketStream<S> {
    /// Gives a message, or does in turn all that can be done: write, keep deadlines, read.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Message, Error>>> {
        loop {
            if self.phase != Phase::Active {
                return self.poll_finish(cx);
            }
            let received = self
                .connection
                .receive_by_clock(&mut self.buffer, timer::now);
            match received {
                Ok(Some(Event::Message(message))) => {
                    if matches!(message, Message::Ping(_) | Message::Close(_)) {
                        self.transmit(cx);
                    }
                    return Poll::Ready(Some(Ok(message)));
                }
                Ok(None) => {}
                Err(violation) => {
                    self.finish(Some(violation.into()));
                    continue;
                }
            }
            if self.connection.is_receiving_over() {
                self.finish(None);
                continue;
            }
            self.transmit(cx);
            // Deadlines are kept before there is a wait; a transport that always has something is interrupted for them.
            if self.reads >= READS_AT_MOST && self.poll_deadlines(cx).is_ready() {
                continue;
            }
            self.reads = self.reads.saturating_add(1);
            match self.poll_fill(cx) {
                Poll::Ready(Ok(0)) => {
                    let clean = self.connection.receive_eof();
                    let error = (!clean).then(|| {
                        self.write_error()
                            .unwrap_or(Upstream::ResetWithoutClosingHandshake.into())
                    });
                    self.finish(error);
                }
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => {
                    self.connection.receive_eof();
                    let gone = is_gone(error.kind());
                    self.finish(Some(Error::Io(error)));
                    if gone {
                        return self.end();
                    }
                }
                Poll::Pending => {
                    if let Some(error) = self.write_error() {
                        self.connection.receive_eof();
                        self.finish(Some(error));
                        continue;
                    }
                    if let Err(violation) = self.connection.check_unfinished(&mut self.buffer) {
                        self.finish(Some(violation.into()));
                        continue;
                    }
                    chunk::park(&mut self.buffer);
                    if let Err(violation) = self.connection.hold(self.buffer.capacity()) {
                        self.finish(Some(violation.into()));
                        continue;
                    }
                    ready!(self.poll_deadlines(cx));
                }
            }
        }
    }

    /// Does what a deadline asks for if one has passed.
    fn poll_deadlines(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.reads = 0;
        ready!(self.timer.poll(self.connection.next_timeout(), cx));
        if let Err(violation) = self.connection.handle_timeout(timer::now()) {
            self.finish(Some(violation.into()));
        }
        Poll::Ready(())
    }

    /// Writes as much as the transport takes; what is left goes out with a later poll.
    fn transmit(&mut self, cx: &mut Context<'_>) {
        let waiting = self.connection.outgoing_bytes() > 0 || self.unflushed;
        match self.poll_transmit(cx) {
            Poll::Pending => {}
            Poll::Ready(Ok(())) if !waiting => {}
            Poll::Ready(Ok(())) => self.wakers.wake_other(Side::Receiver, Some(cx.waker())),
            Poll::Ready(Err(error)) => {
                self.note_write_failure(&error);
                self.wakers.wake_other(Side::Receiver, Some(cx.waker()));
            }
        }
    }

    fn write_error(&self) -> Option<Error> {
        self.write_failed.map(|kind| Error::Io(kind.into()))
    }

    /// Reads what is there into the buffer; 0 at the end of the byte stream.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.buffer.capacity() == 0 {
            self.buffer = chunk::borrow();
        } else {
            let wanted = self.connection.bytes_wanted(&self.buffer);
            chunk::grow(&mut self.buffer, wanted);
        }
        poll_read_buf(Pin::new(&mut self.stream), cx, &mut self.buffer)
    }

    /// Receives no more; `failure` is the stream's last item once what is queued is written.
    fn finish(&mut self, failure: Option<Error>) {
        let timeout = self.connection.options().close_timeout;
        let linger = if failure.is_some() {
            timeout.map(|timeout| timeout.min(LINGER))
        } else {
            timeout
        };
        self.failure = failure;
        self.buffer.clear();
        self.phase = Phase::Finishing {
            until: linger.and_then(|linger| timer::now().checked_add(linger)),
            shut_down: false,
        };
    }

    /// Writes what is queued, closes the transport if that is this side's part, waits for the peer to do the same.
    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Message, Error>>> {
        let Phase::Finishing { until, shut_down } = self.phase else {
            return Poll::Ready(None);
        };
        let expired = self.timer.poll(until, cx).is_ready();
        let patient = !expired && (until.is_some() || self.failure.is_none());
        self.transmit(cx);
        if self.connection.outgoing_bytes() > 0 && patient {
            return Poll::Pending;
        }
        if self.connection.should_close_transport() && !shut_down {
            if Pin::new(&mut self.stream).poll_shutdown(cx).is_pending() && patient {
                return Poll::Pending;
            }
            self.phase = Phase::Finishing {
                until,
                shut_down: true,
            };
        }
        // A socket that is dropped with unread bytes is reset, and the peer may lose our Close with it.
        let lingers =
            patient && (self.failure.is_some() || !self.connection.should_close_transport());
        if self.poll_drain(cx).is_pending() && lingers {
            return Poll::Pending;
        }
        self.end()
    }

    /// Ends the stream with its last item.
    fn end(&mut self) -> Poll<Option<Result<Message, Error>>> {
        chunk::park(&mut self.buffer);
        self.phase = Phase::Ended;
        Poll::Ready(self.failure.take().map(Err))
    }

    /// Reads and discards until the end of the byte stream, with a pause now and then where there always is more.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..READS_AT_MOST {
            self.buffer.clear();
            match self.poll_fill(cx) {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(_)) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Whether a transport that fails like this takes nothing any more, not even its own end.
fn is_gone(failure: io::ErrorKind) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected};
    matches!(
        failure,
        BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected
    )
}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for WebSocketStream<S> {
    type Item = Result<Message, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let both = this.wakers.for_transport(Side::Receiver, cx.waker());
        let waker = both.as_ref().unwrap_or(cx.waker());
        let result = this.poll_receive(&mut Context::from_waker(waker));
        match &result {
            Poll::Pending => this.wakers.waits(Side::Receiver, cx.waker()),
            Poll::Ready(_) => this.wakers.proceeds(Side::Receiver),
        }
        result
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> FusedStream for WebSocketStream<S> {
    fn is_terminated(&self) -> bool {
        self.phase == Phase::Ended
    }
}
