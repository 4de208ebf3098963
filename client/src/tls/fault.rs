//! Notes why TLS ended a connection after its handshake.
//!
//! In TLS 1.3 a server judges the client's certificate when the client's handshake is over already (RFC 8446 §4.4.2.4):
//! its alert is what the first read finds, deep inside HTTP, which would only tell that the connection ended.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use rustls::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The error with which TLS ended a connection, once it has. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fault(Arc<OnceLock<Error>>);

impl Fault {
    /// The error, if TLS had one.
    pub(crate) fn get(&self) -> Option<&Error> {
        self.0.get()
    }

    fn note(&self, error: &io::Error) {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
        if let Some(error) = inner {
            // The first one is the cause.
            self.0.get_or_init(|| Error::clone(error));
        }
    }
}

/// A TLS stream that notes its fault.
#[derive(Debug)]
pub(crate) struct Noting<S> {
    stream: S,
    fault: Fault,
}

impl<S> Noting<S> {
    pub(crate) fn new(stream: S, fault: Fault) -> Self {
        Self { stream, fault }
    }

    fn noted<T>(&self, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(error)) = &result {
            self.fault.note(error);
        }
        result
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Noting<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.noted(result)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Noting<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.noted(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.noted(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_flush(cx);
        self.noted(result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.noted(result)
    }
}
