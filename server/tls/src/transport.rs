//! The stream under TLS: records from it and to it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustls::unbuffered::EncryptError;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::plain_alert::plain_alert;
use crate::scratch::{
    READ_BYTES, READING, RECORD_BYTES, SEAL_AT_ONCE, SEAL_EXTRA, SEALING, SLICES_AT_ONCE,
    YIELD_BYTES, lend,
};
use crate::session::invalid;
use crate::state::{Input, Output, Sending, TlsStream};

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream<S> {
    /// Reads what has arrived and processes it; 0 is the end of the stream.
    pub(crate) fn poll_receive(
        &mut self,
        context: &mut Context<'_>,
        reader: Option<&mut ReadBuf<'_>>,
    ) -> Poll<io::Result<usize>> {
        lend(&READING, |buffer| {
            buffer.resize(READ_BYTES, 0);
            self.poll_receive_into(context, reader, buffer)
        })
    }

    /// The same by way of `buffer`.
    fn poll_receive_into(
        &mut self,
        context: &mut Context<'_>,
        reader: Option<&mut ReadBuf<'_>>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        // The task of a peer that sends without a pause is polled again after all others that wait. This is no use of tokio's
        // budget, since a task that has spent that cannot write either, which looks as if its peer did not read.
        if self.unyielded >= YIELD_BYTES {
            self.unyielded = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = self.received.len();
        // Not much more than the reader can take: the rest would be copied aside.
        let wanted = reader
            .as_ref()
            .map_or(0, |reader| reader.remaining())
            .max(RECORD_BYTES);
        let end = before.saturating_add(wanted).min(buffer.len());
        if before >= end {
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a handshake message longer than any may be",
            )));
        }
        let mut unread = ReadBuf::new(&mut buffer[before..end]);
        let polled = Pin::new(&mut self.stream).poll_read(context, &mut unread);
        let read = unread.filled().len();
        self.unyielded = if polled.is_ready() {
            self.unyielded.saturating_add(read)
        } else {
            0
        };
        let outcome = ready!(polled);
        self.noted(outcome)?;
        if read == 0 {
            return Poll::Ready(Ok(0));
        }
        // The beginning of a record that came before goes in front of what came now.
        buffer[..before].copy_from_slice(self.received.as_slice());
        let received = &mut buffer[..before + read];
        match self.process(received, reader, |_| ()) {
            Ok((done, _)) => {
                // Nothing counts after the peer's end.
                let ended = self.input == Input::Ended;
                let done = if ended { received.len() } else { done };
                self.received.replace(&received[done..]);
                Poll::Ready(Ok(read))
            }
            Err(error) => {
                // Without a version no ServerHello has gone out: the client takes alerts that are not encrypted.
                if self.session.protocol_version().is_none()
                    && let Some(alert) = plain_alert(&error, received, self.sealed.is_empty())
                {
                    self.sealed.replace(&alert);
                }
                // The alert, if it can still be sent.
                let _ = self.poll_send(context);
                Poll::Ready(Err(invalid(error)))
            }
        }
    }

    /// Writes the records that wait.
    pub(crate) fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.sealed.is_empty() {
            // Until the stream has taken them all, whatever becomes of this call.
            self.output = Output::Stalled;
            let outcome =
                ready!(Pin::new(&mut self.stream).poll_write(context, self.sealed.as_slice()));
            let written = self.noted(outcome)?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sealed.advance(written);
        }
        self.output = Output::Fresh;
        Poll::Ready(Ok(()))
    }

    /// Passes on what the stream said, and remembers if it failed.
    fn noted<T>(&mut self, outcome: io::Result<T>) -> io::Result<T> {
        if outcome.is_err() {
            self.sending = Sending::Broken;
        }
        outcome
    }

    /// Writes `records` while none wait; keeps what the stream does not take now.
    fn send(&mut self, context: &mut Context<'_>, mut records: &[u8]) -> io::Result<()> {
        while !records.is_empty() {
            match Pin::new(&mut self.stream).poll_write(context, records) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(written) => records = &records[self.noted(written)?..],
                Poll::Pending => {
                    self.sealed.push(records);
                    self.output = Output::Stalled;
                    break;
                }
            }
        }
        Ok(())
    }

    /// Writes what it can of `slices`, which are not all empty.
    pub(crate) fn poll_write_slices(
        &mut self,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        if self.sending != Sending::Open {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        // What the stream refused before goes first, and nothing is sealed meanwhile: that bounds what waits.
        if self.output == Output::Stalled {
            ready!(self.poll_send(context))?;
        }
        let written = lend(&SEALING, |buffer| {
            buffer.resize(SEAL_AT_ONCE + SEAL_EXTRA, 0);
            self.seal_and_send(context, slices, buffer)
        });
        // Processing what was received may have failed on the way: its alert goes out.
        if self.failure.is_some() {
            let _ = self.poll_send(context);
        }
        Poll::Ready(written)
    }

    /// Seals as much of `slices` as goes at once, each from a record of its own on, and writes it.
    fn seal_and_send(
        &mut self,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
        buffer: &mut [u8],
    ) -> io::Result<usize> {
        let mut taken = 0;
        let sealed = self.process_received(None, |traffic| {
            let mut length = 0;
            for slice in slices.iter().take(SLICES_AT_ONCE) {
                let part = &slice[..slice.len().min(SEAL_AT_ONCE - taken)];
                length += traffic.encrypt(part, &mut buffer[length..])?;
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
            // Both directions are closed, or the handshake is not done.
            None => return Err(io::ErrorKind::BrokenPipe.into()),
        };
        if self.sealed.is_empty() {
            self.send(context, &buffer[..length])?;
        } else {
            // A ticket or a key update goes first, in the same write.
            self.sealed.push(&buffer[..length]);
            if let Poll::Ready(sent) = self.poll_send(context) {
                sent?;
            }
        }
        Ok(taken)
    }
}
