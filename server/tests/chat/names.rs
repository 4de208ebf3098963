//! Names as people write them, and ids that nobody can guess.

use futures_util::SinkExt;
use serde_json::json;

use super::posts::{JSON, post};
use super::{join, line_member, next_text, start, until_closed};
use crate::common::soon;

/// A stranger who knows a member's earlier ids, and its name, takes all that might come next.
#[tokio::test]
async fn a_stranger_cannot_silence_a_member() {
    let server = start(&["--rooms-burst", "10000"]).await;
    let mut stranger = join(&server, "/chat/tea?name=ana").await;
    let mut ana = line_member(&server, "/chat/tea?name=ana").await;
    ana.send("first".into()).await.unwrap();
    let first = stranger.next_of("message").await;
    let (id, member) = (
        first["id"].as_str().unwrap(),
        first["member"].as_str().unwrap(),
    );
    for seen in [id, member] {
        let Some((node, number)) = seen.rsplit_once(':') else {
            continue;
        };
        let Ok(number) = number.parse::<u64>() else {
            continue;
        };
        for next in number.saturating_sub(50)..number + 200 {
            stranger.publish(&format!("{node}:{next}"), "taken").await;
        }
    }
    assert_eq!(next_text(&mut ana).await, "ana: first");
    for text in ["one", "two", "three", "four", "five"] {
        ana.send(text.into()).await.unwrap();
    }
    soon(async {
        for text in ["one", "two", "three", "four", "five"] {
            while next_text(&mut ana).await != format!("ana: {text}") {}
        }
    })
    .await;
    server.stop().await;
}

/// Ids of connections and messages tell nothing of how many there were.
#[tokio::test]
async fn ids_leak_no_counter() {
    let server = start(&[]).await;
    let mut ids = Vec::new();
    for _ in 0..8 {
        let mut member = join(&server, "/chat/tea?name=ana").await;
        let id = member.joined["member"].as_str().unwrap().to_owned();
        let (_, number) = id.split_once(':').unwrap();
        assert_eq!(number.len(), 16, "{id}");
        ids.push(u64::from_str_radix(number, 16).unwrap());
        member.say(json!({"type": "message", "text": "x"})).await;
        let said = member.next_of("message").await;
        let said = said["id"].as_str().unwrap();
        assert_eq!(said.len(), 32, "{said}");
        ids.push(u64::from_str_radix(&said[16..], 16).unwrap());
    }
    // Random numbers of 64 bits differ in about half of their bits.
    for pair in ids.windows(3) {
        let differing = (pair[0] ^ pair[2]).count_ones();
        assert!((8..=56).contains(&differing), "{pair:x?}");
    }
    server.stop().await;
}

/// A name is the same name however it is composed and wherever it is given.
#[tokio::test]
async fn one_name_in_two_spellings_is_one_name() {
    let server = start(&[]).await;
    let decomposed = "/chat/tea?name=Joa%CC%83o";
    let mut from_macos = join(&server, decomposed).await;
    assert_eq!(from_macos.joined["name"], "João");
    let mut maria = join(&server, "/chat/tea?name=ana%20maria").await;
    assert_eq!(maria.joined["name"], "ana maria");
    let mut lines = line_member(&server, "/chat/tea?name=%F0%9F%98%80").await;
    let body = r#"{"from":"Joa\u0303o","text":"posted","id":"1"}"#;
    let posted = post(&server, "tea", JSON, body).await;
    assert!(posted.starts_with("HTTP/1.1 201"), "{posted}");
    assert_eq!(next_text(&mut lines).await, "João: posted");
    let body = r#"{"from":"João","text":"posted","id":"1"}"#;
    let again = post(&server, "tea", JSON, body).await;
    assert!(again.contains(r#""duplicate":true"#), "{again}");
    maria.say(json!({"type": "message", "text": "hello"})).await;
    assert_eq!(next_text(&mut lines).await, "ana maria: hello");
    from_macos.publish("2", "hello").await;
    assert_eq!(next_text(&mut lines).await, "João: hello");
    server.stop().await;
}

#[tokio::test]
async fn names_that_deceive_are_refused_everywhere() {
    let server = start(&[]).await;
    for name in [
        "\u{3164}",
        "p\u{430}ypal",
        "\u{1c3} the server restarts",
        "ana\u{200d}",
    ] {
        let encoded: Vec<String> = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let encoded = encoded.concat();
        let path = format!("/chat/tea?name={encoded}");
        let (mut socket, _) = server.open(&path, &[]).await;
        let (code, lines) = until_closed(&mut socket).await;
        assert_eq!(code, 1008, "{lines:?}");
        let body = json!({"from": name, "text": "x"}).to_string();
        let refused = post(&server, "tea", JSON, &body).await;
        assert!(refused.starts_with("HTTP/1.1 400"), "{refused}");
    }
    server.stop().await;
}
