//! Messages posted without a socket.

use serde_json::Value;

use super::talk::texts;
use super::{common, join, place, start};
use crate::common::Running;

/// A POST into `room`.
pub(crate) async fn post(server: &Running, room: &str, headers: &str, body: &str) -> String {
    let request = format!(
        "POST /rooms/{room}/messages HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    );
    server.exchange(request.as_bytes()).await
}

pub(crate) const JSON: &str = "Content-Type: application/json\r\n";

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
    #[rustfmt::skip]
    let cases = [
        ("ops", JSON, long.as_str(), 413, "65536 bytes"),
        ("ops", "Content-Type: text/plain\r\n", good, 415, "application/json"),
        ("ops", "", good, 415, "application/json"),
        ("ops", JSON, "{", 400, "the body"),
        ("ops", JSON, r#"{"text":"x"}"#, 400, "a name is missing"),
        ("ops", JSON, r#"{"from":"a:b","text":"x"}"#, 400, "member name"),
        ("ops", JSON, r#"{"from":"a","text":""}"#, 400, "empty"),
        ("o%20ps", JSON, good, 400, "room name"),
        ("ops", "Content-Type: application/json\r\nOrigin: https://evil.example\r\n", good, 403, "Origin"),
    ];
    for (room, headers, body, status, part) in cases {
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
