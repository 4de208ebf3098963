//! An echo server. `cargo run -p tungstenite-deflate --example server [ADDRESS]`
#![expect(clippy::print_stdout, reason = "a program; its output is the point")]

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tungstenite_deflate::tungstenite::{Error, Message};
use tungstenite_deflate::{Keepalive, Options, accept_async_with_options};

#[tokio::main]
async fn main() -> Result<(), std::io::Error> {
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:9001")).await?;
    println!("listening on ws://{}", listener.local_addr()?);
    loop {
        let (stream, peer) = listener.accept().await?;
        tokio::spawn(async move {
            match echo(stream).await {
                Ok(()) => println!("{peer}: closed"),
                Err(error) => println!("{peer}: {error}"),
            }
        });
    }
}

async fn echo(stream: TcpStream) -> Result<(), Error> {
    // A Ping after 25 s of silence, which must be answered within 10 s.
    let options = Options::default().keepalive(Some(Keepalive::default()));
    let handshake = timeout(
        Duration::from_secs(10),
        accept_async_with_options(stream, options),
    );
    let mut socket = handshake.await.map_err(std::io::Error::from)??;
    let mut outcome = Ok(());
    while let Some(message) = socket.next().await {
        match message {
            Ok(data @ (Message::Text(_) | Message::Binary(_))) => {
                // Fed, not sent: all answers to what has arrived go out in one write when nothing more is there.
                outcome = outcome.and(socket.feed(data).await);
            }
            Ok(_) => {}
            // Not `?`: the stream still writes its Close and ends the transport.
            Err(error) => outcome = outcome.and(Err(error)),
        }
    }
    outcome
}
