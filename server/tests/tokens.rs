//! Tokens for rooms: which are accepted, what they allow, and what the others get.

#![allow(
    clippy::large_futures,
    clippy::needless_pass_by_value,
    clippy::unwrap_used,
    reason = "it is a test: it may panic, and needs no small stack"
)]

mod common;

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::{Running, soon, start_with};
use futures_util::{SinkExt, StreamExt};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::KeyPair;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Error, Message};

const SECRET: &[u8] = b"a secret of more than thirty-two bytes";

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

/// Claims that allow everything in `tea`, with `changes` over them; null removes.
fn claims(changes: Value) -> Value {
    let mut claims = json!({
        "sub": "ana", "aud": "rooms", "exp": now() + 600,
        "rooms": ["tea"], "rights": ["join", "publish", "history"],
    });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
        .as_object_mut()
        .unwrap()
        .retain(|_, value| !value.is_null());
    claims
}

fn sign(algorithm: Algorithm, key: &EncodingKey, changes: Value) -> String {
    encode(&Header::new(algorithm), &claims(changes), key).unwrap()
}

fn hs256(changes: Value) -> String {
    sign(Algorithm::HS256, &EncodingKey::from_secret(SECRET), changes)
}

/// A server with [`SECRET`].
fn secret_server() -> Running {
    started("--rooms-token-secret", SECRET)
}

/// A server whose file of public keys holds `key`.
fn key_server(key: impl AsRef<[u8]>) -> Running {
    started("--rooms-token-key", key.as_ref())
}

fn started(option: &str, key: &[u8]) -> Running {
    let directory = tempfile::tempdir().unwrap();
    let file = write_key(directory.path(), key);
    start_with(directory, &[option, file.to_str().unwrap()], |server| {
        server
    })
}

fn write_key(directory: &Path, key: &[u8]) -> PathBuf {
    let file = directory.join("token.key");
    std::fs::write(&file, key).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    file
}

/// The status and body of a refusal to join `path` with `token`; 101 if it was none.
async fn attempt(server: &Running, path: &str, token: &str) -> (u16, String) {
    let authorization = format!("Bearer {token}");
    match server
        .try_open(path, &[("authorization", &authorization)])
        .await
    {
        Ok(_) => (101, String::new()),
        Err(Error::Http(response)) => {
            let challenge = response.headers().get("www-authenticate");
            let challenge = challenge.map_or("", |value| value.to_str().unwrap());
            let body = response.body().as_deref().unwrap_or_default();
            (
                response.status().as_u16(),
                format!("{challenge} {}", String::from_utf8_lossy(body)),
            )
        }
        Err(error) => panic!("{error}"),
    }
}

