//! The protocol engine without I/O: bytes and instants in, events and bytes out.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};

use crate::close::{self, Closed, Initiator};
use crate::deflate::{Agreed, Codec, Compression, Statistics};
use crate::error::{ProtocolError, SendError};
use crate::frame::{Header, MAX_CONTROL_PAYLOAD, Opcode, Outgoing};
use crate::incoming::{Incoming, Item, Rules};
use crate::options::Options;
use crate::prepared::PreparedMessage;
use crate::tungstenite::protocol::frame::Frame;
use crate::tungstenite::protocol::frame::coding::CloseCode;
use crate::tungstenite::protocol::{CloseFrame, Role};
use crate::tungstenite::{Message, Utf8Bytes};
use crate::unfinished::Held;

/// One side of a WebSocket connection after its handshake, without sockets, clock or runtime.
///
/// # How to drive it
/// 1. Append what the transport gave to a buffer and call [`receive`](Self::receive) until it returns `None`; at the
///    end of the byte stream call [`receive_eof`](Self::receive_eof).
/// 2. Queue messages with [`send`](Self::send) and [`close`](Self::close).
/// 3. Write what [`outgoing`](Self::outgoing) holds, advancing it by what was written, until it is empty.
/// 4. When [`next_timeout`](Self::next_timeout) has passed, call [`handle_timeout`](Self::handle_timeout).
/// 5. When [`should_close_transport`](Self::should_close_transport) says so, close the byte stream.
///
/// Pongs and the answer to a Close are queued by `receive`. Instants must not go backwards.
///
/// All state lives in the value: nothing is lost if a caller stops between any two calls.
#[derive(Debug)]
pub struct Connection {
    role: Role,
    state: State,
    options: Arc<Options>,
    incoming: Incoming,
    outgoing: Outgoing,
    codec: Option<Box<Codec>>,
    agreed: Option<Agreed>,
    /// Data messages and a Close that wait behind a message that is being sent in fragments.
    backlog: Option<Box<Backlog>>,
    closed: Option<Box<Closed>>,
    timers: Timers,
    /// Length of the caller's buffer when `receive` last left it: more in it means that something arrived.
    left_in_buffer: usize,
    pongs: Pongs,
    /// What this connection has of [`Limits::unfinished_memory`](crate::Limits::unfinished_memory).
    held: Option<Held>,
}

/// Where a connection is in its life (RFC 6455 §4.1, §7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// Our Close is queued or sent; the peer's has not come (§7.1.3).
    CloseSent,
    /// Both Close frames exist; ours may still be queued (§7.1.4).
    Closed,
    /// We failed the connection (§7.1.7): input is discarded, the queue is still written.
    Failed,
    /// The byte stream has ended.
    Ended,
}

/// Instants that matter to timeouts.
#[derive(Debug)]
struct Timers {
    last_received: Instant,
    /// How exactly `last_received` is known.
    precision: Precision,
    /// When the Ping that is not answered was queued.
    ping_queued: Option<Instant>,
    /// When the first byte of what is unfinished was seen.
    unfinished_since: Option<Instant>,
    /// When our Close was queued.
    close_queued: Option<Instant>,
}

/// How exactly the time of the last arrival is known; see [`Connection::receive_by_clock`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Precision {
    /// Nothing has arrived since the noted instant.
    Exact,
    /// Something may have arrived since, at most one look ago; `heard` tells whether it has.
    ByLooks { heard: bool },
}

/// Looks per ping interval at whether a busy connection is still busy: its Ping comes at most so much later.
const LOOKS: u32 = 4;

/// Messages that wait to be cut into fragments.
#[derive(Debug, Default)]
struct Backlog {
    queue: VecDeque<Waiting>,
    bytes: usize,
}

#[derive(Debug)]
struct Waiting {
    opcode: Opcode,
    rsv1: bool,
    payload: Bytes,
}

/// Pongs that are owed. A flood of Pings while nothing can be written is answered by the last Pong alone
/// (RFC 6455 §5.5.3).
#[derive(Debug, Default)]
struct Pongs {
    queued: u8,
    latest: Option<Bytes>,
}

/// Pongs queued at most while the transport takes nothing.
const MAX_QUEUED_PONGS: u8 = 32;

/// Bytes of fragments that are framed ahead of what the transport has taken.
const FRAMED_AHEAD: usize = 16 * 1024;

/// What was received.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A whole message, or a control frame. Pings and Closes are answered already.
    Message(Message),
}

