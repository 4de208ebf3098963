//! A transport in memory that adds up the payloads of the frames written to it.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Never brings anything, and takes everything.
#[derive(Default)]
pub struct Counter {
    /// Payload bytes of all frames.
    pub payload: Rc<Cell<usize>>,
    /// The beginning of a frame's header.
    header: Vec<u8>,
    /// Payload bytes of the frame that are still to come.
    rest: usize,
}

impl Counter {
    fn count(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.rest == 0 {
                self.header.push(bytes[0]);
                bytes = &bytes[1..];
                if let Some(length) = payload_length(&self.header) {
                    self.rest = length;
                    self.payload.set(self.payload.get() + length);
                    self.header.clear();
                }
            } else {
                let count = self.rest.min(bytes.len());
                self.rest -= count;
                bytes = &bytes[count..];
            }
        }
    }
}

/// The payload length of a server's frame, once its header is complete.
fn payload_length(header: &[u8]) -> Option<usize> {
    match *header {
        [_, 126, a, b] => Some(usize::from(u16::from_be_bytes([a, b]))),
        [_, 127, a, b, c, d, e, f, g, h] => {
            usize::try_from(u64::from_be_bytes([a, b, c, d, e, f, g, h])).ok()
        }
        [_, 126 | 127, ..] => None,
        [_, length] => Some(usize::from(length)),
        _ => None,
    }
}

impl AsyncRead for Counter {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Counter {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.count(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
