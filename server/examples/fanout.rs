//! What anybody says reaches everybody, framed and compressed once for all: `cargo run -p server --example fanout`, then
//! connect several clients to `wss://localhost:8443/fanout`. It takes the server's own flags.

use std::sync::Arc;

use futures_util::FutureExt;
use server::{Config, Conversation, Server};
use tokio::sync::broadcast::{self, error::TryRecvError};
use tungstenite_deflate::tungstenite::{Message, protocol::frame::coding::CloseCode};
use tungstenite_deflate::{DeflateConfig, PreparedMessage, SharedContext};

type Topic = broadcast::Sender<Arc<PreparedMessage>>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = Config::load(std::env::args_os())?.config;
    let _guard = server::log::start(&config.logging)?;
    let listeners = server::listeners(&config.network)?;
    // A member that lags by so many messages gets the advice to come back later.
    let topic = Topic::new(1024);
    let context = SharedContext::new(&DeflateConfig::default());
    let server = Server::new(config)?.route("/fanout", move |socket, info| {
        listen_and_tell(
            Conversation::new(socket, info),
            topic.clone(),
            context.clone(),
        )
        .map(drop)
    });
    let stop = async { tokio::signal::ctrl_c().await.unwrap_or_default() };
    server.run_on(listeners, stop).await?;
    Ok(())
}

async fn listen_and_tell(
    mut conversation: Conversation,
    topic: Topic,
    context: SharedContext,
) -> Option<()> {
    let mut said = topic.subscribe();
    loop {
        tokio::select! {
            biased;
            message = said.recv() => {
                let mut lagging = message.is_err();
                let mut received = message.ok();
                while let Some(message) = received {
                    conversation.feed_prepared(&message).await.ok()?;
                    // What else was said meanwhile goes out in the same write.
                    let next = said.try_recv();
                    lagging = matches!(next, Err(TryRecvError::Lagged(_)));
                    received = next.ok();
                }
                if lagging {
                    conversation.close(CloseCode::Again, "slow consumer");
                }
            }
            message = conversation.next() => {
                let prepared = match message? {
                    Message::Text(text) => context.text(text),
                    message => context.binary(message.into_data()),
                };
                // There is always a receiver: the sender itself.
                let _ = topic.send(Arc::new(prepared));
            }
        }
    }
}
