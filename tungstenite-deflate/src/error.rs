//! Violations of the protocol by the peer, each with the close code that answers it.

use std::io;
use std::time::Duration;

use crate::tungstenite;
use crate::tungstenite::error::{CapacityError, Error, ProtocolError as Upstream};
use crate::tungstenite::protocol::frame::coding::{CloseCode, Data};

/// Violation by the peer: the connection fails (RFC 6455 §7.1.7) with [`close_code`](Self::close_code).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A reserved bit is set that no agreed extension gives a meaning.
    #[error("reserved bits {bits:#05b} set, none agreed for this frame (RFC 6455 §5.2)")]
    ReservedBits {
        /// RSV1, RSV2, RSV3 from high to low.
        bits: u8,
    },
    /// An opcode that RFC 6455 reserves.
    #[error("reserved opcode {opcode:#x} (RFC 6455 §5.2)")]
    ReservedOpcode {
        /// As received: 3 to 7 or 11 to 15.
        opcode: u8,
    },
    /// A control frame with FIN clear.
    #[error("fragmented control frame (RFC 6455 §5.5)")]
    FragmentedControlFrame,
    /// A control frame carries more than 125 bytes of payload.
    #[error("control frame of more than 125 bytes (RFC 6455 §5.5)")]
    ControlFrameTooLong,
    /// A length is not written in the shortest form, or its top bit is set.
    #[error(
        "payload length {length} not written in the shortest form, or above 2^63 - 1 (RFC 6455 §5.2)"
    )]
    LengthEncoding {
        /// As received.
        length: u64,
    },
    /// A client's frame is not masked.
    #[error("unmasked frame from a client (RFC 6455 §5.1)")]
    UnmaskedFrame,
    /// A server's frame is masked.
    #[error("masked frame from a server (RFC 6455 §5.1)")]
    MaskedFrame,
    /// A continuation frame without a message to continue.
    #[error("continuation frame, but no message to continue (RFC 6455 §5.4)")]
    UnexpectedContinuation,
    /// A new data frame amid a fragmented message.
    #[error("new data frame amid a fragmented message (RFC 6455 §5.4)")]
    ExpectedContinuation {
        /// True for a text frame, false for a binary one.
        text: bool,
    },
    /// A frame or message is longer than allowed.
    #[error(
        "message of at least {bytes} bytes, at most {allowed} allowed (max_message_size, max_frame_size)"
    )]
    MessageTooLong {
        /// Seen so far or announced; after inflation for a compressed message.
        bytes: u64,
        /// The limit that was passed.
        allowed: usize,
    },
    /// A message is split into more fragments than allowed.
    #[error("message of more than {allowed} fragments (max_fragments)")]
    TooManyFragments {
        /// The limit that was passed.
        allowed: usize,
    },
    /// More Pings, and Pongs that nobody asked for, than allowed.
    #[error(
        "more than {burst} Pings or unasked Pongs at once, or {per_second} a second (control_rate)"
    )]
    TooManyControlFrames {
        /// Allowed at once.
        burst: u32,
        /// Allowed per second for ever.
        per_second: u32,
    },
    /// A message was begun and did not arrive at the least rate.
    #[error(
        "less than {bytes} bytes of an unfinished message within {allowed:?} (unfinished_message_timeout, min_progress_bytes)"
    )]
    UnfinishedMessage {
        /// Bytes that would have been progress.
        bytes: usize,
        /// The time within which they had to arrive.
        allowed: Duration,
    },
    /// There is no memory left for unfinished messages.
    #[error("memory budget of {allowed} bytes for unfinished messages is spent")]
    UnfinishedMemory {
        /// The limit that was reached.
        allowed: usize,
    },
    /// A Ping of ours was not answered, and nothing else came either.
    #[error("nothing received within {allowed:?} of a Ping (pong_timeout)")]
    PongOverdue {
        /// The limit that was passed.
        allowed: Duration,
    },
    /// The transport took less than the least of what is queued for the peer.
    #[error(
        "less than {bytes} bytes of what is queued taken within {allowed:?} (write_timeout, min_progress_bytes)"
    )]
    WriteStalled {
        /// Bytes that would have been progress.
        bytes: usize,
        /// The time within which they had to be taken.
        allowed: Duration,
    },
    /// Our Close was not answered.
    #[error("closing handshake not finished within {allowed:?} (close_timeout)")]
    CloseUnanswered {
        /// The limit that was passed.
        allowed: Duration,
    },
    /// Text, or the reason of a Close, is not UTF-8.
    #[error("text is not UTF-8 (RFC 6455 §8.1)")]
    InvalidUtf8,
    /// A compressed message is not valid DEFLATE data.
    #[error("compressed message cannot be inflated: {reason} (RFC 7692 §7.2.2)")]
    InvalidDeflate {
        /// Description of the fault.
        reason: &'static str,
    },
    /// A Close frame with a payload of one byte.
    #[error("Close frame with one byte of payload (RFC 6455 §5.5.1)")]
    CloseTooShort,
    /// A close code that must not be sent.
    #[error("close code {code} must not be sent (RFC 6455 §7.4)")]
    InvalidCloseCode {
        /// As received.
        code: u16,
    },
}

