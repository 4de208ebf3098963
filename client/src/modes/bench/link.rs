//! One connection of a benchmark, whatever it speaks: it sends the payload and tells what came back.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::time::Instant;
use tungstenite_deflate::tungstenite::{Error, Message};

use crate::connect::Connection;
use crate::grpc::{CallError, Chat, ChatDetails};
use crate::meter::Meter;
use crate::modes::normal_closure;
use crate::tally::Compression;

/// Permission to send a message now, with the instant from which its latency counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Only receive.
    Wait,
    /// Latency counts from the moment of sending.
    Send,
    /// Latency counts from when the message was due (coordinated omission).
    SendDue(Instant),
}

/// Event on a connection.
pub(super) enum Step {
    /// A message went out.
    Sent,
    /// A reply of so many bytes came to the message whose latency counts from then.
    Received(usize, Instant),
    /// Something that is neither.
    Other,
    /// It is over, for this reason.
    Ended(String),
}

/// One connection of a benchmark.
pub(super) enum Link {
    WebSocket(Box<WebSocketLink>),
    Grpc(Box<GrpcLink>),
}

impl Link {
    /// Receives if something is there, else sends if that is wanted. Cancel safe.
    pub(super) async fn step(&mut self, turn: Turn, payload: &Message) -> Step {
        match self {
            Self::WebSocket(link) => link.step(turn, payload).await,
            Self::Grpc(link) => link.step(turn, payload).await,
        }
    }

    /// Sends nothing until `begin`, but answers Pings meanwhile.
    ///
    /// # Errors
    /// The connection ended before that, for this reason.
    pub(super) async fn wait(&mut self, begin: impl Future<Output = ()>) -> Result<(), String> {
        let nothing = Message::text("");
        let mut begin = pin!(begin);
        loop {
            tokio::select! {
                () = &mut begin => return Ok(()),
                step = self.step(Turn::Wait, &nothing) => if let Step::Ended(reason) = step {
                    return Err(reason);
                },
            }
        }
    }

    /// Messages on their way.
    pub(super) fn underway(&self) -> usize {
        match self {
            Self::WebSocket(link) => link.sent.len(),
            Self::Grpc(link) => link.calls.len(),
        }
    }

    /// Bytes sent and received so far, inside TLS.
    pub(super) fn bytes(&self) -> (u64, u64) {
        match self {
            Self::WebSocket(link) => link.connection.details.meter.bytes(),
            Self::Grpc(link) => link.meter.bytes(),
        }
    }

    /// Bytes that compression took in and gave out so far, both directions.
    pub(super) fn compression(&self) -> Compression {
        let mut sum = Compression::default();
        if let Self::WebSocket(link) = self {
            let stream = &link.connection.stream;
            for counted in [stream.sent_compressed(), stream.received_compressed()] {
                sum += Compression {
                    before: counted.bytes,
                    after: counted.wire_bytes,
                };
            }
        }
        sum
    }

    /// Makes the closing handshake, if there is one.
    pub(super) async fn close(self, patience: Duration) {
        let Self::WebSocket(mut link) = self else {
            return;
        };
        let stream = &mut link.connection.stream;
        let close = async {
            let _ = stream.send(Message::Close(Some(normal_closure()))).await;
            while stream.next().await.is_some() {}
        };
        let _ = tokio::time::timeout(patience, close).await;
    }
}

/// A WebSocket: replies come in the order of the messages.
pub(super) struct WebSocketLink {
    connection: Connection,
    /// From when the latency of each message on its way counts.
    sent: VecDeque<Instant>,
}

impl WebSocketLink {
    pub(super) fn new(connection: Connection) -> Self {
        Self {
            connection,
            sent: VecDeque::new(),
        }
    }

