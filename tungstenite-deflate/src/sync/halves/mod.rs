//! The two halves of a connection, each for a thread of its own.

mod duplex;
mod maybe_tls;
#[cfg(feature = "__rustls")]
mod tls;

use std::fmt;
use std::io::Read;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::Instant;

pub use self::duplex::{Duplex, HalfWriter};
pub use self::maybe_tls::{MaybeTlsReader, MaybeTlsWriter};
#[cfg(feature = "__rustls")]
pub use self::tls::{TlsReader, TlsWriter};
use super::context::{WebSocketContext, is_wait, with_chunk};
use crate::close::Closed;
use crate::deflate::{Agreed, Compression, Statistics};
use crate::tungstenite::protocol::CloseFrame;
use crate::tungstenite::{Error, Message, Result};

/// The half of a [`WebSocket`](super::WebSocket) that receives; see [`WebSocket::split_owned`](super::WebSocket::split_owned).
pub struct OwnedReadHalf<R, W> {
    reader: R,
    shared: Arc<Shared<W>>,
}

/// The half of a [`WebSocket`](super::WebSocket) that sends; see [`WebSocket::split_owned`](super::WebSocket::split_owned).
pub struct OwnedWriteHalf<W> {
    shared: Arc<Shared<W>>,
}

/// The halves of a connection over a stream.
pub type Halves<S> = (
    OwnedReadHalf<<S as Duplex>::Reader, <S as Duplex>::Writer>,
    OwnedWriteHalf<<S as Duplex>::Writer>,
);

/// State shared by both halves. No thread waits for the stream while it holds the state.
///
/// Lock order: the writer, then the state.
struct Shared<W> {
    state: Mutex<HalvesState>,
    writer: Mutex<W>,
}

struct HalvesState {
    context: WebSocketContext,
    /// A thread is writing replies, and will look for further ones when it is done.
    is_replying: bool,
}

impl Deref for HalvesState {
    type Target = WebSocketContext;

    fn deref(&self) -> &WebSocketContext {
        &self.context
    }
}

impl DerefMut for HalvesState {
    fn deref_mut(&mut self) -> &mut WebSocketContext {
        &mut self.context
    }
}

pub(super) fn of<R, W>(
    context: WebSocketContext,
    reader: R,
    writer: W,
) -> (OwnedReadHalf<R, W>, OwnedWriteHalf<W>) {
    let shared = Arc::new(Shared {
        state: Mutex::new(HalvesState {
            context,
            is_replying: false,
        }),
        writer: Mutex::new(writer),
    });
    let write_half = OwnedWriteHalf {
        shared: Arc::clone(&shared),
    };
    (OwnedReadHalf { reader, shared }, write_half)
}

/// Bytes of one write. Copied, so that the other thread may receive and queue meanwhile.
const WRITE_BYTES: usize = 16 * 1024;

impl<W: HalfWriter> Shared<W> {
    fn context(&self) -> MutexGuard<'_, HalvesState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes and flushes what is queued, after what another thread is writing.
    fn flush(&self) -> Result<()> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let flushed = self.flush_by(&mut writer);
        drop(writer);
        // What was queued between the last look and the unlocking, and whose thread therefore did not wait.
        self.flush_replies();
        flushed
    }

    /// Writes answers to Pings and Closes unless another thread is writing: that one takes them along. Returns whether none
    /// are left. Errors are left to the next call that is about writing, or to the read that follows.
    fn flush_replies(&self) -> bool {
        while self.context().reply_waits() {
            let mut writer = match self.writer.try_lock() {
                Ok(writer) => writer,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => return false,
            };
            if self.flush_by(&mut writer).is_err() {
                return false;
            }
        }
        true
    }

    /// Writes replies for the reader, which is to go on reading: where both peers' readers waited to write, nobody would
    /// read. A Close is the last to be read, so that its answer does not need another thread.
    fn reply(self: &Arc<Self>)
    where
        W: Send + 'static,
    {
        let mut state = self.context();
        if !state.reply_waits() || state.is_replying {
            return;
        }
        if state.can_read() {
            let shared = Arc::clone(self);
            let replying = thread::Builder::new().name("websocket-replies".to_owned());
            if replying.spawn(move || shared.reply_until_done()).is_ok() {
                state.is_replying = true;
                return;
            }
        }
        drop(state);
        self.flush_replies();
    }

    fn reply_until_done(&self) {
        loop {
            let is_done = self.flush_replies();
            let mut state = self.context();
            if !is_done || !state.reply_waits() {
                state.is_replying = false;
                return;
            }
        }
    }

    fn flush_by(&self, writer: &mut W) -> Result<()> {
        let mut chunk = [0; WRITE_BYTES];
        loop {
            let count = self.context().peek_outgoing(&mut chunk);
            if count > 0 {
                let written = match writer.write(&chunk[..count]) {
                    Ok(0) => Err(std::io::ErrorKind::WriteZero.into()),
                    written => written,
                };
                let mut context = self.context();
                match written {
                    Ok(written) => context.note_written(written),
                    Err(error) => return Err(context.write_error(error)),
                }
                continue;
            }
            if let Err(error) = writer.flush() {
                return Err(self.context().write_error(error));
            }
            let mut context = self.context();
            if context.outgoing_bytes() == 0 {
                let is_done = context.note_flushed();
                drop(context);
                if is_done {
                    // The peer is to see it though a half lives on.
                    let _ = writer.end();
                }
                return Ok(());
            }
        }
    }
}

