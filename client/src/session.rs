//! One connection with messages going both ways: neither direction waits for the other.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use tungstenite_deflate::tungstenite::protocol::CloseFrame;
use tungstenite_deflate::tungstenite::{Error, Message};

use crate::close::Ending;
use crate::command::{Command, Input};
use crate::connect::{Connection, Details};
use crate::input::Reading;
use crate::meter::WireMessage;
use crate::tally::Tally;

/// Event of a session.
#[derive(Debug)]
pub(crate) enum Event {
    /// A message came; Ping, Pong and Close are among them.
    Received(Message, Option<WireMessage>),
    /// A message was written.
    Sent(Message, Option<WireMessage>),
    /// The user wants something other than a message sent.
    Command(Command),
    /// The input does not make sense: why.
    BadInput(String),
    /// The input cannot be read any more: why.
    InputFailed(String),
    /// The input is over.
    InputEnded,
    /// The connection is over.
    Ended(Ending),
}

/// Moves messages between the input and a connection.
///
/// Messages that were taken from the input wait here until they are written, so a connection that is lost can be
/// replaced: [`Self::replace`] queues again what had not been written to the end.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each tells one thing that the others do not imply"
)]
pub(crate) struct Session {
    connection: Connection,
    input: mpsc::Receiver<Input>,
    reading: Reading,
    input_open: bool,
    /// Messages of the input that were given up.
    abandoned: u64,
    /// Written messages are kept until a Pong confirms them.
    keeps_unconfirmed: bool,
    /// Written before the newest Ping, and since.
    unconfirmed: [VecDeque<Message>; 2],
    waiting: VecDeque<Message>,
    unflushed: VecDeque<Message>,
    written: VecDeque<(Message, Option<WireMessage>)>,
    /// Received while messages written before it were not yet reported.
    received: Option<Event>,
    /// The peer's Close came; its frame may carry no code.
    is_closed: bool,
    close_frame: Option<CloseFrame>,
    /// The error of the stream before its end.
    failure: Option<Error>,
    may_send: bool,
    sends_first: bool,
    tally: Tally,
}

/// Most messages handed to the engine before they are flushed.
const BATCH: usize = 256;

/// Maximum number of written messages that are remembered until a Pong confirms them.
const MAX_UNCONFIRMED: usize = 256;

/// Time limit for counting the rest of the input.
const COUNTING_TIME: Duration = Duration::from_secs(2);

/// Interval at which an input that gives nothing is asked for more.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

impl Session {
    pub(crate) fn new(
        connection: Connection,
        (input, reading): (mpsc::Receiver<Input>, Reading),
    ) -> Self {
        Self {
            connection,
            input,
            reading,
            input_open: true,
            abandoned: 0,
            keeps_unconfirmed: false,
            unconfirmed: Default::default(),
            waiting: VecDeque::new(),
            unflushed: VecDeque::new(),
            written: VecDeque::new(),
            received: None,
            is_closed: false,
            close_frame: None,
            failure: None,
            may_send: true,
            sends_first: false,
            tally: Tally::default(),
        }
    }

    /// Goes on with another connection. What had not been written to the end is sent again.
    pub(crate) fn replace(&mut self, connection: Connection) {
        self.connection = connection;
        // Pings measured the old connection, and a Close ended it.
        let unflushed = std::mem::take(&mut self.unflushed);
        self.waiting = unflushed
            .into_iter()
            .chain(std::mem::take(&mut self.waiting))
            .filter(|message| !is_control(message))
            .collect();
        self.unconfirmed = Default::default();
        self.is_closed = false;
        self.close_frame = None;
        self.failure = None;
        self.may_send = true;
    }

    /// Keeps written messages until a Pong confirms them, so that they can be sent again.
    pub(crate) fn keep_unconfirmed(&mut self) {
        self.keeps_unconfirmed = true;
    }

    /// A Ping goes out: its Pong will confirm what was written before.
    pub(crate) fn mark_ping(&mut self) {
        let [before, since] = &mut self.unconfirmed;
        before.append(since);
    }

    /// The Pong came.
    pub(crate) fn confirm(&mut self) {
        self.unconfirmed[0].clear();
    }

