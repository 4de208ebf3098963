//! An echo server on standard threads, without a runtime. `cargo run -p tungstenite-deflate --example threads [ADDRESS]`
#![expect(clippy::print_stdout, reason = "a program; its output is the point")]

use std::io::{ErrorKind, Read, Write, copy};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use tungstenite_deflate::handshake::server::{RequestReader, accept, encode};
use tungstenite_deflate::tungstenite::protocol::Role;
use tungstenite_deflate::{Closed, Connection, HeadLimits, Options};

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

    stream.set_write_timeout(options.write_timeout)?;
    let mut socket = Connection::new(Role::Server, options.into(), agreed, Instant::now());
    loop {
        // Whatever fails here or below has queued the Close frame that reports it.
        while let Ok(Some(message)) = socket.receive(&mut buffer, Instant::now) {
            if message.is_text() || message.is_binary() {
                socket.send(message, Instant::now)?;
            }
        }
        while socket.outgoing().has_remaining() {
            copy(&mut socket.outgoing().reader(), &mut stream)?;
        }
        socket.handle_written(Instant::now);
        if socket.should_close_transport() {
            return Ok(socket.closed().cloned());
        }
        if socket.handle_wait(&mut buffer).is_err() {
            continue;
        }
        stream.set_read_timeout(socket.next_timeout().map(until))?;
        match stream.read(&mut chunk) {
            Ok(0) => drop(socket.receive_eof()),
            Ok(count) => buffer.extend_from_slice(&chunk[..count]),
            Err(error) if is_timeout(&error) => drop(socket.handle_timeout(Instant::now())),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Returns the time until `due`, at least a millisecond: a timeout of zero would be an error.
fn until(due: Instant) -> Duration {
    due.saturating_duration_since(Instant::now())
        .max(Duration::from_millis(1))
}

/// Returns whether a read ended by its timeout; systems differ in the kind.
fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
