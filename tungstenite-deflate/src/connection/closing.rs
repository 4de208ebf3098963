//! How a connection ends: the closing handshake, failing, the end of the byte stream.

use std::time::Instant;

use super::Connection;
use crate::close::{self, Closed, Initiator};
use crate::error::{ProtocolError, SendError};
use crate::frame::MAX_CONTROL_PAYLOAD;
use crate::incoming::Incoming;
use crate::tungstenite::Utf8Bytes;
use crate::tungstenite::protocol::{CloseFrame, Role};

/// Where a connection is in its life (RFC 6455 §4.1, §7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
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

/// # Ending
impl Connection {
    /// Starts the closing handshake (RFC 6455 §7.1.2); does nothing if it has begun.
    ///
    /// # Errors
    /// The code must not be sent, or the reason is longer than 123 bytes.
    pub fn close(&mut self, frame: Option<CloseFrame>, now: Instant) -> Result<(), SendError> {
        self.start_close(frame, &|| now)
    }

    pub(super) fn start_close(
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

    /// The peer's Close is answered with its own code, or was the answer (RFC 6455 §5.5.1).
    pub(super) fn receive_close(
        &mut self,
        frame: Option<&CloseFrame>,
        clock: &impl Fn() -> Instant,
    ) {
        self.closed_mut(Initiator::Peer).received = Some(frame.cloned());
        if self.state == State::Open {
            self.queue_close(frame.cloned(), clock)
                .expect("a Close that was received may be sent");
        }
        self.state = State::Closed;
    }

    fn queue_close(
        &mut self,
        frame: Option<CloseFrame>,
        clock: &impl Fn() -> Instant,
    ) -> Result<(), SendError> {
        self.queue.push_close(close::encode(frame.as_ref())?);
        if self.options.close_timeout.is_some() {
            self.timers.note_close(clock());
        }
        self.closed_mut(Initiator::Us).sent = Some(frame);
        Ok(())
    }

    /// Fails the connection (RFC 6455 §7.1.7): queues a Close unless one is sent, and discards what comes.
    pub(super) fn fail(&mut self, error: ProtocolError) -> ProtocolError {
        if self.state == State::Open {
            let frame = CloseFrame {
                code: error.close_code(),
                reason: reason(&error),
            };
            let payload = close::encode(Some(&frame))
                .expect("codes of violations may be sent, and their reason fits");
            self.queue.cut_short(payload);
            self.closed_mut(Initiator::Us).sent = Some(Some(frame));
        }
        self.receive_no_more(State::Failed);
        error
    }

    /// The byte stream has ended; true if the closing handshake was done before (RFC 6455 §7.1.4).
    pub fn receive_eof(&mut self) -> bool {
        let clean = self.state == State::Closed;
        if !self.is_receiving_over() {
            self.closed_mut(Initiator::Transport).by = Initiator::Transport;
        }
        self.receive_no_more(State::Ended);
        clean
    }

    /// The peer has let the time for the closing handshake pass.
    pub(super) fn give_up_closing(&mut self) {
        self.receive_no_more(State::Ended);
    }

    fn receive_no_more(&mut self, state: State) {
        self.incoming = Incoming::default();
        self.held = None;
        self.state = state;
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
                State::Closed => self.role() == Role::Server,
                State::Failed | State::Ended => true,
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reason_is_cut_to_what_a_close_frame_holds() {
        const LONG: &str = "a reason that is far longer than any that the decompressor gives, so that it must be cut";
        let error = ProtocolError::InvalidDeflate { reason: LONG };
        let text = error.to_string();
        assert!(text.len() > 123);
        assert_eq!(*reason(&error), text[..123]);
    }
}
