//! The stream of an opening handshake, with what is not yet written and what has arrived.

use std::io::{ErrorKind, Read, Write};

use bytes::{Buf, Bytes, BytesMut};

use super::context::fill;
use crate::tungstenite::error::ProtocolError;
use crate::tungstenite::{Error, Result};

/// The stream of an opening handshake, with what is not yet written and what has arrived.
#[derive(Debug)]
pub struct HandshakeMachine<Stream> {
    stream: Stream,
    output: Bytes,
    is_flushed: bool,
    pub(super) buffer: BytesMut,
}

impl<Stream> HandshakeMachine<Stream> {
    /// Starts with bytes to write; none for a server.
    pub(super) fn new(stream: Stream, output: Vec<u8>) -> Self {
        Self {
            stream,
            is_flushed: output.is_empty(),
            output: output.into(),
            buffer: BytesMut::new(),
        }
    }

    /// Returns the stream.
    pub fn get_ref(&self) -> &Stream {
        &self.stream
    }

    /// Returns the stream, to set its options.
    pub fn get_mut(&mut self) -> &mut Stream {
        &mut self.stream
    }

    /// The stream, and the bytes that arrived after the head.
    pub(super) fn into_parts(self) -> (Stream, BytesMut) {
        (self.stream, self.buffer)
    }
}

impl<Stream: Read + Write> HandshakeMachine<Stream> {
    pub(super) fn queue(&mut self, output: Vec<u8>) {
        self.output = output.into();
        self.is_flushed = false;
    }

    /// Writes and flushes what is queued.
    pub(super) fn flush(&mut self) -> Result<()> {
        while self.output.has_remaining() {
            match self.stream.write(&self.output)? {
                0 => return Err(Error::Io(ErrorKind::WriteZero.into())),
                written => self.output.advance(written),
            }
        }
        if !self.is_flushed {
            self.stream.flush()?;
            self.is_flushed = true;
        }
        Ok(())
    }

    /// Reads once, and appends what came.
    pub(super) fn read_more(&mut self) -> Result<()> {
        match fill(&mut self.stream, &mut self.buffer)? {
            0 => Err(Error::Protocol(ProtocolError::HandshakeIncomplete)),
            _ => Ok(()),
        }
    }
}
