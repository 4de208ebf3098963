//! A token's end is the end of what it opened.

use std::time::Instant;

use futures_util::StreamExt;
use serde_json::json;
use server::grpc::proto_v2::chat_service_client::ChatServiceClient;
use server::grpc::proto_v2::converse_request::Kind as Asked;
use server::grpc::proto_v2::{ConverseRequest, Event, Say, SendRequest, SubscribeRequest};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tonic::{Code, Status, Streaming};

use crate::channel::over_tls;
use crate::common::{self, soon, until};
use crate::{Guarded, LIFE, SOON_AFTER, with_token};

type Client = ChatServiceClient<tonic::transport::Channel>;

fn join(since: &str) -> SubscribeRequest {
    SubscribeRequest {
        room: "tea".to_owned(),
        name: String::new(),
        since: since.to_owned(),
    }
}

pub(crate) fn say(text: &str) -> ConverseRequest {
    let (text, id) = (text.to_owned(), String::new());
    ConverseRequest {
        kind: Some(Asked::Say(Say { text, id })),
    }
}

/// Requests of a conversation, and the call's events once it has them.
fn requests() -> (
    mpsc::Sender<ConverseRequest>,
    impl futures_util::Stream<Item = ConverseRequest>,
) {
    let (sender, mut receiver) = mpsc::channel(10_000);
    (
        sender,
        futures_util::stream::poll_fn(move |context| receiver.poll_recv(context)),
    )
}

/// A conversation in `tea`: where requests go, and what comes back.
pub(crate) async fn conversation(
    guarded: &Guarded,
    token: &str,
) -> (mpsc::Sender<ConverseRequest>, Streaming<Event>) {
    let (sender, stream) = requests();
    let join = Some(Asked::Join(join("")));
    sender.send(ConverseRequest { kind: join }).await.unwrap();
    let mut client = Client::new(over_tls(&guarded.server).await);
    let conversing = client.converse(with_token(stream, token));
    (sender, soon(conversing).await.unwrap().into_inner())
}

/// The status that a stream of events ends with; events are passed over.
pub(crate) async fn status(events: &mut Streaming<Event>) -> Status {
    loop {
        match events.message().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the stream ended without a status"),
            Err(status) => return status,
        }
    }
}

/// The code of the Close that a WebSocket gets; messages are passed over.
pub(crate) async fn close(socket: &mut common::Client) -> u16 {
    loop {
        if let Message::Close(frame) = socket.next().await.unwrap().unwrap() {
            return frame.unwrap().code.into();
        }
    }
}

pub(crate) async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    let outcome = timeout(SOON_AFTER, future).await;
    outcome.unwrap_or_else(|_| panic!("{what}: still open {SOON_AFTER:?} later"))
}

/// A member over WebSocket whose token lives for `seconds`.
pub(crate) async fn member(
    guarded: &Guarded,
    subprotocol: &str,
    query: &str,
    seconds: u64,
) -> common::Client {
    let authorization = format!("Bearer {}", guarded.token(seconds, json!({})));
    let headers = [
        ("authorization", authorization.as_str()),
        ("sec-websocket-protocol", subprotocol),
    ];
    let path = format!("/chat/tea?{query}");
    guarded.server.open(&path, &headers).await.0
}

#[tokio::test]
async fn idle_streams_end_with_their_token() {
    let guarded = Guarded::start(&[]);
    let mut client = Client::new(over_tls(&guarded.server).await);
    let token = guarded.token(LIFE, json!({}));
    let begun = Instant::now();
    let subscribing = client.subscribe(with_token(join(""), &token));
    let mut subscribed = soon(subscribing).await.unwrap().into_inner();
    let (sender, stream) = requests();
    let join = Some(Asked::Join(join("")));
    sender.send(ConverseRequest { kind: join }).await.unwrap();
    let conversing = client.converse(with_token(stream, &token));
    let mut conversing = soon(conversing).await.unwrap().into_inner();
    let (_silent, stream) = requests();
    let not_joined = client.converse(with_token(stream, &token));
    let mut not_joined = soon(not_joined).await.unwrap().into_inner();
    let mut text = member(&guarded, "chat", "", LIFE).await;
    let mut json = member(&guarded, "chat.v1.json", "", LIFE).await;
    for (what, status) in [
        (
            "Subscribe",
            in_time("Subscribe", status(&mut subscribed)).await,
        ),
        (
            "Converse",
            in_time("Converse", status(&mut conversing)).await,
        ),
        (
            "not joined",
            in_time("not joined", status(&mut not_joined)).await,
        ),
    ] {
        assert_eq!(status.code(), Code::Unauthenticated, "{what}: {status:?}");
        assert!(status.message().contains("expired"), "{what}: {status:?}");
    }
    assert_eq!(in_time("text", close(&mut text)).await, 1008);
    assert_eq!(in_time("JSON", close(&mut json)).await, 1008);
    assert!(begun.elapsed().as_secs() + 1 >= LIFE, "not before its time");
    until(async || guarded.members().await == 0).await;
}

#[tokio::test]
async fn grpc_web_streams_end_with_their_token() {
    let guarded = Guarded::start(&[]);
    let message = [&[0, 0, 0, 0, 5, 0x0a, 3][..], b"tea"].concat();
    let head = format!(
        "POST /chat.v2.ChatService/Subscribe HTTP/1.1\r\nHost: localhost\r\n\
         Content-Type: application/grpc-web+proto\r\nAuthorization: Bearer {}\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        guarded.token(LIFE, json!({})),
        message.len()
    );
    let mut stream = guarded.server.tls(&["http/1.1"]).await;
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&message).await.unwrap();
    let mut answer = Vec::new();
    in_time("gRPC-Web", stream.read_to_end(&mut answer))
        .await
        .unwrap();
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.contains("grpc-status:16"), "{answer}");
}

