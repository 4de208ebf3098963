#![cfg_attr(feature = "connect", doc = include_str!("../README.md"))]
#![cfg_attr(
    not(feature = "connect"),
    doc = "tokio-tungstenite's API and types with permessage-deflate (RFC 7692), less memory and stricter framing."
)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(missing_docs)]

pub use tungstenite;

#[cfg(feature = "handshake")]
mod accept;
#[cfg(feature = "axum")]
pub mod axum;
#[cfg(feature = "handshake")]
mod client;
mod close;
#[cfg(feature = "connect")]
mod connect;
pub mod connection;
mod control_rate;
pub mod deflate;
#[cfg(feature = "__dial")]
#[cfg_attr(docsrs, doc(cfg(any(feature = "connect", feature = "sync"))))]
pub mod dial;
mod error;
#[cfg(feature = "handshake")]
mod exchange;
pub mod extensions;
mod frame;
#[cfg(feature = "__handshake")]
#[cfg_attr(docsrs, doc(cfg(any(feature = "handshake", feature = "sync"))))]
pub mod handshake;
#[cfg(feature = "hyper")]
pub mod hyper;
mod incoming;
mod mask;
#[cfg(feature = "stream")]
mod maybe_tls;
mod memory;
mod options;
mod prepared;
#[cfg(feature = "handshake")]
mod request;
#[cfg(feature = "tokio")]
mod stream;
#[cfg(feature = "sync")]
pub mod sync;
mod text;
#[cfg(any(
    feature = "connect",
    feature = "native-tls",
    feature = "__rustls",
    feature = "sync"
))]
mod tls;
mod utf8;

pub use close::{CloseReport, Closed, Initiator};
pub use connection::{Clock, Connection, ReceiveStep};
pub use control_rate::ControlRate;
pub use deflate::{Agreed, Compression, DeflateConfig, SharedContext};
pub use error::{ProtocolError, SendError};
pub use memory::{BudgetSpent, MemoryBudget, MemoryReservation};
pub use options::{HeadLimits, Keepalive, Limits, Options};
pub use prepared::PreparedMessage;
#[cfg(feature = "tokio")]
pub use stream::{ByteStream, MessageKind, OwnedReadHalf, OwnedWriteHalf, WebSocketStream};

#[cfg(feature = "handshake")]
pub use accept::{
    accept_async, accept_async_with_config, accept_async_with_options, accept_hdr_async,
    accept_hdr_async_with_config, accept_hdr_async_with_options,
};
#[cfg(feature = "handshake")]
pub use client::{client_async, client_async_with_config, client_async_with_options};
#[cfg(feature = "connect")]
pub use connect::{connect_async, connect_async_with_config, connect_async_with_options};
#[cfg(all(
    feature = "connect",
    any(feature = "native-tls", feature = "__rustls-tls")
))]
pub use connect::{connect_async_tls_with_config, connect_async_tls_with_options};
#[cfg(feature = "stream")]
pub use maybe_tls::MaybeTlsStream;
#[cfg(feature = "handshake")]
pub use request::{IncomingRequest, receive_request_async};
#[cfg(any(
    feature = "connect",
    feature = "native-tls",
    feature = "__rustls",
    feature = "sync"
))]
pub use tls::Connector;
#[cfg(any(feature = "native-tls", feature = "__rustls-tls"))]
pub use tls::{client_async_tls, client_async_tls_with_config, client_async_tls_with_options};

#[cfg(all(feature = "connect", any(doc, doctest)))]
#[doc = include_str!("../MIGRATING.md")]
pub mod migrating {}