/// # Creation and getters
impl Connection {
    /// A connection whose handshake is done, with the permessage-deflate parameters that it agreed on.
    ///
    /// # Panics
    /// If `max_write_buffer_size` is not above `write_buffer_size`, as tungstenite does.
    pub fn new(role: Role, options: Arc<Options>, agreed: Option<Agreed>, now: Instant) -> Self {
        assert!(
            options.websocket.max_write_buffer_size > options.websocket.write_buffer_size,
            "max_write_buffer_size must be greater than write_buffer_size"
        );
        let codec = agreed.map(|agreed| {
            let config = options.deflate.clone().unwrap_or_default();
            Box::new(Codec::new(role, agreed, &config))
        });
        Self {
            role,
            state: State::Open,
            options,
            incoming: Incoming::default(),
            outgoing: Outgoing::default(),
            codec,
            agreed,
            backlog: None,
            closed: None,
            timers: Timers {
                last_received: now,
                precision: Precision::Exact,
                ping_queued: None,
                unfinished_since: None,
                close_queued: None,
            },
            left_in_buffer: 0,
            pongs: Pongs::default(),
            held: None,
        }
    }

    /// Which side this is.
    pub fn role(&self) -> Role {
        self.role
    }

    /// What was chosen for this connection.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The parameters of permessage-deflate in force, if it was agreed.
    pub fn agreed(&self) -> Option<Agreed> {
        self.agreed
    }

    /// What compression did so far; `None` if it was not agreed.
    pub fn statistics(&self) -> Option<Statistics> {
        self.codec.as_ref().map(|codec| codec.statistics())
    }

    /// How the connection ended, or is ending; `None` while it is open.
    pub fn closed(&self) -> Option<&Closed> {
        self.closed.as_deref()
    }

    /// Whether messages may still be sent.
    pub fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// Whether nothing more will be received.
    pub fn is_receiving_over(&self) -> bool {
        matches!(self.state, State::Closed | State::Failed | State::Ended)
    }

    /// Whether the byte stream is to be closed by this side now: everything is written, and the connection failed, or
    /// the closing handshake is done and this is the server, which closes first (RFC 6455 §7.1.1).
    pub fn should_close_transport(&self) -> bool {
        self.outgoing_bytes() == 0
            && match self.state {
                State::Open | State::CloseSent => false,
                State::Closed => self.role == Role::Server,
                State::Failed | State::Ended => true,
            }
    }

    /// Bytes that the frame at the start of the buffer still needs to be whole; 0 if that is not known.
    pub fn bytes_wanted(&self, buffer: &BytesMut) -> usize {
        self.incoming.wanted().saturating_sub(buffer.len())
    }

    /// Bytes queued and not yet taken by the transport.
    pub fn outgoing_bytes(&self) -> usize {
        self.outgoing.len() + self.backlog.as_ref().map_or(0, |backlog| backlog.bytes)
    }
}

/// # Inputs
impl Connection {
    /// Takes the next event out of `buffer`, leaving an incomplete frame where it is.
    ///
    /// Call again until it returns `None`, then write what [`outgoing`](Self::outgoing) holds. `buffer` must be the same
    /// each time: between calls bytes may only be appended to it.
    ///
    /// # Errors
    /// The peer broke the protocol. The fitting Close frame is already queued and further input is discarded
    /// (RFC 6455 §7.1.7); write the queue, then close the transport.
    pub fn receive(
        &mut self,
        buffer: &mut BytesMut,
        now: Instant,
    ) -> Result<Option<Event>, ProtocolError> {
        if buffer.len() > self.left_in_buffer {
            self.timers.last_received = now;
            self.timers.precision = Precision::Exact;
            self.timers.ping_queued = None;
            self.left_in_buffer = buffer.len();
        }
        match self.receive_by_clock(buffer, || now)? {
            Some(event) => Ok(Some(event)),
            None => self.check_unfinished(buffer).map(|()| None),
        }
    }

