//! The byte stream under a WebSocket, one type for HTTP/1.1 and HTTP/2, with a deadline for writing.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;
use tokio::task::coop::has_budget_remaining;
use tokio::time::{Instant, Sleep};

use crate::client_stream::ClientStream;
use crate::ledger::{Account, Http2, PAUSE, PIECE_BYTES, Part, Stalled, Stream, poll_deadline};
use crate::linger::{Ending, is_failure_of_tls};
use crate::metrics::Traffic;
use crate::unsent;

/// The byte stream under a WebSocket.
///
/// A peer that does not take bytes which are ready for it holds their memory; after the write timeout writing fails
/// with [`io::ErrorKind::TimedOut`], which ends the connection. What has been taken starts the time anew. Meanwhile the
/// bytes count in the connection's account; when that is spent, writing fails with [`io::ErrorKind::OutOfMemory`].
#[derive(Debug)]
pub struct ServerStream {
    transport: Transport,
    write_timeout: Duration,
    /// Runs while bytes wait for the peer.
    stalled: Option<Pin<Box<Sleep>>>,
    /// The memory that the connection makes the server hold.
    account: Account,
    /// The memory held since the peer took nothing.
    held: Option<Stalled>,
    /// Most of the write timeout is over; the connection will be dropped unless the peer takes something.
    slow: bool,
    /// The peer is in the count of those that did not read.
    is_counted_slow: bool,
    /// The peer took only part of what was last written, so that nothing but the rest of it may follow.
    interrupted: bool,
    /// Receiver of the transport when a panic drops this.
    rescue: Option<oneshot::Sender<Transport>>,
    traffic: Traffic,
    ending: Ending,
}

/// The account of a stream of HTTP/2 (RFC 8441).
#[derive(Debug)]
pub(crate) struct Output {
    http2: Arc<Http2>,
    stream: Arc<Stream>,
    /// Bytes that were read.
    read: u64,
    /// Runs while there is no memory for what is to be written.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Output {
    pub(crate) fn new((http2, stream): (Arc<Http2>, Arc<Stream>)) -> Self {
        stream.rests();
        Self {
            http2,
            stream,
            read: 0,
            waiting: None,
        }
    }

    /// Counts `bytes` that were read.
    fn consumed(&mut self, bytes: u64) {
        self.read += bytes;
        self.http2.consumed(bytes);
    }

    /// Ready when `bytes` may be written.
    fn poll_give(&mut self, context: &mut Context<'_>, bytes: usize) -> Poll<()> {
        while self.http2.give(bytes).is_err() {
            let waiting = self
                .waiting
                .get_or_insert_with(|| Box::pin(tokio::time::sleep(PAUSE)));
            ready!(waiting.as_mut().poll(context));
            waiting.as_mut().reset(Instant::now() + PAUSE);
        }
        self.waiting = None;
        Poll::Ready(())
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        // What was written is still with hyper, whose task is given up unless the peer takes it in time.
        self.stream.waits();
        self.http2.dropped(self.read);
    }
}

/// Carrier of the bytes.
#[derive(Debug)]
pub(crate) enum Transport {
    /// HTTP/1.1: the connection itself, taken back from hyper.
    Http1(Box<ClientStream>),
    /// HTTP/2: one stream of a connection that hyper keeps (RFC 8441).
    Http2(TokioIo<Upgraded>, Option<Output>),
    /// Taken away.
    Gone,
}

impl ServerStream {
    /// Creates the byte stream of a WebSocket over `transport`, counted in `traffic` and, while the peer does not take
    /// it, in `account`.
    pub(crate) fn new(
        transport: Transport,
        write_timeout: Duration,
        traffic: Traffic,
        account: &Account,
    ) -> Self {
        Self {
            transport,
            write_timeout,
            stalled: None,
            account: account.clone(),
            held: None,
            slow: false,
            is_counted_slow: false,
            interrupted: false,
            rescue: None,
            traffic,
            ending: Ending::new(account.linger()),
        }
    }

    /// Hands the transport to `rescue` when a panic drops this between two messages, so that the peer can still be notified.
    pub(crate) fn rescued_by(mut self, rescue: oneshot::Sender<Transport>) -> Self {
        self.rescue = Some(rescue);
        self
    }

    /// Returns true if most of the write timeout has passed without the peer taking anything.
    pub(crate) fn is_slow(&self) -> bool {
        self.slow
    }

    /// Has the system hold little ahead of what it sends, so that what is written last does not grow old there. Over
    /// HTTP/2 the connection is shared and stays as it is.
    pub(crate) fn keep_fresh(&self) {
        if let Transport::Http1(transport) = &self.transport {
            // A connection that refuses is about to end.
            let _ = unsent::limit(transport.socket(), unsent::NEWS_BYTES);
        }
    }

    /// Returns true if this is a stream of an HTTP/2 connection.
    pub fn is_http2(&self) -> bool {
        matches!(self.transport, Transport::Http2(..))
    }

    /// Counts `bytes` that the peer does not take, those included that TLS has sealed.
    fn hold(&mut self, context: &mut Context<'_>, bytes: usize) -> io::Result<()> {
        let sealed = match &self.transport {
            Transport::Http1(transport) => transport.sealed_bytes(),
            _ => 0,
        };
        let account = &self.account;
        let held = self.held.get_or_insert_with(|| account.stalled_messages());
        held.hold(context, bytes + sealed).map_err(|spent| {
            account.refused(Part::Output);
            io::Error::new(io::ErrorKind::OutOfMemory, spent)
        })
    }

