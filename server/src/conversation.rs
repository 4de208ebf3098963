//! The messages of one connection, with everything a handler should not have to think of.

use std::future::{Future, poll_fn};
use std::io::ErrorKind;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use tokio::io::AsyncWriteExt;
use tracing::{Level, enabled};
use tungstenite_deflate::tungstenite::protocol::CloseFrame;
use tungstenite_deflate::tungstenite::protocol::frame::coding::CloseCode;
use tungstenite_deflate::tungstenite::{Error, Message};
use tungstenite_deflate::{PreparedMessage, SharedContext, WebSocketStream};

use crate::connection::ConnectionInfo;
use crate::drain::Departing;
use crate::log::failure;
use crate::metrics::{Compressed, Counted, Direction, Tally};
use crate::observers::Observed;
use crate::stream::ServerStream;

/// The messages of one connection: counts them, answers control frames, says goodbye when the server ends.
#[derive(Debug)]
pub struct Conversation {
    socket: WebSocketStream<ServerStream>,
    info: ConnectionInfo,
    tally: Tally,
    compressed: Compressed,
    /// For a page that shows which messages were compressed.
    observed: Option<Box<Observed>>,
    /// Messages given to the handler, and when the latest was if its time is measured.
    given: u32,
    measured: Option<Instant>,
    /// The notice of the server's end.
    going_away: Departing,
    /// True if the handler's side of the conversation is over; messages that still arrive are dropped.
    closing: bool,
    /// A Close that waits for space in the queue.
    pending_close: Option<CloseFrame>,
    /// True if the transport has been shut down.
    finished: bool,
}

/// The end of a wait for the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Incoming {
    /// The next text or binary message; `None` once the connection is closed.
    Message(Option<Message>),
    /// The transport has taken everything that was fed.
    Sent,
}

/// Event that ends a conversation's wait.
enum Next {
    Received(Option<Result<Message, Error>>),
    /// The server ends.
    GoingAway,
    /// The transport has taken everything that was fed.
    Sent,
}

impl Conversation {
    /// Takes over what a handler was given.
    pub fn new(socket: WebSocketStream<ServerStream>, info: ConnectionInfo) -> Self {
        Self {
            socket,
            going_away: info.departure.reached(),
            observed: info.observers.observed(info.query.as_deref()),
            info,
            tally: Tally::default(),
            compressed: Compressed::default(),
            given: 0,
            measured: None,
            closing: false,
            pending_close: None,
            finished: false,
        }
    }

    /// Returns the description of the connection.
    pub fn info(&self) -> &ConnectionInfo {
        &self.info
    }

    /// The next text or binary message; `None` once the connection is closed, however it came about.
    ///
    /// Fed messages are sent before this waits. When the server ends, the client gets 1001 (going away) and has the
    /// close timeout to answer it. Call it until it gives `None`, else the closing handshake is not finished.
    ///
    /// Cancel safe.
    pub async fn next(&mut self) -> Option<Message> {
        match self.wait(false).await {
            Incoming::Message(message) => message,
            Incoming::Sent => None,
        }
    }

    /// Creates the compression context of a stream of messages that other connections get too.
    pub(crate) fn shared_context(&self) -> SharedContext {
        let deflate = self.socket.options().deflate.as_ref();
        SharedContext::new(&deflate.cloned().unwrap_or_default())
    }

    /// Keeps what is sent from growing old on its way to a slow reader.
    pub(crate) fn keep_fresh(&mut self) {
        self.socket.get_ref().keep_fresh();
    }

    /// The next message as from [`next`](Self::next), unless everything that was fed is sent before it comes.
    ///
    /// Cancel safe.
    pub(crate) async fn next_or_sent(&mut self) -> Incoming {
        self.wait(true).await
    }