    /// Validates the text that has arrived of an unfinished frame; for callers of
    /// [`receive_by_clock`](Self::receive_by_clock) before they wait for more.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    pub(crate) fn check_unfinished(&mut self, buffer: &mut BytesMut) -> Result<(), ProtocolError> {
        let result = self.incoming.preview(buffer);
        if let Err(error) = &result {
            self.discard(buffer);
            self.fail(error);
        }
        result
    }

    fn discard(&mut self, buffer: &mut BytesMut) {
        buffer.clear();
        self.left_in_buffer = 0;
    }

    /// As [`receive`](Self::receive), but leaves text that is not there whole to
    /// [`check_unfinished`](Self::check_unfinished), and asks the clock only when something begins: the first arrival after silence, a
    /// message that is not there whole, a Close. While a connection is busy its keep-alive is kept by looks at every
    /// quarter of the interval, since asking a clock costs more than parsing a small frame.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    pub(crate) fn receive_by_clock(
        &mut self,
        buffer: &mut BytesMut,
        clock: impl Fn() -> Instant,
    ) -> Result<Option<Event>, ProtocolError> {
        if self.is_receiving_over() {
            buffer.clear();
            return Ok(None);
        }
        if buffer.len() > self.left_in_buffer && self.options.keepalive.is_some() {
            self.note_arrival(&clock);
        }
        let rules = Rules {
            role: self.role,
            options: &self.options,
        };
        let result = self
            .incoming
            .next(buffer, &rules, self.codec.as_deref_mut());
        self.left_in_buffer = buffer.len();
        match result {
            Ok(item) => {
                self.note_unfinished(buffer, item.is_some(), &clock);
                Ok(item.map(|item| Event::Message(self.accept(item, &clock))))
            }
            Err(error) => {
                self.discard(buffer);
                self.fail(&error);
                Err(error)
            }
        }
    }

    /// Counts what is held while more is waited for: call it before waiting, with the memory of the buffer.
    ///
    /// # Errors
    /// [`unfinished_memory`](crate::Limits::unfinished_memory) is spent; as for [`receive`](Self::receive).
    pub fn hold(&mut self, buffered: usize) -> Result<(), ProtocolError> {
        let Some(memory) = &self.options.limits.unfinished_memory else {
            return Ok(());
        };
        let bytes = buffered.saturating_add(self.incoming.held_bytes());
        if Held::resize(&mut self.held, bytes, memory) {
            return Ok(());
        }
        let allowed = memory.limit();
        Err(self.fail(&ProtocolError::UnfinishedMemory { allowed }))
    }

    /// The byte stream has ended; true if the closing handshake was done before (RFC 6455 §7.1.4).
    pub fn receive_eof(&mut self) -> bool {
        let clean = self.state == State::Closed;
        if self.state == State::Open || self.state == State::CloseSent {
            let closed = self.closed_mut(Initiator::Transport);
            closed.by = Initiator::Transport;
        }
        self.end();
        clean
    }

    /// The byte stream takes no more bytes: drops what is queued.
    pub fn transmit_failed(&mut self) {
        self.outgoing.clear();
        self.backlog = None;
        self.pongs = Pongs::default();
    }

    /// The earliest instant at which [`handle_timeout`](Self::handle_timeout) has something to do.
    pub fn next_timeout(&self) -> Option<Instant> {
        let after =
            |since: Option<Instant>, timeout: Option<Duration>| since?.checked_add(timeout?);
        if self.state == State::Ended {
            return None;
        }
        let close = after(self.timers.close_queued, self.options.close_timeout);
        if self.is_receiving_over() {
            return close;
        }
        let unfinished = after(
            self.timers.unfinished_since,
            self.options.limits.unfinished_message_timeout,
        );
        let keepalive =
            self.options
                .keepalive
                .and_then(|keepalive| match self.timers.ping_queued {
                    Some(queued) => queued.checked_add(keepalive.pong_timeout),
                    None => self
                        .timers
                        .last_received
                        .checked_add(match self.timers.precision {
                            Precision::Exact => keepalive.ping_interval,
                            Precision::ByLooks { .. } => keepalive.ping_interval / LOOKS,
                        }),
                });
        [close, unfinished, keepalive].into_iter().flatten().min()
    }

    /// Does what is due at `now`: sends a Ping, or gives up on the peer.
    ///
    /// # Errors
    /// The peer let a deadline pass; a Close frame is queued as after a violation. After the closing handshake a
    /// deadline that passes only ends the wait for the end of the byte stream, which is no error.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), ProtocolError> {
        let passed = |since: Option<Instant>, timeout: Duration| {
            since.is_some_and(|since| now.saturating_duration_since(since) >= timeout)
        };
        if let Some(allowed) = self
            .options
            .close_timeout
            .filter(|allowed| passed(self.timers.close_queued, *allowed))
        {
            let unanswered = self.state == State::CloseSent;
            self.end();
            return if unanswered {
                Err(ProtocolError::CloseUnanswered { allowed })
            } else {
                Ok(())
            };
        }
        if self.is_receiving_over() {
            return Ok(());
        }
        let unfinished = self.options.limits.unfinished_message_timeout;
        if let Some(allowed) =
            unfinished.filter(|allowed| passed(self.timers.unfinished_since, *allowed))
        {
            return Err(self.fail(&ProtocolError::UnfinishedMessage { allowed }));
        }
        if let Some(keepalive) = self.options.keepalive {
            if passed(self.timers.ping_queued, keepalive.pong_timeout) {
                return Err(self.fail(&ProtocolError::PongOverdue {
                    allowed: keepalive.pong_timeout,
                }));
            }
            match self.timers.precision {
                Precision::ByLooks { heard: true } => {
                    self.timers.last_received = now;
                    self.timers.precision = Precision::ByLooks { heard: false };
                }
                Precision::ByLooks { heard: false } => self.timers.precision = Precision::Exact,
                Precision::Exact => {}
            }
            if self.timers.ping_queued.is_none()
                && passed(Some(self.timers.last_received), keepalive.ping_interval)
            {
                self.timers.ping_queued = Some(now);
                if self.state == State::Open {
                    self.push(true, false, Opcode::Ping, Bytes::new());
                }
            }
        }
        Ok(())
    }

    /// Something arrived.
    fn note_arrival(&mut self, clock: &impl Fn() -> Instant) {
        let exact =
            self.timers.ping_queued.take().is_some() || self.timers.precision == Precision::Exact;
        if exact {
            self.timers.last_received = clock();
        }
        self.timers.precision = Precision::ByLooks { heard: !exact };
    }

    fn note_unfinished(
        &mut self,
        buffer: &BytesMut,
        progressed: bool,
        clock: &impl Fn() -> Instant,
    ) {
        if !self.incoming.is_unfinished() && (progressed || buffer.is_empty()) {
            self.timers.unfinished_since = None;
        } else if self.timers.unfinished_since.is_none()
            && self.options.limits.unfinished_message_timeout.is_some()
        {
            self.timers.unfinished_since = Some(clock());
        }
    }

    /// Answers what wants an answer, and turns the item into a message.
    fn accept(&mut self, item: Item, clock: &impl Fn() -> Instant) -> Message {
        match item {
            Item::Data(message) => message,
            Item::Pong(payload) => Message::Pong(payload),
            Item::Ping(payload) => {
                if self.state == State::Open {
                    self.pong(payload.clone());
                }
                Message::Ping(payload)
            }
            Item::Close(frame) => {
                let answer = self.state == State::Open;
                self.closed_mut(Initiator::Peer).received = Some(frame.clone());
                if answer {
                    self.queue_close(frame.clone(), clock)
                        .expect("a Close that was received may be sent");
                }
                self.state = State::Closed;
                Message::Close(frame)
            }
        }
    }

    /// Fails the connection (RFC 6455 §7.1.7): queues a Close unless one is sent, and discards what comes.
    fn fail(&mut self, error: &ProtocolError) -> ProtocolError {
        if self.state == State::Open {
            self.backlog = None;
            let frame = CloseFrame {
                code: error.close_code(),
                reason: reason(error),
            };
            let payload = close::encode(Some(&frame))
                .expect("codes of violations may be sent, and their reason fits");
            self.flush_pong();
            self.push(true, false, Opcode::Close, payload);
            self.closed_mut(Initiator::Us).sent = Some(Some(frame));
        }
        self.incoming = Incoming::default();
        self.held = None;
        self.state = State::Failed;
        error.clone()
    }

    fn end(&mut self) {
        self.incoming = Incoming::default();
        self.held = None;
        self.state = State::Ended;
    }

    fn closed_mut(&mut self, by: Initiator) -> &mut Closed {
        self.closed.get_or_insert_with(|| {
            Box::new(Closed {
                received: None,
                sent: None,
                by,
            })
        })
    }
}

