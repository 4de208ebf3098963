//! Meter between the WebSocket engine and the transport: the handshake's text and the size of each message on the wire.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Size on the wire of one message, headers of its frames included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WireMessage {
    /// Opcode of its first frame (RFC 6455 §5.2).
    pub opcode: u8,
    /// Bytes of all its frames with their headers.
    pub bytes: u64,
    /// Bytes of its payload alone, as they are on the wire.
    pub payload_bytes: u64,
    /// RSV1 was set: the payload is compressed (RFC 7692 §6).
    pub compressed: bool,
}

/// One direction of a connection as seen on the wire.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    /// Bytes so far, the handshake included.
    pub bytes: u64,
    /// The handshake's text, to the blank line, at most 16 KiB.
    pub head: Vec<u8>,
    head_is_over: bool,
    /// The bytes are no WebSocket frames: they are counted and that is all.
    is_opaque: bool,
    frames: FrameScanner,
    messages: VecDeque<WireMessage>,
}

/// Both directions of a connection, shared with whoever shows figures.
#[derive(Clone, Debug, Default)]
pub struct Meter(Arc<Mutex<(Wire, Wire)>>);

impl Meter {
    /// A meter for a stream that begins with frames: the handshake was done elsewhere (RFC 8441).
    pub fn without_head() -> Self {
        let meter = Self::default();
        {
            let mut wires = meter.lock();
            wires.0.head_is_over = true;
            wires.1.head_is_over = true;
        }
        meter
    }

    /// A meter for a stream that never carries WebSocket frames, such as gRPC's: it counts bytes.
    pub fn of_bytes() -> Self {
        let meter = Self::default();
        {
            let mut wires = meter.lock();
            wires.0.is_opaque = true;
            wires.1.is_opaque = true;
        }
        meter
    }

    fn lock(&self) -> MutexGuard<'_, (Wire, Wire)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The oldest message sent whose size was not taken yet.
    pub fn take_sent(&self) -> Option<WireMessage> {
        self.lock().0.messages.pop_front()
    }

    /// The oldest message received whose size was not taken yet; messages arrive at the reader in the same order.
    pub fn take_received(&self) -> Option<WireMessage> {
        self.lock().1.messages.pop_front()
    }

    /// Bytes sent and received so far.
    pub fn bytes(&self) -> (u64, u64) {
        let wires = self.lock();
        (wires.0.bytes, wires.1.bytes)
    }

    /// The text of the handshake: request and response as they were on the wire.
    pub fn heads(&self) -> (Vec<u8>, Vec<u8>) {
        let wires = self.lock();
        (wires.0.head.clone(), wires.1.head.clone())
    }
}

impl Wire {
    fn pass(&mut self, mut bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        if self.is_opaque {
            return;
        }
        while !self.head_is_over && !bytes.is_empty() {
            self.head.push(bytes[0]);
            bytes = &bytes[1..];
            self.head_is_over = self.head.len() >= MAX_HEAD_BYTES;
            if self.head.ends_with(b"\r\n\r\n") {
                self.head_is_over = !is_interim(&self.head);
                if !self.head_is_over {
                    self.head.clear();
                }
            }
        }
        self.frames.scan(bytes, &mut self.messages);
        if self.messages.len() > MAX_MESSAGES {
            // Nobody takes them: whoever does not show sizes must not pay for them.
            self.messages.clear();
        }
    }
}

/// Reports whether a head is that of an interim response, which another follows (RFC 9110 §15.2); 101 is final here.
fn is_interim(head: &[u8]) -> bool {
    head.starts_with(b"HTTP/1.1 1") && !head.starts_with(b"HTTP/1.1 101")
}

/// Most handshake text kept.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// Most sizes kept for a reader that has not come yet; more small messages than this do not fit one read.
const MAX_MESSAGES: usize = 64 * 1024;

/// Follows frame headers (RFC 6455 §5.2) through a stream cut anywhere.
#[derive(Debug, Default)]
struct FrameScanner {
    header: [u8; 10],
    have: usize,
    payload_left: u64,
    message: WireMessage,
}

