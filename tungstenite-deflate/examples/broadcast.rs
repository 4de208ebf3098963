//! Sends what each client says to every client, framed and compressed once for all of them, with what was said before as
//! history.
//! `cargo run -p tungstenite-deflate --example broadcast [ADDRESS]`
#![expect(clippy::print_stdout, reason = "a program; its output is the point")]

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{Sender, channel};
use tungstenite_deflate::tungstenite::{Error, Message};
use tungstenite_deflate::{DeflateConfig, PreparedMessage, SharedContext, accept_async};

#[tokio::main]
async fn main() -> Result<(), std::io::Error> {
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:9001")).await?;
    println!("listening on ws://{}", listener.local_addr()?);
    // A client that is 256 messages behind misses the oldest of them.
    let (all, _) = channel(256);
    let context = SharedContext::new(&DeflateConfig::default());
    loop {
        let (stream, peer) = listener.accept().await?;
        let (all, context) = (all.clone(), context.clone());
        tokio::spawn(async move {
            if let Err(error) = converse(stream, &all, &context).await {
                println!("{peer}: {error}");
            }
        });
    }
}

async fn converse(
    stream: TcpStream,
    all: &Sender<Arc<PreparedMessage>>,
    context: &SharedContext,
) -> Result<(), Error> {
    let mut socket = accept_async(stream).await?;
    let mut news = all.subscribe();
    loop {
        tokio::select! {
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => drop(all.send(Arc::new(context.text(text)))),
                Some(Ok(_)) => {}
                // Not `?`: the stream still writes its Close and ends the transport, then gives `None`.
                Some(Err(error)) => println!("{error}"),
                None => return Ok(()),
            },
            prepared = news.recv() => match prepared {
                Ok(prepared) => {
                    socket.feed_prepared(&prepared).await?;
                    socket.flush().await?;
                }
                Err(RecvError::Lagged(missed)) => println!("{missed} messages missed"),
                Err(RecvError::Closed) => return Ok(()),
            },
        }
    }
}
