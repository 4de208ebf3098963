//! The opening handshake (RFC 6455 §4) without sockets: bytes in, a request or response and bytes out.
//!
//! [`accept_async`](crate::accept_async) and [`client_async`](crate::client_async) do all of this over a stream. These
//! parts are for those who read requests themselves, or test them:
//!
//! ```
//! use bytes::BytesMut;
//! use tungstenite_deflate::{DeflateConfig, HeadLimits};
//! use tungstenite_deflate::handshake::server::{self, RequestReader};
//!
//! let mut received = BytesMut::from(
//!     "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
//!      Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
//! );
//! let request = RequestReader::new(HeadLimits::default()).receive(&mut received)?.expect("a whole head");
//! let (response, agreed) = server::accept(&request, Some(&DeflateConfig::default()))?;
//! assert_eq!(response.headers()["Sec-WebSocket-Accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
//! assert_eq!(agreed, None, "permessage-deflate was not offered");
//! assert!(server::encode(&response).starts_with(b"HTTP/1.1 101 Switching Protocols\r\n"));
//! # Ok::<(), tungstenite_deflate::handshake::Rejection>(())
//! ```

pub(crate) mod answer;
pub(crate) mod body;
pub mod client;
mod credentials;
pub(crate) mod extension;
mod fields;
mod head;
mod host;
mod invalid_url;
mod redirect;
pub mod rejection;
pub mod server;
pub(crate) mod url;

pub use credentials::Credentials;
pub use host::HostPort;
pub use invalid_url::InvalidUrl;
pub use redirect::{Redirect, RedirectError};
pub use rejection::Rejection;
pub use url::WebSocketUrl;
