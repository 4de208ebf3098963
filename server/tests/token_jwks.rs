//! Keys for tokens from a URL: fetched over verified https, refreshed, and kept through every failure.
//!
//! The kind: a key set that is replaced by something else. Members tested: a page of a proxy, an empty set, a set of keys
//! that cannot be used, a server error, a redirect, a document without an end, a server that does not answer, another
//! authority.

#![allow(
    clippy::large_futures,
    clippy::unwrap_used,
    reason = "it is a test: it may panic, and needs no small stack"
)]

mod common;

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::{Running, soon, start_with};
use http::{StatusCode, header};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::{KeyPair, PublicKeyData};
use serde_json::{Value, json};
use tokio::sync::watch;

/// The key server's answer.
#[derive(Clone)]
enum Answer {
    Text(StatusCode, String),
    Redirect,
    Endless,
    Silence,
}

/// A server of keys, and the number of requests that it has got.
struct KeyServer {
    server: Running,
    answer: Arc<Mutex<Answer>>,
    requests: watch::Receiver<u64>,
}

impl KeyServer {
    fn start(answer: Answer) -> Self {
        let answer = Arc::new(Mutex::new(answer));
        let (count, requests) = watch::channel(0);
        let shared = Arc::clone(&answer);
        let handler = move || {
            count.send_modify(|count| *count += 1);
            let answer = shared.lock().unwrap().clone();
            async move { respond(answer).await }
        };
        let routes = Router::new().route("/keys", get(handler));
        let directory = tempfile::tempdir().unwrap();
        let server = start_with(directory, &[], |server| server.merge(routes));
        Self {
            server,
            answer,
            requests,
        }
    }

    /// A server that fetches its keys here every 50 ms.
    fn client(&self, flags: &[&str]) -> Running {
        let url = format!("https://localhost:{}/keys", self.server.address.port());
        let ca = self.server.certs.path().join("ca.crt");
        let fixed = [
            "--rooms-token-jwks-url",
            &url,
            "--rooms-token-jwks-ca",
            ca.to_str().unwrap(),
        ];
        let flags: Vec<&str> = fixed.iter().chain(flags).copied().collect();
        start_with(tempfile::tempdir().unwrap(), &flags, |server| server)
    }

    fn set(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    /// Waits until so many more requests have come.
    async fn after(&self, more: u64) {
        let mut requests = self.requests.clone();
        let aim = *requests.borrow() + more;
        soon(requests.wait_for(|count| *count >= aim))
            .await
            .unwrap();
    }
}

async fn respond(answer: Answer) -> Response {
    match answer {
        Answer::Text(status, text) => (status, text).into_response(),
        Answer::Redirect => (StatusCode::FOUND, [(header::LOCATION, "/keys")]).into_response(),
        Answer::Endless => {
            let chunk = || Ok::<_, std::io::Error>(vec![b' '; 64 << 10]);
            Body::from_stream(futures_util::stream::repeat_with(chunk)).into_response()
        }
        Answer::Silence => std::future::pending().await,
    }
}

struct Signer {
    key: EncodingKey,
    jwk: Value,
    id: &'static str,
}

impl Signer {
    fn new(id: &'static str) -> Self {
        let pair = KeyPair::generate().unwrap();
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let point = pair.der_bytes();
        Self {
            key: EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).unwrap(),
            jwk: json!({
                "kty": "EC", "crv": "P-256", "kid": id, "use": "sig",
                "x": text(&point[1..33]), "y": text(&point[33..]),
            }),
            id,
        }
    }

    fn token(&self) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(self.id.to_owned());
        let claims = json!({
            "sub": "ana", "aud": "rooms", "exp": 1e10, "rooms": ["*"], "rights": ["history"],
        });
        encode(&header, &claims, &self.key).unwrap()
    }
}

fn set(signers: &[&Signer]) -> Answer {
    let keys: Vec<&Value> = signers.iter().map(|signer| &signer.jwk).collect();
    Answer::Text(StatusCode::OK, json!({ "keys": keys }).to_string())
}

/// The status of a request with a token of `signer`.
async fn status(server: &Running, signer: &Signer) -> u16 {
    let request = format!(
        "GET /rooms/tea/messages HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\r\n",
        signer.token()
    );
    server.status(request.as_bytes()).await
}

