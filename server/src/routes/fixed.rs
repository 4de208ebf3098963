//! `/ws`: every message is answered by the same words.

use tungstenite_deflate::WebSocketStream;
use tungstenite_deflate::tungstenite::Message;

use crate::connection::ConnectionInfo;
use crate::conversation::Conversation;
use crate::log::{Shown, transcript};
use crate::stream::ServerStream;

/// Answers every message with [`ANSWER`], with the opcode that the message came with.
pub(crate) async fn fixed(socket: WebSocketStream<ServerStream>, info: ConnectionInfo) {
    transcript!("Conexão WebSocket estabelecida!");
    let mut conversation = Conversation::new(socket, info);
    while let Some(message) = conversation.next().await {
        transcript!("Mensagem recebida do cliente: {}", Shown(&message));
        let answer = match message {
            Message::Binary(_) => Message::binary(ANSWER),
            _ => Message::text(ANSWER),
        };
        if conversation.feed(answer).await.is_err() {
            break;
        }
        transcript!("Mensagem enviada de volta para o cliente: {ANSWER}");
    }
    transcript!("Conexão WebSocket encerrada!");
}

/// What everybody gets.
const ANSWER: &str = "Retorno do servidor!";
