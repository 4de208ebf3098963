//! A connection as the system gives it: TCP or a Unix socket, with bytes that were read ahead of their reader.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

/// A connection as the system gives it.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: Stream,
    /// Bytes that were read and put back; they come first.
    early: Bytes,
}

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Socket {
    /// The TCP connection, unless this is a Unix socket.
    pub(crate) fn tcp(&self) -> Option<&TcpStream> {
        match &self.stream {
            Stream::Tcp(stream) => Some(stream),
            #[cfg(unix)]
            Stream::Unix(_) => None,
        }
    }

    /// Puts back `bytes`, which were read from here last.
    pub(crate) fn put_back(&mut self, bytes: Bytes) {
        if self.early.is_empty() {
            self.early = bytes;
        } else if !bytes.is_empty() {
            self.early = [bytes, std::mem::take(&mut self.early)].concat().into();
        }
    }

    /// Waits for the first byte and leaves it where it is; `None` at the end of the stream. Cancel safe.
    ///
    /// # Errors
    /// The connection is lost.
    pub(crate) async fn peek(&mut self) -> io::Result<Option<u8>> {
        if let Some(first) = self.early.first() {
            return Ok(Some(*first));
        }
        let mut first = [0];
        let count = match &self.stream {
            Stream::Tcp(stream) => stream.peek(&mut first).await?,
            #[cfg(unix)]
            Stream::Unix(stream) => peek_unix(stream, &mut first).await?,
        };
        Ok((count > 0).then_some(first[0]))
    }

    /// Tells if the first bytes are `prefix`, and leaves them where they are. Reads no more than is needed to tell.
    ///
    /// # Errors
    /// The connection is lost.
    pub(crate) async fn begins_with(&mut self, prefix: &[u8]) -> io::Result<bool> {
        let mut seen = BytesMut::new();
        let is_same = loop {
            let compared = seen.len().min(prefix.len());
            if seen[..compared] != prefix[..compared] {
                break false;
            }
            if compared == prefix.len() {
                break true;
            }
            if self.read_buf(&mut seen).await? == 0 {
                break false;
            }
        };
        self.put_back(seen.freeze());
        Ok(is_same)
    }
}

/// `peek` for Unix sockets, which tokio lacks.
#[cfg(unix)]
async fn peek_unix(stream: &UnixStream, buffer: &mut [u8]) -> io::Result<usize> {
    use rustix::net::{RecvFlags, recv};
    stream
        .async_io(tokio::io::Interest::READABLE, || {
            let (count, _) = recv(stream, &mut *buffer, RecvFlags::PEEK)?;
            Ok(count)
        })
        .await
}

impl From<TcpStream> for Socket {
    fn from(stream: TcpStream) -> Self {
        Self {
            stream: Stream::Tcp(stream),
            early: Bytes::new(),
        }
    }
}

#[cfg(unix)]
impl From<UnixStream> for Socket {
    fn from(stream: UnixStream) -> Self {
        Self {
            stream: Stream::Unix(stream),
            early: Bytes::new(),
        }
    }
}

/// Runs `$call` on whatever carries the bytes.
macro_rules! with_stream {
    ($socket:expr, $name:ident => $call:expr) => {
        match &mut $socket.stream {
            Stream::Tcp($name) => {
                let $name = Pin::new($name);
                $call
            }
            #[cfg(unix)]
            Stream::Unix($name) => {
                let $name = Pin::new($name);
                $call
            }
        }
    };
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.early.is_empty() {
            return with_stream!(self, stream => stream.poll_read(context, buffer));
        }
        let count = self.early.len().min(buffer.remaining());
        buffer.put_slice(&self.early[..count]);
        self.early.advance(count);
        if self.early.is_empty() {
            // Gives the memory back.
            self.early = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        with_stream!(self, stream => stream.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        with_stream!(self, stream => stream.poll_write_vectored(context, slices))
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Tcp(stream) => stream.is_write_vectored(),
            #[cfg(unix)]
            Stream::Unix(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        with_stream!(self, stream => stream.poll_flush(context))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        with_stream!(self, stream => stream.poll_shutdown(context))
    }
}

#[cfg(all(test, unix))]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test]
    async fn a_prefix_is_told_wherever_it_is_cut_and_stays() {
        const PREFIX: &[u8] = b"PRI * HTTP/2.0";
        for cut in 0..PREFIX.len() {
            let (ours, mut theirs) = UnixStream::pair().unwrap();
            let mut socket = Socket::from(ours);
            theirs.write_all(&PREFIX[..cut]).await.unwrap();
            let rest = async {
                tokio::task::yield_now().await;
                theirs.write_all(&PREFIX[cut..]).await.unwrap();
                theirs.write_all(b"rest").await.unwrap();
                theirs.shutdown().await.unwrap();
            };
            let (is_same, ()) = tokio::join!(socket.begins_with(PREFIX), rest);
            assert!(is_same.unwrap(), "{cut}");
            assert_eq!(socket.peek().await.unwrap(), Some(b'P'));
            let mut all = Vec::new();
            socket.read_to_end(&mut all).await.unwrap();
            assert_eq!(all, [PREFIX, b"rest"].concat(), "{cut}");
            assert_eq!(socket.peek().await.unwrap(), None);
        }
    }

    #[tokio::test]
    async fn what_differs_is_told_at_once() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut socket = Socket::from(ours);
        theirs.write_all(b"PU").await.unwrap();
        assert_eq!(socket.peek().await.unwrap(), Some(b'P'));
        assert!(!socket.begins_with(b"PRI").await.unwrap());
    }
}
