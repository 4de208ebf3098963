//! The engine, driven by calls that may block.

use std::cell::Cell;
use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;
use std::time::Instant;

use bytes::{Buf, Bytes, BytesMut};

use crate::close::Closed;
use crate::connection::Connection;
use crate::deflate::{Agreed, Compression, Statistics};
use crate::options::Options;
use crate::tungstenite::error::ProtocolError as Upstream;
use crate::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use crate::tungstenite::{Error, Message, Result};

/// A connection without its stream, which each call is given.
///
/// [`WebSocket`](super::WebSocket) is this and a stream.
#[derive(Debug)]
pub struct WebSocketContext {
    connection: Connection,
    /// Received and not yet parsed.
    buffer: BytesMut,
    /// A Pong, a Close or a Ping that the engine queued by itself is not written and flushed.
    reply_waits: bool,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Active,
    /// The peer broke a rule: the Close that reports it is written, nothing is received.
    Failed,
    /// The connection is over, and the caller knows.
    Terminated,
}

impl WebSocketContext {
    /// A connection whose handshake was done elsewhere, without compression.
    ///
    /// # Panics
    /// If `max_write_buffer_size` is not above `write_buffer_size`.
    pub fn new(role: Role, config: Option<WebSocketConfig>) -> Self {
        Self::from_partially_read(Vec::new(), role, config)
    }

    /// The same with bytes that were read already.
    ///
    /// # Panics
    /// As for [`new`](Self::new).
    pub fn from_partially_read(part: Vec<u8>, role: Role, config: Option<WebSocketConfig>) -> Self {
        let part = BytesMut::from(Bytes::from(part));
        Self::with_options(part, role, Options::drop_in(config), None)
    }

    /// The same with all options, and the permessage-deflate parameters that the handshake agreed on.
    ///
    /// # Panics
    /// As for [`new`](Self::new).
    pub fn with_options(
        part: BytesMut,
        role: Role,
        options: impl Into<Options>,
        agreed: Option<Agreed>,
    ) -> Self {
        let options = Arc::new(options.into());
        Self {
            connection: Connection::new(role, options, agreed, Instant::now),
            buffer: part,
            reply_waits: false,
            phase: Phase::Active,
        }
    }

    /// Changes the configuration.
    ///
    /// # Panics
    /// As for [`new`](Self::new).
    pub fn set_config(&mut self, set_func: impl FnOnce(&mut WebSocketConfig)) {
        let mut config = *self.get_config();
        set_func(&mut config);
        self.connection.set_websocket(config);
    }

    /// Returns the configuration.
    pub fn get_config(&self) -> &WebSocketConfig {
        &self.connection.options().websocket
    }

    /// Returns whether messages may still arrive: until the peer's Close.
    pub fn can_read(&self) -> bool {
        self.phase == Phase::Active && !self.connection.is_receiving_over()
    }

    /// Returns whether messages may still be sent: until a Close was sent or received.
    pub fn can_write(&self) -> bool {
        self.phase == Phase::Active && self.connection.is_open()
    }

    pub(super) fn agreed(&self) -> Option<Agreed> {
        self.connection.agreed()
    }

    pub(super) fn statistics(&self) -> Option<Statistics> {
        self.connection.statistics()
    }

    pub(super) fn closed(&self) -> Option<&Closed> {
        self.connection.closed()
    }

    pub(super) fn outgoing_bytes(&self) -> usize {
        self.connection.outgoing_bytes()
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.connection.next_timeout()
    }

    pub(super) fn take_buffer(self) -> BytesMut {
        self.buffer
    }
}

