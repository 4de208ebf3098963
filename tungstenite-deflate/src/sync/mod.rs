//! tungstenite's blocking API, with permessage-deflate: for threads, and for non-blocking streams with a poller.
//!
//! The names, signatures and error values are those of tungstenite 0.30, and its types are re-exported, so that a program
//! is ported by one line in each file that names the crate:
//!
//! ```
//! use tungstenite_deflate::sync as tungstenite;
//! ```
//!
//! The protocol is that of [`Connection`](crate::Connection), as for the asynchronous API: same compression, limits and
//! checks. No runtime is needed: with `default-features = false, features = ["sync"]` tokio is no dependency.
//!
//! ```no_run
//! use tungstenite_deflate::sync::{Message, connect};
//!
//! let (mut socket, _response) = connect("ws://localhost:3012/socket")?;
//! socket.send(Message::text("Olá"))?;
//! println!("{}", socket.read()?);
//! # Ok::<(), tungstenite_deflate::sync::Error>(())
//! ```
//!
//! # Options
//! The functions shared with tungstenite offer and accept compression with the defaults of
//! [`Options::drop_in`](crate::Options::drop_in). Those that end in `_with_options` take [`Options`](crate::Options).
//!
//! # Non-blocking streams
//! A stream that returns [`WouldBlock`](std::io::ErrorKind::WouldBlock) interrupts a call at any byte, and nothing is lost:
//! call again when the stream is ready. A handshake comes back as [`HandshakeError::Interrupted`], and [`MidHandshake`]
//! continues it. A message given to [`WebSocket::write`] or [`WebSocket::send`] is queued when the error is `WouldBlock`:
//! do not give it again, [`flush`](WebSocket::flush).
//!
//! # Deadlines
//! Deadlines, keep-alive Pings among them, are looked at by each [`WebSocket::read`] and whenever its stream returns
//! `WouldBlock` or `TimedOut`. A blocking stream keeps them if it has a read timeout, such as
//! [`TcpStream::set_read_timeout`](std::net::TcpStream::set_read_timeout), of at most
//! [`WebSocket::next_timeout`]: after such an error, read again.
//!
//! [`connect_with_options`] keeps all of [`Options::dial`](crate::Options::dial) but `max_redirects`, which it has as a
//! parameter. With a limit of time a thread watches over the handshake, and with an `attempt_delay` each attempt to
//! connect has one; those functions that are shared with tungstenite have neither, and start no thread.
//!
//! A server's [`HeadLimits::request_timeout`](crate::HeadLimits::request_timeout) is looked at like the other deadlines: give
//! the stream a read timeout, and an interrupted handshake ends with 408 when it is continued after that time.
//!
//! # Two threads
//! [`WebSocket::split_owned`] gives a half that reads and a half that writes, each for its own thread, also over rustls:
//!
//! ```no_run
//! use tungstenite_deflate::sync::{Message, connect};
//!
//! let (socket, _response) = connect("wss://localhost:3012/socket")?;
//! let (mut reader, mut writer) = socket.split_owned()?;
//! let printing = std::thread::spawn(move || {
//!     while let Ok(message) = reader.read() {
//!         println!("{message}");
//!     }
//! });
//! writer.send(Message::text("Olá"))?;
//! writer.close(None)?;
//! printing.join().expect("the thread ends with the connection");
//! # Ok::<(), tungstenite_deflate::sync::Error>(())
//! ```
//!
//! # Differences
//! The deliberate differences of the asynchronous API (`MIGRATING.md`) apply here, too. In addition:
//!
//! | tungstenite | here |
//! |---|---|
//! | a violation is returned by `read`, which may be called on | the Close frame that reports it is written first; then [`Error::AlreadyClosed`] |
//! | after the peer's Close a write or read that fails is `Error::Io` unless it was reset | [`Error::ConnectionClosed`] if the peer is gone, for TLS without `close_notify` too |
//! | `connect` follows redirects with all headers to any server | credentials stay within the origin, and `wss` never leads to `ws` |
//! | a body of a refusal is what came with its head | the body, within [`HeadLimits`](crate::HeadLimits) |
//! | a TLS handshake by `native-tls` panics where the stream would block | it is an error: set the stream non-blocking afterwards |
//! | `HandshakeMachine` has public rounds; modules `buffer` and `util` | the stream of a handshake is at hand, its rounds are not |

#![allow(
    clippy::result_large_err,
    reason = "the signatures and errors are tungstenite's"
)]

mod accept;
mod connect;
mod context;
mod deadline;
mod dial;
pub mod halves;
mod machine;
mod mid_handshake;
mod open;
mod roles;
#[cfg(any(feature = "native-tls", feature = "__rustls"))]
mod tls;
#[cfg(feature = "proxy")]
mod tunnel;
mod websocket;

pub use self::accept::{
    accept, accept_hdr, accept_hdr_with_config, accept_hdr_with_options, accept_with_config,
    accept_with_options,
};
pub use self::client::{ClientRequestBuilder, client, connect, connect_with_options};
pub use self::mid_handshake::{HandshakeError, MidHandshake};
pub use self::roles::{ClientHandshake, ServerHandshake};
#[cfg(any(feature = "native-tls", feature = "__rustls"))]
pub use self::tls::{client_tls, client_tls_with_config, client_tls_with_options};
pub use self::websocket::WebSocket;
pub use crate::tls::Connector;
pub use crate::tungstenite::{Bytes, Error, Message, Result, Utf8Bytes, error, http};

/// Clients, as in tungstenite's module.
pub mod client {
    pub use super::connect::{connect, connect_with_config, connect_with_options};
    pub use super::open::{client, client_with_config, client_with_options};
    pub use crate::tungstenite::client::{ClientRequestBuilder, IntoClientRequest, uri_mode};
}

/// Opening handshakes that can be interrupted, as in tungstenite's module.
pub mod handshake {
    pub use super::mid_handshake::{HandshakeError, HandshakeRole, MidHandshake};
    pub use crate::tungstenite::handshake::{derive_accept_key, headers};

    /// The client's part.
    pub mod client {
        pub use crate::sync::roles::ClientHandshake;
        pub use crate::tungstenite::handshake::client::{
            Request, Response, generate_key, generate_request,
        };
    }

    /// State of an interrupted handshake.
    pub mod machine {
        pub use crate::sync::machine::HandshakeMachine;
    }

    /// The server's part.
    pub mod server {
        pub use crate::sync::roles::ServerHandshake;
        pub use crate::tungstenite::handshake::server::{
            Callback, ErrorResponse, NoCallback, Request, Response, create_response,
            create_response_with_body, write_response,
        };
    }
}

/// Messages, frames and the connection after its handshake, as in tungstenite's module.
pub mod protocol {
    pub use super::context::WebSocketContext;
    pub use super::websocket::WebSocket;
    pub use crate::tungstenite::protocol::{CloseFrame, Message, Role, WebSocketConfig, frame};
}

/// Streams with or without TLS, as in tungstenite's module.
pub mod stream {
    pub use crate::tungstenite::stream::{MaybeTlsStream, Mode, NoDelay};
}
