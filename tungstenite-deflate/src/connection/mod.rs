//! The protocol engine without I/O: bytes and instants in, events and bytes out.

mod backlog;
mod closing;
mod frames;
mod pongs;
mod queue;
mod receiving;
mod sending;
mod timers;

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use self::closing::State;
use self::frames::Unfinished;
use self::queue::Queue;
use self::timers::{Due, Timers};
use crate::close::Closed;
use crate::control_rate::ControlFrames;
use crate::deflate::{Agreed, Codec, Statistics};
use crate::error::ProtocolError;
use crate::frame::Opcode;
use crate::incoming::Incoming;
use crate::memory::{MemoryBudget, MemoryReservation};
use crate::options::Options;
use crate::tungstenite::Message;
use crate::tungstenite::protocol::Role;

/// One side of a WebSocket connection after its handshake, without sockets, clock or runtime.
///
/// # How to drive it
/// 1. Append what the transport gave to a buffer and call [`receive`](Self::receive) until it returns `None`; at the
///    end of the byte stream call [`receive_eof`](Self::receive_eof).
/// 2. Queue messages with [`send`](Self::send) and [`close`](Self::close).
/// 3. Write what [`outgoing`](Self::outgoing) holds, advancing it by what was written, until it is empty or the
///    transport takes no more; then call [`handle_written`](Self::handle_written).
/// 4. When [`next_timeout`](Self::next_timeout) has passed, call [`handle_timeout`](Self::handle_timeout).
/// 5. When [`should_close_transport`](Self::should_close_transport) says so, close the byte stream.
///
/// Pongs and the answer to a Close are queued by `receive`. Instants must not go backwards.
///
/// All state lives in the value: nothing is lost if a caller stops between any two calls.
#[derive(Debug)]
pub struct Connection {
    state: State,
    options: Arc<Options>,
    incoming: Incoming,
    queue: Queue,
    /// The message that the caller sends in frames of its own and has not finished.
    unfinished: Option<Unfinished>,
    codec: Option<Box<Codec>>,
    agreed: Option<Agreed>,
    closed: Option<Box<Closed>>,
    timers: Timers,
    /// Length of the caller's buffer when `receive` last left it: more in it means that something arrived.
    left_in_buffer: usize,
    /// What this connection has of [`Limits::unfinished_memory`](crate::Limits::unfinished_memory).
    held: Option<MemoryReservation>,
    /// What the peer has sent of [`Limits::control_rate`](crate::Limits::control_rate).
    control_frames: ControlFrames,
}

/// What was received.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A whole message, or a control frame. Pings and Closes are answered already.
    Message(Message),
}

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
        let held = options.limits.unfinished_memory.as_ref();
        let held = held.map(MemoryBudget::reservation);
        Self {
            state: State::Open,
            options,
            incoming: Incoming::default(),
            queue: Queue::new(role),
            unfinished: None,
            codec,
            agreed,
            closed: None,
            timers: Timers::new(now),
            left_in_buffer: 0,
            held,
            control_frames: ControlFrames::default(),
        }
    }

    /// Counts this connection's memory against budgets of its own instead of those of its options, which many
    /// connections share; call it before the first message. [`MemoryBudget::within`] makes a budget that is bounded by
    /// itself and counts against the shared one too.
    pub fn set_memory(&mut self, unfinished: &MemoryBudget, contexts: MemoryBudget) {
        self.held = Some(unfinished.reservation());
        if let Some(codec) = &mut self.codec {
            codec.set_memory(contexts);
        }
    }

    /// Which side this is.
    pub fn role(&self) -> Role {
        self.queue.role()
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
}

/// # Deadlines
impl Connection {
    /// The earliest instant at which [`handle_timeout`](Self::handle_timeout) has something to do.
    pub fn next_timeout(&self) -> Option<Instant> {
        if self.state == State::Ended {
            return None;
        }
        self.timers.next(&self.options, !self.is_receiving_over())
    }

    /// Does what is due at `now`: sends a Ping, or gives up on the peer.
    ///
    /// # Errors
    /// The peer let a deadline pass; a Close frame is queued as after a violation. After the closing handshake a
    /// deadline that passes only ends the wait for the end of the byte stream, which is no error.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), ProtocolError> {
        self.handle_written(|| now);
        let receiving = !self.is_receiving_over();
        match self.timers.due(now, &self.options, receiving) {
            None => Ok(()),
            Some(Due::Ping) => {
                if self.state == State::Open {
                    self.control_frames.note_ping();
                    self.queue.push_control(Opcode::Ping, Bytes::new());
                }
                // Behind a Close none is sent, but the silence is limited all the same.
                self.timers.note_ping(self.queue.end_of_framed(), now);
                Ok(())
            }
            Some(Due::CloseOverdue { allowed }) => {
                let unanswered = self.state == State::CloseSent;
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
