//! The protocol engine without I/O: bytes and instants in, messages and bytes out.

mod backlog;
mod clock;
mod closing;
mod control_frames;
mod frames;
mod lifecycle;
mod pongs;
mod queue;
mod receiving;
mod sending;
mod timers;
mod unfinished_send;

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

pub use self::clock::Clock;
pub(crate) use self::clock::HAS_CLOCK;
use self::control_frames::ControlFrames;
use self::lifecycle::Lifecycle;
use self::queue::Queue;
pub use self::receiving::ReceiveStep;
use self::timers::{Due, Timers};
use self::unfinished_send::UnfinishedSend;
use crate::close::CloseRecord;
use crate::deflate::{Agreed, Codec, CompressedMessages, Statistics};
use crate::error::ProtocolError;
use crate::frame::Opcode;
use crate::incoming::Incoming;
use crate::memory::{MemoryBudget, MemoryReservation};
use crate::options::Options;
use crate::tungstenite::protocol::{Role, WebSocketConfig};

/// One side of a WebSocket connection after its handshake, without sockets, clock or runtime.
///
/// [`WebSocketStream`](crate::WebSocketStream) drives it by the methods that are public here, and by no others;
/// `examples/threads.rs` does the same without a runtime.
///
/// # Methods
/// - *Inputs* take what happened outside: [`receive`](Self::receive), [`receive_step`](Self::receive_step), [`receive_eof`](Self::receive_eof),
///   [`handle_wait`](Self::handle_wait), [`handle_written`](Self::handle_written),
///   [`handle_timeout`](Self::handle_timeout), [`transmit_failed`](Self::transmit_failed),
///   [`pause_receiving`](Self::pause_receiving), [`resume_receiving`](Self::resume_receiving).
/// - *Commands* are the program's: [`send`](Self::send), [`send_with`](Self::send_with),
///   [`send_prepared`](Self::send_prepared), [`close`](Self::close).
/// - *Outputs* are for the transport: [`outgoing`](Self::outgoing), [`next_timeout`](Self::next_timeout),
///   [`should_close_transport`](Self::should_close_transport).
/// - *Getters* have no part in the order of calls.
///
/// # Order of calls
/// 1. Append received bytes to a buffer and call [`receive`](Self::receive) until it returns `None`, or
///    [`receive_step`](Self::receive_step) until [`ReceiveStep::Incomplete`] where the thread has other work. Pongs and the answer
///    to a Close are queued by it. At the end of the byte stream call [`receive_eof`](Self::receive_eof).
/// 2. Queue messages with [`send`](Self::send) and [`close`](Self::close), at any time.
/// 3. Write [`outgoing`](Self::outgoing), advancing it by the bytes written, until it is empty or the transport takes no
///    more. Then call [`handle_written`](Self::handle_written).
/// 4. If [`should_close_transport`](Self::should_close_transport) returns true, close the byte stream.
/// 5. Before waiting for more bytes call [`handle_wait`](Self::handle_wait).
/// 6. When [`next_timeout`](Self::next_timeout) has passed, call [`handle_timeout`](Self::handle_timeout), and go on
///    with 3.
///
/// Methods that may need the present instant take a [`Clock`], which is a function such as `Instant::now`, or an
/// [`Instant`].
///
/// All state is in the value: a caller may stop between any two calls, and nothing is lost.
#[derive(Debug)]
pub struct Connection {
    state: Lifecycle,
    options: Arc<Options>,
    incoming: Incoming,
    queue: Queue,
    /// The message that the caller sends in frames of its own and has not finished.
    unfinished_send: Option<UnfinishedSend>,
    codec: Option<Box<Codec>>,
    /// Next look for compression contexts that are idle, if the options use a timer at all.
    context_check: Option<Instant>,
    agreed: Option<Agreed>,
    end: CloseRecord,
    timers: Timers,
    /// Length of the caller's buffer when `receive` last left it: more in it means that something arrived.
    left_in_buffer: usize,
    /// Reserved of [`Limits::unfinished_memory`](crate::Limits::unfinished_memory).
    unfinished_memory: Option<MemoryReservation>,
    /// Counted against [`Limits::control_rate`](crate::Limits::control_rate).
    control_frames: ControlFrames,
}

