//! Lingering close: bytes that a peer still sends after our end are taken and dropped, within bounds.
//!
//! Closing a socket with bytes unread makes TCP reset the connection, and a reset overtakes what was sent before and not
//! yet taken (RFC 9112 §9.6). Nothing is decrypted any more: bytes are dropped as TCP delivers them.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::client_stream::ClientStream;
use crate::socket::Socket;

/// A transport over a socket.
pub(crate) trait OverSocket {
    /// Returns the socket.
    fn socket(&mut self) -> &mut Socket;
}

impl OverSocket for ClientStream {
    fn socket(&mut self) -> &mut Socket {
        self.socket_mut()
    }
}

/// Takes and drops what comes, from the end of our side until the peer's.
#[derive(Debug)]
struct Linger {
    /// Bytes that may still come.
    left: usize,
    until: Pin<Box<Sleep>>,
}

impl Linger {
    /// Begins the peer's time and its bytes.
    fn new(time: Duration) -> Self {
        Self {
            left: LINGER_BYTES,
            until: Box::pin(sleep(time)),
        }
    }

    /// Ready when the peer has ended or broken off, or when it has had its bytes or its time.
    fn poll<S>(&mut self, stream: &mut S, context: &mut Context<'_>) -> Poll<()>
    where
        S: AsyncRead + Unpin,
    {
        let mut piece = [0; PIECE_BYTES];
        while self.left > 0 && self.until.as_mut().poll(context).is_pending() {
            let mut buffer = ReadBuf::new(&mut piece);
            match Pin::new(&mut *stream).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    self.left = self.left.saturating_sub(buffer.filled().len());
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(())
    }
}

/// The end of our side of a connection: it is written once, then what the peer still sends is dropped.
#[derive(Debug)]
pub(crate) struct Ending {
    /// Time for the peer's end (`--linger`).
    time: Duration,
    /// Exists once the end has begun.
    linger: Option<Linger>,
    /// The end has been written.
    is_written: bool,
    /// TLS has failed; its readers get the error, which lasts.
    has_failed: bool,
}

impl Ending {
    /// Creates the end of a connection whose peer has `time` for its own.
    pub(crate) fn new(time: Duration) -> Self {
        Self {
            time,
            linger: None,
            is_written: false,
            has_failed: false,
        }
    }

    /// Notes that TLS has failed.
    pub(crate) fn failed(&mut self) {
        self.has_failed = true;
    }

    /// Begins the end, unless it has been written, which the result says.
    ///
    /// From here on TLS gets nothing that arrives: it would meet the rest of a record that was dropped in part.
    pub(crate) fn begin(&mut self) -> bool {
        let time = self.time;
        self.linger.get_or_insert_with(|| Linger::new(time));
        self.is_written
    }

    /// Notes that the end has been written; the peer has its time and its bytes from now on.
    pub(crate) fn written(&mut self) {
        self.is_written = true;
        self.linger = Some(Linger::new(self.time));
    }

    /// Drops what comes if the end has begun and TLS has no error to report. `None`: read as before.
    pub(crate) fn poll_dropped(
        &mut self,
        stream: &mut impl OverSocket,
        context: &mut Context<'_>,
    ) -> Option<Poll<()>> {
        match &mut self.linger {
            Some(linger) if !self.has_failed => Some(linger.poll(stream.socket(), context)),
            _ => None,
        }
    }

    /// Drops what comes until the peer has ended, or has had its bytes or its time.
    pub(crate) fn poll_linger(
        &mut self,
        stream: &mut impl OverSocket,
        context: &mut Context<'_>,
    ) -> Poll<()> {
        match &mut self.linger {
            Some(linger) => linger.poll(stream.socket(), context),
            None => Poll::Ready(()),
        }
    }
}

/// Tells if TLS has failed, so that the peer is sent an alert, which is still to arrive.
pub(crate) fn is_failure_of_tls<T>(result: &Poll<io::Result<T>>) -> bool {
    matches!(result, Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::InvalidData)
}

/// Takes and drops what comes on `stream`, whose sending side has ended, for at most `time`.
pub(crate) async fn linger(stream: &mut (impl AsyncRead + Unpin), time: Duration) {
    let mut linger = Linger::new(time);
    poll_fn(|context| linger.poll(stream, context)).await;
}

/// Maximum of bytes that are taken: what is on its way over a fast link when our end arrives.
const LINGER_BYTES: usize = 4 * 1024 * 1024;
/// Bytes that are taken at once.
const PIECE_BYTES: usize = 4096;
