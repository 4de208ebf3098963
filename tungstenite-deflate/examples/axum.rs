//! An axum server, for HTTP/1.1 and HTTP/2. `cargo run -p tungstenite-deflate --features axum --example axum [ADDRESS]`
#![expect(clippy::print_stdout, reason = "a program; its output is the point")]

use axum::Router;
use axum::response::Response;
use axum::routing::any;
use tokio::net::TcpListener;
use tungstenite_deflate::axum::ws::{Message, WebSocket, WebSocketUpgrade};

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

async fn echo(mut socket: WebSocket) {
    // To the end, past an error too: the stream still writes its Close and ends the transport.
    while let Some(received) = socket.recv().await {
        match received {
            Ok(data @ (Message::Text(_) | Message::Binary(_))) => {
                // What a failed one means is reported by `recv`.
                let _ = socket.send(data).await;
            }
            Ok(_) => {}
            Err(error) => println!("{error}"),
        }
    }
    println!("{:?}", socket.into_inner().closed());
}
