//! The transport: what it does next is decided by the scenario, and whoever waits for it is woken when it can.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Clones are the same transport.
#[derive(Clone, Default, Debug)]
pub(super) struct Transport(Arc<Mutex<State>>);

#[derive(Default, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent")]
pub(super) struct State {
    /// Bytes of the peer that have not been read.
    pub(super) incoming: VecDeque<u8>,
    /// So many of them have arrived.
    pub(super) arrived: usize,
    /// Follows the last byte: the end of the stream, or a failure.
    pub(super) end: Option<Result<(), ErrorKind>>,
    /// Bytes that are taken before there is a wait.
    pub(super) free: usize,
    /// Writing fails like this once nothing is free.
    pub(super) failure: Option<ErrorKind>,
    /// Flushing waits.
    pub(super) flush_waits: bool,
    /// Shutting down waits.
    pub(super) shutdown_waits: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
    /// A failed read, or the end, was returned.
    pub(super) read_over: bool,
    /// A failed write, flush or shutdown was returned.
    pub(super) write_over: bool,
}

impl Transport {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl State {
    pub(super) fn wake_reader(&mut self) {
        if let Some(waker) = self.reader.take() {
            waker.wake();
        }
    }

    pub(super) fn wake_writer(&mut self) {
        if let Some(waker) = self.writer.take() {
            waker.wake();
        }
    }

    /// Wakes all that wait and keeps their wakers.
    pub(super) fn wake_all_by_ref(&self) {
        for waker in [&self.reader, &self.writer].into_iter().flatten() {
            waker.wake_by_ref();
        }
    }

    fn fail<T>(&mut self, kind: ErrorKind) -> Poll<io::Result<T>> {
        self.write_over = true;
        Poll::Ready(Err(kind.into()))
    }

    fn wait_to_write<T>(&mut self, cx: &Context<'_>) -> Poll<io::Result<T>> {
        self.writer = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.state();
        let length = state
            .arrived
            .min(state.incoming.len())
            .min(buffer.remaining());
        if length > 0 {
            state.arrived -= length;
            let bytes: Vec<u8> = state.incoming.drain(..length).collect();
            buffer.put_slice(&bytes);
            return Poll::Ready(Ok(()));
        }
        match state.end {
            Some(end) if state.incoming.is_empty() => {
                state.read_over = true;
                Poll::Ready(end.map_err(io::Error::from))
            }
            _ => {
                state.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.state();
        if state.free > 0 {
            let taken = state.free.min(bytes.len());
            state.free -= taken;
            return Poll::Ready(Ok(taken));
        }
        match state.failure {
            // As a transport does that takes nothing without saying why.
            Some(ErrorKind::WriteZero) => {
                state.write_over = true;
                Poll::Ready(Ok(0))
            }
            Some(kind) => state.fail(kind),
            None => state.wait_to_write(cx),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.state();
        match state.failure {
            Some(kind) if state.free == 0 => state.fail(kind),
            _ if state.flush_waits => state.wait_to_write(cx),
            _ => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.state();
        match state.failure {
            Some(kind) if state.free == 0 => state.fail(kind),
            _ if state.shutdown_waits => state.wait_to_write(cx),
            _ => Poll::Ready(Ok(())),
        }
    }
}
