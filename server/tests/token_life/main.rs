//! The life of a token: where it begins to count, how it is renewed, and that it ends on every transport.
//!
//! The kind: a transport that judges a token once, when it is shown, and then forgets it. Members of it that are tested
//! here: gRPC `Subscribe` and `Converse`, gRPC-Web, WebSocket in both subprotocols, over HTTP/1.1 and HTTP/2, POST; each
//! idle, busy, blocked by a peer that reads nothing, within a replay, before it has joined, and with a renewed token.

#![allow(
    clippy::large_futures,
    clippy::needless_pass_by_value,
    clippy::unused_self,
    clippy::unwrap_used,
    reason = "it is a test: it may panic, and needs no small stack"
)]

#[path = "../common/channel.rs"]
mod channel;
#[path = "../common/mod.rs"]
mod common;
mod end;
mod joins;
mod renewal;
mod shared;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use common::{Running, start_with};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::KeyPair;
use serde_json::{Value, json};
use tonic::Request;

/// A server with a key of its own, and the key that signs tokens for it.
struct Guarded {
    server: Running,
    signing: EncodingKey,
}

impl Guarded {
    /// Starts with `flags`; clocks need no leeway here.
    fn start(flags: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let pair = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let file = directory.path().join("token.pem");
        std::fs::write(&file, pair.public_key_pem()).unwrap();
        let file = file.to_str().unwrap().to_owned();
        let fixed = ["--rooms-token-key", &file, "--rooms-token-leeway", "0s"];
        let server = start_with(directory, &[&fixed, flags].concat(), |server| server);
        let signing = EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).unwrap();
        Self { server, signing }
    }

    /// A token for `ana` in `tea` that ends `seconds` from now, with `changes`.
    fn token(&self, seconds: u64, changes: Value) -> String {
        self.token_by(&self.signing, seconds, changes)
    }

    /// The same, signed with `key`.
    fn token_by(&self, key: &EncodingKey, seconds: u64, changes: Value) -> String {
        let mut claims = json!({
            "sub": "ana", "aud": "rooms", "exp": unix_seconds() + seconds,
            "rooms": ["tea"], "rights": ["join", "publish", "history"],
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let header = Header::new(Algorithm::ES256);
        jsonwebtoken::encode(&header, &claims, key).unwrap()
    }

    /// Returns the number of members that the server counts.
    async fn members(&self) -> u64 {
        let metrics = self.server.get("/metrics").await;
        let mut lines = metrics.lines();
        let line = lines.find_map(|line| line.strip_prefix("wss_rooms_members "));
        line.unwrap().trim().parse().unwrap()
    }
}

/// The current second; a token that ends `n` later lives for more than `n - 1` seconds.
fn unix_seconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    since.as_secs()
}

/// `message` as a call with `token`.
fn with_token<T>(message: T, token: &str) -> Request<T> {
    let mut request = Request::new(message);
    let value = format!("Bearer {token}").parse().unwrap();
    request.metadata_mut().insert("authorization", value);
    request
}

/// Seconds that the tokens of these tests live.
const LIFE: u64 = 3;

/// By when the end of such a token must have been noticed, on a busy machine.
const SOON_AFTER: Duration = Duration::from_secs(2 * LIFE + 3);
