//! Reading ahead beneath TLS: rustls asks for 4 KiB at a time, the system is asked for two full records.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A byte stream that is read in large steps.
///
/// The room for that belongs to the thread. A connection keeps it only while something is in it that TLS has not
/// taken yet, so an idle one holds nothing.
#[derive(Debug)]
pub(crate) struct ReadAhead<S> {
    stream: S,
    /// What was read and not yet taken: `room[start..end]`.
    room: Vec<u8>,
    start: usize,
    end: usize,
}

thread_local! {
    static ROOM: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Two records of the largest size (RFC 8446 §5.2): 2 × (5 + 2^14 + 256) bytes, rounded up.
const ROOM_BYTES: usize = 33 * 1024;

impl<S> ReadAhead<S> {
    /// Nothing is read yet.
    pub(crate) fn new(stream: S) -> Self {
        Self {
            stream,
            room: Vec::new(),
            start: 0,
            end: 0,
        }
    }

    /// Gives out what is there, as much as fits.
    fn give(&mut self, buffer: &mut ReadBuf<'_>) {
        let step = buffer.remaining().min(self.end - self.start);
        buffer.put_slice(&self.room[self.start..self.start + step]);
        self.start += step;
        if self.start == self.end {
            ROOM.set(std::mem::take(&mut self.room));
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ReadAhead<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.start == this.end {
            if buffer.remaining() >= ROOM_BYTES {
                return Pin::new(&mut this.stream).poll_read(cx, buffer);
            }
            let mut room = ROOM.take();
            room.resize(ROOM_BYTES, 0);
            let mut unread = ReadBuf::new(&mut room);
            let result = Pin::new(&mut this.stream).poll_read(cx, &mut unread);
            let read = unread.filled().len();
            if read == 0 {
                ROOM.set(room);
                return result;
            }
            ready!(result)?;
            (this.room, this.start, this.end) = (room, 0, read);
        }
        this.give(buffer);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ReadAhead<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test]
    async fn every_byte_comes_once_and_in_order_whatever_the_steps() {
        let sent: Vec<u8> = (0..200_000_u32)
            .map(|i| i.to_le_bytes()[(i % 4) as usize])
            .collect();
        for step in [1000, 4096, 33 * 1024, 100_000] {
            let (stream, mut peer) = duplex(70_000);
            let expected = sent.clone();
            let sending = tokio::spawn(async move { peer.write_all(&expected).await });
            let mut stream = ReadAhead::new(stream);
            let (mut received, mut part) = (Vec::new(), vec![0; step]);
            loop {
                let read = stream.read(&mut part).await.unwrap();
                if read == 0 {
                    break;
                }
                received.extend_from_slice(&part[..read]);
            }
            sending.await.unwrap().unwrap();
            assert!(received == sent);
            assert_eq!(stream.room.capacity(), 0, "what is read out holds nothing");
        }
    }
}
