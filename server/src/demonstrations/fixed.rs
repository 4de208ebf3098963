//! `/ws`: every message is answered by the same words.

use tracing::field;
use tungstenite_deflate::WebSocketStream;
use tungstenite_deflate::tungstenite::Message;

use crate::connection::ConnectionInfo;
use crate::conversation::Conversation;
use crate::log::{CONNECTIONS, MESSAGES, Shown, transcript};
use crate::stream::ServerStream;

/// Answers every message with [`ANSWER`], with the opcode that the message came with.
pub(crate) async fn fixed(socket: WebSocketStream<ServerStream>, info: ConnectionInfo) {
    if CONNECTIONS.admit() {
        transcript!("Conexão WebSocket estabelecida!");
    }
    let mut conversation = Conversation::new(socket, info);
    while let Some(message) = conversation.next().await {
        // Both lines of a message or none.
        let is_shown = MESSAGES.admit();
        if is_shown {
            show_received(&message);
        }
        let answer = match message {
            Message::Binary(_) => Message::binary(ANSWER),
            _ => Message::text(ANSWER),
        };
        if conversation.feed(answer).await.is_err() {
            break;
        }
        if is_shown {
            transcript!("Mensagem enviada de volta para o cliente: {ANSWER}");
        }
    }
    if CONNECTIONS.admit() {
        transcript!("Conexão WebSocket encerrada!");
    }
}

/// The transcript demands the payload in the words; those who read JSON find it alone as well.
fn show_received(message: &Message) {
    let shown = Shown(message);
    transcript!(
        payload = field::display(shown),
        bytes = message.len(),
        "Mensagem recebida do cliente: {shown}"
    );
}

/// Answer to every message.
const ANSWER: &str = "Retorno do servidor!";