#[tokio::test]
async fn busy_streams_end_with_their_token_and_publish_nothing_after_it() {
    let guarded = Guarded::start(&["--rooms-burst", "100000"]);
    let mut client = Client::new(over_tls(&guarded.server).await);
    let (sender, stream) = requests();
    let join = Some(Asked::Join(join("")));
    sender.send(ConverseRequest { kind: join }).await.unwrap();
    let token = guarded.token(LIFE, json!({}));
    let conversing = client.converse(with_token(stream, &token));
    let mut events = soon(conversing).await.unwrap().into_inner();
    let talking = tokio::spawn(async move {
        while sender.send(say("x")).await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    });
    let status = in_time("Converse", status(&mut events)).await;
    assert_eq!(status.code(), Code::Unauthenticated, "{status:?}");
    talking.abort();
    // What others say later is the next message after the last of this conversation.
    let send = async || {
        let request = SendRequest {
            room: "tea".to_owned(),
            text: "later".to_owned(),
            ..SendRequest::default()
        };
        let token = guarded.token(60, json!({}));
        let sent = Client::new(over_tls(&guarded.server).await)
            .send(with_token(request, &token))
            .await;
        let position = sent.unwrap().into_inner().position;
        position.split_once(':').unwrap().1.parse::<u64>().unwrap()
    };
    let first = soon(send()).await;
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert_eq!(soon(send()).await, first + 1);
}

#[tokio::test]
async fn a_peer_that_reads_nothing_is_no_member_after_its_tokens_end() {
    let flags = [
        "--write-timeout",
        "10m",
        "--rooms-burst",
        "100000",
        "--rooms-policy",
        "latest",
    ];
    let guarded = Guarded::start(&flags);
    let mut client = Client::new(over_tls(&guarded.server).await);
    let token = guarded.token(LIFE, json!({}));
    let subscribing = client.subscribe(with_token(join(""), &token));
    let mut subscribed = soon(subscribing).await.unwrap().into_inner();
    let _text = member(&guarded, "chat", "", LIFE).await;
    assert_eq!(guarded.members().await, 2);
    fill(&guarded, 200).await;
    in_time("blocked", until(async || guarded.members().await == 0)).await;
    // Should it ever read again, it gets the reason.
    let status = in_time("blocked", status(&mut subscribed)).await;
    assert_eq!(status.code(), Code::Unauthenticated, "{status:?}");
}

#[tokio::test]
async fn a_replay_ends_with_its_token() {
    let flags = [
        "--write-timeout",
        "10m",
        "--rooms-burst",
        "100000",
        "--rooms-history-bytes",
        "32MiB",
        "--rooms-history-messages",
        "1000",
    ];
    let guarded = Guarded::start(&flags);
    let begin = guarded.server.get("/readyz").await;
    assert!(begin.starts_with("HTTP/1.1 200"), "{begin}");
    let since = fill(&guarded, 400).await;
    let mut client = Client::new(over_tls(&guarded.server).await);
    let token = guarded.token(LIFE, json!({}));
    let subscribing = client.subscribe(with_token(join(&since), &token));
    let _subscribed = soon(subscribing).await.unwrap().into_inner();
    let _text = member(&guarded, "chat", &format!("since={since}"), LIFE).await;
    let _json = member(&guarded, "chat.v1.json", &format!("since={since}"), LIFE).await;
    until(async || guarded.members().await == 3).await;
    in_time("replay", until(async || guarded.members().await == 0)).await;
}

/// Fills `tea` with so many messages of 60 kB; returns the position of the first.
async fn fill(guarded: &Guarded, count: usize) -> String {
    let mut client = Client::new(over_tls(&guarded.server).await);
    let token = guarded.token(600, json!({}));
    let mut first = None;
    for _ in 0..count {
        let request = SendRequest {
            room: "tea".to_owned(),
            text: "x".repeat(60_000),
            ..SendRequest::default()
        };
        let sent = soon(client.send(with_token(request, &token)))
            .await
            .unwrap();
        first.get_or_insert(sent.into_inner().position);
    }
    first.unwrap()
}

#[tokio::test]
async fn a_post_whose_token_ends_while_its_body_comes_is_refused() {
    let guarded = Guarded::start(&[]);
    let body = r#"{"text":"late"}"#;
    let head = format!(
        "POST /rooms/tea/messages HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: application/json\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\n\r\n",
        guarded.token(LIFE, json!({})),
        body.len()
    );
    let mut stream = guarded.server.tls(&["http/1.1"]).await;
    stream.write_all(head.as_bytes()).await.unwrap();
    let (first, last) = body.as_bytes().split_at(5);
    stream.write_all(first).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(LIFE)).await;
    stream.write_all(last).await.unwrap();
    let mut answer = String::new();
    soon(stream.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    assert!(answer.contains("has expired"), "{answer}");
}

#[tokio::test]
async fn requests_with_an_ended_token_are_refused() {
    let guarded = Guarded::start(&[]);
    let token = guarded.token(1, json!({}));
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let mut client = Client::new(over_tls(&guarded.server).await);
    let request = SendRequest {
        room: "tea".to_owned(),
        text: "late".to_owned(),
        ..SendRequest::default()
    };
    let refused = soon(client.send(with_token(request, &token)))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated, "{refused:?}");
    for method in ["GET", "POST"] {
        let request = format!(
            "{method} /rooms/tea/messages HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Type: application/json\r\nAuthorization: Bearer {token}\r\nContent-Length: 0\r\n\r\n",
        );
        assert_eq!(
            guarded.server.status(request.as_bytes()).await,
            401,
            "{method}"
        );
    }
}
