//! TLS over a byte stream by rustls' unbuffered interface.
//!
//! rustls does all of TLS; what is here moves bytes. Room for reading and for sealing belongs to the thread, so that a
//! connection that waits holds its session and nothing else, and a read takes as many records as have arrived.

use std::cell::Cell;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus, WriteTraffic,
};
use rustls::{Error, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::name::NamedResolver;
use crate::old::{PROTOCOL_VERSION, is_old_hello};
use crate::rest::Rest;

/// The server's side of TLS over `S`.
///
/// The end of `S` without a `close_notify` is an error when reading ([`io::ErrorKind::UnexpectedEof`]), since what came
/// before may have been cut. An error of TLS is an [`io::Error`] with the [`rustls::Error`] in it, and lasts; the alert
/// that tells the peer is written if `S` takes it at once.
///
/// All state is in the value: futures that read, write or shut down may be dropped.
#[expect(
    clippy::struct_excessive_bools,
    reason = "the two ends, the room on either side: each may be either way whatever the others are"
)]
pub struct TlsStream<S> {
    stream: S,
    session: UnbufferedServerConnection,
    /// Received and not yet processed: the beginning of a record, or what a reader had no room for.
    received: Rest,
    /// Decrypted, for which a reader had no room.
    plaintext: Rest,
    /// Records that the stream has not taken.
    sealed: Rest,
    /// Whether it did not take them when it was asked last.
    stalled: bool,
    /// Whether records of rustls' own have been held back for a turn, to go out with what is written in it.
    held: bool,
    /// Whether the stream has failed, so that nobody is there to be told anything.
    gone: bool,
    /// Whether whole records may be among what is received.
    behind: bool,
    /// The peer has sent its `close_notify`.
    ended: bool,
    /// Ours is on its way.
    closing: bool,
    /// Why nothing more goes in or out.
    failure: Option<Box<Error>>,
    /// Knows the server that the client named (SNI); gone when that has been taken.
    named: Option<Arc<NamedResolver>>,
}

thread_local! {
    static READ_ROOM: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    static SEAL_ROOM: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    static JOIN_ROOM: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Largest record on the wire: a header and 2^14 + 2048 bytes (RFC 5246 §6.2.3; RFC 8446 §5.2 allows less).
const RECORD_BYTES: usize = 5 + (1 << 14) + 2048;
/// Most plaintext in a record (RFC 8446 §5.1).
const RECORD_PLAINTEXT: usize = 1 << 14;
/// Bytes of the thread's room for reading: more than fits in any handshake message that rustls takes, 64 KiB.
const READ_BYTES: usize = 80 * 1024;
/// Plaintext that is sealed at once: four records.
const SEAL_AT_ONCE: usize = 4 * RECORD_PLAINTEXT;
/// Slices that are sealed at once.
const SLICES_AT_ONCE: usize = 64;
/// What sealing may add to that: headers and tags of the records, tickets and key updates in front of them.
const SEAL_EXTRA: usize = 4096;

impl<S> TlsStream<S> {
    /// What rustls knows of the connection.
    pub fn session(&self) -> &UnbufferedServerConnection {
        &self.session
    }

    /// The stream under TLS.
    pub fn get_ref(&self) -> &S {
        &self.stream
    }

    /// The same, to be used only when nothing more is to be read or written through TLS.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Takes the server's name as the client gave it (SNI).
    pub fn take_server_name(&mut self) -> Option<Box<str>> {
        self.named.take()?.name().map(Box::from)
    }

    /// Lets rustls process `received`, which starts where it left off, and says how many bytes of it are done with.
    ///
    /// Application data goes to `reader` while there is room, the rest of a record waits. Stops when all that is there
    /// whole is processed, at once when `reader` is full. When rustls can seal data, `seal` is called.
    fn process<T>(
        &mut self,
        received: &mut [u8],
        mut reader: Option<&mut ReadBuf<'_>>,
        seal: impl FnOnce(&mut WriteTraffic<'_, ServerConnectionData>) -> T,
    ) -> Result<(usize, Option<T>), Error> {
        let mut done = 0;
        self.behind = false;
        loop {
            let UnbufferedStatus {
                mut discard, state, ..
            } = self.session.process_tls_records(&mut received[done..]);
            match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record?;
                        discard += record.discard;
                        let rest = give(record.payload, reader.as_deref_mut());
                        if !rest.is_empty() {
                            self.plaintext.push(rest);
                        }
                    }
                    if reader
                        .as_ref()
                        .is_some_and(|reader| reader.remaining() == 0)
                    {
                        self.behind = true;
                        return Ok((done + discard, None));
                    }
                }
                Ok(ConnectionState::EncodeTlsData(data)) => encode(data, &mut self.sealed),
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::PeerClosed) => self.ended = true,
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    return Ok((done + discard, Some(seal(&mut traffic))));
                }
                Ok(ConnectionState::BlockedHandshake | ConnectionState::Closed) => {
                    return Ok((done + discard, None));
                }
                // Early data are never accepted.
                Ok(state) => return Err(Error::General(format!("not expected: {state:?}"))),
                Err(error) => {
                    self.fail(&error);
                    return Err(error);
                }
            }
            done += discard;
        }
    }

    /// Keeps an error, and the alert that goes with it.
    fn fail(&mut self, error: &Error) {
        // No more than that: rustls would look again at what it has refused.
        while self.session.wants_write() {
            match self.session.process_tls_records(&mut []).state {
                Ok(ConnectionState::EncodeTlsData(data)) => encode(data, &mut self.sealed),
                _ => break,
            }
        }
        self.failure = Some(Box::new(error.clone()));
    }

    /// The error that lasts.
    fn check(&self) -> io::Result<()> {
        match &self.failure {
            Some(error) => Err(invalid(Error::clone(error))),
            None => Ok(()),
        }
    }

    /// Processes what was received before, and calls `seal` as [`process`](Self::process) does.
    fn process_received<T>(
        &mut self,
        reader: Option<&mut ReadBuf<'_>>,
        seal: impl FnOnce(&mut WriteTraffic<'_, ServerConnectionData>) -> T,
    ) -> io::Result<Option<T>> {
        // rustls may know of a part of a message in there, so that it has to see it whatever the purpose.
        let mut received = std::mem::take(&mut self.received);
        let (done, sealed) = self
            .process(received.as_mut_slice(), reader, seal)
            .map_err(invalid)?;
        received.advance(done);
        self.received = received;
        Ok(sealed)
    }
}

