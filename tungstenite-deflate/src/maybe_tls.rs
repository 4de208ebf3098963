//! A stream that may be encrypted.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream with or without TLS, under tokio-tungstenite's name and with its variants.
///
/// The type is this crate's own, not that of `tokio-tungstenite`: a program that depends on both crates cannot pass the stream of
/// one to the other.
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "the shape of tokio-tungstenite's"
)]
#[non_exhaustive]
pub enum MaybeTlsStream<S> {
    /// Not encrypted.
    Plain(S),
    /// Encrypted by the platform's TLS library.
    #[cfg(feature = "native-tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "native-tls")))]
    NativeTls(tokio_native_tls::TlsStream<S>),
    /// Encrypted by rustls.
    #[cfg(feature = "__rustls-tls")]
    Rustls(tokio_rustls::client::TlsStream<S>),
}

impl<S> MaybeTlsStream<S> {
    /// Returns the stream beneath TLS.
    pub fn get_ref(&self) -> &S {
        match self {
            Self::Plain(stream) => stream,
            #[cfg(feature = "native-tls")]
            Self::NativeTls(stream) => stream.get_ref().get_ref().get_ref(),
            #[cfg(feature = "__rustls-tls")]
            Self::Rustls(stream) => stream.get_ref().0,
        }
    }
}

/// Calls the same method of whichever stream it is.
macro_rules! each {
    ($stream:expr, $method:ident($($argument:expr),*)) => {
        match $stream {
            MaybeTlsStream::Plain(stream) => Pin::new(stream).$method($($argument),*),
            #[cfg(feature = "native-tls")]
            MaybeTlsStream::NativeTls(stream) => Pin::new(stream).$method($($argument),*),
            #[cfg(feature = "__rustls-tls")]
            MaybeTlsStream::Rustls(stream) => Pin::new(stream).$method($($argument),*),
        }
    };
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for MaybeTlsStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        each!(self.get_mut(), poll_read(context, buffer))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for MaybeTlsStream<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        each!(self.get_mut(), poll_write(context, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(self.get_mut(), poll_write_vectored(context, pieces))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            #[cfg(feature = "native-tls")]
            Self::NativeTls(stream) => stream.is_write_vectored(),
            #[cfg(feature = "__rustls-tls")]
            Self::Rustls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self.get_mut(), poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self.get_mut(), poll_shutdown(context))
    }
}
