//! A WebSocket client with TLS and permessage-deflate: dialling, TLS, proxies and reconnecting as a library, and the
//! command-line program on top of it.
//!
//! [`connect()`] takes [`Settings`] and gives a [`Connection`]: a stream of messages with what is known about it.
//! [`run()`] is the program.

#[expect(
    clippy::doc_markdown,
    clippy::struct_excessive_bools,
    reason = "the doc comments are the help text, and a switch is a bool"
)]
mod args;
mod causes;
mod close;
mod command;
mod connect;
mod declined;
mod dial;
mod duration;
mod error;
mod exit;
mod file;
mod grpc;
mod handshake;
mod head;
mod hex;
mod http2;
mod input;
mod interrupt;
mod json;
mod meaning;
mod meter;
mod modes;
mod moment;
mod output;
mod phase;
mod reconnect;
mod record;
mod reference;
mod request;
mod run;
mod said;
mod sensitive;
mod session;
mod style;
mod tally;
mod target;
mod timeouts;
mod tls;

pub use close::{Ending, close_name};
pub use connect::{
    Connection, DEFAULT_MAX_MESSAGE_BYTES, Details, Settings, Transport, WebSocket, connect,
};
pub use dial::{ConnectToRule, Dial, ResolveRule};
pub use error::ConnectError;
pub use exit::ExitStatus;
pub use handshake::{Check, HandshakeFault, checks};
pub use head::Head;
pub use meter::{Meter, Metered, WireMessage};
pub use phase::Phase;
pub use reconnect::{Backoff, connect_with_backoff};
pub use request::add_header;
pub use run::run;
pub use tally::{Compression, Flow, Tally};
pub use target::Target;
pub use timeouts::{TimeoutSpec, Timeouts};
pub use tls::{CertificateReport, MinimumVersion, Pin, TlsReport, TlsSettings};
pub use tungstenite_deflate::dial::{Family, NoProxy, Proxy, ProxyKind};
pub use tungstenite_deflate::handshake::Credentials;

/// The README's example compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
