//! Streams that would block at any byte: nothing is lost or sent twice, in both roles.

use tungstenite_deflate::sync::handshake::HandshakeRole;
use tungstenite_deflate::sync::handshake::client::ClientHandshake;
use tungstenite_deflate::sync::handshake::server::{NoCallback, ServerHandshake};
use tungstenite_deflate::sync::{Error, HandshakeError, Message, WebSocket};
use tungstenite_deflate::tungstenite::client::IntoClientRequest;
use tungstenite_deflate::tungstenite::protocol::{CloseFrame, Role};

use crate::pipe::{End, Turns, pipe};
use crate::{is_would_block, text};

/// The rest of a handshake, or its result.
enum Stage<Role: HandshakeRole> {
    Waits(Result<Role::FinalResult, HandshakeError<Role>>),
}

impl<Role: HandshakeRole> Stage<Role> {
    fn step(self) -> Self {
        let Self::Waits(result) = self;
        Self::Waits(match result {
            Err(HandshakeError::Interrupted(mid)) => mid.handshake(),
            done => done,
        })
    }

    fn is_interrupted(&self) -> bool {
        matches!(self, Self::Waits(Err(HandshakeError::Interrupted(_))))
    }

    fn done(self) -> Role::FinalResult {
        let Self::Waits(result) = self;
        result.unwrap()
    }
}

/// Both sides of a connection over a pipe.
fn open(turns: [Turns; 2]) -> (WebSocket<End>, WebSocket<End>) {
    let [near, far] = pipe(turns);
    let request = "ws://localhost/".into_client_request().unwrap();
    let start = ClientHandshake::start(near, request, None).unwrap();
    let mut client = Stage::<ClientHandshake<End>>::Waits(start.handshake());
    let start = ServerHandshake::start(far, NoCallback, None);
    let mut server = Stage::<ServerHandshake<End, NoCallback>>::Waits(start.handshake());
    let mut interruptions = 0;
    while client.is_interrupted() || server.is_interrupted() {
        client = client.step();
        server = server.step();
        interruptions += 1;
        assert!(interruptions < 10_000, "the handshake does not end");
    }
    (client.done().0, server.done())
}

/// Reads what there is; the outcome other than a wait.
fn read_all(socket: &mut WebSocket<End>, into: &mut Vec<Message>) -> Option<Error> {
    loop {
        match socket.read() {
            Ok(message) => into.push(message),
            Err(error) if is_would_block(&error) => return None,
            Err(error) => return Some(error),
        }
    }
}

fn send(socket: &mut WebSocket<End>, message: Message) {
    match socket.send(message) {
        Err(error) if !is_would_block(&error) => panic!("{error}"),
        _ => {}
    }
}

fn flush(socket: &mut WebSocket<End>) {
    match socket.flush() {
        Err(error) if !is_would_block(&error) => panic!("{error}"),
        _ => {}
    }
}

/// Messages both ways at once, Pings among them, then a close by one side; every one arrives once and in order.
fn converse(turns: [Turns; 2], client_closes: bool) {
    let (mut client, mut server) = open(turns);
    assert!(client.agreed().is_some() && server.agreed().is_some());
    let (before_client, before_server) = (client.get_ref().written, server.get_ref().written);
    let messages = [
        text(10),
        Message::binary(vec![7; 300]),
        Message::Ping(b"x".as_ref().into()),
        text(30_000),
        Message::binary(Vec::new()),
        text(700),
    ];
    let pong = Message::Pong(b"x".as_ref().into());
    for message in &messages {
        send(&mut client, message.clone());
        send(&mut server, message.clone());
    }
    let (mut at_client, mut at_server) = (Vec::new(), Vec::new());
    let mut rounds = 0;
    while at_client.len() <= messages.len() || at_server.len() <= messages.len() {
        flush(&mut client);
        flush(&mut server);
        assert!(read_all(&mut client, &mut at_client).is_none());
        assert!(read_all(&mut server, &mut at_server).is_none());
        rounds += 1;
        assert!(rounds < 200_000, "{} {}", at_client.len(), at_server.len());
    }
    for received in [&at_client, &at_server] {
        let (pongs, others): (Vec<_>, Vec<_>) =
            received.iter().cloned().partition(Message::is_pong);
        assert_eq!(pongs, std::slice::from_ref(&pong));
        assert_eq!(others, messages);
    }
    let payload: usize = messages.iter().map(Message::len).sum();
    for written in [
        client.get_ref().written - before_client,
        server.get_ref().written - before_server,
    ] {
        assert!(
            written * 10 < payload,
            "{written} of {payload} bytes on the wire"
        );
    }
    close(client, server, client_closes);
}

/// The closing handshake: both see the Close, then the end; the server's stream ends first.
fn close(mut client: WebSocket<End>, server: WebSocket<End>, client_closes: bool) {
    let mut server = Some(server);
    let frame = CloseFrame {
        code: 1000.into(),
        reason: "done".into(),
    };
    let begun = if client_closes {
        client.close(Some(frame.clone()))
    } else {
        server.as_mut().unwrap().close(Some(frame.clone()))
    };
    assert!(
        begun.as_ref().is_ok_and(|()| true) || begun.is_err_and(|error| is_would_block(&error))
    );
    let (mut at_client, mut at_server) = (Vec::new(), Vec::new());
    let mut rounds = 0;
    loop {
        if let Some(open) = &mut server
            && let Some(end) = read_all(open, &mut at_server)
        {
            assert!(matches!(end, Error::ConnectionClosed), "{end:?}");
            assert!(matches!(open.read(), Err(Error::AlreadyClosed)));
            server = None;
        }
        if let Some(end) = read_all(&mut client, &mut at_client) {
            assert!(matches!(end, Error::ConnectionClosed), "{end:?}");
            assert!(matches!(client.read(), Err(Error::AlreadyClosed)));
            break;
        }
        rounds += 1;
        assert!(rounds < 10_000, "the closing handshake does not end");
    }
    assert!(server.is_none(), "a client waits for the server to go");
    for received in [at_client, at_server] {
        assert_eq!(received, [Message::Close(Some(frame.clone()))]);
    }
}

#[test]
fn nothing_is_lost_where_every_byte_would_block() {
    for client_closes in [true, false] {
        converse(
            [Turns::Bytewise([false; 3]), Turns::Bytewise([true; 3])],
            client_closes,
        );
    }
}

#[test]
fn nothing_is_lost_over_streams_that_block_at_random() {
    for seed in 0..200 {
        converse([Turns::random(seed), Turns::random(!seed)], seed % 2 == 0);
    }
}

#[test]
fn a_violation_is_reported_to_the_peer_and_ends_the_connection() {
    let (mut client, server) = open([Turns::Open, Turns::Open]);
    // A frame with a reserved opcode, from a server.
    let agreed = server.agreed();
    let mut raw = server.into_inner();
    std::io::Write::write_all(&mut raw, &[0x83, 0]).unwrap();
    let violation = client.read().unwrap_err();
    assert!(matches!(violation, Error::Protocol(_)), "{violation:?}");
    assert!(matches!(client.read(), Err(Error::AlreadyClosed)));
    assert!(matches!(client.send(text(1)), Err(Error::AlreadyClosed)));
    let mut server = WebSocket::with_options(
        raw,
        bytes::BytesMut::new(),
        Role::Server,
        tungstenite_deflate::Options::default(),
        agreed,
    );
    let Message::Close(Some(frame)) = server.read().unwrap() else {
        panic!("no Close");
    };
    assert_eq!(u16::from(frame.code), 1002);
}
