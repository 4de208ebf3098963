//! Requests that are no opening handshake: one type per failed check.

use http::header::{self, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use thiserror::Error;

use crate::tungstenite::Error;
use crate::tungstenite::error::{CapacityError, ProtocolError};

/// One struct per check, and [`Rejection`] to hold any of them.
macro_rules! rejections {
    ($(
        $(#[$doc:meta])*
        $name:ident { $($field:ident: $type:ty),* } $text:literal
        => $status:ident, $part:literal, $section:literal, $error:expr;
    )*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, PartialEq, Eq, Error)]
            #[error($text)]
            #[non_exhaustive]
            pub struct $name {
                $(
                    #[doc = concat!("The `", stringify!($field), "` of this request or of this side.")]
                    pub $field: $type,
                )*
            }

            impl From<$name> for Rejection {
                fn from(rejection: $name) -> Self {
                    Self::$name(rejection)
                }
            }
        )*

        /// Cause for which a request is no opening handshake that can be accepted.
        ///
        /// Each variant is one check, knows the status to answer with, the part of the request and the section at fault,
        /// and what was seen. As a [`tungstenite::Error`](crate::tungstenite::Error) it is the variant that tungstenite
        /// gives for the same fault.
        #[derive(Clone, Debug, PartialEq, Eq, Error)]
        #[non_exhaustive]
        pub enum Rejection {
            $(
                $(#[$doc])*
                #[error(transparent)]
                $name($name),
            )*
        }

        impl Rejection {
            /// The status of the response.
            pub fn status(&self) -> StatusCode {
                match self { $(Self::$name(_) => StatusCode::$status,)* }
            }

            /// The part of the request that is at fault: a header's name, or `method`, `version`, `target`, `head`.
            pub fn part(&self) -> &'static str {
                match self { $(Self::$name(_) => $part,)* }
            }

            /// The section that asks for the check.
            pub fn section(&self) -> &'static str {
                match self { $(Self::$name(_) => $section,)* }
            }
        }

        impl From<Rejection> for Error {
            fn from(rejection: Rejection) -> Self {
                if let Rejection::MalformedHead(MalformedHead { error }) = rejection {
                    return Self::Protocol(ProtocolError::HttparseError(error));
                }
                match rejection { $(Rejection::$name(_) => $error,)* }
            }
        }
    };
}

