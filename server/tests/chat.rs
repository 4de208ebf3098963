//! Rooms over WebSocket and plain requests, as clients see them.

#![allow(
    clippy::large_futures,
    clippy::unwrap_used,
    reason = "it is a test: it may panic, and needs no small stack"
)]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{Client, Running, soon, until};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;

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
struct Member {
    socket: Client,
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

async fn next_text(socket: &mut Client) -> String {
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

impl Member {
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

#[tokio::test]
async fn lines_and_objects_meet_in_one_room() {
    let server = start(&[]).await;
    let mut ana = line_member(&server, "/chat/tea?name=ana").await;
    // A line that comes back proves that ana is in.
    ana.send(Message::text("first\n")).await.unwrap();
    assert_eq!(next_text(&mut ana).await, "ana: first");
    let mut joao = join(&server, "/chat/tea?name=Jo%C3%A3o").await;
    assert_eq!(joao.joined["type"], "joined");
    assert_eq!(
        (&joao.joined["room"], &joao.joined["name"]),
        (&json!("tea"), &json!("João"))
    );
    assert_eq!(
        (&joao.joined["count"], &joao.joined["offset"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(joao.joined["members"][0]["name"], "ana");
    let ack = joao.publish("a1", "olá\nana: fooled you").await;
    assert_eq!(
        (&ack["id"], &ack["offset"], &ack["duplicate"]),
        (&json!("a1"), &json!(2), &json!(false))
    );
    assert_eq!(next_text(&mut ana).await, "João: olá\n    ana: fooled you");
    ana.send(Message::text("bye")).await.unwrap();
    let message = loop {
        let message = joao.next_of("message").await;
        if message["from"] == "ana" {
            break message;
        }
    };
    assert_eq!(
        (&message["text"], &message["offset"]),
        (&json!("bye"), &json!(3))
    );
    assert!(message["at"].as_u64().unwrap() > 1_700_000_000_000);
    ana.close(None).await.unwrap();
    let left = joao.next_of("presence").await;
    assert_eq!(
        (&left["event"], &left["name"], &left["count"]),
        (&json!("leave"), &json!("ana"), &json!(1))
    );
    server.stop().await;
}

#[tokio::test]
async fn who_comes_back_gets_what_was_missed_or_is_told_of_the_gap() {
    let server = start(&["--rooms-history-messages", "5"]).await;
    let mut ana = join(&server, "/chat/tea?name=ana").await;
    let start_place = place(&ana.joined);
    let mut places = Vec::new();
    for number in 1..=4 {
        let ack = ana
            .publish(&number.to_string(), &format!("m{number}"))
            .await;
        places.push(place(&ack));
    }
    let back = |since: String| join_owned(&server, format!("/chat/tea?name=bob&since={since}"));

    let mut bob = back(start_place.clone()).await;
    assert_eq!(bob.joined["recovered"], true);
    let history = bob.next_of("history").await;
    assert_eq!(texts(&history), ["m1", "m2", "m3", "m4"]);
    assert_eq!(
        (&history["complete"], &history["more"]),
        (&json!(true), &json!(false))
    );

    let mut bob = back(places[2].clone()).await;
    assert_eq!(texts(&bob.next_of("history").await), ["m4"]);
    let mut bob = back(places[3].clone()).await;
    assert_eq!(bob.joined["recovered"], true);
    assert!(texts(&bob.next_of("history").await).is_empty());

    for number in 5..=9 {
        ana.publish(&number.to_string(), &format!("m{number}"))
            .await;
    }
    // m1 to m4 are gone: behind m4 nothing is missing, behind m3 something is.
    let mut bob = back(places[3].clone()).await;
    assert_eq!(bob.joined["recovered"], true);
    assert_eq!(
        texts(&bob.next_of("history").await),
        ["m5", "m6", "m7", "m8", "m9"]
    );
    let mut bob = back(places[2].clone()).await;
    assert_eq!(bob.joined["recovered"], false);
    let gap = bob.next().await;
    assert_eq!(
        (&gap["type"], &gap["reason"], &gap["after"]),
        (&json!("gap"), &json!("expired"), &json!(places[2]))
    );
    assert!(gap["next"].as_str().unwrap().ends_with(":5"), "{gap}");
    let history = bob.next().await;
    assert_eq!(
        (texts(&history).len(), &history["complete"]),
        (5, &json!(false))
    );

    let mut bob = back("00000000deadbeef:3".to_owned()).await;
    assert_eq!(bob.next_of("gap").await["reason"], "epoch");
    let mut lines = line_member(&server, &format!("/chat/tea?name=eva&since={}", places[0])).await;
    assert_eq!(
        next_text(&mut lines).await,
        "* messages are missing here (expired)"
    );
    assert_eq!(next_text(&mut lines).await, "ana: m5");
    server.stop().await;
}

async fn join_owned(server: &Running, path: String) -> Member {
    join(server, &path).await
}

fn texts(history: &Value) -> Vec<&str> {
    let messages = history["messages"].as_array().unwrap();
    messages
        .iter()
        .map(|message| message["text"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_repeat_is_acknowledged_and_not_told_again() {
    let server = start(&[]).await;
    let mut ana = join(&server, "/chat/tea?name=ana").await;
    let mut bob = join(&server, "/chat/tea?name=bob").await;
    let first = ana.publish("x", "once").await;
    let again = ana.publish("x", "once").await;
    assert_eq!(
        (&again["offset"], &again["duplicate"]),
        (&first["offset"], &json!(true))
    );
    // The same id of somebody else is another message.
    assert_eq!(bob.publish("x", "mine").await["duplicate"], false);
    let history = {
        bob.say(json!({"type": "history"})).await;
        bob.next_of("history").await
    };
    assert_eq!(texts(&history), ["once", "mine"]);
    server.stop().await;
}

#[tokio::test]
async fn history_is_read_in_pages() {
    let server = start(&[]).await;
    let mut ana = join(&server, "/chat/tea?name=ana").await;
    for number in 1..=7 {
        ana.publish(&number.to_string(), &format!("m{number}"))
            .await;
    }
    ana.say(json!({"type": "history", "limit": 3})).await;
    let newest = ana.next_of("history").await;
    assert_eq!(
        (texts(&newest), &newest["more"]),
        (vec!["m5", "m6", "m7"], &json!(true))
    );
    let before = place(&newest["messages"][0]);
    ana.say(json!({"type": "history", "before": before, "limit": 10}))
        .await;
    let older = ana.next_of("history").await;
    assert_eq!(texts(&older), ["m1", "m2", "m3", "m4"]);
    assert_eq!(
        (&older["complete"], &older["more"]),
        (&json!(true), &json!(false))
    );
    server.stop().await;
}

#[tokio::test]
async fn mistakes_are_told_and_cost_no_connection() {
    let server = start(&[]).await;
    let mut ana = join(&server, "/chat/tea?name=ana").await;
    for (mistake, code) in [
        (Message::text("hello"), "malformed"),
        (Message::text(r#"{"type":"shout"}"#), "malformed"),
        (Message::text(r#"{"type":"message","text":""}"#), "empty"),
        (
            Message::text(r#"{"type":"message","text":"x","id":"a b"}"#),
            "malformed",
        ),
        (Message::binary("hello"), "binary"),
    ] {
        ana.socket.send(mistake).await.unwrap();
        let error = ana.next_of("error").await;
        assert_eq!(error["code"], code, "{error}");
    }
    assert_eq!(ana.publish("1", "still here").await["offset"], 1);
    let mut bob = line_member(&server, "/chat/tea?name=bob").await;
    bob.send(Message::binary("x")).await.unwrap();
    assert_eq!(next_text(&mut bob).await, "! messages are text, not binary");
    server.stop().await;
}

#[tokio::test]
async fn who_has_no_name_or_says_too_much_is_sent_away() {
    let server = start(&["--rooms-burst", "5", "--rooms-per-second", "1"]).await;
    for (path, part) in [
        ("/chat/tea", "a name is missing"),
        (
            "/chat/tea?name=a%20b",
            "' ' is not allowed in a member name",
        ),
        ("/chat/te%20a?name=ana", "not allowed in a room name"),
        ("/chat/tea?name=ana&since=7", "`7` is no position"),
    ] {
        let mut socket = line_member(&server, path).await;
        let (code, texts) = until_closed(&mut socket).await;
        assert_eq!(code, 1008, "{path}");
        assert!(
            texts[0].starts_with("! ") && texts[0].contains(part),
            "{texts:?}"
        );
    }
    let mut loud = join(&server, "/chat/tea?name=loud").await;
    for number in 0..7 {
        // The connection may be closed before the last ones are sent.
        let request = json!({"type": "message", "text": number.to_string()});
        let _ = loud.socket.send(Message::text(request.to_string())).await;
    }
    let (code, texts) = until_closed(&mut loud.socket).await;
    assert_eq!(code, 1008);
    assert!(
        texts.iter().any(|text| text.contains(r#""code":"rate""#)),
        "{texts:?}"
    );
    let mut long = line_member(&server, "/chat/tea?name=long").await;
    long.send(Message::text("x".repeat((64 << 10) + 1)))
        .await
        .unwrap();
    assert!(
        next_text(&mut long)
            .await
            .starts_with("! the message was refused: a text of 65537 bytes")
    );
    long.send(Message::text("x".repeat(66 << 10)))
        .await
        .unwrap();
    assert_eq!(until_closed(&mut long).await.0, 1009);
    server.stop().await;
}

#[tokio::test]
async fn everybody_sees_the_same_order() {
    const EACH: usize = 40;
    let server = start(&[]).await;
    let mut readers = Vec::new();
    for number in 0..3 {
        readers.push(join(&server, &format!("/chat/tea?name=r{number}")).await);
    }
    let mut senders = Vec::new();
    for number in 0..4 {
        senders.push(join(&server, &format!("/chat/tea?name=s{number}")).await);
    }
    let sending = senders.iter_mut().map(|sender| async {
        for number in 0..EACH {
            sender
                .say(json!({"type": "message", "text": number.to_string()}))
                .await;
        }
    });
    futures_util::future::join_all(sending).await;
    let mut orders = Vec::new();
    for reader in &mut readers {
        let mut order = Vec::new();
        while order.len() < 4 * EACH {
            let message = reader.next_of("message").await;
            order.push((
                message["offset"].as_u64().unwrap(),
                message["from"].to_string(),
                message["text"].to_string(),
            ));
        }
        orders.push(order);
    }
    assert!(orders.iter().all(|order| order == &orders[0]));
    let offsets: Vec<u64> = orders[0].iter().map(|(offset, ..)| *offset).collect();
    assert_eq!(offsets, (1..=4 * EACH as u64).collect::<Vec<_>>());
    for sender in 0..4 {
        let name = format!("\"s{sender}\"");
        let own = orders[0].iter().filter(|(_, from, _)| *from == name);
        let own: Vec<String> = own.map(|(.., text)| text.clone()).collect();
        let expected: Vec<String> = (0..EACH).map(|number| format!("\"{number}\"")).collect();
        assert_eq!(own, expected, "each sender's messages stay in order");
    }
    server.stop().await;
}

/// The figure behind `name` in the metrics.
async fn figure(server: &Running, name: &str) -> u64 {
    let metrics = server.get("/metrics").await;
    let line = metrics.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or("0").trim().parse().unwrap()
}

/// The next frame of a server, as it stands on the wire.
async fn raw_frame(stream: &mut TlsStream<TcpStream>) -> Vec<u8> {
    let mut frame = vec![0; 2];
    soon(stream.read_exact(&mut frame)).await.unwrap();
    let length = match frame[1] {
        length @ 0..=125 => usize::from(length),
        126 => {
            let mut long = [0; 2];
            soon(stream.read_exact(&mut long)).await.unwrap();
            frame.extend(long);
            u16::from_be_bytes(long).into()
        }
        other => panic!("a frame with {other} for its length"),
    };
    let header = frame.len();
    frame.resize(header + length, 0);
    soon(stream.read_exact(&mut frame[header..])).await.unwrap();
    frame
}

#[tokio::test]
async fn a_message_is_written_and_compressed_once_for_all_members() {
    const MEMBERS: usize = 100;
    let server = start(&[]).await;
    let mut members = Vec::new();
    for number in 0..MEMBERS {
        let mut stream = server.tls(&["http/1.1"]).await;
        let more = "Sec-WebSocket-Protocol: chat.v1.json\r\n\
                    Sec-WebSocket-Extensions: permessage-deflate\r\n";
        let request = common::handshake(&format!("/chat/tea?name=m{number}"), more);
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(soon(stream.read_u8()).await.unwrap());
        }
        assert!(String::from_utf8_lossy(&head).contains("server_no_context_takeover"));
        // That it has joined.
        raw_frame(&mut stream).await;
        members.push(stream);
    }
    let mut plain = join(&server, "/chat/tea?name=plain").await;
    let mut lines = line_member(&server, "/chat/tea?name=lines").await;
    // All are told who came before they are told this.
    plain.publish("1", "first").await;
    assert_eq!(next_text(&mut lines).await, "plain: first");
    for (number, member) in members.iter_mut().enumerate() {
        for _ in number + 1..MEMBERS + 3 {
            raw_frame(member).await;
        }
    }
    let forms = [
        "wss_rooms_rendered_total{form=\"json\"}",
        "wss_rooms_rendered_total{form=\"text\"}",
    ];
    let mut before = Vec::new();
    for form in forms {
        before.push(figure(&server, form).await);
    }
    let text = "tea ".repeat(100);
    plain.publish("2", &text).await;
    let first = raw_frame(&mut members[0]).await;
    assert!(
        first.len() < 200 && first[0] == 0xc1,
        "compressed: {first:?}"
    );
    for member in &mut members[1..] {
        assert_eq!(raw_frame(member).await, first);
    }
    next_text(&mut lines).await;
    for (form, before) in forms.into_iter().zip(before) {
        assert_eq!(figure(&server, form).await - before, 1, "{form}");
    }
    drop((members, plain, lines));
    server.stop().await;
}

/// Joins over a socket that takes little ahead of being read, whatever the system would allow.
async fn join_with_small_buffer(server: &Running, path: &str) -> Member {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(64 << 10).unwrap();
    let stream = soon(socket.connect(server.address)).await.unwrap();
    let config = common::client_config(&server.authority(), &["http/1.1"]);
    let name = "localhost".try_into().unwrap();
    let connecting = TlsConnector::from(Arc::new(config)).connect(name, stream);
    let stream = soon(connecting).await.unwrap();
    let url = format!("wss://localhost:{}{path}", server.address.port());
    let mut request = url.into_client_request().unwrap();
    let protocol = HeaderValue::from_static("chat.v1.json");
    request
        .headers_mut()
        .insert("sec-websocket-protocol", protocol);
    let (socket, _) = soon(tokio_tungstenite::client_async(request, stream))
        .await
        .unwrap();
    let mut member = Member {
        socket,
        joined: Value::Null,
    };
    member.joined = member.next().await;
    member
}

/// Lets a member stop reading while the room gets more than all buffers hold; gives what it then reads.
async fn slow_member(policy: &str) -> (Option<u16>, Vec<Value>) {
    const MESSAGES: usize = 120;
    // However busy the machine is, the member is too slow for its room and not for its connection: else that would end
    // by one of these deadlines before the room has its say.
    let server = common::start(&[
        "--rooms-kind",
        &format!("s-*={policy}"),
        "--rooms-queue-messages",
        "8",
        "--write-timeout",
        "2m",
        "--close-timeout",
        "20s",
        "--ping-interval",
        "off",
    ])
    .await;
    let mut slow = join_with_small_buffer(&server, "/chat/s-1?name=slow").await;
    // In lines, which cost a test less than JSON; what comes back is stored.
    let mut fast = line_member(&server, "/chat/s-1?name=fast").await;
    for number in 0..MESSAGES {
        let text = format!("{number}:{}", "x".repeat(60_000));
        fast.send(Message::text(text)).await.unwrap();
        next_text(&mut fast).await;
    }
    let last = format!("{}:", MESSAGES - 1);
    let (mut events, mut code) = (Vec::new(), None);
    loop {
        match soon(slow.socket.next()).await {
            Some(Ok(Message::Text(text))) => {
                let event: Value = serde_json::from_str(&text).unwrap();
                let is_last = event["text"]
                    .as_str()
                    .is_some_and(|text| text.starts_with(&last));
                events.push(event);
                if is_last {
                    break;
                }
            }
            Some(Ok(Message::Close(frame))) => {
                code = Some(frame.unwrap().code.into());
                break;
            }
            Some(Ok(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    let metrics = server.get("/metrics").await;
    let lagged = format!("wss_rooms_lagged_total{{policy=\"{policy}\"}} ");
    let dropped = format!("wss_rooms_dropped_total{{policy=\"{policy}\"}} ");
    assert!(
        metrics.contains(&lagged) && metrics.contains(&dropped),
        "{metrics}"
    );
    drop((slow, fast));
    server.stop().await;
    (code, events)
}

fn offsets(events: &[Value]) -> Vec<u64> {
    events
        .iter()
        .filter_map(|event| event["offset"].as_u64())
        .collect()
}

#[tokio::test]
async fn slow_member_is_sent_away_by_disconnect() {
    let (code, events) = slow_member("disconnect").await;
    assert_eq!(code, Some(1013));
    let last = events.last().unwrap();
    assert_eq!(
        (&last["type"], &last["code"]),
        (&json!("error"), &json!("slow"))
    );
    let offsets = offsets(&events);
    assert!(
        offsets.is_sorted() && offsets.len() < 120,
        "what was given is whole: {}",
        offsets.len()
    );
    assert_eq!(*offsets.last().unwrap(), offsets.len() as u64);
}

#[tokio::test]
async fn slow_member_is_told_of_the_gap_by_drop_oldest() {
    let (code, events) = slow_member("drop-oldest").await;
    assert_eq!(code, None);
    let mut expected = 1;
    let mut gaps = 0;
    for event in &events {
        if event["type"] == "gap" {
            assert_eq!(event["reason"], "slow");
            gaps += 1;
            let next = event["next"].as_str().unwrap();
            expected = next.split_once(':').unwrap().1.parse().unwrap();
        } else if let Some(offset) = event["offset"].as_u64() {
            assert_eq!(
                offset, expected,
                "no message is missing without a gap before it"
            );
            expected += 1;
        }
    }
    assert!(gaps > 0 && expected == 121, "{gaps} {expected}");
}

#[tokio::test]
async fn slow_member_gets_the_latest_alone_by_latest() {
    let (code, events) = slow_member("latest").await;
    assert_eq!(code, None);
    let offsets = offsets(&events);
    assert!(events.iter().all(|event| event["type"] != "gap"));
    assert!(
        offsets.is_sorted() && *offsets.last().unwrap() == 120 && offsets.len() < 115,
        "{offsets:?}"
    );
}

#[tokio::test]
async fn members_are_told_that_the_server_goes() {
    let mut server = start(&[]).await;
    let mut ana = join(&server, "/chat/tea?name=ana").await;
    let mut bob = line_member(&server, "/chat/tea?name=bob").await;
    server.begin_stop();
    assert_eq!(until_closed(&mut ana.socket).await.0, 1001);
    assert_eq!(until_closed(&mut bob).await.0, 1001);
    drop((ana, bob));
    assert_eq!(server.stop().await.cut_off, 0);
}

/// A POST into `room`.
async fn post(server: &Running, room: &str, headers: &str, body: &str) -> String {
    let request = format!(
        "POST /rooms/{room}/messages HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    );
    server.exchange(request.as_bytes()).await
}

const JSON: &str = "Content-Type: application/json\r\n";

#[tokio::test]
async fn a_message_can_be_posted_without_a_socket() {
    let server = start(&[]).await;
    let body = r#"{"from":"cron","text":"backup done","id":"b1"}"#;
    let first = post(&server, "ops", JSON, body).await;
    assert_eq!(common::status_of(&first), 201, "{first}");
    assert!(
        first.contains(r#""offset":1"#) && first.contains(r#""duplicate":false"#),
        "{first}"
    );
    let again = post(&server, "ops", JSON, body).await;
    assert_eq!(common::status_of(&again), 200, "{again}");
    assert!(
        again.contains(r#""offset":1"#) && again.contains(r#""duplicate":true"#),
        "{again}"
    );
    let mut ana = join(&server, "/chat/ops?name=ana").await;
    assert_eq!(ana.joined["offset"], 1);
    post(&server, "ops", JSON, r#"{"from":"cron","text":"all well"}"#).await;
    assert_eq!(ana.next_of("message").await["text"], "all well");
    let history = server.get("/rooms/ops/messages").await;
    let (_, history) = history.split_once("\r\n\r\n").unwrap();
    let history: Value = serde_json::from_str(history).unwrap();
    assert_eq!(texts(&history), ["backup done", "all well"]);
    let after = format!(
        "/rooms/ops/messages?after={}",
        place(&history["messages"][0])
    );
    assert!(
        server
            .get(&after)
            .await
            .contains(r#""complete":true,"more":false"#)
    );
    server.stop().await;
}

#[tokio::test]
async fn a_bad_post_is_refused_with_the_reason() {
    let server = start(&[]).await;
    let long = format!(r#"{{"from":"a","text":"{}"}}"#, "x".repeat(64 << 10));
    let good = r#"{"from":"a","text":"x"}"#;
    for (room, headers, body, status, part) in [
        ("ops", JSON, long.as_str(), 413, "65536 bytes"),
        (
            "ops",
            "Content-Type: text/plain\r\n",
            good,
            415,
            "application/json",
        ),
        ("ops", "", good, 415, "application/json"),
        ("ops", JSON, "{", 400, "the body"),
        ("ops", JSON, r#"{"text":"x"}"#, 400, "`from` is missing"),
        (
            "ops",
            JSON,
            r#"{"from":"a b","text":"x"}"#,
            400,
            "member name",
        ),
        ("ops", JSON, r#"{"from":"a","text":""}"#, 400, "empty"),
        ("o%20ps", JSON, good, 400, "room name"),
        (
            "ops",
            "Content-Type: application/json\r\nOrigin: https://evil.example\r\n",
            good,
            403,
            "Origin",
        ),
    ] {
        let answer = post(&server, room, headers, body).await;
        assert_eq!(common::status_of(&answer), status, "{answer}");
        assert!(
            answer.contains(part) && answer.contains("application/problem+json"),
            "{answer}"
        );
    }
    assert_eq!(
        common::status_of(&server.get("/rooms/ops/messages?limit=x").await),
        400
    );
    assert_eq!(
        common::status_of(&server.get("/chat/tea?name=ana").await),
        426
    );
    server.stop().await;
}

#[tokio::test]
async fn empty_rooms_and_their_members_are_not_counted_any_more() {
    let server = start(&[]).await;
    let members = futures_util::future::join_all((0..20).map(|number| {
        let server = &server;
        async move { join(server, &format!("/chat/r{}?name=ana", number % 5)).await }
    }))
    .await;
    let metrics = server.get("/metrics").await;
    assert!(
        metrics.contains("wss_rooms_held 5") && metrics.contains("wss_rooms_members 20"),
        "{metrics}"
    );
    assert!(metrics.contains("wss_rooms_backplane_up 1"));
    drop(members);
    until(|| async {
        let metrics = server.get("/metrics").await;
        metrics.contains("wss_rooms_held 0") && metrics.contains("wss_rooms_members 0")
    })
    .await;
    tokio::time::timeout(Duration::from_secs(20), server.stop())
        .await
        .unwrap();
}
