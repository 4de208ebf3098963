//! A peer in memory: one frame a read, over and over, and whatever is written is gone.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A peer that repeats its frames for ever, and takes everything.
pub(crate) struct Wire {
    frames: Vec<Bytes>,
    next: usize,
    /// Bytes of the next frame that were read.
    position: usize,
}

impl Wire {
    pub(crate) fn new(frames: Vec<Bytes>) -> Self {
        Self {
            frames,
            next: 0,
            position: 0,
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self {
            frames,
            next,
            position,
        } = &mut *self;
        let Some(frame) = frames.get(*next) else {
            return Poll::Pending;
        };
        let rest = &frame[*position..];
        let count = rest.len().min(buffer.remaining());
        buffer.put_slice(&rest[..count]);
        *position += count;
        if *position == frame.len() {
            *next = (*next + 1) % frames.len();
            *position = 0;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buffer.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buffers.iter().map(|buffer| buffer.len()).sum()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// First byte of a text message in one frame (RFC 6455 §5.2).
pub(crate) const TEXT: u8 = 0x81;

/// The same, compressed (RFC 7692 §6).
pub(crate) const COMPRESSED_TEXT: u8 = 0xc1;

/// A client's frame, masked.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Bytes {
    const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![first];
    match payload.len() {
        length @ ..=125 => frame.push(0x80 | u8::try_from(length).unwrap_or_default()),
        length => {
            let length = u16::try_from(length).expect("frames here are shorter than 64 KiB");
            frame.push(0x80 | 0x7e);
            frame.extend(length.to_be_bytes());
        }
    }
    frame.extend(KEY);
    let masked = payload.iter().zip(KEY.iter().cycle());
    frame.extend(masked.map(|(byte, key)| byte ^ key));
    frame.into()
}
