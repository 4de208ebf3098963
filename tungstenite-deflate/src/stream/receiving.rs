//! Messages from a stream of bytes, and the end of it: `Stream`.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BufMut;
use futures_core::Stream;
use futures_core::stream::FusedStream;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::io::poll_read_buf;

use super::wakers::Side;
use super::{Phase, WebSocketStream, chunk, timer};
use crate::connection::ReceiveStep;
use crate::tungstenite::error::ProtocolError as Upstream;
use crate::tungstenite::{Error, Message};

/// # Receiving
impl<S: AsyncRead + AsyncWrite + Unpin> WebSocketStream<S> {
    /// Returns a message, or drives the connection in the order that [`Connection`](crate::Connection) asks for:
    ///
    /// ```text
    /// ┌─→ receive ─── message ────────────→ Ready
    /// │      │ none complete         in the middle of a long one: wake, Pending
    /// │   transmit: Pongs, the answer to a Close, what was fed
    /// │      │
    /// ├── read ────── bytes
    /// │      │ none there
    /// ├── wait ────── a deadline passed
    /// │      │
    /// │   Pending
    /// │
    /// └── violation, end or failure at any step: `finish`, then `poll_finish`
    /// ```
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Message, Error>>> {
        loop {
            if self.phase != Phase::Active {
                return self.poll_finish(cx);
            }
            match self.connection.receive_step(&mut self.buffer, timer::now) {
                Ok(ReceiveStep::Message(message)) => {
                    // The program may take its time before it polls again; these answers do not wait for it.
                    if matches!(message, Message::Ping(_) | Message::Close(_)) {
                        self.transmit(cx);
                    }
                    return Poll::Ready(Some(Ok(message)));
                }
                // Both Close frames exist, or a deadline ended the connection while this task slept.
                Ok(ReceiveStep::Incomplete) if self.connection.is_receiving_over() => {
                    self.finish(None);
                    continue;
                }
                Ok(ReceiveStep::Incomplete) => {}
                Ok(ReceiveStep::Paused) => {
                    ready!(self.poll_pause(cx));
                    continue;
                }
                Err(violation) => {
                    self.finish(Some(violation.into()));
                    continue;
                }
            }
            self.transmit(cx);
            // A transport that always has something would keep `poll_wait` from ever looking at the deadlines.
            if self.reads >= MAX_READS_IN_A_ROW && self.poll_deadlines(cx).is_ready() {
                continue;
            }
            self.reads = self.reads.saturating_add(1);
            match self.poll_fill(cx) {
                Poll::Ready(Ok(0)) => self.finish_at_end(),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => self.finish_after_failed_read(error),
                Poll::Pending => ready!(self.poll_wait(cx)),
            }
        }
    }

    /// Ends a connection whose byte stream has ended, with an error unless the closing handshake was done.
    fn finish_at_end(&mut self) {
        self.read_over = true;
        let clean = self.connection.receive_eof();
        let error = (!clean).then(|| {
            // A transport that failed to write says more than one that ended.
            self.write_error()
                .unwrap_or(Upstream::ResetWithoutClosingHandshake.into())
        });
        self.finish(error);
    }

    /// Ends a connection whose transport failed to read.
    fn finish_after_failed_read(&mut self, error: io::Error) {
        self.read_over = true;
        self.connection.receive_eof();
        // Reset by the peer: it takes nothing any more either.
        if is_gone(error.kind()) {
            self.note_write_failure(&error, Side::Receiver);
        }
        self.finish(Some(Error::Io(error)));
    }

    /// Gives other tasks their turn while a long message is inflated; ready when there is something to do instead.
    fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.transmit(cx);
        if !self.wait_accounted() {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        self.poll_deadlines(cx)
    }