async fn first_event(server: &Running, path: &str, headers: &[(&str, &str)]) -> Value {
    let (mut socket, response) = server.open(path, headers).await;
    assert_eq!(response.headers()["sec-websocket-protocol"], "chat.v1.json");
    match soon(socket.next()).await.unwrap().unwrap() {
        Message::Text(text) => serde_json::from_str(&text).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn good_token_opens_the_rooms_that_it_names() {
    let server = secret_server();
    let token = hs256(json!({"rooms": ["tea", "live-*"]}));
    let authorization = format!("Bearer {token}");
    let headers = [
        ("authorization", authorization.as_str()),
        ("sec-websocket-protocol", "chat.v1.json"),
    ];
    // The name comes from the token.
    assert_eq!(
        first_event(&server, "/chat/tea", &headers).await["name"],
        "ana"
    );
    assert_eq!(
        first_event(&server, "/chat/live-1?name=ana", &headers).await["type"],
        "joined"
    );
    let other_name = first_event(&server, "/chat/tea?name=bob", &headers).await;
    assert_eq!(other_name["message"], "the token is for another name");
    // From a browser: in the list of subprotocols, and not sent back.
    let protocols = format!("chat.v1.json, bearer.{token}");
    let joined = first_event(
        &server,
        "/chat/tea",
        &[("sec-websocket-protocol", &protocols)],
    )
    .await;
    assert_eq!(joined["name"], "ana");
    let (status, text) = attempt(&server, "/chat/coffee", &token).await;
    assert_eq!(status, 403);
    assert!(
        text.contains("insufficient_scope") && text.contains("join in the room coffee"),
        "{text}"
    );
    // Never from the URL.
    let in_url = format!("/chat/tea?name=ana&token={token}&access_token={token}");
    assert!(
        matches!(server.try_open(&in_url, &[]).await, Err(Error::Http(response)) if response.status() == 401)
    );
    server.stop().await;
}

#[tokio::test]
async fn what_the_token_does_not_allow_is_refused() {
    let server = secret_server();
    let reader = hs256(json!({"rights": ["join"]}));
    let authorization = format!("Bearer {reader}");
    let headers = [
        ("authorization", authorization.as_str()),
        ("sec-websocket-protocol", "chat.v1.json"),
    ];
    let (mut socket, _) = server.open("/chat/tea", &headers).await;
    for request in [
        r#"{"type":"message","text":"x","id":"1"}"#,
        r#"{"type":"history"}"#,
    ] {
        socket.send(Message::text(request)).await.unwrap();
        let code = loop {
            let Message::Text(text) = soon(socket.next()).await.unwrap().unwrap() else {
                continue;
            };
            let event: Value = serde_json::from_str(&text).unwrap();
            if event["type"] == "error" {
                break event["code"].clone();
            }
        };
        assert_eq!(code, "forbidden");
    }
    let post = |token: String| {
        let body = r#"{"text":"x"}"#;
        let request = format!(
            "POST /rooms/tea/messages HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\
             Content-Type: application/json\r\nAuthorization: Bearer {token}\r\n\r\n{body}",
            body.len()
        );
        let server = &server;
        async move { server.status(request.as_bytes()).await }
    };
    assert_eq!(post(reader).await, 403);
    assert_eq!(post(hs256(json!({"rights": ["publish"]}))).await, 201);
    assert_eq!(
        attempt(&server, "/chat/tea", &hs256(json!({"rights": ["publish"]})))
            .await
            .0,
        403
    );
    assert_eq!(
        attempt(&server, "/chat/tea", &hs256(json!({"rights": null})))
            .await
            .0,
        403
    );
    assert_eq!(
        attempt(&server, "/chat/tea", &hs256(json!({"rooms": null})))
            .await
            .0,
        403
    );
    assert_eq!(
        common::status_of(&server.get("/rooms/tea/messages").await),
        401
    );
    server.stop().await;
}

#[tokio::test]
async fn bad_tokens_are_401_and_too_many_are_429() {
    let unsigned = {
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
        let claims = URL_SAFE_NO_PAD.encode(claims(json!({})).to_string());
        format!("{header}.{claims}.")
    };
    let wrong_key = EncodingKey::from_secret(b"another secret of thirty-two bytes or more");
    let oversize = hs256(json!({"more": "x".repeat(7_000)}));
    assert!(oversize.len() > 8 << 10);
    #[rustfmt::skip]
    let cases = [
        ("expired", hs256(json!({"exp": now() - 31})), "has expired"),
        ("not yet", hs256(json!({"nbf": now() + 60})), "not valid yet"),
        ("wrong audience", hs256(json!({"aud": "other"})), "another audience"),
        ("no audience", hs256(json!({"aud": null})), "no claim aud"),
        ("no end", hs256(json!({"exp": null})), ""),
        ("no name", hs256(json!({"sub": null})), ""),
        ("a name that is none", hs256(json!({"sub": "a\nb"})), "its sub is no name"),
        ("wrong key", sign(Algorithm::HS256, &wrong_key, json!({})), "signature is wrong"),
        ("HS384", sign(Algorithm::HS384, &EncodingKey::from_secret(SECRET), json!({})), "algorithm"),
        ("none", unsigned, ""),
        ("oversize", oversize, "at most 8192"),
        ("cut", hs256(json!({}))[..40].to_owned(), ""),
        ("empty", String::new(), ""),
    ];
    let server = secret_server();
    for (name, token, part) in &cases {
        let (status, text) = attempt(&server, "/chat/tea", token).await;
        assert_eq!(status, 401, "{name}: {text}");
        assert!(
            text.contains("invalid_token") && text.contains(part),
            "{name}: {text}"
        );
    }
    // One of them had a wrong signature; after five it is 429, but for good tokens.
    let (forged, good) = (
        sign(Algorithm::HS256, &wrong_key, json!({})),
        hs256(json!({})),
    );
    for number in 2..20 {
        let (status, text) = attempt(&server, "/chat/tea", &forged).await;
        assert_eq!(status, if number <= 5 { 401 } else { 429 }, "{text}");
        assert_eq!(attempt(&server, "/chat/tea", &good).await.0, 101);
    }
    server.stop().await;
}

#[tokio::test]
async fn h21_stale_pages_do_not_lock_out_their_neighbours() {
    let server = secret_server();
    let stale = [
        hs256(json!({"exp": now() - 3600})),
        hs256(json!({"nbf": now() + 3600})),
        hs256(json!({"aud": "other"})),
        hs256(json!({"exp": "soon"})),
        hs256(json!({"sub": "a\nb"})),
        "x".to_owned(),
    ];
    let good = hs256(json!({"exp": 1e10 + 0.5}));
    for _ in 0..10 {
        for token in &stale {
            assert_eq!(attempt(&server, "/chat/tea", token).await.0, 401);
        }
        assert_eq!(attempt(&server, "/chat/tea", &good).await.0, 101);
    }
    server.stop().await;
}

#[tokio::test]
async fn h21_pages_of_other_origins_reach_no_token() {
    let server = secret_server();
    let forged = {
        let key = EncodingKey::from_secret(b"another secret of thirty-two bytes or more");
        sign(Algorithm::HS256, &key, json!({}))
    };
    let protocols = format!("bearer.{forged}");
    let headers = [
        ("origin", "https://evil.example"),
        ("sec-websocket-protocol", protocols.as_str()),
    ];
    for _ in 0..20 {
        match server.try_open("/chat/tea", &headers).await {
            Err(Error::Http(response)) => assert_eq!(response.status(), 403),
            other => panic!("{other:?}"),
        }
        for method in ["GET", "POST"] {
            let request = format!(
                "{method} /rooms/tea/messages HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
                 Origin: https://evil.example\r\nAuthorization: Bearer {forged}\r\nContent-Length: 0\r\n\r\n"
            );
            assert_eq!(server.status(request.as_bytes()).await, 403);
        }
        for kind in ["grpc-web", "grpc-web-text"] {
            let request = format!(
                "POST /chat.v2.ChatService/Send HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
                 Content-Type: application/{kind}\r\nOrigin: https://evil.example\r\n\
                 Authorization: Bearer {forged}\r\nContent-Length: 0\r\n\r\n"
            );
            assert_eq!(server.status(request.as_bytes()).await, 403, "{kind}");
        }
    }
    // None of them was counted: five may still be wrong.
    for _ in 0..5 {
        assert_eq!(attempt(&server, "/chat/tea", &forged).await.0, 401);
    }
    assert_eq!(attempt(&server, "/chat/tea", &forged).await.0, 429);
    server.stop().await;
}

#[tokio::test]
async fn public_keys_check_their_own_algorithm_alone() {
    let rsa = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let ec = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let rsa_key = EncodingKey::from_rsa_pem(rsa.serialize_pem().as_bytes()).unwrap();
    let ec_key = EncodingKey::from_ec_pem(ec.serialize_pem().as_bytes()).unwrap();
    let rs256 = sign(Algorithm::RS256, &rsa_key, json!({}));
    let es256 = sign(Algorithm::ES256, &ec_key, json!({}));

    let public = rsa.public_key_pem();
    let running = key_server(&public);
    assert_eq!(attempt(&running, "/chat/tea", &rs256).await.0, 101);
    assert_eq!(attempt(&running, "/chat/tea", &es256).await.0, 401);
    // The classic: the public key, which everybody has, taken for a secret.
    for secret in [public.as_bytes(), public.trim().as_bytes()] {
        let forged = sign(
            Algorithm::HS256,
            &EncodingKey::from_secret(secret),
            json!({}),
        );
        assert_eq!(attempt(&running, "/chat/tea", &forged).await.0, 401);
    }
    running.stop().await;

    let running = key_server(ec.public_key_pem());
    assert_eq!(attempt(&running, "/chat/tea", &es256).await.0, 101);
    assert_eq!(attempt(&running, "/chat/tea", &rs256).await.0, 401);
    running.stop().await;
}

#[tokio::test]
async fn a_set_of_keys_is_searched_by_key_id() {
    let keys = ["one", "two"].map(|id| {
        let pair = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let signing = EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).unwrap();
        // The point: its last 64 bytes are x and y.
        let point = pair.public_key_raw().to_vec();
        let [x, y] = [&point[1..33], &point[33..65]].map(|half| URL_SAFE_NO_PAD.encode(half));
        (
            id,
            signing,
            json!({"kty": "EC", "crv": "P-256", "kid": id, "use": "sig", "x": x, "y": y}),
        )
    });
    let set = json!({"keys": [keys[0].2, keys[1].2, {"kty": "unheard-of", "kid": "x"}]});
    let running = key_server(set.to_string());
    for (id, key, expected) in [
        (Some("one"), &keys[0].1, 101),
        (Some("two"), &keys[1].1, 101),
        (None, &keys[1].1, 101),
        (Some("two"), &keys[0].1, 401),
        (Some("three"), &keys[0].1, 401),
    ] {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = id.map(str::to_owned);
        let token = encode(&header, &claims(json!({})), key).unwrap();
        assert_eq!(
            attempt(&running, "/chat/tea", &token).await.0,
            expected,
            "{id:?}"
        );
    }
    running.stop().await;
}

#[tokio::test]
async fn the_end_of_a_token_is_the_end_of_its_connection() {
    let directory = tempfile::tempdir().unwrap();
    let file = write_key(directory.path(), SECRET);
    let flags = [
        "--rooms-token-secret",
        file.to_str().unwrap(),
        "--rooms-token-leeway",
        "0s",
    ];
    let server = start_with(directory, &flags, |server| server);
    let authorization = format!("Bearer {}", hs256(json!({"exp": now() + 2})));
    let (mut socket, _) = server
        .open("/chat/tea", &[("authorization", &authorization)])
        .await;
    let close = loop {
        match soon(socket.next()).await.unwrap().unwrap() {
            Message::Close(frame) => break frame.unwrap(),
            Message::Text(text) => {
                assert_eq!(text, "! the token has expired, come back with a new one");
            }
            _ => {}
        }
    };
    assert_eq!(u16::from(close.code), 1008);
    server.stop().await;
}

#[tokio::test]
async fn keys_are_read_again_and_bad_ones_change_nothing() {
    let server = secret_server();
    let file = server.certs.path().join("token.key");
    let path = "/chat/tea?name=ana";
    let status = async |token: &str| attempt(&server, path, token).await.0;
    let new_secret = b"another secret of more than thirty-two bytes";
    let new = sign(
        Algorithm::HS256,
        &EncodingKey::from_secret(new_secret),
        json!({}),
    );
    let old = hs256(json!({}));
    let authorization = format!("Bearer {old}");
    let headers = [
        ("authorization", authorization.as_str()),
        ("sec-websocket-protocol", "chat.v1.json"),
    ];
    let (mut inside, _) = server.open(path, &headers).await;
    // Too short, a key set, a proxy's page, a public key, readable by others, gone: the old key stays.
    let page = b"<!DOCTYPE html><html><body>502 Bad Gateway</body></html>";
    let public = KeyPair::generate().unwrap().public_key_pem();
    for (content, mode) in [
        (&b"short"[..], 0o600),
        (b"{\"keys\":[]}", 0o600),
        (page, 0o600),
        (public.as_bytes(), 0o600),
        (new_secret, 0o644),
    ] {
        std::fs::write(&file, content).unwrap();
        expose(&file, mode);
        (server.reload)();
        assert_eq!(status(&old).await, 101, "{content:?}");
    }
    std::fs::remove_file(&file).unwrap();
    (server.reload)();
    assert_eq!(status(&old).await, 101);
    write_key(server.certs.path(), new_secret);
    (server.reload)();
    assert_eq!(status(&new).await, 101);
    assert_eq!(status(&old).await, 401);
    // Whoever is inside was let in by a good token.
    inside
        .send(Message::text(r#"{"type":"message","id":"1","text":"x"}"#))
        .await
        .unwrap();
    soon(async {
        while !inside
            .next()
            .await
            .unwrap()
            .unwrap()
            .to_text()
            .unwrap()
            .contains("\"ack\"")
        {}
    })
    .await;
    let metrics = server.get("/metrics").await;
    for line in [
        "wss_rooms_key_reloads_total{result=\"refused\"} 6",
        "wss_rooms_key_reloads_total{result=\"loaded\"} 1",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
}

#[cfg(unix)]
fn expose(file: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).unwrap();
}
