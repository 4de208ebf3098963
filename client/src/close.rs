//! Close codes by name, and what an ended connection means for the exit status.

use tungstenite_deflate::tungstenite::Error;
use tungstenite_deflate::tungstenite::error::ProtocolError;
use tungstenite_deflate::tungstenite::protocol::CloseFrame;

use crate::causes::{explained, network};
use crate::exit::ExitStatus;
use values::escape::escaped;

/// The name of a close code in RFC 6455 §7.4.1 and the IANA registry.
pub fn close_name(code: u16) -> &'static str {
    match code {
        1000 => "normal closure",
        1001 => "going away",
        1002 => "protocol error",
        1003 => "unsupported data",
        1005 => "no status received",
        1006 => "abnormal closure",
        1007 => "invalid frame payload data",
        1008 => "policy violation",
        1009 => "message too big",
        1010 => "mandatory extension missing",
        1011 => "internal error",
        1012 => "service restart",
        1013 => "try again later",
        1014 => "bad gateway",
        1015 => "TLS handshake failed",
        3000..=3999 => "registered by a library",
        4000..=4999 => "private use",
        _ => "not a valid code",
    }
}

/// Labels of a closed connection.
#[derive(Debug)]
pub enum Ending {
    /// The closing handshake was made; the frame is the peer's, `None` if it carried no code (1005).
    Closed(Option<CloseFrame>),
    /// The engine gave up: the peer broke the protocol or a limit, or the transport failed.
    Failed(Error),
    /// The stream ended without a Close frame.
    Lost,
}

impl Ending {
    /// Returns the exit status for it.
    pub fn status(&self) -> ExitStatus {
        match self {
            Self::Closed(None) => ExitStatus::Normal,
            Self::Closed(Some(frame)) if [1000, 1005].contains(&u16::from(frame.code)) => {
                ExitStatus::Normal
            }
            Self::Closed(Some(_)) => ExitStatus::ClosedWithError,
            Self::Failed(error) if is_loss(error) => ExitStatus::ConnectionLost,
            Self::Failed(_) => ExitStatus::ProtocolViolated,
            Self::Lost => ExitStatus::ConnectionLost,
        }
    }

    /// Returns true if reconnecting makes sense: the peer did not end it on purpose.
    pub fn is_worth_retrying(&self) -> bool {
        match self {
            Self::Closed(Some(frame)) => {
                [1001, 1011, 1012, 1013, 1014].contains(&u16::from(frame.code))
            }
            Self::Closed(None) => false,
            Self::Failed(error) => is_loss(error),
            Self::Lost => true,
        }
    }
}

impl std::fmt::Display for Ending {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Closed(None) => write!(
                formatter,
                "closed without a code (1005, no status received)"
            ),
            Self::Closed(Some(frame)) => {
                let code = u16::from(frame.code);
                write!(formatter, "closed with {code} ({})", close_name(code))?;
                if frame.reason.is_empty() {
                    Ok(())
                } else {
                    write!(formatter, ": {}", escaped(&frame.reason))
                }
            }
            Self::Failed(error) if is_loss(error) => {
                let cause = match error {
                    Error::Io(error) => network::connection(error),
                    _ => None,
                };
                let (seen, _) = explained(&error.to_string(), cause);
                write!(
                    formatter,
                    "connection lost without a closing handshake (1006, abnormal closure): {seen}"
                )
            }
            Self::Failed(error) => {
                write!(formatter, "failed by us: {}", escaped(&error.to_string()))
            }
            Self::Lost => write!(
                formatter,
                "connection lost without a closing handshake (1006, abnormal closure)"
            ),
        }
    }
}

/// The transport's fault rather than a breach of the protocol.
fn is_loss(error: &Error) -> bool {
    matches!(
        error,
        Error::Io(_)
            | Error::Tls(_)
            | Error::ConnectionClosed
            | Error::AlreadyClosed
            | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_have_statuses() {
        let closed = |code: u16| {
            Ending::Closed(Some(CloseFrame {
                code: code.into(),
                reason: "\x1b[2J".into(),
            }))
        };
        assert_eq!(closed(1000).status(), ExitStatus::Normal);
        assert_eq!(Ending::Closed(None).status(), ExitStatus::Normal);
        for code in [1001, 1002, 1008, 1011, 4000] {
            assert_eq!(closed(code).status(), ExitStatus::ClosedWithError);
        }
        assert_eq!(Ending::Lost.status(), ExitStatus::ConnectionLost);
        assert_eq!(
            closed(1001).to_string(),
            "closed with 1001 (going away): \\x1b[2J"
        );
    }
}
