//! Messages to a stream of bytes: `Sink`, and what it has beyond that.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Buf;
use futures_sink::Sink;
use futures_util::SinkExt;
use tokio::io::{AsyncRead, AsyncWrite};

use super::wakers::Side;
use super::{Phase, WebSocketStream, timer};
use crate::connection::Connection;
use crate::deflate::Compression;
use crate::error::SendError;
use crate::prepared::PreparedMessage;
use crate::tungstenite::protocol::CloseFrame;
use crate::tungstenite::{Error, Message};

/// # Sending
impl<S: AsyncRead + AsyncWrite + Unpin> WebSocketStream<S> {
    /// Starts the closing handshake and flushes the Close frame. Go on receiving until the stream ends to finish it.
    ///
    /// # Errors
    /// As for sending a message.
    pub async fn close(&mut self, frame: Option<CloseFrame>) -> Result<(), Error> {
        self.send(Message::Close(frame)).await
    }

    /// Sends a message with a choice of its own about compression, as [`SinkExt::send`] does without.
    ///
    /// # Errors
    /// As for sending a message.
    pub async fn send_with(
        &mut self,
        message: Message,
        compression: Compression,
    ) -> Result<(), Error> {
        self.feed_with(message, compression).await?;
        self.flush().await
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
        self.queue_with(|connection| connection.send_prepared(prepared, timer::now))
    }

    pub(super) fn queue(
        &mut self,
        message: Message,
        compression: Compression,
    ) -> Result<(), Error> {
        self.queue_with(|connection| connection.send_with(message, compression, timer::now))
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
            self.wakers.wake_other(Side::Sender);
        }
        if self.is_over_write_buffer() {
            let waker = self.wakers.for_eager_write();
            let mut cx = Context::from_waker(&waker);
            if let Poll::Ready(Err(error)) = self.poll_transmit(&mut cx) {
                self.note_write_failure(&error, Side::Sender);
            }
        }
        Ok(())
    }

    fn is_over_write_buffer(&self) -> bool {
        self.connection.outgoing_bytes() > self.connection.options().websocket.write_buffer_size
    }

    /// Writes and flushes all that is queued.
    pub(super) fn poll_transmit(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.write_failed.is_some() {
            return Poll::Ready(Ok(()));
        }
        let written = self.poll_write_queue(cx);
        if self.unflushed || written.is_pending() {
            self.connection.handle_written(timer::now);
        }
        ready!(written)?;
        if self.unflushed {
            ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write_queue(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let outgoing = self.connection.outgoing();
            let (first, all) = (outgoing.chunk(), outgoing.remaining());
            if all == 0 {
                return Poll::Ready(Ok(()));
            }
            let stream = Pin::new(&mut self.stream);
            let written = if first.len() == all || !stream.is_write_vectored() {
                ready!(stream.poll_write(cx, first))?
            } else {
                let mut slices = [IoSlice::new(&[]); MAX_SLICES];
                let used = outgoing.chunks_vectored(&mut slices);
                ready!(stream.poll_write_vectored(cx, &slices[..used]))?
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            outgoing.advance(written);
            self.unflushed = true;
        }
    }

    /// The transport takes nothing more, as `side` has seen: the other one is woken to see it too.
    pub(super) fn note_write_failure(&mut self, error: &io::Error, side: Side) {
        self.connection.transmit_failed();
        self.unflushed = false;
        self.write_failed = Some(error.kind());
        self.wakers.wake_other(side);
    }

    /// The sending task's way to the transport. It keeps the deadlines while it waits: nobody may be receiving.
    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        poll: impl Fn(&mut Self, &mut Context<'_>) -> Poll<Result<(), Error>>,
    ) -> Poll<Result<(), Error>> {
        let both = self.wakers.for_transport(Side::Sender, cx.waker());
        let waker = both.as_ref().unwrap_or(cx.waker());
        let cx_of_both = &mut Context::from_waker(waker);
        let mut result = poll(self, cx_of_both);
        while result.is_pending() && self.poll_overdue(cx_of_both).is_ready() {
            result = poll(self, cx_of_both);
        }
        match result {
            Poll::Pending => self.wakers.waits(Side::Sender, cx.waker()),
            Poll::Ready(_) => self.wakers.proceeds(Side::Sender),
        }
        result
    }

    /// The peer has sent its Close and may be gone before it has our answer, which is no error.
    fn is_closed_by_peer(&self) -> bool {
        let closed = self.connection.closed();
        closed.is_some_and(|closed| closed.received.is_some())
    }

    /// Does what a deadline asks for if one has passed while the sender waits.
    fn poll_overdue(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.phase {
            Phase::Active => {
                ready!(self.poll_deadlines(cx));
                if self.phase != Phase::Active {
                    // The receiving task has an error to return.
                    self.wakers.wake_other(Side::Sender);
                }
            }
            Phase::Finishing { .. } => {
                ready!(self.poll_linger(cx));
                self.note_write_failure(&io::ErrorKind::TimedOut.into(), Side::Sender);
            }
            Phase::Ended => return Poll::Pending,
        }
        Poll::Ready(())
    }

    fn poll_flush_queue(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if let Some(kind) = self.write_failed {
            return Poll::Ready(if self.is_closed_by_peer() {
                Ok(())
            } else {
                Err(Error::Io(kind.into()))
            });
        }
        match ready!(self.poll_transmit(cx)) {
            Ok(()) => {
                if self.phase != Phase::Active {
                    // The receiving task closes the transport after it.
                    self.wakers.wake_other(Side::Sender);
                }
                Poll::Ready(Ok(()))
            }
            Err(error) => {
                self.note_write_failure(&error, Side::Sender);
                // The closing handshake is done but for our answer, which the peer did not wait for.
                Poll::Ready(if self.is_closed_by_peer() {
                    Ok(())
                } else {
                    Err(Error::Io(error))
                })
            }
        }
    }
}

/// Slices of a vectored write: headers and payloads of eight frames that are not copied, each of at least 8 KiB.
const MAX_SLICES: usize = 16;

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
