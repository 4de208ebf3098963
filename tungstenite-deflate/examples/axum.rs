//! An axum server, for HTTP/1.1 and HTTP/2. `cargo run -p tungstenite-deflate --features axum --example axum [ADDRESS]`
#![expect(clippy::print_stdout, reason = "a program; its output is the point")]

use axum::Router;
use axum::response::Response;
use axum::routing::any;
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpListener;
use tungstenite_deflate::axum::WebSocketUpgrade;
use tungstenite_deflate::hyper::UpgradedStream;
use tungstenite_deflate::tungstenite::Message;

#[tokio::main]
async fn main() -> Result<(), std::io::Error> {
    let router = Router::new().route("/", any(upgrade));
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:9001")).await?;
    println!("listening on ws://{}", listener.local_addr()?);
    axum::serve(listener, router).await
}

async fn upgrade(upgrade: WebSocketUpgrade) -> Response {
    upgrade
        .protocols(["echo"])
        .max_message_size(1 << 20)
        .on_failed_upgrade(|error: axum::Error| println!("{error}"))
        .on_upgrade(echo)
}

async fn echo(mut socket: UpgradedStream) {
    // To the end, past an error too: the stream still writes its Close and ends the transport.
    while let Some(message) = socket.next().await {
        match message {
            Ok(data @ (Message::Text(_) | Message::Binary(_))) => {
                // What a failed one means is reported by `next`.
                let _ = socket.feed(data).await;
            }
            Ok(_) => {}
            Err(error) => println!("{error}"),
        }
    }
    println!("{:?}", socket.closed());
}
