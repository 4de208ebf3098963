//! Moves the bytes of an opening handshake between a stream and its buffer.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

use crate::tungstenite::Error;
use crate::tungstenite::error::ProtocolError;

/// Room made for one read; browsers' requests fit in it.
const READ_BYTES: usize = 1024;

/// Reads once, and appends what came.
///
/// # Errors
/// The peer ended the connection amid its head ([`ProtocolError::HandshakeIncomplete`]), or reading failed.
pub(crate) async fn read_more<S: AsyncRead + Unpin>(
    stream: &mut S,
    buffer: &mut BytesMut,
) -> Result<(), Error> {
    buffer.reserve(READ_BYTES);
    match stream.read_buf(buffer).await? {
        0 => Err(Error::Protocol(ProtocolError::HandshakeIncomplete)),
        _ => Ok(()),
    }
}

/// Writes all of `bytes`, and flushes.
pub(crate) async fn write<S: AsyncWrite + Unpin>(
    stream: &mut S,
    bytes: &[u8],
) -> Result<(), Error> {
    stream.write_all(bytes).await?;
    stream.flush().await?;
    Ok(())
}

/// Writes an answer that ends the connection. Errors are dropped: the caller gets the rejection.
///
/// Bytes that the peer sent meanwhile are discarded: TCP would reset a connection closed with unread bytes, and the
/// answer might be lost on the way.
pub(crate) async fn write_last<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, bytes: &[u8]) {
    const MOST: usize = 64 << 10;
    if write(stream, bytes).await.is_err() {
        return;
    }
    let _ = stream.shutdown().await;
    let mut scratch = [0; 1024];
    let mut read = 0;
    poll_fn(|context| {
        while read < MOST {
            let mut buffer = ReadBuf::new(&mut scratch);
            match Pin::new(&mut *stream).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => read += buffer.filled().len(),
                _ => break,
            }
        }
        Poll::Ready(())
    })
    .await;
}

/// Returns the bytes left in a handshake's buffer, without its memory if there are none.
pub(crate) fn part(buffer: BytesMut) -> BytesMut {
    if buffer.is_empty() {
        BytesMut::new()
    } else {
        buffer
    }
}