impl ProtocolError {
    /// The code of the Close frame that answers this violation (RFC 6455 §7.4.1).
    pub fn close_code(&self) -> CloseCode {
        match self {
            Self::ReservedBits { .. }
            | Self::ReservedOpcode { .. }
            | Self::FragmentedControlFrame
            | Self::ControlFrameTooLong
            | Self::LengthEncoding { .. }
            | Self::UnmaskedFrame
            | Self::MaskedFrame
            | Self::UnexpectedContinuation
            | Self::ExpectedContinuation { .. }
            | Self::CloseTooShort
            | Self::InvalidCloseCode { .. } => CloseCode::Protocol,
            Self::InvalidUtf8 | Self::InvalidDeflate { .. } => CloseCode::Invalid,
            Self::MessageTooLong { .. } => CloseCode::Size,
            Self::TooManyFragments { .. }
            | Self::TooManyControlFrames { .. }
            | Self::UnfinishedMessage { .. } => CloseCode::Policy,
            Self::UnfinishedMemory { .. } => CloseCode::Again,
            Self::PongOverdue { .. } | Self::WriteStalled { .. } | Self::CloseUnanswered { .. } => {
                CloseCode::Away
            }
        }
    }

    /// [`close_code`](Self::close_code) as the number on the wire.
    pub fn close_code_number(&self) -> u16 {
        self.close_code().into()
    }
}

/// The nearest variant of tungstenite's error, so that programs which match on it go on working. Violations that
/// tungstenite does not know arrive as [`Error::Io`] of kind `InvalidData` or `TimedOut` with the
/// [`ProtocolError`] as its source.
impl From<ProtocolError> for Error {
    fn from(error: ProtocolError) -> Self {
        match error {
            ProtocolError::ReservedBits { .. } => Upstream::NonZeroReservedBits.into(),
            ProtocolError::ReservedOpcode { opcode } => Upstream::InvalidOpcode(opcode).into(),
            ProtocolError::FragmentedControlFrame => Upstream::FragmentedControlFrame.into(),
            ProtocolError::ControlFrameTooLong => Upstream::ControlFrameTooBig.into(),
            ProtocolError::UnmaskedFrame => Upstream::UnmaskedFrameFromClient.into(),
            ProtocolError::MaskedFrame => Upstream::MaskedFrameFromServer.into(),
            ProtocolError::UnexpectedContinuation => Upstream::UnexpectedContinueFrame.into(),
            ProtocolError::ExpectedContinuation { text } => {
                Upstream::ExpectedFragment(if text { Data::Text } else { Data::Binary }).into()
            }
            ProtocolError::MessageTooLong { bytes, allowed } => {
                Error::Capacity(CapacityError::MessageTooLong {
                    size: usize::try_from(bytes).unwrap_or(usize::MAX),
                    max_size: allowed,
                })
            }
            ProtocolError::InvalidUtf8 => Error::Utf8(error.to_string()),
            ProtocolError::CloseTooShort | ProtocolError::InvalidCloseCode { .. } => {
                Upstream::InvalidCloseSequence.into()
            }
            ProtocolError::UnfinishedMessage { .. }
            | ProtocolError::PongOverdue { .. }
            | ProtocolError::WriteStalled { .. }
            | ProtocolError::CloseUnanswered { .. } => {
                Error::Io(io::Error::new(io::ErrorKind::TimedOut, error))
            }
            ProtocolError::LengthEncoding { .. }
            | ProtocolError::UnfinishedMemory { .. }
            | ProtocolError::TooManyFragments { .. }
            | ProtocolError::TooManyControlFrames { .. }
            | ProtocolError::InvalidDeflate { .. } => {
                Error::Io(io::Error::new(io::ErrorKind::InvalidData, error))
            }
        }
    }
}