/// # Calls that read and write
impl WebSocketContext {
    /// Reads a message; see [`WebSocket::read`](super::WebSocket::read).
    ///
    /// # Errors
    /// As there.
    pub fn read<Stream: Read + Write>(&mut self, stream: &mut Stream) -> Result<Message> {
        self.check_not_terminated()?;
        loop {
            if let Err(error) = self.check_deadline() {
                let _ = self.flush(stream);
                return Err(error);
            }
            if self.reply_waits {
                match self.flush(stream) {
                    // Goes out with a later call: what has arrived does not wait for it.
                    Err(Error::Io(error)) if is_wait(&error) => {}
                    flushed => flushed?,
                }
            } else {
                self.end_if_done()?;
            }
            match self.next_message() {
                Ok(Some(message)) => return Ok(message),
                Ok(None) => {}
                Err(violation) => {
                    // The Close that reports it. The violation says more than a failure to write it.
                    let _ = self.flush(stream);
                    return Err(violation);
                }
            }
            let has_tried = self.reply_waits;
            let read = fill(stream, &mut self.buffer);
            if let Err(error) = self.received(read) {
                // A deadline that passed meanwhile may have queued a Ping, or the Close of a violation.
                if self.reply_waits && !has_tried {
                    let _ = self.flush(stream);
                }
                return Err(error);
            }
        }
    }

    /// Queues a message, and writes when the queue is longer than `write_buffer_size`; see
    /// [`WebSocket::write`](super::WebSocket::write).
    ///
    /// # Errors
    /// As there.
    pub fn write<Stream: Read + Write>(
        &mut self,
        stream: &mut Stream,
        message: Message,
    ) -> Result<()> {
        if let Message::Close(frame) = message {
            self.check_not_terminated()?;
            self.check_may_send()?;
            return self.close(stream, frame);
        }
        self.queue(message, Compression::Auto)?;
        self.write_if_long(stream)
    }

    /// Writes and flushes all that is queued; see [`WebSocket::flush`](super::WebSocket::flush).
    ///
    /// # Errors
    /// As there.
    pub fn flush<Stream: Read + Write>(&mut self, stream: &mut Stream) -> Result<()> {
        self.write_out(stream)?;
        if let Err(error) = stream.flush() {
            return Err(self.ended_by(error));
        }
        self.reply_waits = false;
        self.end_if_done()
    }

    /// Queues a Close unless there is one, and flushes; see [`WebSocket::close`](super::WebSocket::close).
    ///
    /// # Errors
    /// As there.
    pub fn close<Stream: Read + Write>(
        &mut self,
        stream: &mut Stream,
        code: Option<CloseFrame>,
    ) -> Result<()> {
        self.queue_close(code)?;
        self.flush(stream)
    }

    pub(super) fn write_if_long<Stream: Read + Write>(
        &mut self,
        stream: &mut Stream,
    ) -> Result<()> {
        if self.reply_waits {
            self.flush(stream)
        } else if self.is_over_write_buffer() {
            self.write_out(stream)
        } else {
            Ok(())
        }
    }

    /// Writes what is queued, without a flush.
    fn write_out(&mut self, stream: &mut impl Write) -> Result<()> {
        let written = self.write_queue(stream);
        self.connection.handle_written(Instant::now);
        written.map_err(|error| self.ended_by(error))
    }

    /// A failed write, after which the caller knows that the connection is over if it is.
    fn ended_by(&mut self, error: io::Error) -> Error {
        let error = self.write_error(error);
        if matches!(error, Error::ConnectionClosed) {
            self.phase = Phase::Terminated;
        }
        error
    }

    fn write_queue(&mut self, stream: &mut impl Write) -> io::Result<()> {
        loop {
            let outgoing = self.connection.outgoing();
            if !outgoing.has_remaining() {
                return Ok(());
            }
            let written = write_some(stream, outgoing)?;
            outgoing.advance(written);
        }
    }
}