/// Asks until the status is `expected`.
async fn until(server: &Running, signer: &Signer, expected: u16) {
    soon(async { while status(server, signer).await != expected {} }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_fetched_and_replaced() {
    let (one, two) = (Signer::new("one"), Signer::new("two"));
    let keys = KeyServer::start(set(&[&one]));
    let server = keys.client(&["--rooms-token-jwks-interval", "50ms"]);
    until(&server, &one, 200).await;
    assert_eq!(status(&server, &two).await, 401);
    keys.set(set(&[&two]));
    until(&server, &two, 200).await;
    assert_eq!(status(&server, &one).await, 401);
    let metrics = server.get("/metrics").await;
    assert!(
        metrics.contains("wss_rooms_key_fetches_total{result=\"fetched\"}"),
        "{metrics}"
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_keys_stay_whatever_comes_in_their_place() {
    let one = Signer::new("one");
    let keys = KeyServer::start(set(&[&one]));
    let flags = [
        "--rooms-token-jwks-interval",
        "50ms",
        "--rooms-token-jwks-timeout",
        "300ms",
    ];
    let server = keys.client(&flags);
    until(&server, &one, 200).await;
    let text = |status, text: &str| Answer::Text(status, text.to_owned());
    for answer in [
        text(
            StatusCode::OK,
            "<!DOCTYPE html><html><body>502 Bad Gateway</body></html>",
        ),
        text(StatusCode::OK, r#"{"keys":[]}"#),
        text(
            StatusCode::OK,
            r#"{"keys":[{"kty":"EC","crv":"secp256k1","kid":"one"}]}"#,
        ),
        text(
            StatusCode::OK,
            r#"{"keys":[{"kty":"oct","k":"YSBzZWNyZXQgb2YgbW9yZSB0aGFuIHRoaXJ0eS10d28gYnl0ZXM"}]}"#,
        ),
        text(StatusCode::OK, ""),
        text(StatusCode::NOT_FOUND, r#"{"keys":[]}"#),
        text(StatusCode::INTERNAL_SERVER_ERROR, ""),
        Answer::Redirect,
        Answer::Endless,
        Answer::Silence,
    ] {
        keys.set(answer);
        // The second request begins after the first answer has been judged.
        keys.after(2).await;
        assert_eq!(status(&server, &one).await, 200);
    }
    let metrics = server.get("/metrics").await;
    assert!(
        metrics.contains("wss_rooms_key_fetches_total{result=\"refused\"}"),
        "{metrics}"
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_key_has_the_set_fetched_once() {
    let (one, two) = (Signer::new("one"), Signer::new("two"));
    let keys = KeyServer::start(set(&[&one]));
    let server = keys.client(&[]);
    until(&server, &one, 200).await;
    keys.set(set(&[&one, &two]));
    until(&server, &two, 200).await;
    assert_eq!(*keys.requests.borrow(), 2);
    for _ in 0..50 {
        assert_eq!(status(&server, &Signer::new("three")).await, 401);
    }
    assert_eq!(*keys.requests.borrow(), 2, "once a minute at most");
    assert_eq!(status(&server, &one).await, 200);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn server_of_another_authority_is_not_believed() {
    let one = Signer::new("one");
    let keys = KeyServer::start(set(&[&one]));
    let other = tempfile::tempdir().unwrap();
    certs::ensure(other.path(), &certs::Request::default()).unwrap();
    let ca = other.path().join("ca.crt");
    let url = format!("https://localhost:{}/keys", keys.server.address.port());
    let flags = [
        "--rooms-token-jwks-url",
        &url,
        "--rooms-token-jwks-ca",
        ca.to_str().unwrap(),
    ];
    let server = start_with(tempfile::tempdir().unwrap(), &flags, |server| server);
    soon(async {
        let refused = "wss_rooms_key_fetches_total{result=\"refused\"}";
        while !server.get("/metrics").await.contains(refused) {}
    })
    .await;
    // Nobody is let in without keys, and it is not the token's fault.
    assert_eq!(status(&server, &one).await, 503);
    assert_eq!(*keys.requests.borrow(), 0);
    server.stop().await;
}

#[test]
fn urls_that_cannot_be_used_are_refused_without_repeating_them() {
    for (url, part) in [
        ("http://keys.example/set", "must begin with https://"),
        ("keys.example", "must begin with https://"),
        ("file:///etc/passwd", "no URL"),
        (
            "https://ana:hunter2@keys.example/",
            "neither user nor password",
        ),
        ("https://", "no URL"),
        ("https://a b/", "no URL"),
        ("https://_.._/", "no valid server"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let config = common::config(directory.path(), &["--rooms-token-jwks-url", url]);
        let refused = server::Server::check(&config).unwrap_err().to_string();
        assert!(refused.contains(part), "{url}: {refused}");
        assert!(!refused.contains("hunter2"), "{refused}");
    }
}
