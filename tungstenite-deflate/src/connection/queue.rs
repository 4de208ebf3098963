//! Output in the order of writing.

use bytes::Bytes;

use super::backlog::{Backlog, Waiting};
use super::pongs::Pongs;
use crate::frame::{Header, Opcode, Outgoing};
use crate::tungstenite::protocol::Role;

/// Output that waits: frames, messages that are yet to be cut into fragments, Pongs that are owed.
///
/// A control frame goes in front of the backlog, so that it passes between fragments (RFC 6455 §5.4); a Close goes
/// after it.
#[derive(Debug)]
pub(super) struct Queue {
    /// The writing side: a client's frames are masked (RFC 6455 §5.3).
    role: Role,
    framed: Outgoing,
    /// Data messages and a Close that wait after a message that is being sent in fragments.
    backlog: Option<Box<Backlog>>,
    pongs: Pongs,
    /// The transport takes nothing more, so that nothing may wait for it.
    gone: bool,
}

/// Bytes of fragments that are framed ahead of what the transport has taken.
const FRAMED_AHEAD: usize = 16 * 1024;

impl Queue {
    pub(super) fn new(role: Role) -> Self {
        Self {
            role,
            framed: Outgoing::default(),
            backlog: None,
            pongs: Pongs::default(),
            gone: false,
        }
    }

    #[inline]
    pub(super) fn role(&self) -> Role {
        self.role
    }

    /// Bytes that wait.
    #[inline]
    pub(super) fn bytes(&self) -> usize {
        self.framed.len() + self.backlog.as_ref().map_or(0, |backlog| backlog.bytes())
    }

    /// Bytes that the transport has taken so far.
    #[inline]
    pub(super) fn written_bytes(&self) -> u64 {
        self.framed.written_bytes()
    }

    /// The number that [`written_bytes`](Self::written_bytes) will have reached when what is framed is written.
    pub(super) fn end_of_framed(&self) -> u64 {
        self.framed.written_bytes() + self.framed.len() as u64
    }

    /// Queues a data message, or a frame of one, to be cut into frames of at most `fragment_bytes`.
    pub(super) fn push_data(
        &mut self,
        opcode: Opcode,
        fin: bool,
        rsv1: bool,
        payload: Bytes,
        fragment_bytes: Option<usize>,
    ) {
        match (fragment_bytes, &mut self.backlog) {
            // Nothing is cut: the frame is written at once.
            (None, _) => self.push(fin, rsv1, opcode, payload),
            // Short, and no fragments wait that it would have to follow.
            (Some(limit), None) if payload.len() <= limit => self.push(fin, rsv1, opcode, payload),
            // Cut when the transport has taken what is framed, so that control frames pass between fragments.
            (Some(_), backlog) => backlog.get_or_insert_default().push(Waiting {
                opcode,
                fin,
                rsv1,
                payload,
            }),
        }
    }

    /// Queues a Ping, a Pong, or a Close that does not let the backlog pass.
    pub(super) fn push_control(&mut self, opcode: Opcode, payload: Bytes) {
        self.push(true, false, opcode, payload);
    }

    /// Queues the answer to a Ping, now or when there is room for it.
    pub(super) fn push_pong(&mut self, payload: Bytes) {
        if let Some(payload) = self.pongs.owe(payload) {
            self.push_control(Opcode::Pong, payload);
        }
    }

    /// Queues a Close after all else.
    pub(super) fn push_close(&mut self, payload: Bytes) {
        self.settle_pongs();
        match &mut self.backlog {
            Some(backlog) => backlog.push(Waiting {
                opcode: Opcode::Close,
                fin: true,
                rsv1: false,
                payload,
            }),
            None => self.push_control(Opcode::Close, payload),
        }
    }

    /// Queues a Close in place of the backlog: what is framed goes out, nothing else.
    pub(super) fn cut_short(&mut self, close: Bytes) {
        self.backlog = None;
        self.push_close(close);
    }

    /// Queues bytes that are whole frames already.
    pub(super) fn push_encoded(&mut self, frames: &Bytes) {
        self.framed.push_encoded(frames);
    }

    fn push(&mut self, fin: bool, rsv1: bool, opcode: Opcode, payload: Bytes) {
        if self.gone {
            return;
        }
        let masking_key = (self.role == Role::Client).then(rand::random);
        let header = Header {
            fin,
            rsv1,
            opcode,
            masking_key,
            length: payload.len() as u64,
        };
        self.framed.push(&header, payload);
    }

    /// The bytes to write next; empty when nothing waits.
    #[inline]
    pub(super) fn next_bytes(&mut self, fragment_bytes: Option<usize>) -> &mut Outgoing {
        if self.framed.is_empty() {
            self.settle_pongs();
        }
        if self.backlog.is_some() {
            self.cut_fragments(fragment_bytes);
        }
        &mut self.framed
    }

    /// Drops what waits and what is still to be queued: the transport takes nothing more.
    pub(super) fn close(&mut self) {
        self.framed.clear();
        self.backlog = None;
        self.pongs = Pongs::default();
        self.gone = true;
    }

    /// Reports whether the transport takes nothing more.
    #[inline]
    pub(super) fn is_gone(&self) -> bool {
        self.gone
    }

    #[inline]
    fn settle_pongs(&mut self) {
        if let Some(payload) = self.pongs.settle() {
            self.push_control(Opcode::Pong, payload);
        }
    }

    /// Frames the next fragments of the backlog, as far as the transport is likely to take them.
    fn cut_fragments(&mut self, fragment_bytes: Option<usize>) {
        let limit = fragment_bytes.unwrap_or(usize::MAX).max(1);
        while self.framed.len() < FRAMED_AHEAD {
            let next = self.backlog.as_mut();
            let Some(next) = next.and_then(|backlog| backlog.next_fragment(limit)) else {
                self.backlog = None;
                return;
            };
            self.push(next.fin, next.rsv1, next.opcode, next.payload);
        }
    }
}
