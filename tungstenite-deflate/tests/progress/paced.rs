//! A transport that gives and takes so many bytes a second.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// `S` at a rate, each direction for itself.
pub(super) struct Paced<S> {
    inner: S,
    read: Pace,
    write: Pace,
}

/// Bytes that may pass in the current tick, and the time of the next one.
struct Pace {
    per_tick: usize,
    left: usize,
    next: Pin<Box<Sleep>>,
}

const TICK: Duration = Duration::from_millis(100);

impl Pace {
    fn new(rate: usize) -> Self {
        let per_tick = rate / 10;
        Self {
            per_tick,
            left: per_tick,
            next: Box::pin(tokio::time::sleep(TICK)),
        }
    }

    /// Bytes that may pass now.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<usize> {
        if self.left == 0 {
            ready!(self.next.as_mut().poll(cx));
            self.next.as_mut().reset(Instant::now() + TICK);
            self.left = self.per_tick;
        }
        Poll::Ready(self.left)
    }
}

impl<S> Paced<S> {
    pub(super) fn new(inner: S, rate: usize) -> Self {
        Self {
            inner,
            read: Pace::new(rate),
            write: Pace::new(rate),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let left = ready!(this.read.poll(cx));
        let mut part = buffer.take(left);
        ready!(Pin::new(&mut this.inner).poll_read(cx, &mut part))?;
        let (read, initialized) = (part.filled().len(), part.initialized().len());
        this.read.left -= read;
        // As `tokio::io::Take` does, but safe: the bytes are put a second time.
        let bytes = part.filled().to_vec();
        debug_assert!(initialized >= read);
        buffer.put_slice(&bytes);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let left = ready!(this.write.poll(cx));
        let part = &bytes[..bytes.len().min(left)];
        let written = ready!(Pin::new(&mut this.inner).poll_write(cx, part))?;
        this.write.left -= written;
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}