    /// The peer shows no life: what it was sent since it last did waits again.
    pub(crate) fn take_back_unconfirmed(&mut self) {
        for queue in self.unconfirmed.iter_mut().rev() {
            while let Some(message) = queue.pop_back() {
                self.unflushed.push_front(message);
            }
        }
    }

    /// Bytes sent and received so far on this connection.
    pub(crate) fn wire_bytes(&self) -> (u64, u64) {
        self.connection.details.meter.bytes()
    }

    /// Returns the facts about the connection.
    pub(crate) fn details(&self) -> &Details {
        &self.connection.details
    }

    /// Returns the counts of both directions so far, over all connections.
    pub(crate) fn tally(&self) -> Tally {
        self.tally
    }

    /// The input is over and everything from it has been written.
    pub(crate) fn is_drained(&self) -> bool {
        !self.input_open && self.unsent() == 0
    }

    /// Nothing waits to be sent, and the input has nothing to give just now.
    pub(crate) fn is_quiet(&self) -> bool {
        self.unsent() == 0
            && (!self.input_open || (self.input.is_empty() && self.reading.is_idle()))
    }

    /// Messages taken from the input and not yet written.
    fn unsent(&self) -> usize {
        self.waiting.len() + self.unflushed.len()
    }

    /// Counts what will not be sent any more, the rest of the input included: how many messages, and whether there may
    /// be more, for an input that goes on is not read to its end.
    pub(crate) async fn count_lost(&mut self) -> (u64, bool) {
        let unsent = self.waiting.iter().chain(&self.unflushed);
        let mut lost = self.abandoned + unsent.filter(|one| !is_control(one)).count() as u64;
        let end = Instant::now() + COUNTING_TIME;
        loop {
            if self.input.is_empty() && self.reading.is_idle() {
                return (lost, false);
            }
            let next = self.input.recv();
            match timeout_at(end.min(Instant::now() + LOOK_AGAIN), next).await {
                Ok(None) => return (lost, false),
                Ok(Some(input)) => lost += u64::from(matches!(input, Input::Message(_))),
                Err(_) => {}
            }
            if Instant::now() >= end {
                return (lost, true);
            }
        }
    }

    /// Sends a message before those that wait.
    pub(crate) fn send_next(&mut self, message: Message) {
        self.waiting.push_front(message);
    }

    /// Starts the closing handshake; what waits is dropped and no more input is taken.
    pub(crate) fn close(&mut self, frame: CloseFrame) {
        let given_up = self.waiting.iter().filter(|one| !is_control(one));
        self.abandoned += given_up.count() as u64;
        self.waiting.clear();
        self.waiting.push_back(Message::Close(Some(frame)));
        self.input_open = false;
        self.input.close();
    }

    /// The next event. Cancel safe. After [`Event::Ended`] only [`Self::replace`] makes sense.
    pub(crate) async fn next(&mut self) -> Event {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        if let Some(event) = self.take_written().or_else(|| self.received.take()) {
            return Poll::Ready(event);
        }
        // Turn about, so that a peer that never pauses does not keep us from sending, nor we ourselves from reading.
        self.sends_first = !self.sends_first;
        let first = if self.sends_first {
            self.poll_send(cx)
        } else {
            self.poll_receive(cx)
        };
        if first.is_ready() {
            return first;
        }
        if self.sends_first {
            self.poll_receive(cx)
        } else {
            self.poll_send(cx)
        }
    }

    /// All that was handed to the engine is written.
    fn note_written(&mut self) {
        for message in std::mem::take(&mut self.unflushed) {
            let wire = self.wire_of(&message);
            self.written.push_back((message, wire));
        }
    }

