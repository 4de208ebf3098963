//! `/ack`: a text is acknowledged with its own words.

use tungstenite_deflate::WebSocketStream;
use tungstenite_deflate::tungstenite::Message;
use tungstenite_deflate::tungstenite::protocol::frame::coding::CloseCode;

use crate::connection::ConnectionInfo;
use crate::conversation::Conversation;
use crate::stream::ServerStream;

/// Answers a text `M` with `Recebido: M`; anything else is not understood here (1003).
pub(crate) async fn ack(socket: WebSocketStream<ServerStream>, info: ConnectionInfo) {
    let mut conversation = Conversation::new(socket, info);
    while let Some(message) = conversation.next().await {
        match message {
            Message::Text(text) => {
                if conversation
                    .feed(Message::text(format!("Recebido: {text}")))
                    .await
                    .is_err()
                {
                    break;
                }
            }
            _ => conversation.close(CloseCode::Unsupported, "this route takes text only"),
        }
    }
}
