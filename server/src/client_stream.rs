//! The stream of a connection under HTTP: TLS, or the bare socket on a listener without TLS.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::socket::Socket;
use crate::tls::TlsTransport;

/// The stream of a connection under HTTP.
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "a server that has many connections mostly speaks TLS on them"
)]
pub(crate) enum ClientStream {
    /// TLS by this server.
    Tls(TlsTransport),
    /// No TLS, or TLS that a proxy has ended.
    Plain(Socket),
}

impl ClientStream {
    /// The connection below TLS.
    pub(crate) fn socket(&self) -> &Socket {
        match self {
            Self::Tls(stream) => stream.get_ref(),
            Self::Plain(socket) => socket,
        }
    }

    /// The connection below TLS, to be read past it.
    pub(crate) fn socket_mut(&mut self) -> &mut Socket {
        match self {
            Self::Tls(stream) => stream.get_mut(),
            Self::Plain(socket) => socket,
        }
    }

    /// Bytes that TLS has sealed and the socket has not taken.
    pub(crate) fn sealed_bytes(&self) -> usize {
        match self {
            Self::Tls(stream) => stream.sealed_bytes(),
            Self::Plain(_) => 0,
        }
    }
}

/// Runs `$call` on whatever carries the bytes.
macro_rules! with_stream {
    ($stream:expr, $name:ident => $call:expr) => {
        match $stream.get_mut() {
            ClientStream::Tls($name) => {
                let $name = Pin::new($name);
                $call
            }
            ClientStream::Plain($name) => {
                let $name = Pin::new($name);
                $call
            }
        }
    };
}

impl AsyncRead for ClientStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        with_stream!(self, stream => stream.poll_read(context, buffer))
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        with_stream!(self, stream => stream.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        with_stream!(self, stream => stream.poll_write_vectored(context, slices))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tls(stream) => stream.is_write_vectored(),
            Self::Plain(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        with_stream!(self, stream => stream.poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        with_stream!(self, stream => stream.poll_shutdown(context))
    }
}
