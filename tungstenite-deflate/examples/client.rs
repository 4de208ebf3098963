//! Sends each line of standard input, prints each answer. `cargo run -p tungstenite-deflate --example client [URL]`
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
    let (mut socket, _) = connect_async(url).await?;
    println!("connected, permessage-deflate: {:?}", socket.agreed());
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    loop {
        tokio::select! {
            // Both branches are cancel-safe: no message and no line is lost.
            message = socket.next() => match message {
                Some(Ok(message)) => println!("{message}"),
                // Not `?`: the stream still writes its Close and ends the transport, then gives `None`.
                Some(Err(error)) => println!("{error}"),
                None => return Ok(()),
            },
            line = lines.next_line() => match line? {
                Some(line) => socket.send(Message::text(line)).await?,
                None => break,
            },
        }
    }
    socket.close(None).await?;
    while let Some(message) = socket.next().await {
        match message {
            Ok(message) => println!("{message}"),
            Err(error) => println!("{error}"),
        }
    }
    Ok(())
}
