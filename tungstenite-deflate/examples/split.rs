//! A chat without a browser: one task sends the lines of standard input, another prints what comes.
//! `cargo run -p tungstenite-deflate --example split [URL]`
#![expect(clippy::print_stdout, reason = "a program; its output is the point")]

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncBufReadExt, BufReader};
use tungstenite_deflate::connect_async;
use tungstenite_deflate::tungstenite::{Error, Message};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let url = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "ws://127.0.0.1:9001/".to_owned());
    let (socket, _) = connect_async(url).await?;
    let (mut sender, mut receiver) = socket.split();

    let sending = tokio::spawn(async move {
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        while let Some(line) = lines.next_line().await? {
            sender.send(Message::text(line)).await?;
        }
        // Starts the closing handshake; the other half sees its end.
        sender.send(Message::Close(None)).await
    });
    while let Some(message) = receiver.next().await {
        match message {
            Ok(Message::Text(text)) => println!("{text}"),
            Ok(Message::Close(_)) => println!("closed"),
            Ok(_) => {}
            // Not `?`: the stream still writes its Close and ends the transport.
            Err(error) => println!("{error}"),
        }
    }
    // What came last has come; a line that is still being typed has nowhere to go.
    sending.abort();
    Ok(())
}