    /// The oldest message that was written and not yet reported.
    fn take_written(&mut self) -> Option<Event> {
        let (message, wire) = self.written.pop_front()?;
        if !is_control(&message) {
            self.tally.sent.count(message.len(), wire);
            if self.keeps_unconfirmed {
                let newest = &mut self.unconfirmed[1];
                if newest.len() == MAX_UNCONFIRMED {
                    newest.pop_front();
                }
                newest.push_back(message.clone());
            }
        }
        Some(Event::Sent(message, wire))
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        let Poll::Ready(received) = self.connection.stream.poll_next_unpin(cx) else {
            return Poll::Pending;
        };
        match received {
            Some(Ok(message)) => {
                let wire = self.connection.details.meter.take_received();
                if let Message::Close(frame) = &message {
                    self.is_closed = true;
                    self.close_frame.clone_from(frame);
                    self.may_send = false;
                }
                if !is_control(&message) {
                    self.tally.received.count(message.len(), wire);
                    // A sign of life: rather once too few than every answered message twice.
                    self.unconfirmed = Default::default();
                }
                let received = Event::Received(message, wire);
                // Receiving writes too: what it wrote is reported before what came back.
                if self.connection.stream.outgoing_bytes() == 0 {
                    self.note_written();
                }
                Poll::Ready(match self.take_written() {
                    None => received,
                    Some(sent) => {
                        self.received = Some(received);
                        sent
                    }
                })
            }
            Some(Err(error)) => {
                // Reported when the stream is over: until then it writes its Close and ends TLS.
                self.failure.get_or_insert(error);
                self.may_send = false;
                self.poll_receive(cx)
            }
            None => {
                let failure = self.failure.take();
                self.ended(failure.map_or(Ending::Lost, Ending::Failed))
            }
        }
    }

    /// The end of the stream: the closing handshake if there was one.
    fn ended(&mut self, otherwise: Ending) -> Poll<Event> {
        let ending = if self.is_closed {
            Ending::Closed(self.close_frame.take())
        } else {
            otherwise
        };
        Poll::Ready(Event::Ended(ending))
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        while self.may_send && self.unflushed.len() < BATCH {
            if self.waiting.is_empty() {
                match self.poll_input(cx) {
                    Poll::Ready(Some(event)) => return Poll::Ready(event),
                    Poll::Ready(None) => {}
                    Poll::Pending => break,
                }
            }
            match self.connection.stream.poll_ready_unpin(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return self.sending_failed(error),
                Poll::Pending => break,
            }
            let Some(message) = self.waiting.pop_front() else {
                break;
            };
            if let Err(error) = self.connection.stream.start_send_unpin(message.clone()) {
                self.waiting.push_front(message);
                return self.sending_failed(error);
            }
            let is_close = message.is_close();
            self.unflushed.push_back(message);
            self.may_send = !is_close;
        }
        if self.unflushed.is_empty() {
            return Poll::Pending;
        }
        match self.connection.stream.poll_flush_unpin(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(error)) => self.sending_failed(error),
            Poll::Ready(Ok(())) => {
                self.note_written();
                // Reported before anything is received: an answer never comes before what it answers.
                self.take_written().map_or(Poll::Pending, Poll::Ready)
            }
        }
    }

    /// Takes one input; `None` when it became a waiting message.
    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        if !self.input_open {
            return Poll::Pending;
        }
        self.input.poll_recv(cx).map(|input| match input {
            Some(Input::Message(message)) => {
                self.waiting.push_back(message);
                None
            }
            Some(Input::Command(command)) => Some(Event::Command(command)),
            Some(Input::Bad(reason)) => Some(Event::BadInput(reason)),
            Some(Input::Failed(reason)) => Some(Event::InputFailed(reason)),
            None => {
                self.input_open = false;
                Some(Event::InputEnded)
            }
        })
    }

    /// A transport that takes nothing may still hold the peer's last words: reading goes on to the end.
    fn sending_failed(&mut self, error: Error) -> Poll<Event> {
        self.may_send = false;
        match error {
            Error::Io(_) | Error::ConnectionClosed | Error::AlreadyClosed | Error::Protocol(_) => {
                Poll::Pending
            }
            other => Poll::Ready(Event::Ended(Ending::Failed(other))),
        }
    }

    /// The size of a message that was written; automatic Pongs and Closes in between are passed over.
    fn wire_of(&self, message: &Message) -> Option<WireMessage> {
        let opcode = match message {
            Message::Text(_) => 1,
            Message::Binary(_) => 2,
            Message::Close(_) => 8,
            Message::Ping(_) => 9,
            Message::Pong(_) => 10,
            Message::Frame(_) => return None,
        };
        while let Some(wire) = self.connection.details.meter.take_sent() {
            if wire.opcode == opcode {
                return Some(wire);
            }
        }
        None
    }
}

fn is_control(message: &Message) -> bool {
    !matches!(message, Message::Text(_) | Message::Binary(_))
}
