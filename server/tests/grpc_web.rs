//! gRPC-Web as browsers speak it: framing over HTTP/1.1 and HTTP/2, and the Origin of the page that calls.

#![allow(
    clippy::large_futures,
    clippy::unwrap_used,
    reason = "it is a test: it may panic, and needs no small stack"
)]

mod common;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use common::{soon, start};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message as ProstMessage;
use server::grpc::proto::{Message, Response as Reply};

/// Path of the tutorial's method.
const PATH: &str = "/chat.ChatService/SendMessage";

/// A call with `text`, prefixed as gRPC-Web wants it.
fn call(text: &str) -> Vec<u8> {
    let message = Message {
        sender: "Alice".to_owned(),
        text: text.to_owned(),
    };
    let message = message.encode_to_vec();
    let mut bytes = vec![0];
    bytes.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    bytes.extend(message);
    bytes
}

/// The frames of a gRPC-Web body: flag and content.
fn frames(mut body: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while let Some((prefix, rest)) = body.split_first_chunk::<5>() {
        let length = u32::from_be_bytes(prefix[1..].try_into().unwrap()) as usize;
        frames.push((prefix[0], rest[..length].to_vec()));
        body = &rest[length..];
    }
    assert!(body.is_empty(), "{body:?}");
    frames
}

/// One exchange, by the HTTP version that `protocol` names for ALPN.
async fn exchange(
    server: &common::Running,
    protocol: &str,
    method: Method,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> Response<Bytes> {
    let authority = format!("localhost:{}", server.address.port());
    let stream = TokioIo::new(server.tls(&[protocol]).await);
    let uri = if protocol == "h2" {
        format!("https://{authority}{PATH}")
    } else {
        PATH.to_owned()
    };
    let mut request = Request::builder().method(method).uri(uri);
    if protocol != "h2" {
        request = request.header("host", authority);
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(Bytes::from(body))).unwrap();
    let response = if protocol == "h2" {
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream)
            .await
            .unwrap();
        tokio::spawn(connection);
        soon(sender.send_request(request)).await
    } else {
        let (mut sender, connection) = http1::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        soon(sender.send_request(request)).await
    };
    let (parts, body) = response.unwrap().into_parts();
    let body = soon(body.collect()).await.unwrap().to_bytes();
    Response::from_parts(parts, body)
}

/// Checks that `body` is one reply to `text`, and then the status 0.
fn check(body: &[u8], text: &str) {
    let frames = frames(body);
    let [(0, reply), (0x80, trailers)] = frames.as_slice() else {
        panic!("{frames:?}")
    };
    let reply = Reply::decode(reply.as_slice()).unwrap().reply;
    assert_eq!(reply, format!("Mensagem recebida: {text}"));
    let trailers = String::from_utf8_lossy(trailers);
    assert!(
        trailers.lines().any(|line| line == "grpc-status:0"),
        "{trailers}"
    );
}

#[tokio::test]
async fn a_page_calls_the_service() {
    let server = start(&[]).await;
    let origin = format!("https://localhost:{}", server.address.port());
    for protocol in ["http/1.1", "h2"] {
        for text in ["Olá, gRPC-Web!", ""] {
            let headers = [
                ("content-type", "application/grpc-web+proto"),
                ("accept", "application/grpc-web+proto"),
                ("x-grpc-web", "1"),
                ("origin", &origin),
            ];
            let response = exchange(&server, protocol, Method::POST, &headers, call(text)).await;
            assert_eq!(response.status(), StatusCode::OK);
            assert_eq!(
                response.headers()["content-type"],
                "application/grpc-web+proto"
            );
            assert_eq!(
                response.headers()["access-control-allow-origin"],
                origin.as_str()
            );
            check(response.body(), text);
        }
    }
}

