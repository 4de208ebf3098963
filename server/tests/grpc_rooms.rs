//! Rooms over gRPC, together with members over WebSocket: `chat.v2.ChatService`.

#![allow(
    clippy::large_futures,
    clippy::unwrap_used,
    reason = "it is a test: it may panic, and needs no small stack"
)]

#[path = "common/channel.rs"]
mod channel;
mod common;

use std::time::{SystemTime, UNIX_EPOCH};

use channel::{over_tls, plain};
use common::{soon, start, until};
use futures_util::{SinkExt, StreamExt};
use jsonwebtoken::{EncodingKey, Header};
use serde_json::json;
use server::grpc::proto_v2::chat_service_client::ChatServiceClient;
use server::grpc::proto_v2::converse_request::Kind as Asked;
use server::grpc::proto_v2::event::Kind;
use server::grpc::proto_v2::presence::Change;
use server::grpc::proto_v2::{ConverseRequest, Event, Say, SendRequest, SubscribeRequest};
use tokio::sync::mpsc;
use tonic::transport::Channel;
use tonic::{Code, Request, Status, Streaming};

type Client = ChatServiceClient<Channel>;

/// A request to join the room `tea`.
fn join(name: &str, since: &str) -> SubscribeRequest {
    SubscribeRequest {
        room: "tea".to_owned(),
        name: name.to_owned(),
        since: since.to_owned(),
    }
}

/// A message from `ana` for the room `tea`.
fn message(text: &str) -> SendRequest {
    SendRequest {
        room: "tea".to_owned(),
        sender: "ana".to_owned(),
        text: text.to_owned(),
        id: String::new(),
    }
}

fn say(text: &str, id: &str) -> ConverseRequest {
    let (text, id) = (text.to_owned(), id.to_owned());
    ConverseRequest {
        kind: Some(Asked::Say(Say { text, id })),
    }
}

/// The next event, or the status at the end.
async fn next(events: &mut Streaming<Event>) -> Result<Kind, Status> {
    let event = soon(events.message()).await?;
    Ok(event.expect("an event or a status").kind.unwrap())
}

/// The next event that is no presence.
async fn next_but_presence(events: &mut Streaming<Event>) -> Kind {
    loop {
        match next(events).await.unwrap() {
            Kind::Presence(_) => {}
            kind => return kind,
        }
    }
}

/// The next message: its position, sender and text.
async fn heard(events: &mut Streaming<Event>) -> (String, String, String) {
    match next_but_presence(events).await {
        Kind::Message(message) => (message.position, message.sender, message.text),
        other => panic!("{other:?}"),
    }
}

/// A subscription, with the position at which it begins.
async fn subscribe(client: &mut Client, name: &str, since: &str) -> (Streaming<Event>, String) {
    let mut events = soon(client.subscribe(join(name, since)))
        .await
        .unwrap()
        .into_inner();
    let Kind::Joined(joined) = next(&mut events).await.unwrap() else {
        panic!("not joined first")
    };
    assert_eq!((joined.room.as_str(), joined.name.as_str()), ("tea", name));
    (events, joined.position)
}

/// A conversation: where to put requests, and what comes back.
async fn converse(client: &mut Client) -> (mpsc::Sender<ConverseRequest>, Streaming<Event>) {
    let (requests, mut receiver) = mpsc::channel(1000);
    let stream = futures_util::stream::poll_fn(move |context| receiver.poll_recv(context));
    let events = soon(client.converse(stream)).await.unwrap().into_inner();
    (requests, events)
}

/// The same with a member of the room `tea`.
async fn member(
    client: &mut Client,
    name: &str,
) -> (mpsc::Sender<ConverseRequest>, Streaming<Event>) {
    let (requests, mut events) = converse(client).await;
    let join = Asked::Join(join(name, ""));
    requests
        .send(ConverseRequest { kind: Some(join) })
        .await
        .unwrap();
    let first = next(&mut events).await.unwrap();
    assert!(matches!(first, Kind::Joined(_)), "{first:?}");
    (requests, events)
}

