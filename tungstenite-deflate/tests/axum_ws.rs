//! axum's API for WebSockets under its own names: what programs for `axum::extract::ws` do, compressed.
#![cfg(feature = "axum")]
#![allow(clippy::unwrap_used, reason = "it is a test: it may panic")]

use std::net::SocketAddr;
use std::ops::ControlFlow;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::any;
use futures_util::stream::{FusedStream, SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use http::HeaderValue;
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tungstenite_deflate::axum::ws::rejection::WebSocketUpgradeRejection;
use tungstenite_deflate::axum::ws::{
    CloseCode, CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code,
};
use tungstenite_deflate::tungstenite::client::IntoClientRequest;
use tungstenite_deflate::{connect_async, tungstenite};

async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

async fn greet(upgrade: WebSocketUpgrade) -> impl IntoResponse {
    upgrade
        .protocols(["greeting.v1"])
        .on_failed_upgrade(|error: axum::Error| panic!("{error}"))
        .on_upgrade(greeting)
}

/// Pings, waits for a first message, answers its kind, counts, and says goodbye.
async fn greeting(mut socket: WebSocket) {
    socket
        .send(Message::Ping(Bytes::from_static(&[1, 2, 3])))
        .await
        .unwrap();
    assert_eq!(
        socket.protocol(),
        Some(&HeaderValue::from_static("greeting.v1"))
    );
    let mut kinds = Vec::new();
    while let ControlFlow::Continue(kind) = kind(socket.recv().await.unwrap().unwrap()) {
        kinds.push(kind);
    }
    let (mut sender, mut receiver): (SplitSink<WebSocket, Message>, SplitStream<WebSocket>) =
        socket.split();
    for count in 0..3 {
        let line =
            format!("{count} {kinds:?} and the same words again and again and again and again");
        sender.send(Message::Text(line.into())).await.unwrap();
    }
    let code: CloseCode = close_code::NORMAL;
    let reason = Utf8Bytes::from_static("Goodbye");
    sender
        .send(Message::Close(Some(CloseFrame { code, reason })))
        .await
        .unwrap();
    let answer = receiver.next().await.unwrap().unwrap();
    assert!(matches!(answer, Message::Close(Some(frame)) if frame.code == 1000));
    assert!(receiver.next().await.is_none());
    assert!(sender.reunite(receiver).unwrap().is_terminated());
}

fn kind(message: Message) -> ControlFlow<(), &'static str> {
    match message {
        Message::Text(text) if text == "enough" => ControlFlow::Break(()),
        Message::Text(_) => ControlFlow::Continue("text"),
        Message::Binary(_) => ControlFlow::Continue("binary"),
        Message::Ping(_) => ControlFlow::Continue("ping"),
        Message::Pong(data) => {
            assert_eq!(&data[..], [1, 2, 3]);
            ControlFlow::Continue("pong")
        }
        Message::Close(_) => unreachable!("the client does not close first"),
    }
}

#[tokio::test]
async fn a_program_for_axum_is_served_compressed() {
    let address = serve(Router::new().route("/ws", any(greet))).await;
    let mut request = format!("ws://{address}/ws").into_client_request().unwrap();
    let protocol = HeaderValue::from_static("greeting.v1");
    request
        .headers_mut()
        .insert("sec-websocket-protocol", protocol);
    let (mut client, response) = connect_async(request).await.unwrap();
    let agreed = &response.headers()["sec-websocket-extensions"];
    assert!(agreed.to_str().unwrap().starts_with("permessage-deflate"));
    for message in [
        tungstenite::Message::text("olá"),
        tungstenite::Message::binary(vec![0; 3]),
        tungstenite::Message::Ping(Bytes::new()),
    ] {
        client.send(message).await.unwrap();
    }
    // The Pong for the server's Ping goes before it.
    assert!(client.next().await.unwrap().unwrap().is_ping());
    assert!(client.next().await.unwrap().unwrap().is_pong());
    client.send("enough".into()).await.unwrap();
    let mut lines = Vec::new();
    while let Some(message) = client.next().await {
        match message.unwrap() {
            tungstenite::Message::Text(text) => lines.push(text.to_string()),
            tungstenite::Message::Close(frame) => assert_eq!(frame.unwrap().reason, "Goodbye"),
            other => panic!("{other}"),
        }
    }
    assert_eq!(lines.len(), 3);
    assert!(
        lines[0].starts_with(r#"0 ["text", "binary", "ping", "pong"]"#),
        "{lines:?}"
    );
}

/// A chat: each connection's texts go to all.
async fn chat(
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    State(room): State<broadcast::Sender<Utf8Bytes>>,
) -> axum::response::Response {
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(rejection) => return rejection.into_response(),
    };
    upgrade.on_upgrade(move |socket| async move {
        let mut lines = room.subscribe();
        let (mut sender, mut receiver) = socket.split();
        let sending = tokio::spawn(async move {
            while let Ok(line) = lines.recv().await {
                if sender.send(Message::Text(line)).await.is_err() {
                    return;
                }
            }
        });
        while let Some(Ok(Message::Text(line))) = receiver.next().await {
            let _ = room.send(line);
        }
        sending.abort();
    })
}

#[tokio::test]
async fn lines_of_a_split_chat_reach_all() {
    let (room, _) = broadcast::channel(16);
    let address = serve(Router::new().route("/", any(chat)).with_state(room.clone())).await;
    let (mut first, _) = connect_async(format!("ws://{address}/")).await.unwrap();
    let (mut second, _) = connect_async(format!("ws://{address}/")).await.unwrap();
    while room.receiver_count() < 2 {
        tokio::task::yield_now().await;
    }
    for count in 0..100 {
        let line = format!("line {count} of the chat that both of them read");
        first.send(line.as_str().into()).await.unwrap();
        for client in [&mut first, &mut second] {
            let message = client.next().await.unwrap().unwrap();
            assert_eq!(message.into_text().unwrap(), line.as_str());
        }
    }
}

#[test]
fn messages_convert_as_axums_do() {
    assert_eq!(Message::from("a"), Message::Text("a".into()));
    assert_eq!(Message::from(String::from("a")), Message::text("a"));
    assert_eq!(Message::from(&[1u8, 2][..]), Message::binary(vec![1, 2]));
    assert_eq!(
        Message::from(Bytes::from_static(b"x")).into_text().unwrap(),
        "x"
    );
    assert_eq!(Vec::<u8>::from(Message::Close(None)), b"");
    assert!(Message::binary(vec![0xff]).to_text().is_err());
    assert!(Message::binary(vec![0xff]).into_text().is_err());
    let frame = CloseFrame {
        code: close_code::AWAY,
        reason: "restart".into(),
    };
    assert_eq!(Message::Close(Some(frame)).to_text().unwrap(), "restart");
    assert!(Utf8Bytes::try_from(vec![0xff]).is_err());
    assert_eq!(Utf8Bytes::from_static("é").to_string(), "é");
}
