//! What anybody says reaches everybody, framed and compressed once for all: `cargo run -p server --example fanout`, then
//! connect several clients to `wss://localhost:8443/fanout`. It takes the server's own flags.

use std::sync::Arc;

use server::{Config, Conversation, Server};
use tokio::sync::broadcast::{self, error::RecvError};
use tungstenite_deflate::PreparedMessage;
use tungstenite_deflate::tungstenite::Message;
use tungstenite_deflate::tungstenite::protocol::frame::coding::CloseCode;

type Topic = broadcast::Sender<Arc<PreparedMessage>>;

/// Messages that a member may be behind before it is told to come back later.
const BACKLOG: usize = 1024;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = Config::load(std::env::args_os())?.config;
    let _guard = server::log::start(&config.logging)?;
    let listener = server::listen(config.network.listen)?;
    let topic = Topic::new(BACKLOG);
    let server = Server::new(config)?.route("/fanout", move |socket, info| {
        listen_and_tell(Conversation::new(socket, info), topic.clone())
    });
    let stop = async { tokio::signal::ctrl_c().await.unwrap_or_default() };
    server.run(listener, stop).await?;
    Ok(())
}

async fn listen_and_tell(mut conversation: Conversation, topic: Topic) {
    let mut said = topic.subscribe();
    loop {
        tokio::select! {
            biased;
            message = said.recv() => match message {
                Ok(message) => {
                    if conversation.feed_prepared(&message).await.is_err() {
                        return;
                    }
                }
                Err(RecvError::Lagged(_)) => conversation.close(CloseCode::Again, "slow consumer"),
                Err(RecvError::Closed) => return,
            },
            message = conversation.next() => {
                let prepared = match message {
                    Some(Message::Text(text)) => PreparedMessage::text(text),
                    Some(Message::Binary(payload)) => PreparedMessage::binary(payload),
                    _ => return,
                };
                // There is always somebody to hear it: whoever said it.
                let _ = topic.send(Arc::new(prepared));
            }
        }
    }
}