/// Waits for a line of text.
async fn hear(socket: &mut common::Client, wanted: &str) {
    soon(async {
        while socket
            .next()
            .await
            .unwrap()
            .unwrap()
            .to_text()
            .unwrap()
            .trim()
            != wanted
        {}
    })
    .await;
}

#[tokio::test]
async fn members_over_websocket_and_grpc_hear_each_other() {
    let (server, plain) = plain(&[]).await;
    let mut client = Client::new(over_tls(&server).await);
    let (requests, mut events) = member(&mut client, "rui").await;
    let (mut listener, _) = subscribe(&mut Client::new(plain), "eva", "").await;
    let (mut socket, _) = server.open("/chat/tea?name=ana", &[]).await;
    // Each gets the joins of others.
    loop {
        if let Kind::Presence(presence) = next(&mut events).await.unwrap()
            && presence.who.as_ref().unwrap().name == "ana"
        {
            assert_eq!((presence.change(), presence.count), (Change::Join, 3));
            break;
        }
    }
    socket.send("from a browser".into()).await.unwrap();
    let first = heard(&mut events).await;
    assert_eq!(
        (first.1.as_str(), first.2.as_str()),
        ("ana", "from a browser")
    );
    assert_eq!(heard(&mut listener).await, first);
    requests.send(say("over gRPC", "r-1")).await.unwrap();
    hear(&mut socket, "rui: over gRPC").await;
    let second = heard(&mut listener).await;
    let (mut acknowledged, mut own) = (None, None);
    while acknowledged.is_none() || own.is_none() {
        match next_but_presence(&mut events).await {
            Kind::Ack(ack) => acknowledged = Some((ack.id, ack.position, ack.duplicate)),
            Kind::Message(message) => own = Some(message.position),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(
        acknowledged,
        Some(("r-1".to_owned(), second.0.clone(), false))
    );
    assert_eq!(own, Some(second.0));
    let sent = soon(client.send(message("a notification")))
        .await
        .unwrap()
        .into_inner();
    assert!(!sent.duplicate && !sent.provisional);
    hear(&mut socket, "ana: a notification").await;
    assert_eq!(heard(&mut listener).await.0, sent.position);
    // Who has said everything leaves, after the answers.
    requests.send(say("bye", "r-2")).await.unwrap();
    drop(requests);
    let mut last = None;
    while let Some(event) = soon(events.message()).await.unwrap() {
        last = event.kind;
    }
    assert!(last.is_some());
    hear(&mut socket, "rui: bye").await;
    drop((listener, client, socket));
    assert_eq!(server.stop().await.cut_off, 0);
}

#[tokio::test]
async fn a_subscription_goes_on_from_a_place() {
    let server = start(&[]).await;
    let mut client = Client::new(over_tls(&server).await);
    let (mut events, begin) = subscribe(&mut client, "rui", "").await;
    for text in ["1", "2", "3"] {
        soon(client.send(message(text))).await.unwrap();
    }
    let place = heard(&mut events).await.0;
    drop(events);
    for (since, expected) in [(&place, vec!["2", "3"]), (&begin, vec!["1", "2", "3"])] {
        let (mut events, _) = subscribe(&mut client, "rui", since).await;
        let Kind::History(history) = next(&mut events).await.unwrap() else {
            panic!("no history")
        };
        let texts: Vec<_> = history
            .messages
            .iter()
            .map(|message| message.text.as_str())
            .collect();
        assert_eq!((texts, history.complete), (expected, true));
    }
    let (mut events, _) = subscribe(&mut client, "rui", "00c0ffee00c0ffee:1").await;
    let gap = next(&mut events).await.unwrap();
    assert!(
        matches!(&gap, Kind::Gap(gap) if gap.reason == "epoch"),
        "{gap:?}"
    );
    // A repeat is known as one.
    let named = SendRequest {
        id: "n-1".to_owned(),
        ..message("once")
    };
    let first = soon(client.send(named.clone())).await.unwrap().into_inner();
    let again = soon(client.send(named)).await.unwrap().into_inner();
    assert_eq!((again.position, again.duplicate), (first.position, true));
}

#[tokio::test]
async fn what_is_wrong_is_said_with_a_fitting_status() {
    let server = start(&["--rooms-burst", "5", "--rooms-per-second", "1"]).await;
    let mut client = Client::new(over_tls(&server).await);
    #[rustfmt::skip]
    let cases = [
        (SendRequest { room: "te a".to_owned(),..message("x") }, Code::InvalidArgument),
        (SendRequest { sender: String::new(),..message("x") }, Code::InvalidArgument),
        (SendRequest { sender: "a\nb".to_owned(),..message("x") }, Code::InvalidArgument),
        (SendRequest { id: "a b".to_owned(),..message("x") }, Code::InvalidArgument),
        (message(""), Code::InvalidArgument),
        (message(&"x".repeat(70_000)), Code::ResourceExhausted),
    ];
    for (request, code) in cases {
        let refused = soon(client.send(request)).await.unwrap_err();
        assert_eq!(refused.code(), code, "{refused:?}");
    }
    let refused = soon(client.subscribe(join("rui", "7"))).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    // A conversation begins with joining, and its limits are those of its room.
    let (requests, mut events) = converse(&mut client).await;
    requests.send(say("x", "")).await.unwrap();
    assert_eq!(
        next(&mut events).await.unwrap_err().code(),
        Code::InvalidArgument
    );
    let (requests, mut events) = member(&mut client, "rui").await;
    requests.send(say("", "r-1")).await.unwrap();
    let error = next_but_presence(&mut events).await;
    assert!(
        matches!(&error, Kind::Error(error) if error.id == "r-1" && error.code == "empty"),
        "{error:?}"
    );
    for _ in 0..5 {
        requests.send(say("x", "")).await.unwrap();
    }
    let end = loop {
        if let Err(status) = next(&mut events).await {
            break status;
        }
    };
    assert_eq!(end.code(), Code::ResourceExhausted, "{end:?}");
    let refused = soon(async {
        loop {
            if let Err(status) = client.send(message("x")).await {
                return status;
            }
        }
    });
    assert_eq!(refused.await.code(), Code::ResourceExhausted);
}

#[tokio::test]
async fn a_token_says_who_may_do_what() {
    let secret = "0123456789abcdef0123456789abcdef";
    let key = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(key.path(), secret).unwrap();
    let server = start(&["--rooms-token-secret", key.path().to_str().unwrap()]).await;
    let channel = over_tls(&server).await;
    let call = async |request: SendRequest, token: Option<String>| {
        let mut request = Request::new(request);
        if let Some(token) = token {
            let value = format!("Bearer {token}").parse().unwrap();
            request.metadata_mut().insert("authorization", value);
        }
        soon(Client::new(channel.clone()).send(request)).await
    };
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let token = |rooms: &str, rights: &[&str], end: u64| {
        let claims =
            json!({"sub": "ana", "aud": "rooms", "exp": end, "rooms": [rooms], "rights": rights});
        jsonwebtoken::encode(
            &Header::default(),
            &claims,
            &EncodingKey::from_secret(secret.as_bytes()),
        )
        .unwrap()
    };
    let good = token("te*", &["publish"], now + 600);
    call(message("x"), Some(good.clone())).await.unwrap();
    let other_name = SendRequest {
        sender: "rui".to_owned(),
        ..message("x")
    };
    let other_room = SendRequest {
        room: "coffee".to_owned(),
        ..message("x")
    };
    #[rustfmt::skip]
    let cases = [
        (message("x"), None, Code::Unauthenticated),
        (message("x"), Some("a.b.c".to_owned()), Code::Unauthenticated),
        (message("x"), Some(token("te*", &["publish"], now - 600)), Code::Unauthenticated),
        (message("x"), Some(token("te*", &["join"], now + 600)), Code::PermissionDenied),
        (other_name, Some(good.clone()), Code::PermissionDenied),
        (other_room, Some(good), Code::PermissionDenied),
    ];
    for (request, token, code) in cases {
        let refused = call(request, token).await.unwrap_err();
        assert_eq!(refused.code(), code, "{refused:?}");
    }
}

/// Returns the number of members that the server counts.
async fn members(server: &common::Running) -> String {
    let metrics = server.get("/metrics").await;
    let line = metrics
        .lines()
        .find(|line| line.starts_with("wss_rooms_members "));
    line.unwrap().to_owned()
}

#[tokio::test]
async fn who_takes_nothing_is_no_member_for_long() {
    // R7
    let server = start(&["--write-timeout", "500ms", "--rooms-burst", "10000"]).await;
    let mut client = Client::new(over_tls(&server).await);
    let (mut events, _) = subscribe(&mut client, "rui", "").await;
    assert_eq!(members(&server).await, "wss_rooms_members 1");
    let text = "x".repeat(60_000);
    let mut sender = Client::new(over_tls(&server).await);
    for _ in 0..80 {
        soon(sender.send(message(&text))).await.unwrap();
    }
    until(async || members(&server).await == "wss_rooms_members 0").await;
    // It gets the reason, should it ever read again.
    let end = loop {
        if let Err(status) = next(&mut events).await {
            break status;
        }
    };
    // The room's deadline and that of the HTTP/2 stream are the same write timeout; whichever passes first ends the call,
    // with its status or with RST_STREAM.
    let is_told = end.code() == Code::Unavailable && end.message().contains("slow consumer");
    let is_reset = end.code() == Code::Cancelled && format!("{end:?}").contains("CANCEL, Remote");
    assert!(is_told || is_reset, "{end:?}");
}

#[tokio::test]
async fn a_lagging_member_is_treated_as_its_room_says() {
    // R7
    let flags = ["--rooms-queue-messages", "4", "--rooms-burst", "10000"];
    let kind = ["--rooms-kind", "tea=drop-oldest"];
    let server = start(&[&flags[..], &kind].concat()).await;
    let mut client = Client::new(over_tls(&server).await);
    let (mut events, _) = subscribe(&mut client, "rui", "").await;
    let text = "x".repeat(60_000);
    let mut sender = Client::new(over_tls(&server).await);
    for _ in 0..80 {
        soon(sender.send(message(&text))).await.unwrap();
    }
    soon(sender.send(message("last"))).await.unwrap();
    let mut gaps = 0;
    loop {
        match next_but_presence(&mut events).await {
            Kind::Gap(gap) => {
                assert_eq!(gap.reason, "slow");
                gaps += 1;
            }
            Kind::Message(message) if message.text == "last" => break,
            Kind::Message(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(gaps > 0);
}

#[tokio::test]
async fn subscriptions_end_with_the_server_and_leave_with_the_client() {
    let mut server = start(&[]).await;
    let mut client = Client::new(over_tls(&server).await);
    let (events, _) = subscribe(&mut client, "rui", "").await;
    let (mut staying, _) = subscribe(&mut client, "eva", "").await;
    drop(events);
    until(async || members(&server).await == "wss_rooms_members 1").await;
    server.begin_stop();
    let end = loop {
        if let Err(status) = next(&mut staying).await {
            break status;
        }
    };
    assert_eq!(end.code(), Code::Unavailable, "{end:?}");
    drop((staying, client));
    assert_eq!(server.stop().await.cut_off, 0);
}

#[tokio::test]
async fn an_event_is_encoded_once_for_all_who_listen() {
    let server = start(&[]).await;
    let mut client = Client::new(over_tls(&server).await);
    let mut listeners = Vec::new();
    for number in 0..50 {
        let name = format!("m{number}");
        listeners.push(subscribe(&mut client, &name, "").await.0);
    }
    soon(client.send(message("first"))).await.unwrap();
    for events in &mut listeners {
        assert_eq!(heard(events).await.2, "first");
    }
    let encoded = async || {
        let metrics = server.get("/metrics").await;
        let name = "wss_rooms_rendered_total{form=\"grpc\"} ";
        let line = metrics.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().parse::<u64>().unwrap()
    };
    let before = encoded().await;
    soon(client.send(message("second"))).await.unwrap();
    let second = heard(&mut listeners[0]).await;
    for events in &mut listeners[1..] {
        assert_eq!(heard(events).await, second);
    }
    assert_eq!(encoded().await - before, 1);
}
