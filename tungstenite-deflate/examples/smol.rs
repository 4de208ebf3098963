//! An echo server on smol, over the traits of `futures`: `cargo run -p tungstenite-deflate --example smol [ADDRESS]`
//!
//! `compat` turns any stream of `futures` traits, such as smol's and async-std's, into one that [`accept_async_with_config`] takes. The
//! functions without `_with_options` have no deadlines, so that they need no timer of a runtime.
#![expect(clippy::print_stdout, reason = "a program; its output is the point")]

use futures_util::{SinkExt, StreamExt};
use smol::net::{TcpListener, TcpStream};
use tokio_util::compat::FuturesAsyncReadCompatExt;
use tungstenite_deflate::accept_async_with_config;
use tungstenite_deflate::tungstenite::Error;

fn main() -> Result<(), std::io::Error> {
    smol::block_on(async {
        let address = std::env::args().nth(1);
        let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:9001")).await?;
        println!("listening on ws://{}", listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            smol::spawn(async move {
                match echo(stream).await {
                    Ok(()) => println!("closed"),
                    Err(error) => println!("failed: {error}"),
                }
            })
            .detach();
        }
    })
}

async fn echo(stream: TcpStream) -> Result<(), Error> {
    let mut socket = accept_async_with_config(stream.compat(), None).await?;
    while let Some(message) = socket.next().await {
        let message = message?;
        if message.is_text() || message.is_binary() {
            socket.send(message).await?;
        }
    }
    Ok(())
}
