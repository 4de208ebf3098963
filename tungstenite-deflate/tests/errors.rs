//! Errors of violations and of messages that cannot be sent, as a program written for tungstenite sees them.

use std::time::Duration;

use tungstenite_deflate::tungstenite::{Error, Message};
use tungstenite_deflate::{ProtocolError, SendError};

const ALLOWED: Duration = Duration::from_secs(7);

/// Each violation with tungstenite's error for it, as `Debug` shows it; those of I/O are told by [`IO`] instead.
const VIOLATIONS: &[(ProtocolError, &str)] = &[
    (
        ProtocolError::ReservedBits { bits: 0b100 },
        "Protocol(NonZeroReservedBits)",
    ),
    (
        ProtocolError::ReservedOpcode { opcode: 3 },
        "Protocol(InvalidOpcode(3))",
    ),
    (
        ProtocolError::ReservedOpcode { opcode: 7 },
        "Protocol(InvalidOpcode(7))",
    ),
    (
        ProtocolError::ReservedOpcode { opcode: 11 },
        "Protocol(InvalidOpcode(11))",
    ),
    (
        ProtocolError::FragmentedControlFrame,
        "Protocol(FragmentedControlFrame)",
    ),
    (
        ProtocolError::ControlFrameTooLong,
        "Protocol(ControlFrameTooBig)",
    ),
    (
        ProtocolError::UnmaskedFrame,
        "Protocol(UnmaskedFrameFromClient)",
    ),
    (
        ProtocolError::MaskedFrame,
        "Protocol(MaskedFrameFromServer)",
    ),
    (
        ProtocolError::UnexpectedContinuation,
        "Protocol(UnexpectedContinueFrame)",
    ),
    (
        ProtocolError::ExpectedContinuation { text: true },
        "Protocol(ExpectedFragment(Text))",
    ),
    (
        ProtocolError::ExpectedContinuation { text: false },
        "Protocol(ExpectedFragment(Binary))",
    ),
    (
        ProtocolError::MessageTooLong {
            bytes: 9,
            allowed: 8,
        },
        "Capacity(MessageTooLong { size: 9, max_size: 8 })",
    ),
    (
        ProtocolError::CloseTooShort,
        "Protocol(InvalidCloseSequence)",
    ),
    (
        ProtocolError::InvalidCloseCode { code: 999 },
        "Protocol(InvalidCloseSequence)",
    ),
];

/// Each violation that tungstenite does not know, with the kind of its I/O error.
const IO: &[(ProtocolError, std::io::ErrorKind)] = &[
    (
        ProtocolError::UnfinishedMessage {
            bytes: 7,
            allowed: ALLOWED,
        },
        std::io::ErrorKind::TimedOut,
    ),
    (
        ProtocolError::WriteStalled {
            bytes: 7,
            allowed: ALLOWED,
        },
        std::io::ErrorKind::TimedOut,
    ),
    (
        ProtocolError::PongOverdue { allowed: ALLOWED },
        std::io::ErrorKind::TimedOut,
    ),
    (
        ProtocolError::CloseUnanswered { allowed: ALLOWED },
        std::io::ErrorKind::TimedOut,
    ),
    (
        ProtocolError::LengthEncoding { length: 5 },
        std::io::ErrorKind::InvalidData,
    ),
    (
        ProtocolError::UnfinishedMemory { allowed: 8 },
        std::io::ErrorKind::InvalidData,
    ),
    (
        ProtocolError::TooManyFragments { allowed: 8 },
        std::io::ErrorKind::InvalidData,
    ),
    (
        ProtocolError::TooManyControlFrames {
            burst: 8,
            per_second: 4,
        },
        std::io::ErrorKind::InvalidData,
    ),
    (
        ProtocolError::InvalidDeflate { reason: "why" },
        std::io::ErrorKind::InvalidData,
    ),
];

#[test]
fn violations_are_tungstenites_errors_where_it_knows_them() {
    for (violation, expected) in VIOLATIONS {
        assert_eq!(
            format!("{:?}", Error::from(violation.clone())),
            *expected,
            "{violation}"
        );
    }
    let Error::Utf8(text) = Error::from(ProtocolError::InvalidUtf8) else {
        panic!("not an error of encoding");
    };
    assert_eq!(text, ProtocolError::InvalidUtf8.to_string());
}

#[test]
fn violations_that_tungstenite_does_not_know_are_sources_of_io_errors() {
    for (violation, kind) in IO {
        let Error::Io(error) = Error::from(violation.clone()) else {
            panic!("{violation}: not an error of I/O");
        };
        assert_eq!(error.kind(), *kind, "{violation}");
        let source = error.get_ref().and_then(|source| source.downcast_ref());
        assert_eq!(source, Some(violation));
    }
}

#[test]
fn messages_that_cannot_be_sent_are_tungstenites_errors() {
    let message = Message::text("back");
    let cases = [
        (SendError::AfterClose, "Protocol(SendAfterClosing)"),
        (SendError::Closed, "AlreadyClosed"),
        (
            SendError::ControlFrameTooLong { bytes: 126 },
            "Protocol(ControlFrameTooBig)",
        ),
        (
            SendError::InvalidCloseCode { code: 1006 },
            "Protocol(InvalidCloseSequence)",
        ),
    ];
    for (error, expected) in cases {
        let text = error.to_string();
        assert_eq!(format!("{:?}", Error::from(error)), expected, "{text}");
    }
    match Error::from(SendError::QueueFull(Box::new(message.clone()))) {
        Error::WriteBufferFull(back) => assert_eq!(*back, message),
        other => panic!("{other:?}"),
    }
}