/// # Commands
impl Connection {
    /// Queues a message; compression as the options say.
    ///
    /// # Errors
    /// The message cannot be sent; nothing was queued. See [`SendError`].
    pub fn send(&mut self, message: Message, now: Instant) -> Result<(), SendError> {
        self.send_with(message, Compression::Auto, now)
    }

    /// Queues a message that many connections send. Its frames are made once and shared where the wire bytes are the
    /// same for all: by servers, without context takeover and without `fragment_bytes`. Others send it like any message.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_prepared(
        &mut self,
        prepared: &PreparedMessage,
        now: Instant,
    ) -> Result<(), SendError> {
        self.send_prepared_by_clock(prepared, || now)
    }

    /// As [`send_prepared`](Self::send_prepared); see [`send_by_clock`](Self::send_by_clock).
    pub(crate) fn send_prepared_by_clock(
        &mut self,
        prepared: &PreparedMessage,
        clock: impl Fn() -> Instant,
    ) -> Result<(), SendError> {
        let shared = self.state == State::Open
            && self.role == Role::Server
            && self.options.fragment_bytes.is_none()
            && self
                .agreed
                .is_none_or(|agreed| agreed.server_no_context_takeover);
        if !shared {
            return self.send_by_clock(prepared.message().clone(), Compression::Auto, clock);
        }
        let frames = prepared.frames(self.agreed);
        if self.outgoing_bytes().saturating_add(frames.len())
            > self.options.websocket.max_write_buffer_size
        {
            return Err(SendError::QueueFull(Box::new(prepared.message().clone())));
        }
        self.outgoing.push_encoded(frames);
        Ok(())
    }

    /// Queues a message with a choice of its own about compression.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_with(
        &mut self,
        message: Message,
        compression: Compression,
        now: Instant,
    ) -> Result<(), SendError> {
        self.send_by_clock(message, compression, || now)
    }

    /// As [`send_with`](Self::send_with), but asks the clock for a Close only.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub(crate) fn send_by_clock(
        &mut self,
        message: Message,
        compression: Compression,
        clock: impl Fn() -> Instant,
    ) -> Result<(), SendError> {
        match self.state {
            State::Open => {}
            State::CloseSent | State::Closed if message.is_close() => return Ok(()),
            State::CloseSent | State::Closed => return Err(SendError::AfterClose),
            State::Failed | State::Ended => return Err(SendError::Closed),
        }
        let queued = self
            .outgoing_bytes()
            .saturating_add(message.len())
            .saturating_add(Header::MAX_BYTES);
        if queued > self.options.websocket.max_write_buffer_size {
            return Err(SendError::QueueFull(Box::new(message)));
        }
        match message {
            Message::Text(text) => self.send_data(Opcode::Text, text.into(), compression),
            Message::Binary(payload) => self.send_data(Opcode::Binary, payload, compression),
            Message::Ping(payload) => self.send_control(Opcode::Ping, payload)?,
            Message::Pong(payload) => self.send_control(Opcode::Pong, payload)?,
            Message::Close(frame) => self.start_close(frame, &clock)?,
            Message::Frame(frame) => self.send_frame(frame),
        }
        Ok(())
    }

    /// Starts the closing handshake (RFC 6455 §7.1.2); does nothing if it has begun.
    ///
    /// # Errors
    /// The code must not be sent, or the reason is longer than 123 bytes.
    pub fn close(&mut self, frame: Option<CloseFrame>, now: Instant) -> Result<(), SendError> {
        self.start_close(frame, &|| now)
    }

    fn start_close(
        &mut self,
        frame: Option<CloseFrame>,
        clock: &impl Fn() -> Instant,
    ) -> Result<(), SendError> {
        if self.state != State::Open {
            return Ok(());
        }
        self.queue_close(frame, clock)?;
        self.state = State::CloseSent;
        Ok(())
    }

    fn queue_close(
        &mut self,
        frame: Option<CloseFrame>,
        clock: &impl Fn() -> Instant,
    ) -> Result<(), SendError> {
        let payload = close::encode(frame.as_ref())?;
        self.flush_pong();
        match &mut self.backlog {
            Some(backlog) => backlog.push(Waiting {
                opcode: Opcode::Close,
                rsv1: false,
                payload,
            }),
            None => self.push(true, false, Opcode::Close, payload),
        }
        self.timers.close_queued = self.options.close_timeout.map(|_| clock());
        self.closed_mut(Initiator::Us).sent = Some(frame);
        Ok(())
    }

    fn send_control(&mut self, opcode: Opcode, payload: Bytes) -> Result<(), SendError> {
        if payload.len() > MAX_CONTROL_PAYLOAD {
            return Err(SendError::ControlFrameTooLong {
                bytes: payload.len(),
            });
        }
        self.push(true, false, opcode, payload);
        Ok(())
    }

    fn send_data(&mut self, opcode: Opcode, payload: Bytes, compression: Compression) {
        let mut compressed = BytesMut::new();
        let rsv1 = self
            .codec
            .as_mut()
            .is_some_and(|codec| codec.deflate(&payload, compression, &mut compressed));
        let payload = if rsv1 { compressed.freeze() } else { payload };
        match (self.options.fragment_bytes, &mut self.backlog) {
            (None, _) => self.push(true, rsv1, opcode, payload),
            (Some(limit), None) if payload.len() <= limit => self.push(true, rsv1, opcode, payload),
            (Some(_), backlog) => backlog.get_or_insert_default().push(Waiting {
                opcode,
                rsv1,
                payload,
            }),
        }
    }

    /// A raw frame goes out as the caller made it, but for its masking key.
    fn send_frame(&mut self, mut frame: Frame) {
        frame.header_mut().mask = (self.role == Role::Client).then(rand::random);
        let mut bytes = Vec::with_capacity(Header::MAX_BYTES + frame.payload().len());
        frame
            .format(&mut bytes)
            .expect("writing to a Vec does not fail");
        self.outgoing.push_encoded(bytes.into());
    }

    fn push(&mut self, fin: bool, rsv1: bool, opcode: Opcode, payload: Bytes) {
        let masking_key = (self.role == Role::Client).then(rand::random);
        let header = Header {
            fin,
            rsv1,
            opcode,
            masking_key,
            length: payload.len() as u64,
        };
        self.outgoing.push(&header, payload);
    }

    fn pong(&mut self, payload: Bytes) {
        if self.pongs.queued < MAX_QUEUED_PONGS {
            self.pongs.queued += 1;
            self.push(true, false, Opcode::Pong, payload);
        } else {
            self.pongs.latest = Some(payload);
        }
    }

    fn flush_pong(&mut self) {
        self.pongs.queued = 0;
        if let Some(payload) = self.pongs.latest.take() {
            self.pong(payload);
        }
    }
}

