//! Rules that all transports share: one rate for each address, the Origin before the token.

use bytes::Bytes;
use http::Request;
use http_body_util::Empty;
use jsonwebtoken::EncodingKey;
use rcgen::KeyPair;
use serde_json::json;
use server::grpc::proto_v2::SendRequest;
use server::grpc::proto_v2::chat_service_client::ChatServiceClient;
use tonic::Code;

use crate::channel::over_tls;
use crate::common::{self, Running, soon, start};
use crate::{Guarded, with_token};

#[tokio::test]
async fn one_address_has_one_rate_over_all_transports() {
    let server = start(&["--rooms-burst", "6", "--rooms-per-second", "1"]).await;
    let mut client = ChatServiceClient::new(over_tls(&server).await);
    let body = r#"{"from":"ana","text":"x"}"#;
    let post = format!(
        "POST /rooms/tea/messages HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let read = "GET /rooms/tea/messages HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let mut passed = 0;
    for _ in 0..6 {
        let request = SendRequest {
            room: "tea".to_owned(),
            sender: "ana".to_owned(),
            text: "x".to_owned(),
            id: String::new(),
        };
        match soon(client.send(request)).await {
            Ok(_) => passed += 1,
            Err(status) => assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}"),
        }
        for request in [post.as_str(), read] {
            match server.status(request.as_bytes()).await {
                200 | 201 => passed += 1,
                status => assert_eq!(status, 429, "{request}"),
            }
        }
    }
    // Six at once, and one a second for as long as this took.
    assert!((6..=11).contains(&passed), "{passed} of 18");
    server.stop().await;
}

#[tokio::test]
async fn the_origin_is_judged_before_the_token() {
    let guarded = Guarded::start(&[]);
    let server = &guarded.server;
    let other = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let other = EncodingKey::from_ec_pem(other.serialize_pem().as_bytes()).unwrap();
    let forged = guarded.token_by(&other, 60, json!({}));
    let evil = format!("Origin: {EVIL}\r\nAuthorization: Bearer {forged}\r\n");
    let requests = [
        common::handshake("/chat/tea", &evil),
        common::handshake(
            "/chat/tea",
            &format!("Origin: {EVIL}\r\nSec-WebSocket-Protocol: chat, bearer.{forged}\r\n"),
        ),
        format!("GET /rooms/tea/messages HTTP/1.1\r\nHost: localhost\r\n{evil}\r\n"),
        format!(
            "POST /rooms/tea/messages HTTP/1.1\r\nHost: localhost\r\n{evil}Content-Length: 0\r\n\r\n"
        ),
        format!(
            "POST /chat.v2.ChatService/Send HTTP/1.1\r\nHost: localhost\r\n{evil}\
             Content-Type: application/grpc-web\r\nContent-Length: 0\r\n\r\n"
        ),
    ];
    let bearer = format!("Bearer {forged}");
    let fields = [("origin", EVIL), ("authorization", bearer.as_str())];
    let mut http2 = common::http2::dial(server).await;
    for _ in 0..3 {
        for request in &requests {
            assert_eq!(server.status(request.as_bytes()).await, 403, "{request}");
        }
        let refused = common::http2::connect(server, &mut http2, "/chat/tea", &fields).await;
        assert_eq!(refused.status(), 403);
        for method in ["Send", "Subscribe", "Converse"] {
            let call = native_call(server, method, &fields);
            let refused = soon(http2.send_request(call)).await.unwrap();
            assert_eq!(refused.status(), 403, "{method}");
        }
    }
    // None of them has counted as an attempt of this address: five may still be wrong.
    let guess = common::handshake("/chat/tea", &format!("Authorization: Bearer {forged}\r\n"));
    for status in [401, 401, 401, 401, 401, 429] {
        assert_eq!(server.status(guess.as_bytes()).await, status);
    }
    let authorization = format!("Bearer {}", guarded.token(60, json!({})));
    server
        .open("/chat/tea", &[("authorization", &authorization)])
        .await;
    let mut client = ChatServiceClient::new(over_tls(server).await);
    let request = SendRequest {
        room: "tea".to_owned(),
        text: "x".to_owned(),
        ..SendRequest::default()
    };
    let sent = client.send(with_token(request, &guarded.token(60, json!({}))));
    soon(sent).await.unwrap();
}

const EVIL: &str = "https://evil.example";

/// A call of gRPC as clients without gRPC-Web send it.
fn native_call(server: &Running, method: &str, fields: &[(&str, &str)]) -> Request<Empty<Bytes>> {
    let port = server.address.port();
    let mut call = Request::post(format!(
        "https://localhost:{port}/chat.v2.ChatService/{method}"
    ));
    for (name, value) in [("content-type", "application/grpc"), ("te", "trailers")]
        .iter()
        .chain(fields)
    {
        call = call.header(*name, *value);
    }
    call.body(Empty::new()).unwrap()
}
