//! rustls for two threads: its session is locked for computations only, never while a thread waits for the socket.

use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use bytes::{Buf, BytesMut};
use rustls::{ClientConnection, Connection, ServerConnection, StreamOwned};

use super::duplex::{Duplex, HalfWriter};

/// State shared by both directions. Lock order: the records to write, then the session.
#[derive(Debug)]
struct SharedTls<S> {
    socket: S,
    tls: Mutex<Connection>,
    /// Encrypted, in the order in which the session made it, and not yet taken by the socket.
    records: Mutex<BytesMut>,
}

/// The half of a TLS session that reads.
#[derive(Debug)]
pub struct TlsReader<S> {
    session: Arc<SharedTls<S>>,
    /// Encrypted, received and not yet given to the session.
    received: BytesMut,
}

/// The half of a TLS session that writes.
#[derive(Debug)]
pub struct TlsWriter<S> {
    session: Arc<SharedTls<S>>,
}

/// Bytes of one read.
const READ_BYTES: usize = 16 * 1024;

fn split<S>(tls: Connection, socket: S) -> (TlsReader<S>, TlsWriter<S>) {
    let session = Arc::new(SharedTls {
        socket,
        tls: Mutex::new(tls),
        records: Mutex::new(BytesMut::new()),
    });
    let reader = TlsReader {
        session: Arc::clone(&session),
        received: BytesMut::new(),
    };
    (reader, TlsWriter { session })
}

/// Either side's session.
macro_rules! session {
    ($connection:ty) => {
        impl<S> Duplex for StreamOwned<$connection, S>
        where
            S: Read + Write + Send + Sync + 'static,
            for<'a> &'a S: Read + HalfWriter,
        {
            type Reader = TlsReader<S>;
            type Writer = TlsWriter<S>;

            fn into_halves(self) -> io::Result<(Self::Reader, Self::Writer)> {
                let (tls, socket) = self.into_parts();
                Ok(split(tls.into(), socket))
            }
        }
    };
}

session!(ClientConnection);
session!(ServerConnection);

impl<S> SharedTls<S>
where
    for<'a> &'a S: Read + HalfWriter,
{
    fn tls(&self) -> MutexGuard<'_, Connection> {
        self.tls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn records(&self) -> MutexGuard<'_, BytesMut> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes all records: those that wait, and those that the session has made since.
    fn write_records(&self, records: &mut BytesMut) -> io::Result<()> {
        loop {
            while records.has_remaining() {
                match (&self.socket).write(records)? {
                    0 => return Err(io::ErrorKind::WriteZero.into()),
                    written => records.advance(written),
                }
            }
            let mut tls = self.tls();
            if !tls.wants_write() {
                return (&self.socket).flush();
            }
            while tls.wants_write() {
                tls.write_tls(&mut Appends(records))?;
            }
        }
    }

    /// Writes what the session has to say by itself, unless the other thread is writing, which takes it along. A failure
    /// shows when something is read or written.
    fn answer(&self) {
        while self.tls().wants_write() {
            let mut records = match self.records.try_lock() {
                Ok(records) => records,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => return,
            };
            if self.write_records(&mut records).is_err() {
                return;
            }
        }
    }
}

/// Writes to the end of a buffer.
struct Appends<'a>(&'a mut BytesMut);

impl Write for Appends<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<S> Read for TlsReader<S>
where
    for<'a> &'a S: Read + HalfWriter,
{
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.session.tls().reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
            if self.received.is_empty() {
                let mut chunk = [0; READ_BYTES];
                let count = (&self.session.socket).read(&mut chunk)?;
                if count == 0 {
                    // The session notes the end; its reader tells whether `close_notify` came before.
                    self.session.tls().read_tls(&mut io::empty())?;
                    continue;
                }
                self.received.extend_from_slice(&chunk[..count]);
            }
            let processed = {
                let mut tls = self.session.tls();
                // As much as the session takes while nobody has read what it decrypted.
                tls.read_tls(&mut (&mut self.received).reader())?;
                tls.process_new_packets()
            };
            if let Err(error) = processed {
                // The alert. What else the session has to say goes ahead of the next data (RFC 8446 §4.6.3).
                self.session.answer();
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
        }
    }
}

impl<S> Write for TlsWriter<S>
where
    for<'a> &'a S: Read + HalfWriter,
{
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut records = self.session.records();
        // What a write before could not pass on.
        self.session.write_records(&mut records)?;
        let taken = self.session.tls().writer().write(bytes)?;
        // The session has taken the bytes: a socket that would block, or fails, shows with the next call.
        let _ = self.session.write_records(&mut records);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut records = self.session.records();
        self.session.write_records(&mut records)
    }
}

impl<S> HalfWriter for TlsWriter<S>
where
    for<'a> &'a S: Read + HalfWriter,
{
    fn end(&mut self) -> io::Result<()> {
        self.session.tls().send_close_notify();
        self.flush()?;
        (&self.session.socket).end()
    }
}
