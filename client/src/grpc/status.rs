//! A gRPC status in words, with what to do about it and the exit status that tells it.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use tonic::{Code, Status};

use crate::duration::show_duration;
use crate::error::ConnectError;
use crate::exit::ExitStatus;
use values::escape::escaped;

/// Cause for which a call gave no reply. `Display` is one sentence.
#[derive(Debug)]
pub(crate) enum CallError {
    /// TLS ended the connection: the server did not accept the client's certificate, say.
    Tls(Box<ConnectError>),
    /// The connection ended before the server answered.
    Lost {
        /// Host and port.
        peer: String,
        /// Reason for its end.
        reason: String,
    },
    /// The server answered with a status, or the deadline passed.
    Answered {
        /// Host and port.
        peer: String,
        /// Its code.
        code: Code,
        /// Its text.
        message: String,
    },
}

impl CallError {
    /// No answer within the deadline.
    pub(super) fn deadline(peer: &str, limit: Duration) -> Self {
        Self::Answered {
            peer: peer.to_owned(),
            code: Code::DeadlineExceeded,
            message: format!("no answer within {}", show_duration(limit)),
        }
    }

    pub(super) fn from_status(peer: &str, status: &Status) -> Self {
        let peer = peer.to_owned();
        let mut is_lost = false;
        let mut message = status.message().to_owned();
        // A status that was made of a failed connection has hyper's error among its sources.
        let mut cause = status.source();
        while let Some(error) = cause {
            is_lost |= error.is::<hyper::Error>();
            message = error.to_string();
            cause = error.source();
        }
        if is_lost {
            return Self::Lost {
                peer,
                reason: message,
            };
        }
        Self::Answered {
            peer,
            code: status.code(),
            message,
        }
    }

    /// The exit status that tells this cause.
    pub(crate) fn status(&self) -> ExitStatus {
        match self {
            Self::Tls(error) => error.status(),
            Self::Lost { .. } => ExitStatus::ConnectionLost,
            Self::Answered { code, .. } => exit_status(*code),
        }
    }

    /// Returns advice for the user.
    pub(crate) fn remedy(&self) -> String {
        match self {
            Self::Tls(error) => error.remedy(),
            Self::Lost { .. } => "see the server's log".into(),
            Self::Answered { code, .. } => remedy(*code).into(),
        }
    }

    /// Without its particulars, so that equal ones are counted together.
    pub(crate) fn kind(&self) -> String {
        match self {
            Self::Tls(_) => "TLS refused".into(),
            Self::Lost { .. } => "connection lost".into(),
            Self::Answered { code, .. } => format!("gRPC {code:?}"),
        }
    }
}

fn exit_status(code: Code) -> ExitStatus {
    match code {
        Code::DeadlineExceeded => ExitStatus::TimedOut,
        Code::Unauthenticated | Code::PermissionDenied | Code::Unimplemented => {
            ExitStatus::HandshakeRefused
        }
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss => ExitStatus::ClosedWithError,
    }
}

fn remedy(code: Code) -> &'static str {
    match code {
        Code::DeadlineExceeded => "check that the server is well, or raise --timeout reply=…",
        Code::Unimplemented => "check that chat.ChatService is served at this host and port",
        Code::Unauthenticated => "give credentials: --user, --bearer-file or -H",
        Code::PermissionDenied => "these credentials do not suffice",
        Code::ResourceExhausted | Code::OutOfRange => {
            "the message or the reply is longer than allowed (--max-message), or a quota is used up"
        }
        Code::Unavailable => "the server is full or going away: try later",
        _ => "see the server's log",
    }
}

impl Error for CallError {}

impl fmt::Display for CallError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tls(error) => error.fmt(formatter),
            Self::Lost { peer, reason } => {
                let reason = escaped(reason);
                write!(
                    formatter,
                    "the connection to {peer} was lost before the reply: {reason}"
                )
            }
            Self::Answered {
                peer,
                code,
                message,
            } => {
                let (number, message) = (*code as i32, escaped(message));
                write!(
                    formatter,
                    "{peer} answered with gRPC status {number} ({code:?}): {message}"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_told_apart() {
        for (code, status) in [
            (Code::Unauthenticated, ExitStatus::HandshakeRefused),
            (Code::PermissionDenied, ExitStatus::HandshakeRefused),
            (Code::Unimplemented, ExitStatus::HandshakeRefused),
            (Code::DeadlineExceeded, ExitStatus::TimedOut),
            (Code::Internal, ExitStatus::ClosedWithError),
            (Code::Unavailable, ExitStatus::ClosedWithError),
        ] {
            let error = CallError::from_status("h:1", &Status::new(code, "no\x1b[2J"));
            assert_eq!(error.status(), status);
            let text = error.to_string();
            assert!(
                text.contains("\\x1b[2J") && !text.contains('\x1b'),
                "{text}"
            );
            assert!(text.contains(&format!("{code:?}")), "{text}");
        }
    }

    #[test]
    fn own_deadline_says_how_long_it_was() {
        let error = CallError::deadline("h:1", Duration::from_millis(200));
        assert_eq!(error.status(), ExitStatus::TimedOut);
        assert!(error.to_string().contains("200"), "{error}");
    }
}
