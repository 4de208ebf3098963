//! One engine, and what its application sends and sees.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use tungstenite_deflate::tungstenite::Message;
use tungstenite_deflate::tungstenite::protocol::Role;
use tungstenite_deflate::{Agreed, Connection, Options, ProtocolError, SendError};

use super::choices::MAX_FRAME;

/// One engine and what a program would hold beside it.
pub(super) struct End {
    pub(super) connection: Connection,
    buffer: BytesMut,
    pub(super) to_send: VecDeque<Message>,
    pub(super) sent: Vec<Message>,
    /// For each message sent, the offset in the written stream at which it is whole; exact without fragmentation.
    pub(super) whole_at: Vec<usize>,
    pub(super) received: Vec<Message>,
    pub(super) error: Option<ProtocolError>,
    pub(super) clean: Option<bool>,
}

impl End {
    pub(super) fn new(
        role: Role,
        options: &Arc<Options>,
        agreed: Option<Agreed>,
        now: Instant,
    ) -> Self {
        Self {
            connection: Connection::new(role, Arc::clone(options), agreed, now),
            buffer: BytesMut::new(),
            to_send: VecDeque::new(),
            sent: Vec::new(),
            whole_at: Vec::new(),
            received: Vec::new(),
            error: None,
            clean: None,
        }
    }

    pub(super) fn send_next(&mut self, written: usize, now: Instant) {
        let Some(message) = self.to_send.pop_front() else {
            return;
        };
        match self.connection.send(message.clone(), now) {
            Ok(()) => {
                if message.is_text() || message.is_binary() {
                    self.sent.push(message);
                    self.whole_at
                        .push(written + self.connection.outgoing_bytes());
                }
            }
            Err(SendError::QueueFull(message)) => self.to_send.push_front(*message),
            Err(SendError::AfterClose | SendError::Closed) => {
                assert!(!self.connection.is_open());
                self.to_send.clear();
            }
            Err(other) => panic!("{other}"),
        }
    }

    pub(super) fn receive(&mut self, bytes: &[u8], now: Instant) {
        self.buffer.extend_from_slice(bytes);
        loop {
            match self.connection.receive(&mut self.buffer, now) {
                Ok(Some(message)) => {
                    assert!(self.error.is_none(), "a message after {:?}", self.error);
                    if message.is_text() || message.is_binary() {
                        self.received.push(message);
                    }
                }
                Ok(None) => break,
                Err(error) => self.failed(error),
            }
        }
        if let Err(error) = self.connection.handle_wait(&mut self.buffer) {
            self.failed(error);
        }
        assert!(
            self.buffer.len() <= MAX_FRAME + 14,
            "{} bytes held of one frame",
            self.buffer.len()
        );
    }

    pub(super) fn failed(&mut self, error: ProtocolError) {
        assert!(self.error.is_none(), "{error:?} after {:?}", self.error);
        assert!(self.connection.is_receiving_over());
        self.error = Some(error);
    }

    pub(super) fn eof(&mut self) {
        if self.clean.is_none() {
            self.clean = Some(self.connection.receive_eof());
            self.connection.transmit_failed();
        }
    }
}
