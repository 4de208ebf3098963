//! Frames that the caller makes: only those that keep the sequence legal are queued.

use std::time::Instant;

use super::Connection;
use crate::close;
use crate::error::SendError;
use crate::frame::Opcode;
use crate::tungstenite::protocol::frame::Frame;
use crate::tungstenite::protocol::frame::coding::{Control, Data, OpCode};
use crate::utf8::Validator;

/// A message of which the caller has sent frames, and not the last one (RFC 6455 §5.4).
#[derive(Clone, Copy, Debug)]
pub(super) enum Unfinished {
    Text(Validator),
    Binary,
}

impl Connection {
    /// Queues a frame as the caller made it, but for its masking key, in its turn.
    ///
    /// # Errors
    /// The frame would break RFC 6455 §5; nothing was queued.
    pub(super) fn send_frame(
        &mut self,
        frame: Frame,
        clock: &impl Fn() -> Instant,
    ) -> Result<(), SendError> {
        let header = frame.header();
        if header.rsv1 || header.rsv2 || header.rsv3 {
            return Err(SendError::ReservedInFrame);
        }
        let fin = header.is_final;
        match header.opcode {
            OpCode::Data(data) => self.send_data_frame(data, fin, frame),
            OpCode::Control(_) if !fin => Err(SendError::FragmentedControlFrame),
            OpCode::Control(Control::Close) => {
                let frame = close::parse_to_send(frame.payload())?;
                self.start_close(frame, clock)
            }
            OpCode::Control(Control::Ping) => {
                self.send_control(Opcode::Ping, frame.into_payload())?;
                self.control_frames.note_ping();
                Ok(())
            }
            OpCode::Control(Control::Pong) => self.send_control(Opcode::Pong, frame.into_payload()),
            OpCode::Control(Control::Reserved(_)) => Err(SendError::ReservedInFrame),
        }
    }

    fn send_data_frame(&mut self, data: Data, fin: bool, frame: Frame) -> Result<(), SendError> {
        let (opcode, begun) = match (data, self.unfinished) {
            (Data::Reserved(_), _) => return Err(SendError::ReservedInFrame),
            (Data::Continue, None) => return Err(SendError::NothingToContinue),
            (Data::Continue, Some(begun)) => (Opcode::Continuation, begun),
            (_, Some(_)) => return Err(SendError::MessageUnfinished),
            (Data::Text, None) => (Opcode::Text, Unfinished::Text(Validator::default())),
            (Data::Binary, None) => (Opcode::Binary, Unfinished::Binary),
        };
        let payload = frame.into_payload();
        let unfinished = begun.with(&payload, fin)?;
        self.unfinished = unfinished;
        let fragment_bytes = self.options.fragment_bytes;
        self.queue
            .push_data(opcode, fin, false, payload, fragment_bytes);
        Ok(())
    }
}

impl Unfinished {
    /// The message with one more frame; `None` if that was the last one.
    fn with(self, payload: &[u8], fin: bool) -> Result<Option<Self>, SendError> {
        let Self::Text(mut validator) = self else {
            return Ok((!fin).then_some(self));
        };
        validator
            .feed(payload)
            .and_then(|()| if fin { validator.finish() } else { Ok(()) })
            .map_err(|_| SendError::InvalidUtf8)?;
        Ok((!fin).then_some(Self::Text(validator)))
    }
}
