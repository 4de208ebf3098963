//! `/echo`: a message comes back as it was sent.

use tracing::info;
use tungstenite_deflate::WebSocketStream;

use crate::connection::ConnectionInfo;
use crate::conversation::Conversation;
use crate::log::Shown;
use crate::stream::ServerStream;

/// Sends every message back, with its opcode.
pub(crate) async fn echo(socket: WebSocketStream<ServerStream>, info: ConnectionInfo) {
    let mut conversation = Conversation::new(socket, info);
    while let Some(message) = conversation.next().await {
        info!(bytes = message.len(), message = %Shown(&message), "echo");
        if conversation.feed(message).await.is_err() {
            break;
        }
    }
}