impl FrameScanner {
    fn scan(&mut self, mut bytes: &[u8], messages: &mut VecDeque<WireMessage>) {
        while !bytes.is_empty() {
            if self.payload_left > 0 {
                let passed = usize::try_from(self.payload_left)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len());
                self.payload_left -= passed as u64;
                bytes = &bytes[passed..];
                if self.payload_left == 0 {
                    self.end_frame(messages);
                }
                continue;
            }
            self.header[self.have] = bytes[0];
            self.have += 1;
            bytes = &bytes[1..];
            if self.have >= 2 && self.have == 2 + self.length_bytes() {
                self.payload_left =
                    self.payload_bytes() + if self.header[1] & 0x80 == 0 { 0 } else { 4 };
                if self.payload_left == 0 {
                    self.end_frame(messages);
                }
            }
        }
    }

    fn length_bytes(&self) -> usize {
        match self.header[1] & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        }
    }

    fn payload_bytes(&self) -> u64 {
        let extended = &self.header[2..2 + self.length_bytes()];
        match extended.len() {
            0 => u64::from(self.header[1] & 0x7f),
            // A set top bit is refused by the engine; here it must merely not overflow.
            _ => {
                extended
                    .iter()
                    .fold(0, |length, &byte| length << 8 | u64::from(byte))
                    & (u64::MAX >> 1)
            }
        }
    }

    fn end_frame(&mut self, messages: &mut VecDeque<WireMessage>) {
        // FIN, RSV1 and opcode are in the first byte, MASK in the second (RFC 6455 §5.2).
        let masking_key = if self.header[1] & 0x80 == 0 { 0 } else { 4 };
        let payload_bytes = self.payload_bytes();
        let bytes = self.have as u64 + masking_key + payload_bytes;
        let is_control = self.header[0] & 0x08 != 0;
        let is_final = self.header[0] & 0x80 != 0;
        self.have = 0;
        // A control frame may stand between the frames of a message, and is one of its own.
        if is_control {
            messages.push_back(WireMessage {
                opcode: self.header[0] & 0x0f,
                bytes,
                payload_bytes,
                compressed: false,
            });
            return;
        }
        if self.message.bytes == 0 {
            self.message.opcode = self.header[0] & 0x0f;
        }
        self.message.bytes += bytes;
        self.message.payload_bytes += payload_bytes;
        self.message.compressed |= self.header[0] & 0x40 != 0;
        if is_final {
            messages.push_back(std::mem::take(&mut self.message));
        }
    }
}

/// A transport with a [`Meter`] on it.
#[derive(Debug)]
pub struct Metered<S> {
    stream: S,
    meter: Meter,
}

impl<S> Metered<S> {
    /// Counts what passes through `stream`.
    pub fn new(stream: S, meter: Meter) -> Self {
        Self { stream, meter }
    }

    /// The figures.
    pub fn meter(&self) -> &Meter {
        &self.meter
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.meter.lock().1.pass(&buffer.filled()[before..]);
        }
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if let Poll::Ready(Ok(written)) = result {
            self.meter.lock().0.pass(&bytes[..written]);
        }
        result
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        if let Poll::Ready(Ok(mut written)) = result {
            let mut wires = self.meter.lock();
            for slice in slices {
                let passed = written.min(slice.len());
                wires.0.pass(&slice[..passed]);
                written -= passed;
            }
        }
        result
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
    use super::*;

    /// A fragmented compressed text with a masked Ping in between, then an empty binary, after an HTTP head.
    const STREAM: &[u8] =
        b"GET / HTTP/1.1\r\n\r\n\x41\x02ab\x89\x80\x01\x02\x03\x04\x80\x7e\x00\x03xyz\x82\x00";

    #[test]
    fn messages_are_measured_however_the_stream_is_cut() {
        for step in 1..STREAM.len() {
            let mut wire = Wire::default();
            for piece in STREAM.chunks(step) {
                wire.pass(piece);
            }
            let sizes: Vec<(u8, u64, bool)> = wire
                .messages
                .iter()
                .map(|one| (one.opcode, one.bytes, one.compressed))
                .collect();
            assert_eq!(
                sizes,
                [(9, 6, false), (1, 11, true), (2, 2, false)],
                "step {step}"
            );
            assert_eq!(wire.head, b"GET / HTTP/1.1\r\n\r\n");
            assert_eq!(wire.bytes, STREAM.len() as u64);
        }
    }

    #[test]
    fn interim_responses_are_passed_over() {
        let mut wire = Wire::default();
        wire.pass(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n");
        wire.pass(b"HTTP/1.1 101 Go\r\n\r\n\x81\x01a");
        assert_eq!(wire.head, b"HTTP/1.1 101 Go\r\n\r\n");
        assert_eq!(wire.messages.len(), 1);
        assert_eq!(wire.messages[0].bytes, 3);
    }

    #[test]
    fn absurd_length_does_not_overflow() {
        let mut wire = Wire {
            head_is_over: true,
            ..Wire::default()
        };
        wire.pass(b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff");
        wire.pass(&[0; 100]);
        assert!(wire.messages.is_empty());
    }
}
