//! Bytes over messages: reading, writing, their ends and bounds.
#![cfg(feature = "handshake")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::io::ErrorKind;

use bytes::BytesMut;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tungstenite_deflate::tungstenite::Message;
use tungstenite_deflate::tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite_deflate::{ByteStream, MessageKind, Options, WebSocketStream};

fn pair_with(options: &Options, capacity: usize) -> [WebSocketStream<DuplexStream>; 2] {
    let (ours, theirs) = duplex(capacity);
    [(ours, Role::Server), (theirs, Role::Client)].map(|(stream, role)| {
        WebSocketStream::with_options(stream, BytesMut::new(), role, options.clone(), None)
    })
}

fn pair(
    kind: MessageKind,
    capacity: usize,
) -> (ByteStream<DuplexStream>, WebSocketStream<DuplexStream>) {
    let [ours, theirs] = pair_with(&Options::default(), capacity);
    (ours.into_byte_stream(kind), theirs)
}

#[tokio::test]
async fn payloads_are_read_one_after_the_other_until_the_close() {
    let (mut bytes, mut peer) = pair(MessageKind::Binary, 1024);
    let sending = tokio::spawn(async move {
        for message in [
            Message::text("Ol"),
            Message::text(""),
            Message::Ping("p".into()),
            Message::binary("á\nsecond".as_bytes().to_vec()),
            Message::text(" line\nrest"),
        ] {
            peer.send(message).await.unwrap();
        }
        assert!(peer.next().await.unwrap().unwrap().is_pong());
        peer.close(None).await.unwrap();
        assert!(peer.next().await.unwrap().unwrap().is_close());
    });
    let mut line = String::new();
    bytes.read_line(&mut line).await.unwrap();
    bytes.read_line(&mut line).await.unwrap();
    assert_eq!(line, "Olá\nsecond line\n");
    let mut two = [0; 2];
    bytes.read_exact(&mut two).await.unwrap();
    let mut rest = String::new();
    bytes.read_to_string(&mut rest).await.unwrap();
    assert_eq!((&two, rest.as_str()), (b"re", "st"));
    assert_eq!(
        bytes.read(&mut two).await.unwrap(),
        0,
        "the end stays the end"
    );
    let written = bytes.write_all(b"late").await.unwrap_err();
    assert_eq!(written.kind(), ErrorKind::BrokenPipe);
    sending.await.unwrap();
}

#[tokio::test]
async fn connection_cut_off_is_no_end() {
    let (mut bytes, mut peer) = pair(MessageKind::Binary, 1024);
    peer.send(Message::text("half")).await.unwrap();
    drop(peer);
    let mut read = Vec::new();
    let error = bytes.read_to_end(&mut read).await.unwrap_err();
    assert_eq!(read, b"half");
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn writes_become_messages_of_bounded_length() {
    let (bytes, mut peer) = pair(MessageKind::Binary, 64);
    let mut bytes = bytes.max_message_bytes(1000);
    let sent: Vec<u8> = (0..=255).cycle().take(10_500).collect();
    let expected = sent.clone();
    let writing = tokio::spawn(async move {
        bytes.write_all(&sent).await.unwrap();
        bytes.shutdown().await.unwrap();
        let mut rest = Vec::new();
        bytes.read_to_end(&mut rest).await.unwrap();
        assert!(rest.is_empty());
    });
    let (mut received, mut messages) = (Vec::new(), 0);
    while let Some(message) = peer.next().await {
        match message.unwrap() {
            Message::Binary(payload) => {
                assert!(payload.len() <= 1000, "{}", payload.len());
                received.extend_from_slice(&payload);
                messages += 1;
            }
            other => assert_eq!(other, Message::Close(None)),
        }
    }
    assert_eq!((received == expected, messages), (true, 11));
    writing.await.unwrap();
}

#[tokio::test]
async fn writer_waits_for_a_peer_that_does_not_read() {
    let websocket = WebSocketConfig::default()
        .write_buffer_size(1000)
        .max_write_buffer_size(1100);
    let [ours, mut peer] = pair_with(&Options::default().websocket(websocket), 16);
    let mut bytes = ours.into_byte_stream(MessageKind::Binary);
    let writing = async {
        bytes.write_all(&[1; 5000]).await.unwrap();
        bytes.flush().await.unwrap();
    };
    let mut writing = std::pin::pin!(writing);
    assert!(futures_util::poll!(writing.as_mut()).is_pending());
    let reading = async {
        let mut received = 0;
        while received < 5000 {
            received += peer.next().await.unwrap().unwrap().len();
        }
        received
    };
    let ((), received) = tokio::join!(writing, reading);
    assert_eq!(received, 5000);
    assert_eq!(bytes.get_ref().outgoing_bytes(), 0);
}

#[tokio::test]
async fn text_is_cut_between_characters() {
    let text = "aé€😀".repeat(50);
    for step in 1..6 {
        let (bytes, mut peer) = pair(MessageKind::Text, 1 << 16);
        let mut bytes = bytes.max_message_bytes(7);
        for piece in text.as_bytes().chunks(step) {
            bytes.write_all(piece).await.unwrap();
        }
        bytes.shutdown().await.unwrap();
        let mut received = String::new();
        loop {
            match peer.next().await.unwrap().unwrap() {
                Message::Text(piece) => {
                    assert!(piece.len() <= 7);
                    received.push_str(&piece);
                }
                other => break assert_eq!(other, Message::Close(None)),
            }
        }
        assert_eq!(received, text, "{step}");
    }
    for wrong in [&b"\xff"[..], b"a\xe2\x28", b"\xf0\x9f\xff"] {
        let (mut bytes, _peer) = pair(MessageKind::Text, 1 << 16);
        let error = bytes.write_all(wrong).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData, "{wrong:?}");
    }
    let (mut bytes, _peer) = pair(MessageKind::Text, 1 << 16);
    bytes.write_all(b"cut \xe2\x82").await.unwrap();
    let error = bytes.shutdown().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
}
