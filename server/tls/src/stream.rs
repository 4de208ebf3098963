//! Reading, writing and shutting down, as tokio asks for them.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::scratch::{JOINING, RECORD_PLAINTEXT, SEAL_EXTRA, lend};
use crate::session::give;
use crate::state::{Input, Output, Sending, TlsStream};

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream<S> {
    /// Gives `buffer` what was received before: first what is decrypted, then what whole records hold.
    fn read_received(&mut self, buffer: &mut ReadBuf<'_>) -> io::Result<()> {
        if !self.plaintext.is_empty() {
            let rest = give(self.plaintext.as_slice(), Some(buffer)).len();
            self.plaintext.advance(self.plaintext.len() - rest);
        }
        if self.input == Input::Backlog && buffer.remaining() > 0 {
            self.process_received(Some(buffer), |_| ())?;
        }
        Ok(())
    }

    /// Lets records of rustls' own go out when there is nothing to read.
    ///
    /// Tickets go with the answer to the first request, whose reader looks for more before it answers: so they wait for a
    /// second turn.
    fn poll_unanswered(&mut self, context: &mut Context<'_>) {
        match self.output {
            _ if self.sealed.is_empty() => {}
            Output::Fresh => {
                self.output = Output::Deferred;
                context.waker().wake_by_ref();
            }
            Output::Deferred | Output::Stalled => {
                // An error will show with the next write.
                let _ = self.poll_send(context);
            }
        }
    }

    /// Seals our `close_notify`. After an error of the peer's its alert is what tells the end.
    fn close(&mut self) {
        if self.sending != Sending::Open || self.failure.is_some() {
            return;
        }
        self.sending = Sending::Closing;
        let mut notice = [0; SEAL_EXTRA];
        let sealed = self.process_received(None, |traffic| traffic.queue_close_notify(&mut notice));
        if let Ok(Some(Ok(length))) = sealed {
            self.sealed.push(&notice[..length]);
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<S> {
    /// Reads decrypted bytes; nothing at the peer's `close_notify`.
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        if let Err(error) = this.read_received(buffer)
            && buffer.filled().len() == before
        {
            let _ = this.poll_send(context);
            return Poll::Ready(Err(error));
        }
        while buffer.filled().len() == before
            && buffer.remaining() > 0
            && this.input != Input::Ended
        {
            this.check()?;
            match this.poll_receive(context, Some(buffer)) {
                // TCP has ended and TLS has not: what came may have been cut.
                Poll::Ready(Ok(0)) => {
                    return Poll::Ready(Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "the peer ended the connection without TLS' close_notify",
                    )));
                }
                // Data, which end the loop; or a part of a record, a ticket, a key update: on with it.
                Poll::Ready(Ok(_)) => {}
                // What came before the error is given first.
                Poll::Ready(Err(_)) if buffer.filled().len() > before => break,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    this.poll_unanswered(context);
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

    /// Seals a part of `slices`. What fits into one record goes out in one.
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
        lend(&JOINING, |joined| {
            joined.clear();
            for slice in slices {
                joined.extend_from_slice(slice);
            }
            this.poll_write_slices(context, &[IoSlice::new(joined)])
        })
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
        if this.sending == Sending::Broken {
            return Poll::Ready(Ok(()));
        }
        this.close();
        ready!(this.poll_send(context))?;
        match ready!(Pin::new(&mut this.stream).poll_shutdown(context)) {
            // The peer has reset the connection, which ends it as well.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Poll::Ready(Ok(())),
            ended => Poll::Ready(ended),
        }
    }
}
