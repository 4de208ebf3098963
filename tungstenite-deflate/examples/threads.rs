//! An echo server on standard threads, without a runtime. `cargo run -p tungstenite-deflate --example threads [ADDRESS]`
#![expect(clippy::print_stdout, reason = "a program; its output is the point")]

use std::io::{ErrorKind, Read, Write, copy};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use tungstenite_deflate::handshake::server::{RequestReader, accept, encode};
use tungstenite_deflate::tungstenite::protocol::Role;
use tungstenite_deflate::{Closed, Connection, Event, HeadLimits, Options};

fn main() -> Result<(), std::io::Error> {
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:9001"))?;
    println!("listening on ws://{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept()?;
        std::thread::spawn(move || println!("{:?}", echo(stream)));
    }
}

fn echo(mut stream: TcpStream) -> Result<Option<Closed>, Box<dyn std::error::Error>> {
    let (options, mut buffer, mut chunk) = (Options::default(), BytesMut::new(), [0; 4096]);
    let mut reader = RequestReader::new(HeadLimits::default());
    let request = loop {
        let count = stream.read(&mut chunk)?;
        buffer.extend_from_slice(&chunk[..count]);
        match reader.receive(&mut buffer)? {
            Some(request) => break request,
            None if count == 0 => return Err("the peer left amid its request".into()),
            None => {}
        }
    };
    let (response, agreed) = accept(&request, options.deflate.as_ref())?;
    stream.write_all(&encode(&response))?;

    // The engine's deadlines are looked at once a second.
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    let mut socket = Connection::new(Role::Server, options.into(), agreed, Instant::now());
    while !socket.should_close_transport() {
        match stream.read(&mut chunk) {
            Ok(0) => drop(socket.receive_eof()),
            Ok(count) => buffer.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error.into()),
            // What is wrong here and below has queued the Close frame that says so.
            Err(_) => drop(socket.handle_timeout(Instant::now())),
        }
        while let Ok(Some(Event::Message(message))) = socket.receive(&mut buffer, Instant::now()) {
            if message.is_text() || message.is_binary() {
                socket.send(message, Instant::now())?;
            }
        }
        while socket.outgoing().has_remaining() {
            copy(&mut socket.outgoing().reader(), &mut stream)?;
        }
    }
    Ok(socket.closed().cloned())
}
