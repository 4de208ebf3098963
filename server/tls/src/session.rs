//! rustls' side: received records in, plaintext and records out.

use std::io;

use rustls::Error;
use rustls::server::ServerConnectionData;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, UnbufferedStatus, WriteTraffic,
};
use tokio::io::ReadBuf;

use crate::queue::Queue;
use crate::state::{Input, TlsStream};

impl<S> TlsStream<S> {
    /// Lets rustls process `received`, which starts where it left off, and returns how many bytes of it are done with.
    ///
    /// Application data goes to `reader` while it has capacity, the rest of a record waits.
    /// Stops when all whole records are processed, and at once when `reader` is full.
    /// If rustls can seal data, `seal` is called.
    pub(crate) fn process<T>(
        &mut self,
        received: &mut [u8],
        mut reader: Option<&mut ReadBuf<'_>>,
        seal: impl FnOnce(&mut WriteTraffic<'_, ServerConnectionData>) -> T,
    ) -> Result<(usize, Option<T>), Error> {
        let mut done = 0;
        if self.input == Input::Backlog {
            self.input = Input::Open;
        }
        loop {
            let UnbufferedStatus {
                mut discard, state, ..
            } = self.session.process_tls_records(&mut received[done..]);
            match state {
                // Application data: as much as fits to the reader, the rest of the record aside.
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
                        // Further records stay sealed, so that a slow reader is not read ahead of.
                        self.input = Input::Backlog;
                        return Ok((done + discard, None));
                    }
                }
                // A record of rustls' own: part of the handshake, a ticket, a key update, an alert.
                Ok(ConnectionState::EncodeTlsData(data)) => encode(data, &mut self.sealed),
                // rustls asks for its records to be written; they are in `sealed`, which every caller writes.
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                // The peer's close_notify; our direction stays open.
                Ok(ConnectionState::PeerClosed) => self.input = Input::Ended,
                // Nothing whole is left, and the handshake is done as far as sealing goes.
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    return Ok((done + discard, Some(seal(&mut traffic))));
                }
                // Nothing whole is left: more of the handshake must come, or both directions are closed.
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

    /// Processes what was received before, and calls `seal` as [`process`](Self::process) does.
    pub(crate) fn process_received<T>(
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

    /// Returns the error of TLS that lasts, if there was one.
    pub(crate) fn check(&self) -> io::Result<()> {
        match &self.failure {
            Some(error) => Err(invalid(Error::clone(error))),
            None => Ok(()),
        }
    }
}

/// Wraps an error of rustls as streams do.
pub(crate) fn invalid(error: Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// Gives `reader` what fits, and returns the rest.
pub(crate) fn give<'a>(bytes: &'a [u8], reader: Option<&mut ReadBuf<'_>>) -> &'a [u8] {
    let Some(reader) = reader else {
        return bytes;
    };
    let (fits, rest) = bytes.split_at(bytes.len().min(reader.remaining()));
    reader.put_slice(fits);
    rest
}

/// Appends a record of rustls' own to those that wait.
fn encode(mut data: EncodeTlsData<'_, ServerConnectionData>, sealed: &mut Queue) {
    let mut length = 0;
    loop {
        match data.encode(sealed.spare(length)) {
            Ok(written) => return sealed.shorten(length - written),
            // The first call has no space, and learns how much it takes.
            Err(EncodeError::InsufficientSize(size)) => {
                sealed.shorten(length);
                length = size.required_size;
            }
            Err(EncodeError::AlreadyEncoded) => return sealed.shorten(length),
        }
    }
}