/// # Steps, for those who do the input and output themselves
impl WebSocketContext {
    /// Returns the next message of what has arrived. `None`: [`received`](Self::received) first.
    pub(super) fn next_message(&mut self) -> Result<Option<Message>> {
        self.connection.resume_receiving(Instant::now);
        match self.connection.receive(&mut self.buffer, Instant::now) {
            Ok(Some(message)) => {
                self.reply_waits |= matches!(message, Message::Ping(_) | Message::Close(_));
                self.connection.pause_receiving(Instant::now);
                return Ok(Some(message));
            }
            Ok(None) => {}
            Err(violation) => return Err(self.fail(violation.into())),
        }
        if let Err(violation) = self.connection.handle_wait(&mut self.buffer) {
            return Err(self.fail(violation.into()));
        }
        if self.buffer.is_empty() {
            // A connection that waits holds nothing.
            self.buffer = BytesMut::new();
        }
        Ok(None)
    }

    pub(super) fn append(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Takes the outcome of a read whose bytes are in the buffer.
    pub(super) fn received(&mut self, read: io::Result<usize>) -> Result<()> {
        match read {
            Ok(0) => {
                let is_clean = self.connection.receive_eof();
                self.phase = Phase::Terminated;
                Err(if is_clean {
                    Error::ConnectionClosed
                } else {
                    Upstream::ResetWithoutClosingHandshake.into()
                })
            }
            Ok(_) => Ok(()),
            Err(error) if self.is_closed_by_peer() && is_gone(error.kind()) => {
                self.connection.receive_eof();
                self.phase = Phase::Terminated;
                Err(Error::ConnectionClosed)
            }
            Err(error) => {
                if is_wait(&error) {
                    self.check_deadline()?;
                }
                Err(Error::Io(error))
            }
        }
    }

    pub(super) fn queue(&mut self, message: Message, compression: Compression) -> Result<()> {
        self.check_not_terminated()?;
        let sent = self
            .connection
            .send_with(message, compression, Instant::now);
        Ok(sent?)
    }

    pub(super) fn queue_close(&mut self, frame: Option<CloseFrame>) -> Result<()> {
        self.connection.close(frame, Instant::now)?;
        // A read goes on with it where the stream would block.
        self.reply_waits = true;
        Ok(())
    }

    pub(super) fn is_over_write_buffer(&self) -> bool {
        self.connection.outgoing_bytes() > self.get_config().write_buffer_size
    }

    pub(super) fn reply_waits(&self) -> bool {
        self.reply_waits
    }

    /// Copies the next bytes to write into `chunk`, as many as fit.
    pub(super) fn peek_outgoing(&mut self, chunk: &mut [u8]) -> usize {
        gather(self.connection.outgoing(), chunk)
    }

    /// Notes that the stream has taken `count` bytes of those that [`peek_outgoing`](Self::peek_outgoing) gave.
    pub(super) fn note_written(&mut self, count: usize) {
        self.connection.outgoing().advance(count);
        self.connection.handle_written(Instant::now);
    }

    /// Notes that everything is flushed. Returns whether nothing more is to be written and received.
    pub(super) fn note_flushed(&mut self) -> bool {
        self.reply_waits = false;
        self.is_done()
    }

    /// A client waits for the server to close its stream (RFC 6455 §7.1.1), a server and whoever met a violation do not.
    pub(super) fn is_done(&self) -> bool {
        let is_server = self.connection.role() == Role::Server;
        self.phase == Phase::Failed || (self.connection.is_receiving_over() && is_server)
    }

    pub(super) fn write_error(&mut self, error: io::Error) -> Error {
        if self.is_closed_by_peer() && is_gone(error.kind()) {
            // Nothing that is queued can be written any more, which no later call is to try.
            self.connection.transmit_failed();
            self.reply_waits = false;
            return Error::ConnectionClosed;
        }
        Error::Io(error)
    }

    pub(super) fn check_not_terminated(&self) -> Result<()> {
        match self.phase {
            Phase::Terminated => Err(Error::AlreadyClosed),
            Phase::Active | Phase::Failed => Ok(()),
        }
    }

    pub(super) fn check_may_send(&self) -> Result<()> {
        if self.connection.is_open() {
            Ok(())
        } else {
            Err(Upstream::SendAfterClosing.into())
        }
    }

    /// Ends a connection on which nothing is left to do once everything is written.
    pub(super) fn end_if_done(&mut self) -> Result<()> {
        if !self.is_done() {
            return Ok(());
        }
        let has_failed = self.phase == Phase::Failed;
        self.phase = Phase::Terminated;
        Err(if has_failed {
            Error::AlreadyClosed
        } else {
            Error::ConnectionClosed
        })
    }

    /// Performs the actions of deadlines that have passed.
    pub(super) fn check_deadline(&mut self) -> Result<()> {
        let Some(deadline) = self.connection.next_timeout() else {
            return Ok(());
        };
        let now = Instant::now();
        if now < deadline {
            return Ok(());
        }
        if let Err(violation) = self.connection.handle_timeout(now) {
            return Err(self.fail(violation.into()));
        }
        self.reply_waits |= self.connection.outgoing_bytes() > 0;
        // The wait for the end of the byte stream was given up.
        if self.connection.is_receiving_over() && self.next_timeout().is_none() {
            self.phase = Phase::Terminated;
            return Err(Error::ConnectionClosed);
        }
        Ok(())
    }

    fn fail(&mut self, violation: Error) -> Error {
        self.phase = Phase::Failed;
        self.reply_waits = true;
        violation
    }

    /// Returns whether the peer has sent its Close: that it is gone is no error then.
    fn is_closed_by_peer(&self) -> bool {
        self.closed()
            .is_some_and(|closed| closed.received.is_some())
    }
}

/// Bytes of one read, and of one write of pieces that are put together.
pub(super) const CHUNK_BYTES: usize = 64 * 1024;

thread_local! {
    /// Read into, so that no connection holds, or clears, a buffer of its own.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Lends the thread's chunk to `work`.
pub(super) fn with_chunk<T>(work: impl FnOnce(&mut [u8]) -> T) -> T {
    let mut chunk = SPARE.take();
    chunk.resize(CHUNK_BYTES, 0);
    let result = work(&mut chunk);
    SPARE.set(chunk);
    result
}

/// Reads once, and appends what came.
pub(super) fn fill(stream: &mut impl Read, buffer: &mut BytesMut) -> io::Result<usize> {
    with_chunk(|chunk| {
        let read = stream.read(chunk)?;
        buffer.extend_from_slice(&chunk[..read]);
        Ok(read)
    })
}

/// Writes once. A header goes out together with the beginning of its payload: few streams write vectored.
fn write_some(stream: &mut impl Write, outgoing: &mut impl Buf) -> io::Result<usize> {
    let first = outgoing.chunk();
    let written = if first.len() == outgoing.remaining() || first.len() >= CHUNK_BYTES {
        stream.write(first)?
    } else {
        with_chunk(|chunk| {
            let count = gather(outgoing, chunk);
            stream.write(&chunk[..count])
        })?
    };
    if written == 0 {
        // tungstenite's value.
        let kind = ErrorKind::ConnectionReset;
        return Err(io::Error::new(kind, "Connection reset while sending"));
    }
    Ok(written)
}

/// Copies the first bytes of `outgoing` without taking them.
fn gather(outgoing: &mut impl Buf, chunk: &mut [u8]) -> usize {
    let mut slices = [io::IoSlice::new(&[]); 64];
    let used = outgoing.chunks_vectored(&mut slices);
    let mut count = 0;
    for slice in &slices[..used] {
        let part = slice.len().min(chunk.len() - count);
        chunk[count..count + part].copy_from_slice(&slice[..part]);
        count += part;
    }
    count
}

/// Returns whether the call is to be made again later; systems differ in the kind for a timeout.
pub(super) fn is_wait(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// Returns whether a stream that fails like this has lost its peer. TLS reports an end without `close_notify` so.
fn is_gone(failure: ErrorKind) -> bool {
    use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(
        failure,
        BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof
    )
}
