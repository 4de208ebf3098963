//! The part that all recipes share: an echo over any stream of messages.

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tungstenite_deflate::WebSocketStream;

/// Sends back what comes.
pub async fn echo<S: AsyncRead + AsyncWrite + Unpin>(mut socket: WebSocketStream<S>) {
    while let Some(message) = socket.next().await {
        match message {
            Ok(message) if message.is_text() || message.is_binary() => {
                let _ = socket.send(message).await;
            }
            // To the end, past an error too: the stream still writes its Close and ends the transport.
            _ => {}
        }
    }
}