    async fn step(&mut self, turn: Turn, payload: &Message) -> Step {
        let stream = &mut self.connection.stream;
        let sent = &mut self.sent;
        let step = poll_fn(|cx| {
            match stream.poll_next_unpin(cx) {
                Poll::Ready(Some(Ok(message @ (Message::Text(_) | Message::Binary(_))))) => {
                    return Poll::Ready(match sent.pop_front() {
                        None => Step::Other,
                        Some(from) => reply_to(payload, bytes_of(&message), from),
                    });
                }
                Poll::Ready(Some(Ok(Message::Close(frame)))) => {
                    let code = frame.map_or(1005, |frame| u16::from(frame.code));
                    let name = crate::close::close_name(code);
                    return Poll::Ready(Step::Ended(format!("closed with {code} ({name})")));
                }
                Poll::Ready(Some(Ok(_))) => return Poll::Ready(Step::Other),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Step::Ended(kind(&error))),
                Poll::Ready(None) => return Poll::Ready(Step::Ended("connection lost".into())),
                Poll::Pending => {}
            }
            if turn != Turn::Wait {
                match stream.poll_ready_unpin(cx) {
                    Poll::Ready(Ok(())) => {
                        return Poll::Ready(match stream.start_send_unpin(payload.clone()) {
                            Ok(()) => {
                                sent.push_back(turn.counts_from());
                                Step::Sent
                            }
                            Err(error) => Step::Ended(kind(&error)),
                        });
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Step::Ended(kind(&error))),
                    Poll::Pending => {}
                }
            }
            match stream.poll_flush_unpin(cx) {
                Poll::Ready(Err(error)) => Poll::Ready(Step::Ended(kind(&error))),
                _ => Poll::Pending,
            }
        })
        .await;
        // Sizes of single messages are not wanted here, only the sums.
        let meter = &self.connection.details.meter;
        while meter.take_sent().is_some() {}
        while meter.take_received().is_some() {}
        step
    }
}

impl Turn {
    fn counts_from(self) -> Instant {
        match self {
            Self::SendDue(due) => due,
            Self::Send | Self::Wait => Instant::now(),
        }
    }
}

/// The event that a message is with which the peer answered `payload`: an echo, perhaps with something before it.
fn reply_to(payload: &Message, reply: &[u8], from: Instant) -> Step {
    if reply.ends_with(bytes_of(payload)) {
        Step::Received(reply.len(), from)
    } else {
        Step::Ended("a reply that is not what was sent: the route is no echo".into())
    }
}

/// The payload of a data message.
fn bytes_of(message: &Message) -> &[u8] {
    match message {
        Message::Text(text) => text.as_bytes(),
        Message::Binary(bytes) => bytes,
        _ => &[],
    }
}

/// A call that tells from when its latency counts, and its reply.
type Call = Pin<Box<dyn Future<Output = (Instant, Result<String, CallError>)> + Send>>;

/// An HTTP/2 connection: every call is a stream of its own, and replies come in any order.
pub(super) struct GrpcLink {
    chat: Chat,
    meter: Meter,
    calls: FuturesUnordered<Call>,
}

impl GrpcLink {
    pub(super) fn new(chat: Chat, details: ChatDetails) -> Self {
        Self {
            chat,
            meter: details.meter,
            calls: FuturesUnordered::new(),
        }
    }

    async fn step(&mut self, turn: Turn, payload: &Message) -> Step {
        let ended = poll_fn(|cx| match self.calls.poll_next_unpin(cx) {
            Poll::Ready(Some(ended)) => Poll::Ready(Some(ended)),
            // With nothing underway or nothing back: send if that is wanted, else wait on.
            _ if turn != Turn::Wait => Poll::Ready(None),
            _ => Poll::Pending,
        })
        .await;
        match ended {
            Some((from, Ok(reply))) => reply_to(payload, reply.as_bytes(), from),
            Some((_, Err(error))) => Step::Ended(error.kind()),
            None => {
                let mut chat = self.chat.clone();
                let text = payload.clone();
                let from = turn.counts_from();
                self.calls.push(Box::pin(async move {
                    let text = text.to_text().unwrap_or_default();
                    let reply = chat.send(SENDER, text).await;
                    (from, reply)
                }));
                Step::Sent
            }
        }
    }
}

/// Sender of the benchmark's messages.
const SENDER: &str = "bench";

/// An error without its particulars, so that equal ones are counted together.
fn kind(error: &Error) -> String {
    match error {
        Error::Io(error) => format!("transport: {}", error.kind()),
        Error::Protocol(_) => "protocol".into(),
        Error::Capacity(_) => "message too big".into(),
        other => other.to_string(),
    }
}