/// What rustls says, as streams say it.
fn invalid(error: Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// Gives `reader` what it has room for, and gives back the rest.
fn give<'a>(bytes: &'a [u8], reader: Option<&mut ReadBuf<'_>>) -> &'a [u8] {
    let Some(reader) = reader else {
        return bytes;
    };
    let (fits, rest) = bytes.split_at(bytes.len().min(reader.remaining()));
    reader.put_slice(fits);
    rest
}

/// Appends a record of rustls' own to those that wait.
fn encode(mut data: EncodeTlsData<'_, ServerConnectionData>, sealed: &mut Rest) {
    let mut length = 0;
    loop {
        match data.encode(sealed.room(length)) {
            Ok(written) => return sealed.shorten(length - written),
            Err(EncodeError::InsufficientSize(size)) => {
                sealed.shorten(length);
                length = size.required_size;
            }
            Err(EncodeError::AlreadyEncoded) => return sealed.shorten(length),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream<S> {
    /// Creates the server's side of TLS before its handshake.
    ///
    /// # Errors
    /// `config` cannot be used.
    pub fn new(config: &ServerConfig, stream: S) -> io::Result<Self> {
        let (named, config) = NamedResolver::install(config);
        Ok(Self {
            stream,
            session: UnbufferedServerConnection::new(config).map_err(invalid)?,
            received: Rest::default(),
            plaintext: Rest::default(),
            sealed: Rest::default(),
            stalled: false,
            held: false,
            gone: false,
            behind: false,
            ended: false,
            closing: false,
            failure: None,
            named: Some(named),
        })
    }

    /// Does the handshake with the peer. Deadlines are the caller's.
    ///
    /// After an error, shutting down sends the rest of the alert and ends the sending side. The peer may be sending still:
    /// whoever drops the stream with bytes unread makes TCP reset the connection, which can cost the peer the alert.
    ///
    /// # Errors
    /// The handshake failed, or the stream under it did.
    pub async fn handshake(&mut self) -> io::Result<()> {
        poll_fn(|context| self.poll_handshake(context)).await
    }

    /// Reads and answers until the handshake is done. The session ticket then still waits for the first write, or for a
    /// turn without one in which there is nothing to read.
    fn poll_handshake(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.session.is_handshaking() {
            ready!(self.poll_send(context))?;
            if ready!(self.poll_receive(context, None))? == 0 {
                return Poll::Ready(Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the connection ended within the handshake",
                )));
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Reads what is there and processes it; 0 is the end of the stream.
    fn poll_receive(
        &mut self,
        context: &mut Context<'_>,
        reader: Option<&mut ReadBuf<'_>>,
    ) -> Poll<io::Result<usize>> {
        let mut room = READ_ROOM.take();
        room.resize(READ_BYTES, 0);
        let result = self.poll_receive_into(context, reader, &mut room);
        READ_ROOM.set(room);
        result
    }

    /// The same by way of `room`.
    fn poll_receive_into(
        &mut self,
        context: &mut Context<'_>,
        reader: Option<&mut ReadBuf<'_>>,
        room: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let before = self.received.len();
        // Not much more than the reader can take: the rest would be copied aside.
        let wanted = reader
            .as_ref()
            .map_or(0, |reader| reader.remaining())
            .max(RECORD_BYTES);
        let end = before.saturating_add(wanted).min(room.len());
        if before >= end {
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a handshake message longer than any may be",
            )));
        }
        let mut unread = ReadBuf::new(&mut room[before..end]);
        let outcome = ready!(Pin::new(&mut self.stream).poll_read(context, &mut unread));
        let read = unread.filled().len();
        self.noted(outcome)?;
        if read == 0 {
            return Poll::Ready(Ok(0));
        }
        room[..before].copy_from_slice(self.received.as_slice());
        let received = &mut room[..before + read];
        match self.process(received, reader, |_| ()) {
            Ok((done, _)) => {
                // Nothing counts behind the peer's end.
                let done = if self.ended { received.len() } else { done };
                self.received.replace(&received[done..]);
                Poll::Ready(Ok(read))
            }
            Err(error) => {
                if is_old_hello(&error, received) {
                    self.sealed.replace(&PROTOCOL_VERSION);
                }
                // The alert, if it can still be told.
                let _ = self.poll_send(context);
                Poll::Ready(Err(invalid(error)))
            }
        }
    }

    /// Writes the records that wait.
    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.sealed.is_empty() {
            self.stalled = true;
            let outcome =
                ready!(Pin::new(&mut self.stream).poll_write(context, self.sealed.as_slice()));
            let written = self.noted(outcome)?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sealed.advance(written);
        }
        self.stalled = false;
        self.held = false;
        Poll::Ready(Ok(()))
    }

    /// Passes on what the stream said, and remembers if it failed.
    fn noted<T>(&mut self, outcome: io::Result<T>) -> io::Result<T> {
        self.gone |= outcome.is_err();
        outcome
    }

    /// Writes `records`, which nothing waits in front of; what the stream does not take now waits.
    fn send(&mut self, context: &mut Context<'_>, mut records: &[u8]) -> io::Result<()> {
        while !records.is_empty() {
            match Pin::new(&mut self.stream).poll_write(context, records) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(written) => records = &records[self.noted(written)?..],
                Poll::Pending => {
                    self.sealed.push(records);
                    self.stalled = true;
                    break;
                }
            }
        }
        Ok(())
    }

    /// Seals as much of `slices` as goes at once, each from a record of its own on, and writes it.
    fn seal_and_send(
        &mut self,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
        room: &mut [u8],
    ) -> io::Result<usize> {
        let mut taken = 0;
        let sealed = self.process_received(None, |traffic| {
            let mut length = 0;
            for slice in slices.iter().take(SLICES_AT_ONCE) {
                let part = &slice[..slice.len().min(SEAL_AT_ONCE - taken)];
                length += traffic.encrypt(part, &mut room[length..])?;
                taken += part.len();
            }
            Ok(length)
        })?;
        let length = match sealed {
            Some(Ok(length)) => length,
            Some(Err(EncryptError::EncryptExhausted)) => {
                return Err(io::Error::other(
                    "as many records were sent as one key may protect",
                ));
            }
            Some(Err(error)) => return Err(io::Error::other(error)),
            None => return Err(io::ErrorKind::BrokenPipe.into()),
        };
        if self.sealed.is_empty() {
            self.send(context, &room[..length])?;
        } else {
            self.sealed.push(&room[..length]);
            if let Poll::Ready(sent) = self.poll_send(context) {
                sent?;
            }
        }
        Ok(taken)
    }

    /// Writes what it can of `slices`, which are not all empty.
    fn poll_write_slices(
        &mut self,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        if self.closing {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if self.stalled {
            ready!(self.poll_send(context))?;
        }
        let mut room = SEAL_ROOM.take();
        room.resize(SEAL_AT_ONCE + SEAL_EXTRA, 0);
        let written = self.seal_and_send(context, slices, &mut room);
        SEAL_ROOM.set(room);
        if self.failure.is_some() {
            let _ = self.poll_send(context);
        }
        Poll::Ready(written)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<S> {
    /// Decrypted bytes; nothing at the peer's `close_notify`.
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        if !this.plaintext.is_empty() {
            let rest = give(this.plaintext.as_slice(), Some(buffer)).len();
            this.plaintext.advance(this.plaintext.len() - rest);
        }
        if this.behind && buffer.remaining() > 0 {
            let processed = this.process_received(Some(buffer), |_| ());
            if let Err(error) = processed
                && buffer.filled().len() == before
            {
                let _ = this.poll_send(context);
                return Poll::Ready(Err(error));
            }
        }
        while buffer.filled().len() == before && buffer.remaining() > 0 && !this.ended {
            this.check()?;
            match this.poll_receive(context, Some(buffer)) {
                Poll::Ready(Ok(0)) => {
                    return Poll::Ready(Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "the peer ended the connection without TLS' close_notify",
                    )));
                }
                Poll::Ready(Ok(_)) => {}
                // What came before the error is given first.
                Poll::Ready(Err(_)) if buffer.filled().len() > before => break,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    if this.sealed.is_empty() {
                        return Poll::Pending;
                    }
                    // Tickets go with the answer to the first request, whose reader looks for more before it answers.
                    if this.stalled || this.held {
                        // An error will show with the next write.
                        let _ = this.poll_send(context);
                    } else {
                        this.held = true;
                        context.waker().wake_by_ref();
                    }
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<S> {
    /// Seals a part of `bytes`, once what was sealed before is written. What the stream does not take of it at once is
    /// written by the next call of any of these.
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.get_mut()
            .poll_write_slices(context, &[IoSlice::new(bytes)])
    }

    /// The same. What fits into one record goes out in one.
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length = slices
            .iter()
            .fold(0_usize, |sum, slice| sum.saturating_add(slice.len()));
        if length == 0 {
            return Poll::Ready(Ok(0));
        }
        let this = self.get_mut();
        if length > RECORD_PLAINTEXT {
            return this.poll_write_slices(context, slices);
        }
        let mut joined = JOIN_ROOM.take();
        joined.clear();
        for slice in slices {
            joined.extend_from_slice(slice);
        }
        let written = this.poll_write_slices(context, &[IoSlice::new(&joined)]);
        JOIN_ROOM.set(joined);
        written
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_send(context))?;
        Pin::new(&mut this.stream).poll_flush(context)
    }

    /// Sends `close_notify`, then ends the stream's sending side. Of a stream that has failed nothing is left to end.
    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.gone {
            this.closing = true;
            return Poll::Ready(Ok(()));
        }
        if !this.closing && this.failure.is_none() {
            this.closing = true;
            let mut room = [0; SEAL_EXTRA];
            let notice =
                this.process_received(None, |traffic| traffic.queue_close_notify(&mut room));
            // After an error of the peer's its alert is what tells the end.
            if let Ok(Some(Ok(length))) = notice {
                this.sealed.push(&room[..length]);
            }
        }
        ready!(this.poll_send(context))?;
        match ready!(Pin::new(&mut this.stream).poll_shutdown(context)) {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Poll::Ready(Ok(())),
            ended => Poll::Ready(ended),
        }
    }
}

impl<S> std::fmt::Debug for TlsStream<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsStream")
            .field("ended", &self.ended)
            .field("closing", &self.closing)
            .field("gone", &self.gone)
            .field("failure", &self.failure)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