    async fn wait(&mut self, until_sent: bool) -> Incoming {
        if let Some(given) = self.measured.take() {
            self.info.traffic.handled(given.elapsed());
        }
        loop {
            if let Some(frame) = self.pending_close.clone() {
                let sent = self.feed(Message::Close(Some(frame))).await;
                self.pending_close = None;
                if sent.is_err() {
                    Box::pin(self.finish()).await;
                    return Incoming::Message(None);
                }
            }
            let received = match poll_fn(|context| self.poll_next(context, until_sent)).await {
                Next::Received(received) => received,
                Next::Sent => return Incoming::Sent,
                Next::GoingAway => {
                    self.close(CloseCode::Away, "server is shutting down");
                    continue;
                }
            };
            let message = match received {
                Some(Ok(message)) => message,
                Some(Err(error)) => {
                    note(&self.info, &error);
                    // The Close that tells the peer why goes out before the transport ends.
                    Box::pin(async { while self.socket.next().await.is_some() {} }).await;
                    Box::pin(self.finish()).await;
                    return Incoming::Message(None);
                }
                None => {
                    Box::pin(self.finish()).await;
                    return Incoming::Message(None);
                }
            };
            self.tally.message(Direction::In, (&message).into());
            self.observe(Direction::In, (&message).into());
            if (message.is_text() || message.is_binary()) && !self.closing {
                // Two looks at the clock would be felt by every small message.
                self.measured = self.given.is_multiple_of(MEASURED).then(Instant::now);
                self.given = self.given.wrapping_add(1);
                return Incoming::Message(Some(message));
            }
        }
    }

    /// A message, or what else ends a wait; a peer that does not read is closed meanwhile.
    fn poll_next(&mut self, context: &mut Context<'_>, until_sent: bool) -> Poll<Next> {
        if let Poll::Ready(received) = self.socket.poll_next_unpin(context) {
            return Poll::Ready(Next::Received(received));
        }
        self.settle();
        if self.closing {
            return Poll::Pending;
        }
        if self.socket.get_ref().is_slow() {
            self.closing = true;
            close_slow(&mut self.socket, &self.info);
            return Poll::Pending;
        }
        if Pin::new(&mut self.going_away).poll(context).is_ready() {
            return Poll::Ready(Next::GoingAway);
        }
        // A failure shows when receiving.
        if until_sent && matches!(self.socket.poll_flush_unpin(context), Poll::Ready(Ok(()))) {
            return Poll::Ready(Next::Sent);
        }
        Poll::Pending
    }

    /// Queues a message; [`next`](Self::next) sends it, several at once where it can.
    ///
    /// Waits while the queue is full.
    ///
    /// # Errors
    /// The connection is closed, or the peer did not read for the write timeout.
    pub async fn feed(&mut self, message: Message) -> Result<(), Error> {
        self.ready().await?;
        let counted = Counted::from(&message);
        self.socket.start_send_unpin(message)?;
        self.tally.message(Direction::Out, counted);
        self.observe(Direction::Out, counted);
        Ok(())
    }

    /// Waits until the queue has free space; a slow peer is closed.
    async fn ready(&mut self) -> Result<(), Error> {
        let mut closing_slow = false;
        poll_fn(|context| {
            let ready = self.socket.poll_ready_unpin(context);
            if ready.is_pending() && self.socket.get_ref().is_slow() && !self.closing {
                closing_slow = true;
                self.closing = true;
                close_slow(&mut self.socket, &self.info);
            }
            ready
        })
        .await?;
        if closing_slow {
            // It reads again in time to receive the Close. Handlers leave after an error, so the goodbye is finished here.
            let farewell = async { while self.socket.next().await.is_some() {} };
            let _ = Box::pin(tokio::time::timeout(FAREWELL_TIMEOUT, farewell)).await;
            Box::pin(self.finish()).await;
            return Err(Error::Io(ErrorKind::TimedOut.into()));
        }
        Ok(())
    }

    /// Queues a message that others get too: its frames are made, and compressed, once for all of them.
    ///
    /// # Errors
    /// As for [`feed`](Self::feed).
    pub async fn feed_prepared(&mut self, prepared: &PreparedMessage) -> Result<(), Error> {
        self.ready().await?;
        self.socket.start_send_prepared(prepared)?;
        let counted = prepared.message().into();
        self.tally.message(Direction::Out, counted);
        self.observe(Direction::Out, counted);
        Ok(())
    }