    /// Prepares a wait for more bytes; ready when there is something to do instead.
    fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // What the peer sent before the transport failed was received first.
        if let Some(error) = self.write_error() {
            self.connection.receive_eof();
            self.finish(Some(error));
            return Poll::Ready(());
        }
        if !self.wait_accounted() {
            return Poll::Ready(());
        }
        self.poll_deadlines(cx)
    }

    /// Gives the thread its buffer back and accounts for what is unfinished; false if that ended the connection.
    fn wait_accounted(&mut self) -> bool {
        chunk::park(&mut self.buffer);
        let result = self.connection.handle_wait(&mut self.buffer);
        let is_accounted = result.is_ok();
        if let Err(violation) = result {
            self.finish(Some(violation.into()));
        }
        is_accounted
    }

    /// Waits for the next deadline; ready when one has passed, and what it asks for is done.
    pub(super) fn poll_deadlines(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.reads = 0;
        ready!(self.timer.poll(self.connection.next_timeout(), cx));
        if let Err(violation) = self.connection.handle_timeout(timer::now()) {
            self.finish(Some(violation.into()));
        }
        Poll::Ready(())
    }

    /// Writes as much as the transport takes; the rest goes out with a later poll.
    fn transmit(&mut self, cx: &mut Context<'_>) {
        let waiting = self.connection.outgoing_bytes();
        let unflushed = self.unflushed;
        match self.poll_transmit(cx) {
            Poll::Ready(Err(error)) => self.note_write_failure(&error, Side::Receiver),
            // The sender may wait for free space in the queue, or for the end of its message.
            Poll::Pending if self.connection.outgoing_bytes() < waiting => {
                self.wakers.wake_other(Side::Receiver);
            }
            Poll::Ready(Ok(())) if waiting > 0 || unflushed => {
                self.wakers.wake_other(Side::Receiver);
            }
            Poll::Pending | Poll::Ready(Ok(())) => {}
        }
    }

    fn write_error(&self) -> Option<Error> {
        self.write_failed.map(|kind| Error::Io(kind.into()))
    }

    /// Reads what is there into the buffer; 0 at the end of the byte stream.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let wanted = self.connection.bytes_wanted(&self.buffer);
        let limit = chunk::make_room(&mut self.buffer, wanted);
        let mut free = (&mut self.buffer).limit(limit);
        poll_read_buf(Pin::new(&mut self.stream), cx, &mut free)
    }

    /// Stops receiving; `failure` is the last item of the stream.
    fn finish(&mut self, failure: Option<Error>) {
        let timeout = self.connection.options().close_timeout;
        let failed = failure.is_some();
        let linger = if failed {
            timeout.map(|timeout| timeout.min(MAX_LINGER))
        } else {
            timeout
        };
        self.failure = failure;
        self.buffer.clear();
        self.phase = Phase::Finishing {
            until: linger.and_then(|linger| timer::now().checked_add(linger)),
            failed,
            written: self.connection.written_bytes(),
            shut_down: false,
        };
        // What it waits for may have been dropped.
        self.wakers.wake_other(Side::Receiver);
    }

    /// Returns the error at once, if there is one. Then writes what is queued, closes the transport if that is this side's
    /// part, and waits for the peer to do the same.
    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Message, Error>>> {
        let Phase::Finishing { until, failed, .. } = self.phase else {
            return Poll::Ready(None);
        };
        self.transmit(cx);
        let expired = self.poll_linger(cx).is_ready();
        if self.write_failed.is_some_and(is_gone) {
            return self.end();
        }
        let drained = self.poll_drain(cx).is_ready();
        let closed = self.poll_close_transport(cx, drained || expired).is_ready();
        if expired && (self.connection.outgoing_bytes() > 0 || self.unflushed) {
            self.note_write_failure(&io::ErrorKind::TimedOut.into(), Side::Receiver);
        }
        // Without a deadline only a peer in good standing is waited for; a transport that failed never is.
        if expired || self.write_failed.is_some() || (until.is_none() && failed) {
            return self.end();
        }
        if let Some(failure) = self.failure.take() {
            return Poll::Ready(Some(Err(failure)));
        }
        // Where nothing limits the wait, a peer that has gone is not written to any more.
        let written = closed || (drained && until.is_none());
        // A socket that is dropped with unread bytes is reset, and the peer may lose our Close with it.
        let lingers = failed || !self.connection.should_close_transport();
        if !written || (lingers && !drained) {
            return Poll::Pending;
        }
        self.end()
    }

    /// Ready when the peer has had its time: to take what is queued, then to end the byte stream. Taking starts it anew
    /// where the peer broke no rule.
    pub(super) fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Phase::Finishing {
            until,
            failed,
            written,
            ..
        } = &mut self.phase
        else {
            return Poll::Ready(());
        };
        let options = self.connection.options();
        let fresh = self.connection.written_bytes() - *written;
        let minimum = match self.connection.outgoing_bytes() {
            0 => 1,
            _ => options.limits.min_progress_bytes.max(1) as u64,
        };
        if fresh >= minimum && !*failed {
            *written += fresh;
            let timeout = options.close_timeout;
            *until = timeout.and_then(|timeout| timer::now().checked_add(timeout));
        }
        self.timer.poll(*until, cx)
    }

    /// Closes the transport when everything is written, if that is this side's part or the peer has done its own
    /// (`last`): TLS says `close_notify` then, in both roles. Ready when there is nothing to do.
    fn poll_close_transport(&mut self, cx: &mut Context<'_>, last: bool) -> Poll<()> {
        if self.connection.outgoing_bytes() > 0 {
            return Poll::Pending;
        }
        let Phase::Finishing { shut_down, .. } = &mut self.phase else {
            return Poll::Ready(());
        };
        if *shut_down || !(last || self.connection.should_close_transport()) {
            return Poll::Ready(());
        }
        let result = ready!(Pin::new(&mut self.stream).poll_shutdown(cx));
        *shut_down = true;
        if let Err(error) = result {
            self.note_write_failure(&error, Side::Receiver);
        }
        Poll::Ready(())
    }

    /// Ends the stream with its last item.
    fn end(&mut self) -> Poll<Option<Result<Message, Error>>> {
        chunk::park(&mut self.buffer);
        self.connection.receive_eof();
        self.phase = Phase::Ended;
        Poll::Ready(self.failure.take().map(Err))
    }

    /// Reads and discards until the end of the byte stream, with a pause now and then where there always is more.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..MAX_READS_IN_A_ROW {
            self.buffer.clear();
            if self.read_over {
                return Poll::Ready(());
            }
            let read = ready!(self.poll_fill(cx));
            self.read_over = !matches!(read, Ok(1..));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Returns whether a transport that fails like this takes nothing any more, not even its own end.
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
        this.connection.resume_receiving(timer::now);
        let result = this.poll_receive(&mut Context::from_waker(waker));
        match &result {
            Poll::Pending => this.wakers.waits(Side::Receiver, cx.waker()),
            Poll::Ready(_) => {
                this.connection.pause_receiving(timer::now);
                this.wakers.proceeds(Side::Receiver);
            }
        }
        result
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> FusedStream for WebSocketStream<S> {
    fn is_terminated(&self) -> bool {
        self.phase == Phase::Ended
    }
}

/// Maximum time for a peer to take the Close that reports its violation and to go, if `close_timeout` is not shorter.
const MAX_LINGER: Duration = Duration::from_secs(1);

/// Maximum reads before deadlines and other tasks are looked after though there is more to read.
const MAX_READS_IN_A_ROW: u8 = 32;
