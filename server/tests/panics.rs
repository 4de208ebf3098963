//! Handlers that panic: one connection ends, the others live (threat X11).

#![allow(
    clippy::large_futures,
    clippy::panic,
    clippy::unwrap_used,
    reason = "it is a test: it may panic, and needs no small stack"
)]

mod common;

use axum::Router;
use axum::routing::get;
use common::{Client, soon, start_with, status_of, until};
use futures_util::{SinkExt, StreamExt};
use server::Conversation;
use tokio_tungstenite::tungstenite::Message;

/// The code of the Close that ends `client`, which is sent `word` first.
async fn close_code(mut client: Client, word: &str) -> Option<u16> {
    soon(client.send(Message::text(word))).await.unwrap();
    loop {
        match soon(client.next()).await? {
            Ok(Message::Close(frame)) => return frame.map(|frame| frame.code.into()),
            Ok(_) => {}
            Err(_) => return None,
        }
    }
}

#[tokio::test]
async fn x11_a_panic_closes_its_own_connection_with_1011() {
    let certs = tempfile::tempdir().unwrap();
    let server = start_with(certs, &[], |server| {
        server
            .route("/later", |socket, info| async move {
                let mut conversation = Conversation::new(socket, info);
                while let Some(message) = conversation.next().await {
                    assert!(message.to_text().unwrap() != "panic", "as asked");
                    conversation.feed(message).await.unwrap();
                }
            })
            .route("/raw", |mut socket, _| async move {
                let _ = socket.next().await;
                socket.send("an answer first".into()).await.unwrap();
                panic!("as asked");
            })
            .merge(Router::new().route("/boom", get(async || -> &str { panic!("as asked") })))
    });
    let (mut bystander, _) = server.open("/later", &[]).await;
    for path in ["/later", "/raw"] {
        let (client, _) = server.open(path, &[]).await;
        assert_eq!(close_code(client, "panic").await, Some(1011), "{path}");
    }
    assert_eq!(status_of(&server.get("/boom").await), 500);
    soon(bystander.send(Message::text("alive"))).await.unwrap();
    assert_eq!(
        soon(bystander.next()).await.unwrap().unwrap(),
        Message::text("alive")
    );
    until(async || {
        let metrics = server.get("/metrics").await;
        [
            "wss_websocket_handler_panics_total{route=\"/later\"} 1",
            "wss_websocket_handler_panics_total{route=\"/raw\"} 1",
            "wss_websocket_closed_total{route=\"/raw\",code=\"1011\",by=\"server\"} 1",
            "wss_http_handler_panics_total 1",
        ]
        .iter()
        .all(|line| metrics.contains(line))
    })
    .await;
}

#[tokio::test]
async fn x11_a_panic_before_the_first_await_is_caught_too() {
    let certs = tempfile::tempdir().unwrap();
    let server = start_with(certs, &[], |server| {
        server.route("/at-once", |socket, _| {
            drop(socket);
            assert!(std::env::args().count() == usize::MAX, "always");
            std::future::ready(())
        })
    });
    let (mut client, _) = server.open("/at-once", &[]).await;
    while let Some(Ok(_)) = soon(client.next()).await {}
    until(async || {
        let metrics = server.get("/metrics").await;
        metrics.contains("wss_websocket_handler_panics_total{route=\"/at-once\"} 1")
    })
    .await;
}
