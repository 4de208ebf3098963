//! The tutorials' exchanges, word for word on the wire, with a foreign peer.

#![allow(
    clippy::large_futures,
    clippy::unwrap_used,
    reason = "it is a test: it may panic, and needs no small stack"
)]

mod common;

use common::{soon, start, start_with, status_of};
use futures_util::{SinkExt, StreamExt};
use server::Conversation;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

/// Sends `message` and gives the answer.
async fn ask(client: &mut common::Client, message: Message) -> Message {
    soon(client.send(message)).await.unwrap();
    soon(client.next()).await.unwrap().unwrap()
}

/// Closes with 1000 and checks that the server answers with it and then ends.
async fn close(mut client: common::Client) {
    let normal = CloseFrame {
        code: CloseCode::Normal,
        reason: "".into(),
    };
    soon(client.close(Some(normal.clone()))).await.unwrap();
    assert_eq!(
        soon(client.next()).await.unwrap().unwrap(),
        Message::Close(Some(normal))
    );
    assert!(matches!(
        soon(client.next()).await,
        None | Some(Err(Error::ConnectionClosed))
    ));
}

#[tokio::test]
async fn ws_answers_with_fixed_words_and_the_same_opcode() {
    let server = start(&[]).await;
    let (mut client, _) = server.open("/ws", &[]).await;
    let answer = ask(&mut client, Message::text("Olá, servidor WebSocket!")).await;
    assert_eq!(answer, Message::text("Retorno do servidor!"));
    let answer = ask(&mut client, Message::binary(vec![0, 1, 2])).await;
    assert_eq!(answer, Message::binary("Retorno do servidor!"));
    close(client).await;
    assert_eq!(server.stop().await.cut_off, 0);
}

#[tokio::test]
async fn echo_gives_back_what_was_sent() {
    let server = start(&[]).await;
    let (mut client, _) = server.open("/echo", &[]).await;
    for message in [
        Message::text("Olá"),
        Message::text(""),
        Message::binary(vec![7; 100_000]),
        Message::binary(vec![]),
    ] {
        assert_eq!(ask(&mut client, message.clone()).await, message);
    }
    close(client).await;
}

#[tokio::test]
async fn ack_confirms_text_and_refuses_binary() {
    let server = start(&[]).await;
    let (mut client, _) = server.open("/ack", &[]).await;
    let answer = ask(&mut client, Message::text("Olá, WebSocket!")).await;
    assert_eq!(answer, Message::text("Recebido: Olá, WebSocket!"));
    let answer = ask(&mut client, Message::binary(vec![1])).await;
    let Message::Close(Some(frame)) = answer else {
        panic!("{answer:?}")
    };
    assert_eq!(frame.code, CloseCode::Unsupported);
}

#[tokio::test]
async fn a_known_subprotocol_is_agreed_and_an_unknown_one_is_not() {
    let server = start(&[]).await;
    for path in ["/ws", "/echo", "/ack"] {
        let (_, response) = server
            .open(path, &[("sec-websocket-protocol", "superchat, chat")])
            .await;
        assert_eq!(response.headers()["sec-websocket-protocol"], "chat");
        let request = common::handshake(path, "Sec-WebSocket-Protocol: superchat\r\n");
        let answer = server.exchange(request.as_bytes()).await;
        assert_eq!(status_of(&answer), 101);
        assert!(
            !answer.to_lowercase().contains("sec-websocket-protocol"),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn compression_is_agreed_when_offered_and_not_when_off() {
    for (flags, expected) in [(&[][..], true), (&["--deflate", "off"], false)] {
        let server = start(flags).await;
        let offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
        let answer = server
            .exchange(common::handshake("/ws", offer).as_bytes())
            .await;
        assert_eq!(status_of(&answer), 101);
        assert_eq!(
            answer
                .to_lowercase()
                .contains("sec-websocket-extensions: permessage-deflate"),
            expected,
            "{answer}"
        );
        assert!(
            !server
                .exchange(common::handshake("/ws", "").as_bytes())
                .await
                .contains("permessage-deflate")
        );
    }
}

#[tokio::test]
async fn frames_sent_with_the_request_are_answered() {
    // H16: one write with the head and three masked frames (key 0: the payload stays readable).
    let server = start(&[]).await;
    let mut request = common::handshake("/echo", "").into_bytes();
    for word in [b"one", b"two", b"six"] {
        request.extend_from_slice(&[0x81, 0x83, 0, 0, 0, 0]);
        request.extend_from_slice(word);
    }
    let mut stream = server.tls(&["http/1.1"]).await;
    stream.write_all(&request).await.unwrap();
    let mut seen = Vec::new();
    let expected = b"\x81\x03one\x81\x03two\x81\x03six";
    while !seen.ends_with(expected) {
        let mut chunk = [0; 1024];
        let count = soon(stream.read(&mut chunk)).await.unwrap();
        assert_ne!(count, 0, "{}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&chunk[..count]);
    }
    assert!(seen.starts_with(b"HTTP/1.1 101"));
}

#[tokio::test]
async fn an_embedder_adds_routes_of_its_own() {
    let certs = tempfile::tempdir().unwrap();
    let server = start_with(certs, &[], |server| {
        server.route("/length", |socket, info| async move {
            assert_eq!(info.query.as_deref(), Some("unit=bytes"));
            let mut conversation = Conversation::new(socket, info);
            while let Some(message) = conversation.next().await {
                conversation
                    .feed(Message::text(message.len().to_string()))
                    .await
                    .unwrap();
            }
        })
    });
    let (mut client, _) = server.open("/length?unit=bytes", &[]).await;
    assert_eq!(
        ask(&mut client, Message::text("four")).await,
        Message::text("4")
    );
}

#[tokio::test]
async fn a_panicking_handler_loses_its_own_connection_only() {
    // X11
    let certs = tempfile::tempdir().unwrap();
    let server = start_with(certs, &[], |server| {
        server.route("/panic", |_, _| async { panic!("as the test wants") })
    });
    let (mut other, _) = server.open("/echo", &[]).await;
    let (mut client, _) = server.open("/panic", &[]).await;
    assert!(matches!(soon(client.next()).await, None | Some(Err(_))));
    assert_eq!(
        ask(&mut other, Message::text("still here")).await,
        Message::text("still here")
    );
    let metrics = server.get("/metrics").await;
    assert!(
        metrics.contains("wss_websocket_handler_panics_total{route=\"/panic\"} 1"),
        "{metrics}"
    );
}
