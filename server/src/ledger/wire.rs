//! A connection's transport under HTTP: a deadline for writing, and HTTP/2's frames seen as they pass.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::coop::has_budget_remaining;
use tokio::time::{Instant, Sleep, sleep};

use super::frames::{PREFACE_BYTES, Scanner};
use super::http2::Http2;
use super::{Account, PAUSE, Part, Stalled, poll_deadline};
use crate::heads::{HTTP2_REFUSAL, Heads, Objection, REFUSED};
use crate::interim::{CONTINUE, Interim};
use crate::linger::{Ending, OverSocket, is_failure_of_tls};

/// The transport of a connection while HTTP is spoken on it.
///
/// A peer that takes nothing of what is ready within the write timeout loses its connection
/// ([`io::ErrorKind::TimedOut`]). While it takes nothing, what the layers between hyper and the socket hold is counted.
#[derive(Debug)]
pub(crate) struct Wire<S> {
    stream: S,
    account: Account,
    frames: Option<Box<Frames>>,
    interim: Arc<Interim>,
    /// The rest of an interim response that has been begun.
    unwritten: &'static [u8],
    /// The heads of HTTP/1.1.
    heads: Option<Arc<Heads>>,
    /// The time for a head, and while one is due its number and deadline.
    head_timeout: Duration,
    head_deadline: Option<(u64, Pin<Box<Sleep>>)>,
    /// The unread part of a head that is refused; nothing follows it.
    refused: Option<&'static [u8]>,
    /// HTTP/2 came where it was not agreed on.
    is_http2_refused: bool,
    /// The memory held since the peer took nothing, and the deadline.
    stalled: Option<(Pin<Box<Sleep>>, Stalled)>,
    ending: Ending,
}

#[derive(Debug)]
struct Frames {
    http2: Arc<Http2>,
    received: Scanner,
    sent: Scanner,
    /// Runs while there is no memory for what would be read: until when there must be, and the pause before the next look.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl<S> Wire<S> {
    /// Creates the transport of an HTTP/1.1 connection.
    pub(crate) fn new(stream: S, account: &Account) -> Self {
        Self {
            stream,
            account: account.clone(),
            frames: None,
            interim: Arc::default(),
            unwritten: &[],
            heads: None,
            head_timeout: Duration::MAX,
            head_deadline: None,
            refused: None,
            is_http2_refused: false,
            stalled: None,
            ending: Ending::new(account.linger()),
        }
    }

    /// Has the heads of requests looked at, each of which must be there whole within `timeout`.
    pub(crate) fn with_heads(mut self, heads: &Arc<Heads>, timeout: Duration) -> Self {
        self.heads = Some(Arc::clone(heads));
        self.head_timeout = timeout;
        self
    }

    /// Returns the handle with which a handler has `100 Continue` written before its response.
    pub(crate) fn interim(&self) -> Arc<Interim> {
        Arc::clone(&self.interim)
    }

    /// Creates the transport of an HTTP/2 connection.
    pub(crate) fn http2(stream: S, account: &Account, http2: Arc<Http2>) -> Self {
        let frames = Frames {
            http2,
            received: Scanner::after(PREFACE_BYTES),
            sent: Scanner::after(0),
            waiting: None,
        };
        Self {
            frames: Some(Box::new(frames)),
            ..Self::new(stream, account)
        }
    }

    /// Gives the stream back.
    pub(crate) fn into_inner(self) -> S {
        self.stream
    }

