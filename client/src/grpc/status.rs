//! A gRPC status in words, with what to do about it and the exit status that tells it.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use tonic::{Code, Status};

use crate::duration::show_duration;
use crate::escape::escaped;
use crate::exit::ExitStatus;

/// Why a call gave no reply. `Display` is one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CallError {
    /// Host and port.
    peer: String,
    code: Code,
    /// What the server said, or what ended the connection.
    message: String,
    /// The server did not answer at all: the connection ended first.
    is_lost: bool,
}

impl CallError {
    /// No answer within the deadline.
    pub(super) fn deadline(peer: &str, limit: Duration) -> Self {
        Self {
            peer: peer.to_owned(),
            code: Code::DeadlineExceeded,
            message: format!("no answer within {}", show_duration(limit)),
            is_lost: false,
        }
    }

    pub(super) fn from_status(peer: &str, status: &Status) -> Self {
        // A status that hyper's error was made into has that as its source, or repeats its text.
        let mut cause = status.source();
        let mut is_lost = false;
        let mut message = status.message().to_owned();
        while let Some(error) = cause {
            is_lost |= error.is::<hyper::Error>();
            message = error.to_string();
            cause = error.source();
        }
        Self {
            peer: peer.to_owned(),
            code: status.code(),
            message,
            is_lost,
        }
    }

    /// The exit status that tells this cause.
    pub(crate) fn status(&self) -> ExitStatus {
        match self.code {
            _ if self.is_lost => ExitStatus::ConnectionLost,
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

    /// What to do about it.
    pub(crate) fn remedy(&self) -> &'static str {
        match self.code {
            _ if self.is_lost => "see the server's log",
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

    /// Without its particulars, so that equal ones are counted together.
    pub(crate) fn kind(&self) -> String {
        if self.is_lost {
            "connection lost".to_owned()
        } else {
            format!("gRPC {:?}", self.code)
        }
    }
}

impl Error for CallError {}

impl fmt::Display for CallError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = escaped(&self.message);
        if self.is_lost {
            return write!(
                formatter,
                "the connection to {} was lost before the reply: {message}",
                self.peer
            );
        }
        let code = self.code as i32;
        write!(
            formatter,
            "{} answered with gRPC status {code} ({:?}): {message}",
            self.peer, self.code
        )
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
