//! The reasons for which text is no WebSocket URL.

use crate::tungstenite::Error;
use crate::tungstenite::error::UrlError;

/// The reason for which text is no WebSocket URL.
///
/// The text never repeats what may be a password. As a [`tungstenite::Error`](Error) it is [`Error::Url`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidUrl {
    /// It does not begin with `SCHEME:`.
    #[error("the URL has no scheme; write ws:// or wss:// (RFC 6455 §3)")]
    NoScheme,
    /// The scheme is not for WebSockets.
    #[error("scheme `{scheme}` is not one of ws, wss, http, https (RFC 6455 §3)")]
    Scheme {
        /// The scheme, cut at 64 characters.
        scheme: String,
    },
    /// There is no host.
    #[error("the URL has no host (RFC 6455 §3)")]
    NoHost,
    /// The host is neither a name nor an address.
    #[error("host {host:?} is neither a domain name nor an IP address (RFC 3986 §3.2.2)")]
    Host {
        /// The host, cut at 64 characters.
        host: String,
    },
    /// The port cannot be connected to.
    #[error("port {port:?} is not a number from 1 to 65535 (RFC 3986 §3.2.3)")]
    Port {
        /// The port, cut at 64 characters.
        port: String,
    },
    /// Host or port are not readable, and may be part of a password.
    #[error(
        "host or port of the URL cannot be read; percent-encode what stands before its @ (RFC 3986 §3.2.1)"
    )]
    UserInfo,
    /// The name or the password cannot be read, or HTTP Basic cannot carry the name.
    #[error(
        "the user information of the URL is not percent-encoded UTF-8, or has control characters or a colon in the name (RFC 7617 §2)"
    )]
    Credentials,
    /// There is a fragment.
    #[error(
        "the URL has a fragment, which WebSocket URLs must not have; leave out #… or write %23 (RFC 6455 §3)"
    )]
    Fragment,
    /// A control character stands somewhere, or white space at an end.
    #[error(
        "the URL has the character {character:?} in a position where it must be percent-encoded (RFC 3986 §2)"
    )]
    Character {
        /// The first one.
        character: char,
    },
    /// A backslash stands before the path; browsers read it as a slash.
    #[error("the URL has a backslash before its path; write a slash (RFC 3986 §3.2)")]
    Backslash,
    /// The URL has more than 65,534 bytes.
    #[error("the URL exceeds the limit of 65534 bytes")]
    TooLong,
}

impl InvalidUrl {
    pub(super) fn scheme(scheme: &str) -> Self {
        let scheme = cut(scheme);
        Self::Scheme { scheme }
    }

    pub(super) fn host(host: &str) -> Self {
        let host = cut(host);
        Self::Host { host }
    }

    pub(super) fn port(port: &str) -> Self {
        let port = cut(port);
        Self::Port { port }
    }
}

impl From<InvalidUrl> for Error {
    fn from(invalid: InvalidUrl) -> Self {
        Self::Url(match invalid {
            InvalidUrl::NoScheme | InvalidUrl::Scheme { .. } => UrlError::UnsupportedUrlScheme,
            InvalidUrl::NoHost => UrlError::EmptyHostName,
            // The one variant of tungstenite that carries text.
            other => UrlError::UnableToConnect(format!("this URL: {other}")),
        })
    }
}

fn cut(text: &str) -> String {
    text.chars().take(64).collect()
}
