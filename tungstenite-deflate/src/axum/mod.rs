//! Integration with axum 0.8, over HTTP/1.1 and HTTP/2 (RFC 8441).
//!
//! axum's own `WebSocketUpgrade` does the opening handshake by itself and never negotiates an extension; a patched dependency does
//! not change that. [`ws`] has the same names and negotiates permessage-deflate.

pub mod ws;