/// # Outputs
impl Connection {
    /// The bytes to write, in order; advance it by what the transport took. Empty when there is nothing to write.
    pub fn outgoing(&mut self) -> &mut impl Buf {
        if self.outgoing.is_empty() {
            self.flush_pong();
        }
        if self.backlog.is_some() {
            self.cut_fragments();
        }
        &mut self.outgoing
    }

    /// Frames the next fragments of the backlog, as far as the transport is likely to take them.
    fn cut_fragments(&mut self) {
        let limit = self.options.fragment_bytes.unwrap_or(usize::MAX).max(1);
        while self.outgoing.len() < FRAMED_AHEAD {
            let Some(fragment) = self
                .backlog
                .as_mut()
                .and_then(|backlog| backlog.next_fragment(limit))
            else {
                self.backlog = None;
                return;
            };
            let (
                fin,
                Waiting {
                    opcode,
                    rsv1,
                    payload,
                },
            ) = fragment;
            self.push(fin, rsv1, opcode, payload);
        }
    }
}

impl Backlog {
    fn push(&mut self, waiting: Waiting) {
        self.bytes += waiting.payload.len() + Header::MAX_BYTES;
        self.queue.push_back(waiting);
    }

    /// The next frame, with its FIN bit.
    fn next_fragment(&mut self, limit: usize) -> Option<(bool, Waiting)> {
        let first = self.queue.front_mut()?;
        if first.payload.len() <= limit || first.opcode.is_control() {
            let last = self.queue.pop_front()?;
            self.bytes -= last.payload.len() + Header::MAX_BYTES;
            return Some((true, last));
        }
        let payload = first.payload.split_to(limit);
        self.bytes -= limit;
        let fragment = Waiting {
            opcode: first.opcode,
            rsv1: first.rsv1,
            payload,
        };
        first.opcode = Opcode::Continuation;
        first.rsv1 = false;
        Some((false, fragment))
    }
}

/// The violation's text, cut to what a Close frame holds.
fn reason(error: &ProtocolError) -> Utf8Bytes {
    let text = error.to_string();
    let fits = (0..=text.len().min(MAX_CONTROL_PAYLOAD - 2))
        .rev()
        .find(|end| text.is_char_boundary(*end));
    text[..fits.unwrap_or_default()].into()
}

impl Closed {
    /// The code that tells how the connection ended, as RFC 6455 §7.1.5 defines it: the peer's, 1005 if its Close had
    /// none, 1006 if there was no Close from the peer.
    pub fn code(&self) -> CloseCode {
        match &self.received {
            Some(Some(frame)) => frame.code,
            Some(None) => CloseCode::Status,
            None => CloseCode::Abnormal,
        }
    }
}
