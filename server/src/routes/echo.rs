//! `/echo`: a message comes back as it was sent.

use tracing::info;
use tungstenite_deflate::WebSocketStream;

use crate::connection::ConnectionInfo;
use crate::conversation::Conversation;
use crate::log::{Allowance, Shown};
use crate::stream::ServerStream;

/// Sends every message back, with its opcode.
///
/// Each message is a line of the log as long as there are no more than people can read; those left out are counted in
/// the next line.
pub(crate) fn echo(
    socket: WebSocketStream<ServerStream>,
    info: ConnectionInfo,
) -> impl Future<Output = ()> + Send {
    // Outside the future and used by reference in it, else it keeps room for a copy of each.
    let mut conversation = Conversation::new(socket, info);
    async move { answer(&mut conversation).await }
}

async fn answer(conversation: &mut Conversation) {
    static LINES: Allowance = Allowance::new();
    let mut left_out = 0_u64;
    while let Some(message) = conversation.next().await {
        if LINES.take() {
            conversation.info().in_span(|| {
                info!(bytes = message.len(), left_out, message = %Shown(&message), "echo");
            });
            left_out = 0;
        } else {
            left_out += 1;
        }
        if conversation.feed(message).await.is_err() {
            break;
        }
    }
    if left_out > 0 {
        conversation
            .info()
            .in_span(|| info!(left_out, "echo: too many messages a second to show each"));
    }
}
