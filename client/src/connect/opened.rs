//! The outcome of both kinds of handshake.

use tungstenite_deflate::WebSocketStream;

use super::transport::Transport;
use crate::head::Head;
use crate::meter::{Meter, Metered};

/// The stream of messages.
pub type WebSocket = WebSocketStream<Metered<Box<dyn Transport>>>;

/// An opened WebSocket, with both heads.
pub(crate) struct Opened {
    pub(crate) stream: WebSocket,
    pub(crate) request: Head,
    pub(crate) response: Head,
    pub(crate) meter: Meter,
}
