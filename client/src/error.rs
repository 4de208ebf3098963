//! Causes of failed connections: the text, the advice, and the exit status.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::causes::network;
use crate::exit::ExitStatus;
use crate::handshake::HandshakeFault;
use crate::phase::Phase;
use values::escape::escaped;

/// Cause for which no connection was made. Its text is one line; [`Self::remedy`] says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The settings contradict each other or a file in them is unusable.
    #[error("{0}")]
    Settings(String),
    /// A file named in the settings cannot be read or holds something else.
    #[error("cannot use {what} {}: {reason}", path.display())]
    File {
        /// Kind of content that the file was to hold.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Description of the fault.
        reason: String,
        /// Advice for the user.
        remedy: &'static str,
    },
    /// The name has no address.
    #[error("cannot find an address for {host}: {reason}")]
    Resolve {
        /// The name looked up.
        host: String,
        /// The resolver's error, in words.
        reason: String,
        /// Advice for the user.
        remedy: &'static str,
    },
    /// No address took the TCP connection.
    #[error("cannot connect to {peer}: {}", network::explained(source).0)]
    Connect {
        /// Host and port, and the address of the last attempt.
        peer: String,
        /// Error of the last attempt.
        source: io::Error,
    },
    /// The proxy refused or broke off.
    #[error("proxy {proxy} gave no tunnel to {peer}: {reason}")]
    Proxy {
        /// The proxy, without credentials.
        proxy: String,
        /// Host and port asked for.
        peer: String,
        /// The proxy's answer, in words.
        reason: String,
        /// Advice for the user.
        remedy: String,
    },
    /// The TLS handshake failed.
    #[error("TLS to {peer} refused: {reason}")]
    Tls {
        /// Host and port.
        peer: String,
        /// Description of the fault.
        reason: String,
        /// Advice for the user.
        remedy: &'static str,
    },
    /// The server answered, but the WebSocket did not open.
    #[error("{peer} refused the WebSocket handshake: {fault}")]
    Handshake {
        /// The URL.
        peer: String,
        /// The check that failed.
        fault: Box<HandshakeFault>,
    },
    /// The server does not speak HTTP/2, which gRPC needs.
    #[error("{peer} does not speak gRPC: {reason}")]
    NoHttp2 {
        /// Host and port.
        peer: String,
        /// Description of what was seen.
        reason: String,
    },
    /// A redirect that must not be followed.
    #[error("redirect from {from} not followed: {reason}")]
    Redirect {
        /// The URL that answered.
        from: String,
        /// The rule that it breaks.
        reason: String,
    },
    /// A phase took too long.
    #[error("{phase} with {peer} took longer than {}", crate::duration::show_duration(*limit))]
    TimedOut {
        /// The phase.
        phase: Phase,
        /// Its limit.
        limit: Duration,
        /// Host and port.
        peer: String,
    },
}

impl ConnectError {
    /// Returns advice for the user, as the end of a sentence.
    pub fn remedy(&self) -> String {
        match self {
            Self::Settings(_) => "see --help".into(),
            Self::Connect { source, .. } => network::explained(source).1.into(),
            Self::Proxy { remedy, .. } => {
                let remedy = if remedy.is_empty() {
                    "check --proxy"
                } else {
                    remedy
                };
                format!("{remedy}, or connect without the proxy: --no-proxy '*'")
            }
            Self::File { remedy, .. } | Self::Resolve { remedy, .. } | Self::Tls { remedy, .. } => {
                (*remedy).into()
            }
            Self::Handshake { fault, .. } => fault.remedy(),
            Self::NoHttp2 { .. } => {
                "check the port, and whether it wants https:// or http://".into()
            }
            Self::Redirect { .. } => "dial the right URL directly".into(),
            Self::TimedOut { phase, .. } => format!(
                "check that the server is well, or raise --timeout {}=…",
                phase.name()
            ),
        }
    }

    /// The cause without its particulars, so that equal ones are counted together.
    pub(crate) fn kind(&self) -> String {
        match self {
            Self::Settings(_) | Self::File { .. } => "settings".into(),
            Self::Resolve { .. } => "name lookup failed".into(),
            Self::Connect { source, .. } => format!("connecting: {}", source.kind()),
            Self::Proxy { .. } => "proxy refused".into(),
            Self::Tls { reason, .. } => format!("TLS refused: {reason}"),
            Self::Handshake { fault, .. } => fault.response.as_ref().map_or_else(
                || "handshake without an answer".into(),
                |response| format!("handshake refused: {}", escaped(&response.first_line)),
            ),
            Self::NoHttp2 { .. } => "no HTTP/2".into(),
            Self::Redirect { .. } => "redirect not followed".into(),
            Self::TimedOut { phase, .. } => format!("timed out: {phase}"),
        }
    }

    /// The exit status that tells this cause.
    pub fn status(&self) -> ExitStatus {
        match self {
            Self::Settings(_) | Self::File { .. } => ExitStatus::Usage,
            Self::Resolve { .. } | Self::Connect { .. } => ExitStatus::NoConnection,
            Self::Proxy { .. } => ExitStatus::ProxyRefused,
            Self::Tls { .. } => ExitStatus::TlsRefused,
            Self::Handshake { .. } | Self::NoHttp2 { .. } | Self::Redirect { .. } => {
                ExitStatus::HandshakeRefused
            }
            Self::TimedOut { .. } => ExitStatus::TimedOut,
        }
    }
}
