//! `/echo`: a message comes back as it was sent.

use tracing::{Level, enabled, field, info};
use tungstenite_deflate::WebSocketStream;
use tungstenite_deflate::tungstenite::Message;

use crate::connection::ConnectionInfo;
use crate::conversation::Conversation;
use crate::log::{MESSAGES, Shown};
use crate::stream::ServerStream;

/// Sends every message back, with its opcode.
///
/// Each message is a line of the log, within the limit of lines; its payload is shown at level `trace`.
pub(crate) fn echo(
    socket: WebSocketStream<ServerStream>,
    info: ConnectionInfo,
) -> impl Future<Output = ()> + Send {
    // Outside the future and used by reference in it, else it keeps room for a copy of each.
    let mut conversation = Conversation::new(socket, info);
    async move { answer(&mut conversation).await }
}

async fn answer(conversation: &mut Conversation) {
    while let Some(message) = conversation.next().await {
        if enabled!(Level::INFO) && MESSAGES.admit() {
            conversation.info().in_span(|| log(&message));
        }
        if conversation.feed(message).await.is_err() {
            break;
        }
    }
}

fn log(message: &Message) {
    let kind = if message.is_text() { "text" } else { "binary" };
    let payload = enabled!(Level::TRACE).then(|| field::display(Shown(message)));
    info!(kind, bytes = message.len(), payload, "message echoed");
}
