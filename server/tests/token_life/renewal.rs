//! A token is replaced on an open connection, or stays.

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use jsonwebtoken::EncodingKey;
use serde_json::{Value, json};
use server::grpc::proto_v2::converse_request::Kind as Asked;
use server::grpc::proto_v2::event::Kind;
use server::grpc::proto_v2::{ConverseRequest, Renew};
use tokio_tungstenite::tungstenite::Message;
use tonic::Code;

use crate::common::{self, soon};
use crate::end::{close, conversation, in_time, member, say, status};
use crate::{Guarded, LIFE};

/// The next event of a type, from a member that speaks JSON.
async fn event(socket: &mut common::Client, kinds: &[&str]) -> Value {
    loop {
        let Message::Text(text) = soon(socket.next()).await.unwrap().unwrap() else {
            panic!("no event of {kinds:?}")
        };
        let event: Value = serde_json::from_str(&text).unwrap();
        if kinds.contains(&event["type"].as_str().unwrap()) {
            return event;
        }
    }
}

async fn renew(socket: &mut common::Client, token: &str) -> Value {
    let request = json!({"type": "token", "token": token}).to_string();
    socket.send(request.into()).await.unwrap();
    event(socket, &["token", "error"]).await
}

#[tokio::test]
async fn a_renewed_token_lives_on_until_its_own_end() {
    let guarded = Guarded::start(&[]);
    let begun = Instant::now();
    let mut socket = member(&guarded, "chat.v1.json", "", LIFE).await;
    let (requests, mut events) = conversation(&guarded, &guarded.token(LIFE, json!({}))).await;
    let next = guarded.token(2 * LIFE, json!({}));
    let renewed = renew(&mut socket, &next).await;
    assert_eq!(renewed["type"], "token", "{renewed}");
    let expires = renewed["expires"].as_u64().unwrap();
    assert!(expires.is_multiple_of(1000) && expires > 1_700_000_000_000);
    let token = Asked::Renew(Renew { token: next });
    let request = ConverseRequest { kind: Some(token) };
    requests.send(request).await.unwrap();
    let told = soon(async {
        loop {
            if let Some(Kind::Renewed(renewed)) = events.message().await.unwrap().unwrap().kind {
                return renewed.expires;
            }
        }
    });
    assert_eq!(told.await, expires);
    assert_eq!(in_time("JSON", close(&mut socket)).await, 1008);
    assert!(begun.elapsed() > Duration::from_secs(2 * LIFE - 1));
    let status = in_time("Converse", status(&mut events)).await;
    assert_eq!(status.code(), Code::Unauthenticated, "{status:?}");
}

#[tokio::test]
async fn a_token_that_ends_sooner_ends_the_connection_sooner() {
    let guarded = Guarded::start(&[]);
    let mut socket = member(&guarded, "chat.v1.json", "", 600).await;
    let renewed = renew(&mut socket, &guarded.token(LIFE, json!({}))).await;
    assert_eq!(renewed["type"], "token", "{renewed}");
    assert_eq!(in_time("JSON", close(&mut socket)).await, 1008);
}

#[tokio::test]
async fn what_the_new_token_allows_holds_from_then_on() {
    let guarded = Guarded::start(&[]);
    let mut socket = member(&guarded, "chat.v1.json", "", 600).await;
    let message = r#"{"type":"message","id":"1","text":"x"}"#;
    socket.send(message.into()).await.unwrap();
    assert_eq!(event(&mut socket, &["ack", "error"]).await["type"], "ack");
    let listener = guarded.token(600, json!({"rights": ["join"]}));
    assert_eq!(renew(&mut socket, &listener).await["type"], "token");
    socket.send(message.into()).await.unwrap();
    assert_eq!(
        event(&mut socket, &["ack", "error"]).await["code"],
        "forbidden"
    );
    let talker = guarded.token(600, json!({}));
    assert_eq!(renew(&mut socket, &talker).await["type"], "token");
    socket.send(message.into()).await.unwrap();
    assert_eq!(
        event(&mut socket, &["ack", "error"]).await["duplicate"],
        true
    );
}

#[tokio::test]
async fn a_token_that_does_not_fit_leaves_the_old_one_in_force() {
    let guarded = Guarded::start(&[]);
    let mut socket = member(&guarded, "chat.v1.json", "", 2 * LIFE).await;
    let begun = Instant::now();
    let token = async |changes: Value| guarded.token(600, changes);
    for (token, code) in [
        (token(json!({"sub": "rui"})).await, "forbidden"),
        (token(json!({"rooms": ["coffee"]})).await, "forbidden"),
        (
            token(json!({"rights": ["publish", "history"]})).await,
            "forbidden",
        ),
        (guarded.token(0, json!({})), "token"),
        (token(json!({"aud": "other"})).await, "token"),
        ("a.b.c".to_owned(), "token"),
        (String::new(), "token"),
    ] {
        let refused = renew(&mut socket, &token).await;
        assert_eq!(refused["code"], code, "{refused}");
    }
    // The old one is what counts: one may speak, and goes with it.
    let message = r#"{"type":"message","id":"1","text":"x"}"#;
    socket.send(message.into()).await.unwrap();
    assert_eq!(event(&mut socket, &["ack", "error"]).await["type"], "ack");
    assert_eq!(in_time("JSON", close(&mut socket)).await, 1008);
    assert!(begun.elapsed() > Duration::from_secs(2 * LIFE - 2));
    // The same over gRPC.
    let token = guarded.token(600, json!({}));
    let (requests, mut events) = conversation(&guarded, &token).await;
    let token = guarded.token(600, json!({"sub": "rui"}));
    let token = Some(Asked::Renew(Renew { token }));
    requests
        .send(ConverseRequest { kind: token })
        .await
        .unwrap();
    requests.send(say("still here")).await.unwrap();
    let (mut refused, mut said) = (false, false);
    while !refused || !said {
        match soon(events.message()).await.unwrap().unwrap().kind.unwrap() {
            Kind::Error(error) => {
                assert_eq!(error.code, "forbidden");
                refused = true;
            }
            Kind::Message(message) => said |= message.text == "still here",
            _ => {}
        }
    }
}

#[tokio::test]
async fn forged_tokens_count_as_attempts_wherever_they_are_shown() {
    let guarded = Guarded::start(&[]);
    let mut socket = member(&guarded, "chat.v1.json", "", 600).await;
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let foreign = EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).unwrap();
    let forged = guarded.token_by(&foreign, 600, json!({}));
    for _ in 0..5 {
        let refused = renew(&mut socket, &forged).await;
        assert_eq!(refused["code"], "token", "{refused}");
    }
    let request = format!(
        "GET /rooms/tea/messages HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Authorization: Bearer {forged}\r\n\r\n"
    );
    assert_eq!(guarded.server.status(request.as_bytes()).await, 429);
}
