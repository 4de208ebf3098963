//! Frames of RFC 6455 §5: headers, and the queue of outgoing frames.

pub(crate) mod header;
pub(crate) mod outgoing;

pub(crate) use header::{Header, Opcode};
pub(crate) use outgoing::Outgoing;

/// Most payload bytes of a control frame (RFC 6455 §5.5).
pub(crate) const MAX_CONTROL_PAYLOAD: usize = 125;
