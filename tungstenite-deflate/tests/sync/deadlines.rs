//! Deadlines over a stream that returns `WouldBlock`, or that has a read timeout.

use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

use bytes::BytesMut;
use tungstenite_deflate::sync::{Error, HandshakeError, Message, WebSocket, accept_with_options};
use tungstenite_deflate::tungstenite::protocol::Role;
use tungstenite_deflate::{HeadLimits, Keepalive, Limits, Options};

use crate::pipe::{End, Turns, pipe};
use crate::{is_would_block, tcp_pair};

fn pair(options: Options) -> (WebSocket<End>, WebSocket<End>) {
    let [near, far] = pipe([Turns::Open, Turns::Open]);
    let own = WebSocket::with_options(near, BytesMut::new(), Role::Server, options, None);
    (own, WebSocket::from_raw_socket(far, Role::Client, None))
}

/// Reads until another outcome than a wait.
fn read(socket: &mut WebSocket<End>) -> Result<Message, Error> {
    loop {
        match socket.read() {
            Err(error) if is_would_block(&error) => std::thread::yield_now(),
            outcome => return outcome,
        }
    }
}

#[test]
fn keepalive_pings_and_gives_up() {
    let keepalive = Keepalive::default()
        .ping_interval(Duration::from_millis(20))
        .pong_timeout(Duration::from_millis(20));
    let (mut own, mut peer) = pair(Options::default().keepalive(Some(keepalive)));
    assert!(own.next_timeout().is_some());
    let overdue = read(&mut own).unwrap_err();
    assert!(
        matches!(&overdue, Error::Io(error) if error.kind() == ErrorKind::TimedOut),
        "{overdue:?}"
    );
    assert_eq!(peer.read().unwrap(), Message::Ping(Vec::new().into()));
    let Message::Close(Some(frame)) = peer.read().unwrap() else {
        panic!("no Close");
    };
    assert_eq!(u16::from(frame.code), 1001);
}

#[test]
fn close_timeout_ends_the_wait_for_the_peer() {
    let (mut own, _peer) = pair(Options::default().close_timeout(Some(Duration::from_millis(20))));
    own.close(None).unwrap();
    let overdue = read(&mut own).unwrap_err();
    assert!(
        matches!(&overdue, Error::Io(error) if error.kind() == ErrorKind::TimedOut),
        "{overdue:?}"
    );
    assert!(matches!(read(&mut own), Err(Error::AlreadyClosed)));
}

#[test]
fn a_read_timeout_of_the_socket_loses_nothing() {
    let (mut client, mut server) = tcp_pair();
    client
        .get_mut()
        .set_read_timeout(Some(Duration::from_millis(10)))
        .unwrap();
    let waited = client.read().unwrap_err();
    assert!(
        matches!(waited, Error::Io(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
    );
    server.send(Message::text("late")).unwrap();
    client.get_mut().set_read_timeout(None).unwrap();
    assert_eq!(client.read().unwrap(), Message::text("late"));
}

#[test]
fn request_that_does_not_arrive_is_answered_with_408() {
    let head = HeadLimits::default().request_timeout(Some(Duration::from_millis(20)));
    let options = Options::default().limits(Limits::default().head(head));
    for beginning in ["", "GET / HTTP/1.1\r\nHost: x\r\n"] {
        let [near, mut far] = pipe([Turns::Open, Turns::Open]);
        far.write_all(beginning.as_bytes()).unwrap();
        let mut accepting = accept_with_options(near, options.clone());
        let error = loop {
            match accepting {
                Err(HandshakeError::Interrupted(waiting)) => {
                    std::thread::yield_now();
                    accepting = waiting.handshake();
                }
                Err(HandshakeError::Failure(error)) => break error,
                Ok(_) => panic!("accepted"),
            }
        };
        assert!(
            matches!(&error, Error::Io(error) if error.kind() == ErrorKind::TimedOut),
            "{error:?}"
        );
        let mut answer = String::new();
        far.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    }
}
