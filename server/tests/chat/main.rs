//! Rooms over WebSocket and plain requests, as clients see them.

#![allow(
    clippy::large_futures,
    clippy::unwrap_used,
    reason = "it is a test: it may panic, and needs no small stack"
)]

#[path = "../common/mod.rs"]
mod common;
mod names;
mod once;
mod paced;
mod posts;
mod slow;
mod talk;

use common::{Client, Running, soon};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// Starts a server that does not wait long for members which this test no longer reads.
async fn start(flags: &[&str]) -> Running {
    let flags: Vec<&str> = ["--close-timeout", "200ms"]
        .iter()
        .chain(flags)
        .copied()
        .collect();
    common::start(&flags).await
}

/// A member that speaks `chat.v1.json`.
struct Member<S = TcpStream> {
    socket: WebSocketStream<TlsStream<S>>,
    /// Its first event.
    joined: Value,
}

async fn join(server: &Running, path: &str) -> Member {
    let protocol = [("sec-websocket-protocol", "chat.v1.json")];
    let (socket, response) = server.open(path, &protocol).await;
    assert_eq!(response.headers()["sec-websocket-protocol"], "chat.v1.json");
    let mut member = Member {
        socket,
        joined: Value::Null,
    };
    member.joined = member.next().await;
    member
}

/// A member that speaks lines.
async fn line_member(server: &Running, path: &str) -> Client {
    server.open(path, &[]).await.0
}

async fn next_text<S>(socket: &mut WebSocketStream<S>) -> String
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        match soon(socket.next()).await.unwrap().unwrap() {
            Message::Text(text) => return text.to_string(),
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Reads until the Close; gives its code and the texts before it.
async fn until_closed(socket: &mut Client) -> (u16, Vec<String>) {
    let mut texts = Vec::new();
    loop {
        match soon(socket.next()).await {
            Some(Ok(Message::Text(text))) => texts.push(text.to_string()),
            Some(Ok(Message::Close(frame))) => return (frame.unwrap().code.into(), texts),
            Some(Ok(_)) => {}
            other => panic!("no Close: {other:?} after {} texts", texts.len()),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Member<S> {
    async fn next(&mut self) -> Value {
        serde_json::from_str(&next_text(&mut self.socket).await).unwrap()
    }

    /// The next event of a kind; others are passed over.
    async fn next_of(&mut self, kind: &str) -> Value {
        loop {
            let event = self.next().await;
            if event["type"] == kind {
                return event;
            }
        }
    }

    async fn say(&mut self, request: Value) {
        self.socket
            .send(Message::text(request.to_string()))
            .await
            .unwrap();
    }

    /// Sends a message and waits until it is stored.
    async fn publish(&mut self, id: &str, text: &str) -> Value {
        self.say(json!({"type": "message", "id": id, "text": text}))
            .await;
        self.next_of("ack").await
    }
}

/// `epoch:offset` of an event.
fn place(event: &Value) -> String {
    format!("{}:{}", event["epoch"].as_str().unwrap(), event["offset"])
}
