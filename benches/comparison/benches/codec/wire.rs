//! A peer in memory: repeats one frame for ever, one per read, and swallows what is written.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub struct Wire {
    frame: Bytes,
    position: usize,
}

impl Wire {
    pub fn new(frame: Bytes) -> Self {
        Self { frame, position: 0 }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let rest = &self.frame[self.position..];
        let count = rest.len().min(buffer.remaining());
        buffer.put_slice(&rest[..count]);
        self.position = (self.position + count) % self.frame.len();
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

/// A client's text frame, masked; with RSV1 if `compressed`.
pub fn frame(payload: &[u8], compressed: bool) -> Bytes {
    const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = BytesMut::new();
    frame.put_u8(if compressed { 0xc1 } else { 0x81 });
    match payload.len() {
        length @ ..=125 => frame.put_u8(0x80 | length as u8),
        length @ ..=0xffff => {
            frame.put_u8(0x80 | 126);
            frame.put_u16(length as u16);
        }
        length => {
            frame.put_u8(0x80 | 127);
            frame.put_u64(length as u64);
        }
    }
    frame.put_slice(&KEY);
    frame.extend(
        payload
            .iter()
            .zip(KEY.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
    frame.freeze()
}

/// Text of `size` bytes that compresses to about half.
pub fn text(size: usize) -> String {
    let mut state = size as u32;
    let mut text = String::new();
    while text.len() < size {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        text.push_str(&format!("{state:08x} value "));
    }
    text.truncate(size);
    text
}

/// `payload` as one message of RFC 7692 without context takeover, level 6.
pub fn deflated(payload: &[u8]) -> Vec<u8> {
    let mut deflate = flate2::Compress::new(flate2::Compression::new(6), false);
    let mut out = Vec::with_capacity(payload.len() + 1024);
    deflate
        .compress_vec(payload, &mut out, flate2::FlushCompress::Sync)
        .expect("memory suffices");
    out.truncate(out.len() - 4);
    out
}
