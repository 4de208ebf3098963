//! A client that reads on one thread and writes on another:
//! `cargo run -p tungstenite-deflate --features sync --example blocking_client [URL]`
#![expect(clippy::print_stdout, reason = "a program; its output is the point")]

use std::error::Error;
use std::thread;

use tungstenite_deflate::sync::{self, Message, connect};

fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1);
    let (socket, _response) = connect(url.as_deref().unwrap_or("ws://127.0.0.1:9001/"))?;
    println!("permessage-deflate: {:?}", socket.agreed());

    let (mut reader, mut writer) = socket.split_owned()?;
    let printing = thread::spawn(move || {
        loop {
            match reader.read() {
                Ok(Message::Text(text)) => println!("{text}"),
                Ok(_) => {}
                Err(sync::Error::ConnectionClosed) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    });
    for line in std::io::stdin().lines() {
        writer.send(Message::text(line?))?;
    }
    writer.close(None)?;
    printing.join().expect("the thread does not panic")?;
    Ok(())
}