impl<R: Read, W: HalfWriter + Send + 'static> OwnedReadHalf<R, W> {
    /// Reads a message: waits for one, or until the stream returns an error.
    ///
    /// Pings are answered by the thread that is writing, or by a thread that lives until the answer is written, at most one
    /// for each connection: this one goes on reading whatever the peer reads. The answer to a Close is written before it is
    /// returned.
    ///
    /// # Errors
    /// As for [`WebSocket::read`](super::WebSocket::read).
    pub fn read(&mut self) -> Result<Message> {
        self.shared.context().check_not_terminated()?;
        loop {
            match self.next_message() {
                Ok(Some(message)) => return Ok(message),
                Ok(None) => {}
                Err(error) => return Err(error),
            }
            // Without the lock: the other thread writes meanwhile.
            let (reader, shared) = (&mut self.reader, &self.shared);
            let received = with_chunk(|chunk| {
                let read = reader.read(chunk);
                let mut context = shared.context();
                if let Ok(count) = read {
                    context.append(&chunk[..count]);
                }
                context.received(read)
            });
            if let Err(error) = received {
                self.shared.reply();
                return Err(error);
            }
        }
    }

    fn next_message(&self) -> Result<Option<Message>> {
        let next = {
            let mut context = self.shared.context();
            let checked = context.check_deadline();
            checked.and_then(|()| context.next_message())
        };
        self.shared.reply();
        if matches!(next, Ok(None)) && self.shared.context().is_done() {
            // Another thread may be writing the last frames. Nothing more is to be read, so this one waits for it.
            match self.shared.flush() {
                Err(Error::Io(error)) if is_wait(&error) => return Err(Error::Io(error)),
                _ => self.shared.context().end_if_done()?,
            }
        }
        next
    }

    /// Returns whether messages may still arrive.
    pub fn can_read(&self) -> bool {
        self.shared.context().can_read()
    }

    /// Returns the stream's half.
    pub fn get_ref(&self) -> &R {
        &self.reader
    }

    /// Returns the instant by which [`read`](Self::read) is to be called next; `None` without a deadline.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.shared.context().next_timeout()
    }

    /// Returns how the connection ended, or is ending; `None` while it is open.
    pub fn closed(&self) -> Option<Closed> {
        self.shared.context().closed().cloned()
    }

    /// Returns the parameters of permessage-deflate in force, if it was agreed.
    pub fn agreed(&self) -> Option<Agreed> {
        self.shared.context().agreed()
    }

    /// Returns counts of what compression did so far; `None` if it was not agreed.
    pub fn statistics(&self) -> Option<Statistics> {
        self.shared.context().statistics()
    }
}

impl<W: HalfWriter> OwnedWriteHalf<W> {
    /// Writes and flushes a message.
    ///
    /// # Errors
    /// As for [`WebSocket::send`](super::WebSocket::send).
    pub fn send(&mut self, message: Message) -> Result<()> {
        self.send_with(message, Compression::Auto)
    }

    /// Sends a message with a choice of its own about compression.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    pub fn send_with(&mut self, message: Message, compression: Compression) -> Result<()> {
        self.shared.context().queue(message, compression)?;
        self.shared.flush()
    }

    /// Queues a message. The queue is written when it is longer than `write_buffer_size`.
    ///
    /// # Errors
    /// As for [`WebSocket::write`](super::WebSocket::write).
    pub fn write(&mut self, message: Message) -> Result<()> {
        let is_long = {
            let mut context = self.shared.context();
            context.queue(message, Compression::Auto)?;
            context.is_over_write_buffer()
        };
        if is_long { self.shared.flush() } else { Ok(()) }
    }

    /// Writes and flushes what is queued.
    ///
    /// # Errors
    /// As for [`WebSocket::flush`](super::WebSocket::flush).
    pub fn flush(&mut self) -> Result<()> {
        self.shared.flush()
    }

    /// Starts the closing handshake unless it has begun, and flushes the Close. The other half reads on until
    /// [`Error::ConnectionClosed`].
    ///
    /// # Errors
    /// As for [`WebSocket::close`](super::WebSocket::close).
    pub fn close(&mut self, frame: Option<CloseFrame>) -> Result<()> {
        self.shared.context().queue_close(frame)?;
        self.shared.flush()
    }

    /// Returns whether messages may still be sent.
    pub fn can_write(&self) -> bool {
        self.shared.context().can_write()
    }

    /// Returns the bytes queued and not yet taken by the stream.
    pub fn outgoing_bytes(&self) -> usize {
        self.shared.context().outgoing_bytes()
    }

    /// Returns how the connection ended, or is ending; `None` while it is open.
    pub fn closed(&self) -> Option<Closed> {
        self.shared.context().closed().cloned()
    }

    /// Returns counts of what compression did so far; `None` if it was not agreed.
    pub fn statistics(&self) -> Option<Statistics> {
        self.shared.context().statistics()
    }
}

impl<R, W> fmt::Debug for OwnedReadHalf<R, W> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("OwnedReadHalf")
            .finish_non_exhaustive()
    }
}

impl<W> fmt::Debug for OwnedWriteHalf<W> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("OwnedWriteHalf")
            .finish_non_exhaustive()
    }
}
