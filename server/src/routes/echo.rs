//! `/echo`: a message comes back as it was sent.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use tracing::{Level, enabled, info};
use tungstenite_deflate::WebSocketStream;
use values::limiter::{Rate, RateLimiter};

use crate::connection::ConnectionInfo;
use crate::conversation::Conversation;
use crate::log::Shown;
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
    let mut left_out = 0_u64;
    while let Some(message) = conversation.next().await {
        if enabled!(Level::INFO) && may_log(Instant::now()) {
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

/// Counts a line of the log about one message, of all connections together, and tells if it may be written.
fn may_log(now: Instant) -> bool {
    static LINES: Mutex<RateLimiter> = Mutex::new(RateLimiter::new(LINE_RATE));
    let mut lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    lines.admit(now).is_ok()
}

/// More lines than anybody reads, fewer than cost anything.
const LINE_RATE: Rate = Rate::per_second(100, 100);