/// Cause for which a message could not be queued: the caller's doing, nothing was sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// A Close frame was sent, received or is queued: nothing may follow it (RFC 6455 §5.5.1).
    #[error("message after the closing handshake began (RFC 6455 §5.5.1)")]
    AfterClose,
    /// The connection is over.
    #[error("the connection is closed")]
    Closed,
    /// A Ping, Pong or Close does not fit a control frame.
    #[error("control frame of {bytes} bytes, at most 125 allowed (RFC 6455 §5.5)")]
    ControlFrameTooLong {
        /// Payload bytes of the frame that was asked for.
        bytes: usize,
    },
    /// A close code that must not be sent.
    #[error("close code {code} must not be sent (RFC 6455 §7.4)")]
    InvalidCloseCode {
        /// As asked for.
        code: u16,
    },
    /// A message was begun by a [`Message::Frame`](tungstenite::Message::Frame) and is not finished: no other may begin
    /// (RFC 6455 §5.4).
    #[error(
        "a message sent in frames is not finished: first send its last Message::Frame, with opcode Continue and FIN (RFC 6455 §5.4)"
    )]
    MessageUnfinished,
    /// A continuation frame without a message that was begun (RFC 6455 §5.4).
    #[error(
        "continuation frame, but no message to continue: begin one with a Text or Binary frame without FIN (RFC 6455 §5.4)"
    )]
    NothingToContinue,
    /// A frame has reserved bits or a reserved opcode (RFC 6455 §5.2).
    #[error(
        "frame with reserved bits or opcode: clear them; a Message, not a Frame, is compressed (RFC 6455 §5.2)"
    )]
    ReservedInFrame,
    /// A control frame with FIN clear.
    #[error("fragmented control frame: set FIN (RFC 6455 §5.5)")]
    FragmentedControlFrame,
    /// A text frame, or the reason of a Close, is not UTF-8.
    #[error("text frame is not UTF-8: send it as Binary (RFC 6455 §8.1)")]
    InvalidUtf8,
    /// The queue of outgoing bytes is full; the message is handed back.
    #[error("outgoing queue full (max_write_buffer_size)")]
    QueueFull(Box<tungstenite::Message>),
}

/// The nearest variant of tungstenite's error; what it does not refuse arrives as [`Error::Io`] of kind `InvalidInput`
/// with the [`SendError`] as its source.
impl From<SendError> for Error {
    fn from(error: SendError) -> Self {
        match error {
            SendError::AfterClose => Upstream::SendAfterClosing.into(),
            SendError::Closed => Error::AlreadyClosed,
            SendError::ControlFrameTooLong { .. } => Upstream::ControlFrameTooBig.into(),
            SendError::InvalidCloseCode { .. } => Upstream::InvalidCloseSequence.into(),
            SendError::MessageUnfinished
            | SendError::NothingToContinue
            | SendError::ReservedInFrame
            | SendError::FragmentedControlFrame
            | SendError::InvalidUtf8 => {
                Error::Io(io::Error::new(io::ErrorKind::InvalidInput, error))
            }
            SendError::QueueFull(message) => Error::WriteBufferFull(message),
        }
    }
}
