//! An echo server on standard threads, without a runtime:
//! `cargo run -p tungstenite-deflate --features sync --example blocking_server [ADDRESS]`
#![expect(clippy::print_stdout, reason = "a program; its output is the point")]

use std::net::{TcpListener, TcpStream};
use std::thread;

use tungstenite_deflate::sync::{Error, HandshakeError, accept};

fn main() -> Result<(), std::io::Error> {
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:9001"))?;
    println!("listening on ws://{}", listener.local_addr()?);
    for stream in listener.incoming() {
        let stream = stream?;
        thread::spawn(move || match echo(stream) {
            Ok(()) => println!("closed"),
            Err(error) => println!("failed: {error}"),
        });
    }
    Ok(())
}

fn echo(stream: TcpStream) -> Result<(), Error> {
    let mut socket = accept(stream).map_err(|error| match error {
        HandshakeError::Failure(error) => error,
        HandshakeError::Interrupted(_) => unreachable!("the stream blocks"),
    })?;
    loop {
        match socket.read() {
            Ok(message) if message.is_text() || message.is_binary() => socket.send(message)?,
            // A Ping or a Close: the next call answers it.
            Ok(_) => {}
            Err(Error::ConnectionClosed) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}
