//! The stream over in-memory transports: exchange, closing handshake, split halves, deadlines.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex,
};
use tungstenite_deflate::tungstenite::protocol::frame::Frame;
use tungstenite_deflate::tungstenite::protocol::frame::coding::CloseCode;
use tungstenite_deflate::tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite_deflate::tungstenite::protocol::{CloseFrame, Role};
use tungstenite_deflate::tungstenite::{Error, Message, error::ProtocolError};
use tungstenite_deflate::{
    Agreed, Initiator, Keepalive, Limits, Options, PreparedMessage, WebSocketStream,
};

const AGREED: Agreed = Agreed {
    server_no_context_takeover: true,
    client_no_context_takeover: true,
    server_max_window_bits: 15,
    client_max_window_bits: 15,
};

fn pair(
    options: &Options,
    agreed: Option<Agreed>,
    bytes: usize,
) -> (WebSocketStream<DuplexStream>, WebSocketStream<DuplexStream>) {
    let (server, client) = duplex(bytes);
    let stream = |io, role| {
        WebSocketStream::with_options(io, BytesMut::new(), role, options.clone(), agreed)
    };
    (stream(server, Role::Server), stream(client, Role::Client))
}

/// Echoes with `feed` until the stream ends; gives its last item if that is an error.
async fn echo(mut socket: WebSocketStream<DuplexStream>) -> Result<(), Error> {
    while let Some(message) = socket.next().await {
        let message = message?;
        if message.is_text() || message.is_binary() {
            socket.feed(message).await?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn messages_of_every_size_come_back() {
    for agreed in [None, Some(AGREED)] {
        for fragment_bytes in [None, Some(1000)] {
            for (bytes, largest) in [(7, 4097), (4096, 200_000), (1 << 20, 200_000)] {
                let options = Options::default().fragment_bytes(fragment_bytes);
                let (server, mut client) = pair(&options, agreed, bytes);
                let server = tokio::spawn(echo(server));
                let sizes = [0, 1, 125, 126, 1000, 4096, 4097, 65_535, 65_536, 200_000];
                for size in sizes.into_iter().filter(|size| *size <= largest) {
                    let text = Message::text("Olá, servidor! ".repeat(size / 16 + 1));
                    let binary = Message::binary((0..=250).cycle().take(size).collect::<Vec<u8>>());
                    for message in [text, binary] {
                        client.feed(message.clone()).await.unwrap();
                        assert!(client.next().await.unwrap().unwrap() == message);
                    }
                }
                client.close(None).await.unwrap();
                assert_eq!(client.next().await.unwrap().unwrap(), Message::Close(None));
                assert!(client.next().await.is_none());
                server.await.unwrap().unwrap();
            }
        }
    }
}

#[tokio::test]
async fn closing_handshake_tells_its_story() {
    let (mut server, mut client) = pair(&Options::default(), None, 4096);
    let frame = CloseFrame {
        code: CloseCode::Normal,
        reason: "bye".into(),
    };
    client.close(Some(frame.clone())).await.unwrap();
    assert_eq!(
        server.next().await.unwrap().unwrap(),
        Message::Close(Some(frame.clone()))
    );
    assert!(server.next().await.is_none());
    assert_eq!(server.closed().unwrap().by, Initiator::Peer);
    assert_eq!(
        client.next().await.unwrap().unwrap(),
        Message::Close(Some(frame.clone()))
    );
    assert!(client.next().await.is_none());
    let closed = client.closed().unwrap();
    assert_eq!(
        (closed.by, closed.code()),
        (Initiator::Us, CloseCode::Normal)
    );
    assert_eq!(closed.received, Some(Some(frame)));
    assert!(matches!(
        client.send(Message::text("late")).await,
        Err(Error::Protocol(ProtocolError::SendAfterClosing) | Error::AlreadyClosed)
    ));
}

#[tokio::test]
async fn messages_before_a_violation_are_delivered_and_the_close_is_sent() {
    let (io, mut peer) = duplex(4096);
    let mut server =
        WebSocketStream::with_options(io, BytesMut::new(), Role::Server, Options::default(), None);
    peer.write_all(b"\x81\x82\0\0\0\0hi\x83\x80\0\0\0\0\x81\x82\0\0\0\0no")
        .await
        .unwrap();
    let message = server.next().await.unwrap().unwrap();
    assert_eq!(message, Message::text("hi"));
    server.feed(message).await.unwrap();
    let reader = tokio::spawn(async move {
        let mut received = Vec::new();
        peer.read_to_end(&mut received).await.unwrap();
        received
    });
    let error = server.next().await.unwrap().unwrap_err();
    assert!(
        matches!(error, Error::Protocol(ProtocolError::InvalidOpcode(3))),
        "{error}"
    );
    assert!(server.next().await.is_none());
    let received = reader.await.unwrap();
    assert_eq!(&received[..4], b"\x81\x02hi");
    assert_eq!(
        (received[4], &received[6..8]),
        (0x88, &1002u16.to_be_bytes()[..])
    );
}

/// Messages, and Pings, that each side sends in `halves_of_a_split_never_miss_a_wake_up`.
const COUNT: usize = 500;

#[tokio::test]
async fn halves_of_a_split_never_miss_a_wake_up() {
    let options = Options::default().limits(Limits::default().control_rate(None));
    let (server, client) = pair(&options, None, 64);
    let (mut sink, mut stream) = server.split();
    let (mut client_sink, mut client_stream) = client.split();
    let sender = tokio::spawn(async move {
        for i in 0..COUNT {
            sink.send(Message::text(format!("server {i}")))
                .await
                .unwrap();
        }
        sink
    });
    let receiver = tokio::spawn(async move {
        for i in 0..COUNT {
            let ping = stream.next().await.unwrap().unwrap();
            assert!(ping.is_ping(), "{ping:?}");
            let text = stream.next().await.unwrap().unwrap();
            assert_eq!(text, Message::text(format!("client {i}")));
        }
        stream
    });
    let client_sender = tokio::spawn(async move {
        for i in 0..COUNT {
            client_sink
                .feed(Message::Ping(i.to_string().into()))
                .await
                .unwrap();
            client_sink
                .send(Message::text(format!("client {i}")))
                .await
                .unwrap();
        }
        client_sink
    });
    // Pings that pile up may be answered by the last Pong alone (RFC 6455 §5.5.3).
    let (mut texts, mut answered) = (0, 0);
    while texts < COUNT || answered < COUNT {
        match client_stream.next().await.unwrap().unwrap() {
            Message::Text(text) => {
                assert_eq!(text, format!("server {texts}"));
                texts += 1;
            }
            Message::Pong(payload) => {
                let ping: usize = std::str::from_utf8(&payload).unwrap().parse().unwrap();
                assert!(ping >= answered);
                answered = ping + 1;
            }
            other => panic!("{other:?}"),
        }
    }
    let _ = (
        sender.await.unwrap(),
        receiver.await.unwrap(),
        client_sender.await.unwrap(),
    );
}

#[tokio::test(start_paused = true)]
async fn keepalive_pings_and_gives_up_on_a_silent_peer() {
    let (io, mut peer) = duplex(4096);
    let options = Options::default().keepalive(Some(Keepalive::default()));
    let mut server =
        WebSocketStream::with_options(io, BytesMut::new(), Role::Server, options, None);
    let start = tokio::time::Instant::now();
    let error = server.next().await.unwrap().unwrap_err();
    assert!(
        matches!(&error, Error::Io(io) if io.kind() == std::io::ErrorKind::TimedOut),
        "{error}"
    );
    assert_eq!(start.elapsed().as_secs(), 35, "Ping at 25, overdue at 35");
    assert!(server.next().await.is_none());
    drop(server);
    let mut received = Vec::new();
    peer.read_to_end(&mut received).await.unwrap();
    assert_eq!(&received[..2], b"\x89\x00");
    assert_eq!(
        (received[2], &received[4..6]),
        (0x88, &1001u16.to_be_bytes()[..])
    );
}

/// The time of every message is not looked at: after steady traffic the Ping may come up to a quarter of the interval
/// late, but never early, and an answered Ping starts the interval anew.
#[tokio::test(start_paused = true)]
async fn keepalive_is_quiet_while_messages_come_and_pings_after_them() {
    let seconds = Duration::from_secs;
    let (io, mut peer) = duplex(4096);
    let keepalive = Keepalive::default().ping_interval(seconds(20));
    let options = Options::default().keepalive(Some(keepalive));
    let server = WebSocketStream::with_options(io, BytesMut::new(), Role::Server, options, None);
    let receiving = tokio::spawn(server.for_each(|_| std::future::ready(())));
    for pause in [7, 3, 19, 1, 1, 4, 11] {
        let mut byte = [0];
        let silent = tokio::time::timeout(seconds(pause), peer.read_exact(&mut byte)).await;
        assert!(silent.is_err(), "a Ping came amid messages");
        peer.write_all(b"\x82\x80\0\0\0\0").await.unwrap();
    }
    let mut allowed = seconds(20)..=seconds(25);
    for _ in 0..3 {
        let last = tokio::time::Instant::now();
        let mut ping = [0; 2];
        peer.read_exact(&mut ping).await.unwrap();
        assert_eq!(&ping, b"\x89\x00");
        assert!(allowed.contains(&last.elapsed()), "{:?}", last.elapsed());
        peer.write_all(b"\x8a\x80\0\0\0\0").await.unwrap();
        allowed = seconds(20)..=seconds(21);
    }
    receiving.abort();
}

#[tokio::test(start_paused = true)]
async fn unfinished_message_and_unanswered_close_time_out() {
    let (io, mut peer) = duplex(4096);
    let mut server =
        WebSocketStream::with_options(io, BytesMut::new(), Role::Server, Options::default(), None);
    peer.write_all(b"\x01\x82\0\0\0\0hi").await.unwrap();
    let start = tokio::time::Instant::now();
    let error = server.next().await.unwrap().unwrap_err();
    assert!(
        error.to_string().contains("unfinished_message_timeout"),
        "{error}"
    );
    assert_eq!(start.elapsed().as_secs(), 30);

    let (mut server, _client) = pair(&Options::default(), None, 4096);
    let start = tokio::time::Instant::now();
    server.close(None).await.unwrap();
    let error = server.next().await.unwrap().unwrap_err();
    assert!(error.to_string().contains("close_timeout"), "{error}");
    assert!(start.elapsed() >= Duration::from_secs(5));
}

/// A transport that always has another message, and is never spoken to in vain; how much of the current one was read.
#[derive(Default)]
struct Flood(usize);

impl AsyncRead for Flood {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        const MESSAGE: &[u8] = b"\x82\x81\0\0\0\0x";
        let rest = &MESSAGE[self.0..];
        let fits = rest.len().min(buffer.remaining());
        buffer.put_slice(&rest[..fits]);
        self.0 = (self.0 + fits) % MESSAGE.len();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Flood {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn a_flood_does_not_keep_a_deadline_from_passing() {
    let options = Options::default().close_timeout(Some(Duration::from_millis(50)));
    let mut server = WebSocketStream::with_options(
        Flood::default(),
        BytesMut::new(),
        Role::Server,
        options,
        None,
    );
    server.close(None).await.unwrap();
    let start = std::time::Instant::now();
    let error = loop {
        match server.next().await {
            Some(Ok(_)) => assert!(start.elapsed() < Duration::from_secs(10)),
            Some(Err(error)) => break error,
            None => panic!("a timeout is told of"),
        }
        // As a real transport lets other tasks run now and then.
        tokio::task::yield_now().await;
    };
    assert!(error.to_string().contains("close_timeout"), "{error}");
}

#[tokio::test]
async fn end_of_stream_without_a_close_is_an_error() {
    let (mut server, client) = pair(&Options::default(), None, 4096);
    drop(client);
    let error = server.next().await.unwrap().unwrap_err();
    assert!(matches!(
        error,
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)
    ));
    assert_eq!(server.closed().unwrap().by, Initiator::Transport);
    assert!(server.next().await.is_none());
}

/// Reset by its peer; nothing may be asked of it behind that.
#[derive(Default)]
struct Reset {
    told: bool,
}

impl AsyncRead for Reset {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        assert!(!std::mem::replace(&mut self.told, true), "read again");
        Poll::Ready(Err(std::io::ErrorKind::ConnectionReset.into()))
    }
}

impl AsyncWrite for Reset {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        panic!("written to");
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        panic!("shut down");
    }
}

#[tokio::test]
async fn a_transport_that_was_reset_is_left_alone() {
    for role in [Role::Server, Role::Client] {
        let (reset, options) = (Reset::default(), Options::default());
        let mut socket = WebSocketStream::with_options(reset, BytesMut::new(), role, options, None);
        let Some(Err(Error::Io(error))) = socket.next().await else {
            panic!("no error");
        };
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        assert!(socket.next().await.is_none());
        assert_eq!(socket.closed().unwrap().by, Initiator::Transport);
    }
}

#[tokio::test]
async fn write_buffer_full_gives_the_message_back() {
    let (io, _peer) = duplex(16);
    let options = Options::default().websocket(
        tungstenite::protocol::WebSocketConfig::default()
            .write_buffer_size(64)
            .max_write_buffer_size(1000),
    );
    let mut server =
        WebSocketStream::with_options(io, BytesMut::new(), Role::Server, options, None);
    let message = Message::binary(vec![1; 2000]);
    match server.feed(message.clone()).await {
        Err(Error::WriteBufferFull(back)) => assert_eq!(*back, message),
        other => panic!("{other:?}"),
    }
    let prepared = PreparedMessage::binary(vec![1; 600]);
    server.start_send_prepared(&prepared).unwrap();
    match server.start_send_prepared(&prepared) {
        Err(Error::WriteBufferFull(back)) => assert_eq!(*back, *prepared.message()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn prepared_messages_arrive_like_any_other() {
    let takeover = Agreed {
        server_no_context_takeover: false,
        ..AGREED
    };
    let narrow = Agreed {
        server_max_window_bits: 9,
        ..AGREED
    };
    let text = "Olá, todos! ".repeat(100);
    let prepared = PreparedMessage::text(text.clone());
    let short = PreparedMessage::binary(&b"short"[..]);
    for agreed in [None, Some(AGREED), Some(takeover), Some(narrow), None] {
        let (mut server, mut client) = pair(&Options::default(), agreed, 1 << 16);
        for _ in 0..2 {
            server.feed_prepared(&prepared).await.unwrap();
            let compressed = server.outgoing_bytes() < text.len() / 2;
            assert_eq!(compressed, agreed.is_some(), "{agreed:?}");
            server.feed_prepared(&short).await.unwrap();
            server.flush().await.unwrap();
            assert_eq!(client.next().await.unwrap().unwrap(), Message::text(&text));
            assert_eq!(
                client.next().await.unwrap().unwrap(),
                Message::binary(&b"short"[..])
            );
        }
    }
}

#[tokio::test]
async fn messages_are_received_in_pieces_when_asked() {
    let sent = "Olá, aos pedaços! ".repeat(10_000);
    for agreed in [None, Some(AGREED)] {
        for fragment_bytes in [None, Some(3001)] {
            let (io, peer) = duplex(777);
            let receiver = Options::default().pieces(true);
            let sender = Options::default().fragment_bytes(fragment_bytes);
            let mut server =
                WebSocketStream::with_options(io, BytesMut::new(), Role::Server, receiver, agreed);
            let mut client =
                WebSocketStream::with_options(peer, BytesMut::new(), Role::Client, sender, agreed);
            let messages = [sent.clone(), String::new(), "short".into()];
            let task = tokio::spawn(async move {
                for message in messages {
                    client.send(Message::text(message)).await.unwrap();
                }
                client
            });
            for expected in [sent.as_str(), "", "short"] {
                let (mut gathered, mut pieces) = (Vec::new(), 0);
                loop {
                    let Message::Frame(piece) = server.next().await.unwrap().unwrap() else {
                        panic!("a piece is a frame")
                    };
                    let opcode = if pieces == 0 {
                        Data::Text
                    } else {
                        Data::Continue
                    };
                    assert_eq!(piece.header().opcode, OpCode::Data(opcode));
                    pieces += 1;
                    gathered.extend_from_slice(piece.payload());
                    if piece.header().is_final {
                        break;
                    }
                }
                assert!(gathered == expected.as_bytes());
                assert!(pieces > 1 || expected.len() < 1000 || agreed.is_some());
            }
            task.await.unwrap();
        }
    }
}

#[tokio::test]
async fn messages_may_be_sent_in_pieces() {
    let (mut server, mut client) = pair(&Options::default(), Some(AGREED), 4096);
    for (i, text) in ["um ", "dois ", "três"].into_iter().enumerate() {
        let data = if i == 0 { Data::Text } else { Data::Continue };
        let piece = Frame::message(text, OpCode::Data(data), i == 2);
        client.feed(Message::Frame(piece)).await.unwrap();
    }
    client.flush().await.unwrap();
    assert_eq!(
        server.next().await.unwrap().unwrap(),
        Message::text("um dois três")
    );
}

#[tokio::test]
async fn statistics_count_both_directions() {
    let (mut server, mut client) = pair(&Options::default(), Some(AGREED), 1 << 16);
    let text = Message::text("Olá, todos! ".repeat(100));
    client.send(text.clone()).await.unwrap();
    client.send(Message::text("short")).await.unwrap();
    assert_eq!(server.next().await.unwrap().unwrap(), text);
    let (sent, received) = (client.statistics().unwrap(), server.statistics().unwrap());
    assert_eq!(sent.sent, received.received);
    assert_eq!((sent.sent.messages, sent.sent_uncompressed), (1, 1));
    assert!(sent.sent.ratio().unwrap() < 0.1);
}
