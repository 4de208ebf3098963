//! Tunnels through proxies over a stream that blocks.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::dial::Proxy;

/// Requests a tunnel to `host` and `port` from the proxy at the other end of `socket`.
pub(super) fn tunnel(
    proxy: &Proxy,
    socket: TcpStream,
    host: &str,
    port: u16,
) -> io::Result<TcpStream> {
    let tunnel = proxy.tunnel(Blocking(socket), host, port);
    let opened = tunnel.now_or_never();
    let Blocking(socket) = opened
        .expect("a future over calls that block never waits")
        .map_err(io::Error::other)?;
    Ok(socket)
}

/// A stream that blocks, as one that is always ready.
struct Blocking<S>(S);

impl<S: Read + Unpin> AsyncRead for Blocking<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = self.get_mut().0.read(buffer.initialize_unfilled())?;
        buffer.advance(read);
        Poll::Ready(Ok(()))
    }
}

impl<S: Write + Unpin> AsyncWrite for Blocking<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.get_mut().0.write(bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.get_mut().0.flush())
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