#[tokio::test]
async fn the_text_form_is_base64() {
    let server = start(&[]).await;
    let headers = [
        ("content-type", "application/grpc-web-text"),
        ("accept", "application/grpc-web-text"),
    ];
    let body = BASE64_STANDARD.encode(call("hello")).into_bytes();
    let response = exchange(&server, "http/1.1", Method::POST, &headers, body).await;
    assert_eq!(response.status(), StatusCode::OK);
    // Each frame is a piece of base64 of its own.
    let text = String::from_utf8(response.body().to_vec()).unwrap();
    let bytes: Vec<u8> = text
        .as_bytes()
        .chunks(4)
        .flat_map(|quad| BASE64_STANDARD.decode(quad).unwrap())
        .collect();
    check(&bytes, "hello");
}

#[tokio::test]
async fn failures_of_a_call_reach_the_page() {
    let server = start(&["--max-message-bytes", "1KiB"]).await;
    for (headers, body, expected) in [
        (vec![], call(&"a".repeat(2000)), "8"),
        (vec![("grpc-timeout", "soon")], call("hello"), "3"),
        (vec![], vec![0, 0, 0, 0, 9], "13"),
    ] {
        let mut all = vec![("content-type", "application/grpc-web+proto")];
        all.extend(headers);
        let response = exchange(&server, "http/1.1", Method::POST, &all, body).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["grpc-status"], expected);
    }
}

#[tokio::test]
async fn only_allowed_pages_may_call() {
    // H14
    let server = start(&["--origin-allow", "https://good.example"]).await;
    let own = format!("https://localhost:{}", server.address.port());
    let kind = ("content-type", "application/grpc-web+proto");
    for (origin, allowed) in [
        (own.as_str(), true),
        ("https://good.example", true),
        ("https://evil.example", false),
        ("https://good.example.evil", false),
        ("null", false),
    ] {
        let asking = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "content-type,x-grpc-web"),
        ];
        for protocol in ["http/1.1", "h2"] {
            let preflight = exchange(&server, protocol, Method::OPTIONS, &asking, vec![]).await;
            let posted = exchange(
                &server,
                protocol,
                Method::POST,
                &[kind, ("origin", origin)],
                call("x"),
            )
            .await;
            let shared = |response: &Response<Bytes>| {
                let allowed = response.headers().get("access-control-allow-origin");
                allowed.map(|allowed| allowed.to_str().unwrap().to_owned())
            };
            if allowed {
                assert_eq!(preflight.status(), StatusCode::NO_CONTENT, "{origin}");
                assert_eq!(preflight.headers()["access-control-allow-methods"], "POST");
                let headers = preflight.headers()["access-control-allow-headers"]
                    .to_str()
                    .unwrap();
                assert!(headers.contains("x-grpc-web"), "{headers}");
                assert_eq!(shared(&preflight).as_deref(), Some(origin));
                assert_eq!(posted.status(), StatusCode::OK, "{origin}");
                assert_eq!(shared(&posted).as_deref(), Some(origin));
                assert_eq!(posted.headers()["vary"], "origin");
            } else {
                for response in [preflight, posted] {
                    assert_eq!(response.status(), StatusCode::FORBIDDEN, "{origin}");
                    assert_eq!(shared(&response), None, "{origin}");
                }
            }
        }
    }
}

#[tokio::test]
async fn what_is_no_call_is_told_so() {
    let server = start(&[]).await;
    #[rustfmt::skip]
    let cases = [
        ("http/1.1", Method::GET, "application/grpc-web", StatusCode::METHOD_NOT_ALLOWED),
        ("http/1.1", Method::OPTIONS, "application/grpc-web", StatusCode::METHOD_NOT_ALLOWED),
        // Its answer has no content, or the client would take the stream for broken.
        ("h2", Method::HEAD, "application/grpc", StatusCode::METHOD_NOT_ALLOWED),
        ("http/1.1", Method::POST, "text/plain", StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("h2", Method::POST, "text/plain", StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("h2", Method::POST, "application/grpcx", StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("http/1.1", Method::POST, "application/grpc", StatusCode::HTTP_VERSION_NOT_SUPPORTED),
    ];
    for (protocol, method, kind, expected) in cases {
        let headers = [("content-type", kind)];
        let response = exchange(&server, protocol, method.clone(), &headers, call("x")).await;
        assert_eq!(response.status(), expected, "{protocol} {method} {kind}");
    }
}