    /// Passes a result of writing on, or the end if the peer has taken nothing for too long.
    fn within_deadline<T>(
        &mut self,
        context: &mut Context<'_>,
        result: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.stalled = None;
            return result;
        }
        // A task that has used up its budget of polls is polled again at once; the peer may well take more.
        if self.stalled.is_none() && !has_budget_remaining() {
            return Poll::Pending;
        }
        let account = &self.account;
        let (deadline, held) = self.stalled.get_or_insert_with(|| {
            let deadline = Box::pin(sleep(account.write_timeout()));
            (deadline, account.stalled_transport())
        });
        if let Err(spent) = held.hold(context, STALLED_BYTES) {
            account.refused(Part::Output);
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::OutOfMemory, spent)));
        }
        ready!(poll_deadline(deadline.as_mut(), context));
        self.account.stalled(Part::Output);
        let text = "the peer took nothing within the write timeout";
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, text)))
    }

    /// Ready when more may be read, which the rest of a frame always is; an error if nobody reads what is there for as long as the write timeout.
    fn poll_memory(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(frames) = &mut self.frames else {
            return Poll::Ready(Ok(()));
        };
        while !frames.received.is_within() && !frames.http2.may_read() {
            let timeout = self.account.write_timeout();
            let (until, pause) = frames
                .waiting
                .get_or_insert_with(|| (Instant::now() + timeout, Box::pin(sleep(PAUSE))));
            ready!(pause.as_mut().poll(context));
            if Instant::now() >= *until {
                self.account.stalled(Part::Input);
                let text = "no memory is left for what is received, and nobody reads what was";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::OutOfMemory, text)));
            }
            pause.as_mut().reset(Instant::now() + PAUSE);
        }
        frames.waiting = None;
        Poll::Ready(Ok(()))
    }

    /// Ready with an error when a head is due and has had its time.
    fn poll_head(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        let Some(number) = self.heads.as_ref().and_then(|heads| heads.due()) else {
            self.head_deadline = None;
            return Poll::Pending;
        };
        self.head_deadline = self.head_deadline.take().filter(|(of, _)| *of == number);
        let (_, deadline) = self
            .head_deadline
            .get_or_insert_with(|| (number, Box::pin(sleep(self.head_timeout))));
        ready!(deadline.as_mut().poll(context));
        let text = "a request's head was not there whole within --head-timeout";
        Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, text))
    }

    /// Gives what is left of [`REFUSED`]; after it nothing comes until hyper has answered.
    fn poll_refused(&mut self, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let rest = self.refused.unwrap_or_default();
        let (given, rest) = rest.split_at(rest.len().min(buffer.remaining()));
        buffer.put_slice(given);
        self.refused = Some(rest);
        if buffer.filled().is_empty() {
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    /// Looks at what a write of `slices` took: at its frames, or whether it took everything.
    fn sent(&mut self, slices: &[IoSlice<'_>], result: &Poll<io::Result<usize>>) {
        let mut count = match result {
            Poll::Ready(Ok(count)) => *count,
            _ => 0,
        };
        let Some(frames) = &mut self.frames else {
            let bytes: usize = slices.iter().map(|slice| slice.len()).sum();
            return self.interim.written(count == bytes);
        };
        for slice in slices {
            let part = &slice[..slice.len().min(count)];
            count -= part.len();
            frames.sent.pass(part, |head| frames.http2.sent(head));
        }
    }
}

impl<S: AsyncWrite + Unpin> Wire<S> {
    /// Ready when the interim response that was asked for has been written.
    fn poll_interim(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.interim.take() {
            self.unwritten = CONTINUE;
        }
        while !self.unwritten.is_empty() {
            let result = Pin::new(&mut self.stream).poll_write(context, self.unwritten);
            let count = ready!(self.within_deadline(context, result))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unwritten = &self.unwritten[count..];
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + OverSocket + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(dropped) = this.ending.poll_dropped(&mut this.stream, context) {
            return dropped.map(Ok);
        }
        if this.refused.is_some() {
            return this.poll_refused(buffer);
        }
        if this.is_http2_refused {
            return this.poll_http2_refused(context);
        }
        ready!(this.poll_memory(context))?;
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(context, buffer);
        if read.is_pending() {
            return this.poll_head(context).map(Err);
        }
        ready!(this.after_alert(context, read))?;
        if let Some(frames) = &mut this.frames {
            let Frames {
                http2, received, ..
            } = &mut **frames;
            let read = &buffer.filled()[before..];
            received.pass(read, |head| http2.received(head));
        } else if let Some(heads) = &this.heads {
            match heads.pass(&mut buffer.filled_mut()[before..]) {
                None => {}
                Some(Objection::LineFeed(at)) => {
                    buffer.set_filled(before + at);
                    this.refused = Some(REFUSED);
                    return this.poll_refused(buffer);
                }
                Some(Objection::Http2) => {
                    buffer.set_filled(before);
                    this.unwritten = HTTP2_REFUSAL;
                    this.is_http2_refused = true;
                    return this.poll_http2_refused(context);
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + OverSocket + Unpin> Wire<S> {
    /// Refuses HTTP/2 that was not agreed on, in its own frames, and ends the connection; hyper gets an error then.
    fn poll_http2_refused(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_interim(context))?;
        ready!(Pin::new(&mut *self).poll_shutdown(context))?;
        Poll::Ready(Err(io::ErrorKind::Unsupported.into()))
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

impl<S: AsyncRead + AsyncWrite + OverSocket + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let interim = this.poll_interim(context);
        ready!(this.after_alert(context, interim))?;
        let result = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.sent(&[IoSlice::new(bytes)], &result);
        let result = this.within_deadline(context, result);
        this.after_alert(context, result)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let interim = this.poll_interim(context);
        ready!(this.after_alert(context, interim))?;
        let result = Pin::new(&mut this.stream).poll_write_vectored(context, slices);
        this.sent(slices, &result);
        let result = this.within_deadline(context, result);
        this.after_alert(context, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_flush(context);
        this.within_deadline(context, result)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.ending.begin() {
            let result = Pin::new(&mut this.stream).poll_shutdown(context);
            ready!(this.within_deadline(context, result))?;
            this.ending.written();
        }
        this.ending.poll_linger(&mut this.stream, context).map(Ok)
    }
}

/// Bytes that TLS has sealed and hyper has buffered of a connection that takes nothing: four records and two pieces.
const STALLED_BYTES: usize = 96 * 1024;

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::net::{TcpListener, TcpStream};
    use tokio::task::coop::consume_budget;

    use super::*;
    use crate::client_stream::ClientStream;
    use crate::config::Config;
    use crate::ledger::Ledger;
    use crate::metrics::Metrics;

    /// A connection whose peer takes what it gets.
    async fn wire() -> (Wire<ClientStream>, TcpStream) {
        let config = Config::load(["server".into()]).unwrap().config;
        let ledger = Ledger::new(&config, Metrics::new().ledger);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (ours, theirs) = tokio::join!(TcpStream::connect(address), listener.accept());
        (
            Wire::new(ClientStream::Plain(ours.unwrap().into()), &ledger.account()),
            theirs.unwrap().0,
        )
    }

    #[tokio::test]
    async fn r7_a_task_without_polls_left_is_no_stalled_peer() {
        let (mut wire, _peer) = wire().await;
        let writing = async move {
            while has_budget_remaining() {
                consume_budget().await;
            }
            let mut polls = 0;
            poll_fn(|context| {
                polls += 1;
                let polled = Pin::new(&mut wire).poll_write(context, b"taken");
                assert!(wire.stalled.is_none(), "{polled:?}");
                polled.map(Result::unwrap)
            })
            .await;
            polls
        };
        assert_eq!(tokio::spawn(writing).await.unwrap(), 2);
    }
}
