//! End of the program: one exit status for each cause that a script may want to tell apart.

use std::fmt::Write as _;
use std::process::ExitCode;

/// The exit statuses of the program; `--help` and the README show the same table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitStatus {
    /// The connection was closed by the closing handshake with 1000 (normal closure) or without a code, or the
    /// reader of our standard output went away.
    Normal = 0,
    /// The peer closed with any other code, or answered a gRPC call with an error status; or input was not sent.
    ClosedWithError = 1,
    /// The command line, a file named there or an input does not make sense.
    Usage = 2,
    /// No TCP connection: the name does not resolve, nobody listens, no route.
    NoConnection = 3,
    /// The TLS handshake failed: certificate, name, version, pin.
    TlsRefused = 4,
    /// The server answered, but did not open a WebSocket: another status than 101, a wrong or missing header; or it
    /// speaks no HTTP/2, has no such gRPC method or does not allow the call.
    HandshakeRefused = 5,
    /// A phase took longer than its time-out.
    TimedOut = 6,
    /// The connection ended without a closing handshake (1006, abnormal closure).
    ConnectionLost = 7,
    /// The peer broke the protocol or a limit, and this side failed the connection.
    ProtocolViolated = 8,
    /// Fewer replies than `--expect` asked for, a replay that got other answers, or a benchmark with failures.
    RepliesMissing = 9,
    /// The proxy could not be used or refused the tunnel.
    ProxyRefused = 10,
    /// A local file or standard output could not be read or written.
    LocalIo = 11,
    /// Ended by Ctrl-C (SIGINT) or SIGTERM; the Close frame was sent before.
    Interrupted = 130,
}

impl ExitStatus {
    /// Every status with its meaning, in the order of the numbers.
    pub const TABLE: &[(Self, &str)] = &[
        (
            Self::Normal,
            "closed normally (1000, or no code); the reader of standard output went away",
        ),
        (
            Self::ClosedWithError,
            "closed by the peer with any other code; a gRPC call answered with an error; input not sent",
        ),
        (Self::Usage, "wrong usage"),
        (Self::NoConnection, "no connection: name, address, port"),
        (
            Self::TlsRefused,
            "TLS refused: certificate, name, version, pin",
        ),
        (
            Self::HandshakeRefused,
            "handshake refused: status other than 101, wrong header; gRPC not served or not allowed",
        ),
        (Self::TimedOut, "a phase timed out"),
        (
            Self::ConnectionLost,
            "connection lost without a closing handshake (1006)",
        ),
        (
            Self::ProtocolViolated,
            "the peer broke the protocol or a limit; closed by us",
        ),
        (
            Self::RepliesMissing,
            "fewer replies than expected, a replay that differs, a benchmark with failures",
        ),
        (Self::ProxyRefused, "the proxy could not be used"),
        (Self::LocalIo, "a local file or standard output failed"),
        (Self::Interrupted, "interrupted by Ctrl-C or SIGTERM"),
    ];

    /// The number that the process ends with.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The table as text for `--help`.
    pub fn help() -> String {
        let mut text = String::from("Exit status:\n");
        for (status, meaning) in Self::TABLE {
            let _ = writeln!(text, "  {:>3}  {meaning}", status.code());
        }
        text
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status.code())
    }
}
