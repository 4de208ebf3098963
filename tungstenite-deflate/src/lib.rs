//! tokio-tungstenite's API and types with permessage-deflate (RFC 7692), less memory and stricter framing.

pub use tokio_tungstenite::tungstenite;

#[cfg(feature = "axum")]
pub mod axum;
pub mod deflate;
pub mod extensions;
#[cfg(feature = "handshake")]
pub mod handshake;
#[cfg(feature = "hyper")]
pub mod hyper;
mod options;
mod stream;

pub use deflate::{Agreed, Compression, DeflateConfig};
pub use options::{HeadLimits, Keepalive, Limits, Options};
pub use stream::WebSocketStream;
