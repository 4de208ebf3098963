//! End of a connection: the closing handshake, failing, the end of the byte stream.

use super::{Clock, Connection, Lifecycle};
use crate::close::{self, CloseReport, Closed, Initiator};
use crate::error::{ProtocolError, SendError};
use crate::frame::MAX_CONTROL_PAYLOAD;
use crate::incoming::Incoming;
use crate::tungstenite::Utf8Bytes;
use crate::tungstenite::protocol::{CloseFrame, Role};

/// # Ending
impl Connection {
    /// Starts the closing handshake (RFC 6455 §7.1.2); does nothing if it has begun.
    ///
    /// # Errors
    /// The code must not be sent, or the reason is longer than 123 bytes.
    pub fn close(&mut self, frame: Option<CloseFrame>, clock: impl Clock) -> Result<(), SendError> {
        if self.state != Lifecycle::Open {
            return Ok(());
        }
        self.queue_close(frame, clock)?;
        self.state = Lifecycle::CloseSent;
        Ok(())
    }

    /// Answers the peer's Close with its own code, unless it is the answer to ours (RFC 6455 §5.5.1).
    pub(super) fn receive_close(&mut self, frame: Option<&CloseFrame>, clock: impl Clock) {
        self.end.begun_by(Initiator::Peer).received = Some(frame.cloned());
        if self.state == Lifecycle::Open {
            self.queue_close(frame.cloned(), clock)
                .expect("a Close that was received may be sent");
        }
        self.state = Lifecycle::Closed;
    }

    fn queue_close(
        &mut self,
        frame: Option<CloseFrame>,
        clock: impl Clock,
    ) -> Result<(), SendError> {
        self.queue.push_close(close::encode(frame.as_ref())?);
        if self.options.close_timeout.is_some() {
            self.timers.note_close(clock.now());
        }
        self.end.begun_by(Initiator::Us).sent = Some(frame);
        Ok(())
    }

    /// Fails the connection (RFC 6455 §7.1.7): queues a Close unless one is sent, and discards what comes.
    pub(super) fn fail(&mut self, error: ProtocolError) -> ProtocolError {
        if self.state == Lifecycle::Open {
            let frame = CloseFrame {
                code: error.close_code(),
                reason: reason(&error),
            };
            let payload = close::encode(Some(&frame))
                .expect("codes of violations may be sent, and their reason fits");
            self.queue.cut_short(payload);
            self.end.begun_by(Initiator::Us).sent = Some(Some(frame));
        }
        self.receive_no_more(Lifecycle::Failed);
        error
    }

    /// Notes that the byte stream has ended. Returns true if the closing handshake was done before (RFC 6455 §7.1.4).
    pub fn receive_eof(&mut self) -> bool {
        let clean = self.state == Lifecycle::Closed;
        if !self.is_receiving_over() {
            self.end.begun_by(Initiator::Transport).by = Initiator::Transport;
        }
        self.receive_no_more(Lifecycle::Ended);
        clean
    }

    /// Ends the wait for the peer, which has let the time for the closing handshake pass.
    pub(super) fn give_up_closing(&mut self) {
        self.receive_no_more(Lifecycle::Ended);
    }

    fn receive_no_more(&mut self, state: Lifecycle) {
        self.incoming = Incoming::default();
        self.unfinished_memory = None;
        self.state = state;
    }

    /// Returns how the connection ended, or is ending; `None` while it is open.
    pub fn closed(&self) -> Option<&Closed> {
        self.end.closed()
    }

    /// Returns a handle that reads [`closed`](Self::closed) after this value is dropped; all handles are the same one.
    pub fn close_report(&mut self) -> CloseReport {
        self.end.report()
    }

    /// Returns whether messages may still be sent.
    pub fn is_open(&self) -> bool {
        self.state == Lifecycle::Open
    }

    /// Returns whether nothing more will be received.
    pub fn is_receiving_over(&self) -> bool {
        matches!(
            self.state,
            Lifecycle::Closed | Lifecycle::Failed | Lifecycle::Ended
        )
    }

    /// Returns whether this side closes the byte stream now: everything is written, and the connection failed, or the
    /// closing handshake is done and this is the server, which closes first (RFC 6455 §7.1.1).
    pub fn should_close_transport(&self) -> bool {
        self.outgoing_bytes() == 0
            && match self.state {
                Lifecycle::Open | Lifecycle::CloseSent => false,
                Lifecycle::Closed => self.role() == Role::Server,
                Lifecycle::Failed | Lifecycle::Ended => true,
            }
    }
}

/// Returns the violation's text, cut to what a Close frame holds.
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