impl Connection {
    /// Creates a connection whose handshake is done, with the permessage-deflate parameters that it agreed on.
    ///
    /// The clock is read only if there is a deadline, or a time after which idle compression contexts give way
    /// ([`ContextMemory::idle_timeout`](crate::deflate::ContextMemory::idle_timeout)).
    ///
    /// # Panics
    /// If `max_write_buffer_size` is not above `write_buffer_size`, as tungstenite does.
    pub fn new(
        role: Role,
        options: Arc<Options>,
        agreed: Option<Agreed>,
        clock: impl Clock,
    ) -> Self {
        assert_buffers(&options.websocket);
        let codec = agreed.map(|agreed| {
            let config = options.deflate.clone().unwrap_or_default();
            Box::new(Codec::new(role, agreed, &config))
        });
        let unfinished_memory = options.limits.unfinished_memory.as_ref();
        let unfinished_memory = unfinished_memory.map(MemoryBudget::reservation);
        // A new connection lets idle contexts of others give way; it goes on doing so only if it has a timer anyway.
        let context_check = codec.as_ref().and_then(|codec| {
            let next = codec.uses_clock().then(|| codec.release_idle(clock.now()));
            next.flatten().filter(|_| options.uses_timers())
        });
        // Without deadlines the clock is not read: it costs as much as a small frame.
        let now = options.uses_timers().then(|| clock.now());
        Self {
            state: Lifecycle::Open,
            options,
            incoming: Incoming::default(),
            queue: Queue::new(role),
            unfinished_send: None,
            codec,
            context_check,
            agreed,
            end: CloseRecord::default(),
            timers: Timers::new(now),
            left_in_buffer: 0,
            unfinished_memory,
            control_frames: ControlFrames::default(),
        }
    }

    /// Counts this connection's memory against budgets of its own instead of those of its options, which many
    /// connections share; call it before the first message. [`MemoryBudget::within`] makes a budget that is bounded by
    /// itself and counts against the shared one too.
    pub fn set_memory(&mut self, unfinished: &MemoryBudget, contexts: MemoryBudget) {
        self.unfinished_memory = Some(unfinished.reservation());
        if let Some(codec) = &mut self.codec {
            codec.set_memory(contexts);
        }
    }

    /// Changes tungstenite's part of the options.
    ///
    /// # Panics
    /// If `max_write_buffer_size` is not above `write_buffer_size`, as tungstenite does.
    #[cfg(feature = "sync")]
    pub(crate) fn set_websocket(&mut self, websocket: WebSocketConfig) {
        assert_buffers(&websocket);
        Arc::make_mut(&mut self.options).websocket = websocket;
    }

    /// Returns which side this is.
    pub fn role(&self) -> Role {
        self.queue.role()
    }

    /// Returns the options in force.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Returns the parameters of permessage-deflate in force, if it was agreed.
    pub fn agreed(&self) -> Option<Agreed> {
        self.agreed
    }

    /// Returns counts of what compression did so far; `None` if it was not agreed.
    pub fn statistics(&self) -> Option<Statistics> {
        self.codec.as_ref().map(|codec| codec.statistics())
    }

    /// Returns the part of [`statistics`](Self::statistics) about messages sent, which takes no lock; zero if compression
    /// was not agreed.
    pub fn sent_compressed(&self) -> CompressedMessages {
        self.counted().sent
    }

    /// Returns the part of [`statistics`](Self::statistics) about messages received, which takes no lock; zero if
    /// compression was not agreed.
    pub fn received_compressed(&self) -> CompressedMessages {
        self.counted().received
    }

    fn counted(&self) -> Statistics {
        let codec = self.codec.as_ref();
        codec.map_or_else(Statistics::default, |codec| codec.counted())
    }
}

fn assert_buffers(websocket: &WebSocketConfig) {
    assert!(
        websocket.max_write_buffer_size > websocket.write_buffer_size,
        "max_write_buffer_size must be greater than write_buffer_size"
    );
}

/// # Deadlines
impl Connection {
    /// Returns the earliest instant at which [`handle_timeout`](Self::handle_timeout) has something to do.
    pub fn next_timeout(&self) -> Option<Instant> {
        if self.state == Lifecycle::Ended {
            return None;
        }
        let next = self.timers.next(&self.options, !self.is_receiving_over());
        // Without a context there is nothing to look for: an idle connection ends up without a timer.
        let holds_context = self
            .codec
            .as_ref()
            .is_some_and(|codec| codec.can_give_way());
        let check = self.context_check.filter(|_| holds_context);
        next.into_iter().chain(check).min()
    }

    /// Does what is due at `now`: sends a Ping, or gives up on the peer.
    ///
    /// # Errors
    /// The peer let a deadline pass; a Close frame is queued as after a violation. After the closing handshake a
    /// deadline that passes only ends the wait for the end of the byte stream, which is no error.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), ProtocolError> {
        self.handle_written(now);
        if let Some(codec) = &self.codec {
            let next = codec.release_idle(now);
            if self.context_check.is_some_and(|check| check <= now) {
                self.context_check = next;
            }
        }
        let receiving = !self.is_receiving_over();
        match self.timers.due(now, &self.options, receiving) {
            None => Ok(()),
            Some(Due::Ping) => {
                if self.state == Lifecycle::Open {
                    self.control_frames.note_ping();
                    self.queue.push_control(Opcode::Ping, Bytes::new());
                }
                // After a Close no Ping is sent, but the silence is limited all the same.
                self.timers.note_ping(self.queue.end_of_framed(), now);
                Ok(())
            }
            Some(Due::CloseOverdue { allowed }) => {
                let unanswered = self.state == Lifecycle::CloseSent;
                self.give_up_closing();
                if unanswered {
                    Err(ProtocolError::CloseUnanswered { allowed })
                } else {
                    Ok(())
                }
            }
            Some(Due::Violation(error)) => Err(self.fail(error)),
        }
    }
}
