//! tokio-tungstenite's API and types with permessage-deflate (RFC 7692), less memory and stricter framing.

pub use tokio_tungstenite::tungstenite;

pub mod deflate;
pub mod extensions;
mod options;
mod stream;

pub use deflate::{Agreed, Compression, DeflateConfig};
pub use options::{Keepalive, Limits, Options};
pub use stream::WebSocketStream;
