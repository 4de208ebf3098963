//! The blocking API: over a pipe that would block at any byte, over TCP and TLS, beside tungstenite and the asynchronous API.
#![cfg(feature = "sync")]
#![allow(clippy::result_large_err, reason = "the signatures are tungstenite's")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod asynchronous;
mod beside_tungstenite;
mod deadlines;
mod handshakes;
mod interrupted;
mod pipe;
#[cfg(feature = "__rustls-tls")]
mod tls;
mod two_threads;

use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};
use std::thread;

use tungstenite_deflate::sync::{Error, Message, WebSocket, accept, client};

/// A client and a server over TCP, with what they agree by default.
fn tcp_pair() -> (WebSocket<TcpStream>, WebSocket<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || accept(listener.accept().unwrap().0).unwrap());
    let stream = TcpStream::connect(address).unwrap();
    let (client, _) = client(format!("ws://{address}/"), stream).unwrap();
    (client, server.join().unwrap())
}

fn is_would_block(error: &Error) -> bool {
    matches!(error, Error::Io(error) if error.kind() == ErrorKind::WouldBlock)
}

/// Text that compresses well.
fn text(bytes: usize) -> Message {
    Message::text("olá, compress me ".repeat(bytes / 18 + 1))
}