    /// Sends everything queued.
    ///
    /// # Errors
    /// As for [`feed`](Self::feed).
    pub async fn flush(&mut self) -> Result<(), Error> {
        self.socket.flush().await
    }

    /// Queues a message and sends everything queued.
    ///
    /// # Errors
    /// As for [`feed`](Self::feed).
    pub async fn send(&mut self, message: Message) -> Result<(), Error> {
        self.feed(message).await?;
        self.socket.flush().await
    }

    /// Starts the closing handshake; [`next`](Self::next) carries it out.
    ///
    /// `reason` has at most 123 bytes, else its beginning is sent.
    pub fn close(&mut self, code: CloseCode, reason: &str) {
        if !self.closing {
            self.closing = true;
            let end = (0..=MAX_REASON_BYTES.min(reason.len()))
                .rfind(|&at| reason.is_char_boundary(at))
                .unwrap_or(0);
            self.pending_close = Some(CloseFrame {
                code,
                reason: reason[..end].to_owned().into(),
            });
        }
    }

    /// Tells the page that observes this connection of a text or binary message.
    fn observe(&mut self, direction: Direction, counted: Counted) {
        let Some(observed) = self.observed.as_mut().filter(|_| counted.is_data()) else {
            return;
        };
        let now = match direction {
            Direction::In => self.socket.received_compressed(),
            Direction::Out => self.socket.sent_compressed(),
        };
        observed.report(direction, counted.bytes(), now);
    }

    /// Adds what was counted since the last time to the counters that all connections share.
    fn settle(&mut self) {
        let (traffic, socket) = (&self.info.traffic, &self.socket);
        self.tally.settle(traffic);
        let (received, sent) = (socket.received_compressed(), socket.sent_compressed());
        self.compressed.settle(traffic, received, sent);
    }

    /// Ends the transport in order, so that the peer sees an end rather than a cut.
    ///
    /// A rare future is awaited in a box: else every conversation reserves memory for it.
    async fn finish(&mut self) {
        if !std::mem::replace(&mut self.finished, true) {
            let _ = tokio::time::timeout(SHUTDOWN_TIMEOUT, self.socket.get_mut().shutdown()).await;
        }
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        self.settle();
    }
}

/// Queues a Close after what the peer does not read: 1013 (try again later).
///
/// A peer that reads on within the rest of the write timeout gets what was queued and then this Close. One that does not
/// is cut off and sees the end of the byte stream alone: its window is shut, so nothing can reach it, and a frame of which
/// it took half may be followed by nothing but the other half.
fn close_slow(socket: &mut WebSocketStream<ServerStream>, info: &ConnectionInfo) {
    let close = Message::Close(Some(CloseFrame {
        code: CloseCode::Again,
        reason: "slow consumer".into(),
    }));
    // Past the bound of the queue on purpose, by one frame.
    if socket.start_send_unpin(close.clone()).is_ok() {
        info.sent(&close);
        info.in_span(|| {
            failure!(
                WARN,
                "the peer does not read: closing with 1013 (slow consumer)"
            );
        });
    }
}

/// Says why a connection failed, as loudly as it deserves.
fn note(info: &ConnectionInfo, error: &Error) {
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed => {}
        Error::Io(error)
            if matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::OutOfMemory) =>
        {
            info.in_span(|| failure!(WARN, %error, "connection dropped"));
        }
        // A span costs as much as a line, and this one is hardly ever wanted.
        Error::Io(_) if !enabled!(Level::DEBUG) => {}
        Error::Io(error) => info.in_span(|| failure!(DEBUG, %error, "connection lost")),
        error => info.in_span(|| failure!(WARN, %error, "the peer broke the protocol")),
    }
}

/// Time for a slow peer that reads again to take what was queued and to answer.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(5);
/// Of so many messages of a connection the handling of one is measured.
const MEASURED: u32 = 64;
/// Maximum length of a Close frame's reason, in bytes (RFC 6455 §5.5).
const MAX_REASON_BYTES: usize = 123;
/// Maximum time for shutting the transport down.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);
