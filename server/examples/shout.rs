//! A server with a route of its own: text sent to `wss://localhost:8443/shout` comes back in capitals.
//! `cargo run -p server --example shout [OPTIONS]`; the options are the server's own.

use server::{Config, Conversation, Server};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = Config::load(std::env::args_os())?.config;
    let _guard = server::log::start(&config.logging)?;
    let listeners = server::listeners(&config.network)?;
    let server = Server::new(config)?.route("/shout", |socket, info| async move {
        let mut conversation = Conversation::new(socket, info);
        while let Some(message) = conversation.next().await {
            let loud = message.to_text().unwrap_or_default().to_uppercase();
            if conversation.feed(loud.into()).await.is_err() {
                break;
            }
        }
    });
    let stop = async { tokio::signal::ctrl_c().await.unwrap_or_default() };
    server.run_on(listeners, stop).await?;
    Ok(())
}