rejections! {
    /// The head is not HTTP/1.1: bad characters, folded lines, lines that end in LF alone.
    MalformedHead { error: httparse::Error } "not an HTTP/1.1 request: {error}"
        => BAD_REQUEST, "head", "RFC 9112 §2.2", Error::Protocol(ProtocolError::HttparseError(httparse::Error::Token));
    /// The head is longer than [`HeadLimits::max_bytes`](crate::HeadLimits::max_bytes).
    HeadTooLong { limit: usize } "request head of more than {limit} bytes"
        => REQUEST_HEADER_FIELDS_TOO_LARGE, "head", "RFC 6585 §5", Error::AttackAttempt;
    /// The head has more fields than [`HeadLimits::max_fields`](crate::HeadLimits::max_fields).
    TooManyFields { limit: usize } "request head of more than {limit} fields"
        => REQUEST_HEADER_FIELDS_TOO_LARGE, "head", "RFC 6585 §5", Error::Capacity(CapacityError::TooManyHeaders);
    /// The target is longer than [`HeadLimits::max_target_bytes`](crate::HeadLimits::max_target_bytes).
    TargetTooLong { limit: usize } "request target of more than {limit} bytes"
        => URI_TOO_LONG, "target", "RFC 9110 §15.5.15", Error::AttackAttempt;
    /// The request is older or newer than HTTP/1.1, and not HTTP/2.
    HttpVersionNotSupported { seen: String } "{seen} cannot be upgraded, HTTP/1.1 can (RFC 6455 §4.2.1)"
        => HTTP_VERSION_NOT_SUPPORTED, "version", "RFC 6455 §4.2.1 item 1", Error::Protocol(ProtocolError::WrongHttpVersion);
    /// An HTTP/1.1 request has another method than GET.
    MethodNotGet { seen: String } "method {seen} cannot be upgraded, GET can (RFC 6455 §4.2.1)"
        => METHOD_NOT_ALLOWED, "method", "RFC 6455 §4.2.1 item 1", Error::Protocol(ProtocolError::WrongHttpMethod);
    /// An HTTP/2 request has another method than CONNECT.
    MethodNotConnect { seen: String } "method {seen} starts no WebSocket over HTTP/2, CONNECT with :protocol does (RFC 8441 §4)"
        => METHOD_NOT_ALLOWED, "method", "RFC 8441 §4", Error::Protocol(ProtocolError::WrongHttpMethod);
    /// An HTTP/2 CONNECT has no `:protocol` pseudo-header, or another than `websocket`.
    InvalidProtocolPseudoheader { seen: String } ":protocol is {seen:?}, not \"websocket\" (RFC 8441 §4)"
        => BAD_REQUEST, ":protocol", "RFC 8441 §4", Error::Protocol(ProtocolError::MissingUpgradeWebSocketHeader);
    /// Host is missing, there twice, or not a host with an optional port.
    InvalidHostHeader { seen: String } "Host must be there once, as a host with an optional port, not {seen:?} (RFC 6455 §4.2.1)"
        => BAD_REQUEST, "Host", "RFC 6455 §4.2.1 item 2", Error::Protocol(invalid_header(header::HOST));
    /// The request announces a body; frames could be taken for it, or it for frames.
    BodyAnnounced { seen: String } "an opening handshake has no body, but the request carries {seen} (RFC 6455 §4.1)"
        => BAD_REQUEST, "Content-Length", "RFC 6455 §4.1", Error::Protocol(invalid_header(header::CONTENT_LENGTH));
    /// There is no Upgrade header: this is an ordinary request.
    UpgradeHeaderMissing {} "this resource speaks WebSocket: send Upgrade: websocket (RFC 6455 §4.2.1)"
        => UPGRADE_REQUIRED, "Upgrade", "RFC 6455 §4.2.1 item 3", Error::Protocol(ProtocolError::MissingUpgradeWebSocketHeader);
    /// Upgrade does not list `websocket`.
    InvalidUpgradeHeader { seen: String } "Upgrade must list websocket, not {seen:?} (RFC 6455 §4.2.1)"
        => BAD_REQUEST, "Upgrade", "RFC 6455 §4.2.1 item 3", Error::Protocol(ProtocolError::MissingUpgradeWebSocketHeader);
    /// Connection does not list `Upgrade`.
    InvalidConnectionHeader { seen: String } "Connection must list Upgrade, not {seen:?} (RFC 6455 §4.2.1)"
        => BAD_REQUEST, "Connection", "RFC 6455 §4.2.1 item 4", Error::Protocol(ProtocolError::MissingConnectionUpgradeHeader);
    /// Sec-WebSocket-Version is missing.
    WebSocketVersionHeaderMissing {} "Sec-WebSocket-Version is missing, 13 is spoken here (RFC 6455 §4.2.1)"
        => BAD_REQUEST, "Sec-WebSocket-Version", "RFC 6455 §4.2.1 item 6", Error::Protocol(ProtocolError::MissingSecWebSocketVersionHeader);
    /// Sec-WebSocket-Version is not exactly `13`.
    InvalidWebSocketVersionHeader { seen: String } "Sec-WebSocket-Version is {seen:?}, 13 is spoken here (RFC 6455 §4.2.2)"
        => UPGRADE_REQUIRED, "Sec-WebSocket-Version", "RFC 6455 §4.2.2 item 4", Error::Protocol(ProtocolError::MissingSecWebSocketVersionHeader);
    /// Sec-WebSocket-Key is missing.
    WebSocketKeyHeaderMissing {} "Sec-WebSocket-Key is missing (RFC 6455 §4.2.1)"
        => BAD_REQUEST, "Sec-WebSocket-Key", "RFC 6455 §4.2.1 item 5", Error::Protocol(ProtocolError::MissingSecWebSocketKey);
    /// Sec-WebSocket-Key is there twice, or not 16 bytes in base64 as RFC 4648 §4 writes them.
    InvalidWebSocketKeyHeader { seen: String } "Sec-WebSocket-Key must be there once, as 16 bytes in base64, not {seen:?} (RFC 6455 §4.2.1)"
        => BAD_REQUEST, "Sec-WebSocket-Key", "RFC 6455 §4.2.1 item 5", Error::Protocol(ProtocolError::InvalidSecWebSocketKey);
    /// Sec-WebSocket-Protocol has an element that is empty, no token, or there twice.
    InvalidWebSocketProtocolHeader { seen: String } "Sec-WebSocket-Protocol must list different tokens, {seen:?} breaks that (RFC 6455 §4.1)"
        => BAD_REQUEST, "Sec-WebSocket-Protocol", "RFC 6455 §4.1 item 10", Error::Protocol(invalid_header(header::SEC_WEBSOCKET_PROTOCOL));
    /// The server that read the request does not let its connection be upgraded (axum and hyper only).
    ConnectionNotUpgradable {} "the connection of this request cannot be upgraded"
        => UPGRADE_REQUIRED, "head", "RFC 9110 §7.8", Error::Protocol(ProtocolError::HandshakeIncomplete);
}

impl Rejection {
    /// The response to send: status, the headers that tell the peer what to do, and this rejection's text.
    pub fn response(&self) -> Response<String> {
        let mut response = Response::new(format!("{self}\n"));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        for (name, value) in self.advice() {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        response
    }

    /// Returns the response fields that tell the peer what to do (RFC 6455 §4.4, RFC 9110 §10.2.1, §15.5.22).
    fn advice(&self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::MethodNotGet(_) => &[("allow", "GET")],
            Self::MethodNotConnect(_) => &[("allow", "CONNECT")],
            Self::WebSocketVersionHeaderMissing(_) => &[("sec-websocket-version", "13")],
            Self::UpgradeHeaderMissing(_)
            | Self::InvalidWebSocketVersionHeader(_)
            | Self::ConnectionNotUpgradable(_) => &[
                ("connection", "Upgrade"),
                ("upgrade", "websocket"),
                ("sec-websocket-version", "13"),
            ],
            _ => &[],
        }
    }
}

/// The start of what a peer sent, fit for a log or an answer: printable ASCII only.
pub(super) fn shown(seen: &[u8]) -> String {
    const MOST: usize = 64;
    let start = &seen[..seen.len().min(MOST)];
    format!(
        "{}{}",
        start.escape_ascii(),
        if seen.len() > MOST { "…" } else { "" }
    )
}

pub(super) fn invalid_header(name: HeaderName) -> ProtocolError {
    ProtocolError::InvalidHeader(Box::new(name))
}
