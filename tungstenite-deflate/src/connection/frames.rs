//! Frames that the caller makes: only those that keep the sequence legal are queued.

use super::unfinished_send::UnfinishedSend;
use super::{Clock, Connection};
use crate::close;
use crate::error::SendError;
use crate::frame::Opcode;
use crate::tungstenite::protocol::frame::Frame;
use crate::tungstenite::protocol::frame::coding::{Control, Data, OpCode};
use crate::utf8::Validator;

impl Connection {
    /// Queues a frame as the caller made it, in order, except for its masking key.
    ///
    /// # Errors
    /// The frame would break RFC 6455 §5; nothing was queued.
    pub(super) fn send_frame(&mut self, frame: Frame, clock: impl Clock) -> Result<(), SendError> {
        let header = frame.header();
        // Extensions set these, and the caller's frame has passed none.
        if header.rsv1 || header.rsv2 || header.rsv3 {
            return Err(SendError::ReservedInFrame);
        }
        let fin = header.is_final;
        match header.opcode {
            OpCode::Data(data) => self.send_data_frame(data, fin, frame),
            OpCode::Control(_) if !fin => Err(SendError::FragmentedControlFrame),
            // Starts the closing handshake as `close` does, so that no data can follow it.
            OpCode::Control(Control::Close) => {
                let frame = close::parse_to_send(frame.payload())?;
                self.close(frame, clock)
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
        let (opcode, begun) = match (data, self.unfinished_send) {
            (Data::Reserved(_), _) => return Err(SendError::ReservedInFrame),
            (Data::Continue, None) => return Err(SendError::NothingToContinue),
            (Data::Continue, Some(begun)) => (Opcode::Continuation, begun),
            (_, Some(_)) => return Err(SendError::MessageUnfinished),
            (Data::Text, None) => (Opcode::Text, UnfinishedSend::Text(Validator::default())),
            (Data::Binary, None) => (Opcode::Binary, UnfinishedSend::Binary),
        };
        let payload = frame.into_payload();
        let unfinished = begun.with(&payload, fin)?;
        self.unfinished_send = unfinished;
        let fragment_bytes = self.options.fragment_bytes;
        self.queue
            .push_data(opcode, fin, false, payload, fragment_bytes);
        Ok(())
    }
}