    /// Passes the result of writing `bytes` on; an error if the peer has taken nothing for too long, or if there is no
    /// memory to wait for it.
    fn within_bounds<T>(
        &mut self,
        context: &mut Context<'_>,
        bytes: usize,
        result: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.stalled = None;
            self.slow = false;
            self.held = None;
            return result;
        }
        // A task that has used up its budget of polls is polled again at once; the peer may well take more.
        if self.stalled.is_none() && !has_budget_remaining() {
            return Poll::Pending;
        }
        self.hold(context, bytes)?;
        let timeout = self.write_timeout;
        let last_part = timeout / LAST_PART;
        let stalled = self.stalled.get_or_insert_with(|| {
            Box::pin(tokio::time::sleep_until(
                Instant::now() + timeout.saturating_sub(last_part),
            ))
        });
        ready!(poll_deadline(stalled.as_mut(), context));
        if !self.slow {
            self.slow = true;
            stalled.as_mut().reset(Instant::now() + last_part);
            ready!(poll_deadline(stalled.as_mut(), context));
        }
        // Whoever goes on polling after the error is the same reader.
        if !std::mem::replace(&mut self.is_counted_slow, true) {
            self.traffic.slow_reader();
        }
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("the peer took nothing for {timeout:?}: slow consumer"),
        )))
    }
}

/// Runs `$call` on whatever carries the bytes.
macro_rules! with_transport {
    ($stream:expr, $name:ident => $call:expr) => {
        match &mut $stream.transport {
            Transport::Http1($name) => {
                let $name = Pin::new($name.as_mut());
                $call
            }
            Transport::Http2($name, _) => {
                let $name = Pin::new($name);
                $call
            }
            Transport::Gone => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    };
}

impl AsyncRead for ServerStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if let Transport::Http1(transport) = &mut this.transport
            && let Some(dropped) = this.ending.poll_dropped(&mut **transport, context)
        {
            return dropped.map(Ok);
        }
        let before = buffer.filled().len();
        let result = with_transport!(self, transport => transport.poll_read(context, buffer));
        ready!(self.after_alert(context, result))?;
        let read = buffer.filled().len() - before;
        self.traffic.received_bytes(read);
        if let Transport::Http2(_, Some(output)) = &mut self.transport {
            output.consumed(read as u64);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ServerStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let all = bytes.len();
        let Poll::Ready(most) = self.poll_give(context, all) else {
            return self.within_bounds(context, all, Poll::Pending);
        };
        let bytes = &bytes[..most];
        let result = with_transport!(self, transport => transport.poll_write(context, bytes));
        self.take_back(most, &result);
        self.written(context, all, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.is_http2() {
            // hyper takes one slice at a time.
            let first = slices.iter().find(|slice| !slice.is_empty());
            return self.poll_write(context, first.map_or(&[], |slice| slice));
        }
        let result =
            with_transport!(self, transport => transport.poll_write_vectored(context, slices));
        let all = slices.iter().map(|slice| slice.len()).sum();
        self.written(context, all, result)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.transport {
            Transport::Http1(transport) => transport.is_write_vectored(),
            Transport::Http2(transport, _) => transport.is_write_vectored(),
            Transport::Gone => false,
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = with_transport!(self, transport => transport.poll_flush(context));
        self.within_bounds(context, 0, result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.ending.begin() {
            let result = with_transport!(self, transport => transport.poll_shutdown(context));
            ready!(self.within_bounds(context, 0, result))?;
            self.ending.written();
        }
        let this = &mut *self;
        if let Transport::Http1(transport) = &mut this.transport {
            ready!(this.ending.poll_linger(&mut **transport, context));
        }
        Poll::Ready(Ok(()))
    }
}

impl ServerStream {
    /// Returns the number of `bytes` that may be written now; over HTTP/2 a piece, once there is memory for it.
    fn poll_give(&mut self, context: &mut Context<'_>, bytes: usize) -> Poll<usize> {
        match &mut self.transport {
            Transport::Http2(_, Some(output)) => {
                let most = bytes.min(PIECE_BYTES);
                output.poll_give(context, most).map(|()| most)
            }
            _ => Poll::Ready(bytes),
        }
    }

    /// Takes back what was allowed and not written.
    fn take_back(&self, allowed: usize, result: &Poll<io::Result<usize>>) {
        if let Transport::Http2(_, Some(output)) = &self.transport {
            let written = match result {
                Poll::Ready(Ok(written)) => *written,
                _ => 0,
            };
            output.http2.taken_back(allowed - written);
        }
    }

    /// Counts what a write of `bytes` took.
    fn written(
        &mut self,
        context: &mut Context<'_>,
        bytes: usize,
        result: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        // A writer goes on until everything is taken or the transport takes no more, so what ends without waiting ends
        // at the end of a frame.
        self.interrupted = !matches!(result, Poll::Ready(Ok(_)));
        if let Poll::Ready(Ok(taken)) = &result {
            self.traffic.sent_bytes(*taken);
        }
        let result = self.within_bounds(context, bytes, result);
        self.after_alert(context, result)
    }

    /// Passes a result on; a failure of TLS, which lasts, once the connection is ended so that its alert arrives.
    fn after_alert<T>(
        &mut self,
        context: &mut Context<'_>,
        result: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if is_failure_of_tls(&result) {
            self.ending.failed();
            let _ = ready!(Pin::new(&mut *self).poll_shutdown(context));
        }
        result
    }
}

impl Drop for ServerStream {
    fn drop(&mut self) {
        if std::thread::panicking()
            && !self.interrupted
            && let Some(rescue) = self.rescue.take()
        {
            // Nobody waits for it when the handler gave the stream to a task of its own.
            let _ = rescue.send(std::mem::replace(&mut self.transport, Transport::Gone));
        }
    }
}

/// The share of the write timeout, one in so many, that is left when the peer is closed as too slow.
const LAST_PART: u32 = 4;
