//! The client's side of the opening handshake, seen from outside: threats D6 and K7.
#![cfg(feature = "handshake")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::time::Duration;

use bytes::BytesMut;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tungstenite_deflate::handshake::client::OpeningHandshake;
use tungstenite_deflate::tungstenite::client::{ClientRequestBuilder, IntoClientRequest};
use tungstenite_deflate::tungstenite::error::{
    CapacityError, ProtocolError, SubProtocolError, UrlError,
};
use tungstenite_deflate::tungstenite::handshake::client::{Request, Response};
use tungstenite_deflate::tungstenite::handshake::derive_accept_key;
use tungstenite_deflate::tungstenite::{Error, http};
use tungstenite_deflate::{
    Agreed, Options, WebSocketStream, client_async, client_async_with_options,
};

/// The response of RFC 6455 §1.3 to the key of the same section.
const RESPONSE: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n";

fn request() -> Request {
    let mut request = "ws://server.example.com/chat"
        .into_client_request()
        .unwrap();
    request.headers_mut().insert(
        "sec-websocket-key",
        "dGhlIHNhbXBsZSBub25jZQ==".parse().unwrap(),
    );
    request
        .headers_mut()
        .insert("sec-websocket-protocol", "chat, superchat".parse().unwrap());
    request
}

fn receive(response: &[u8]) -> Result<Option<(Response, Option<Agreed>)>, Error> {
    let mut opening = OpeningHandshake::start(request(), &Options::default()).unwrap();
    opening.receive(&mut BytesMut::from(response))
}

#[test]
fn request_is_written_as_servers_expect_it() {
    let opening = OpeningHandshake::start(request(), &Options::default()).unwrap();
    let request = String::from_utf8(opening.request().to_vec()).unwrap();
    assert!(
        request.starts_with("GET /chat HTTP/1.1\r\nHost: server.example.com\r\n"),
        "{request}"
    );
    assert!(request.ends_with("\r\n\r\n"), "{request}");
    assert!(
        request.contains("\r\nSec-WebSocket-Extensions: permessage-deflate"),
        "{request}"
    );
    assert_eq!(request.matches("\r\n\r\n").count(), 1);

    let opening =
        OpeningHandshake::start(self::request(), &Options::default().deflate(None)).unwrap();
    assert!(!String::from_utf8_lossy(opening.request()).contains("xtensions"));
}

#[test]
fn response_of_the_rfc_is_accepted_cut_anywhere_and_keeps_what_follows() {
    const FRAMES: &[u8] = &[
        0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x0d, 0x0a, 0x0d, 0x0a,
    ];
    let bytes = [RESPONSE.as_bytes(), FRAMES].concat();
    for cut in 0..=bytes.len() {
        let mut opening = OpeningHandshake::start(request(), &Options::default()).unwrap();
        let mut buffer = BytesMut::from(&bytes[..cut]);
        let early = opening.receive(&mut buffer).unwrap();
        assert_eq!(early.is_some(), cut >= RESPONSE.len(), "cut at {cut}");
        buffer.extend_from_slice(&bytes[cut..]);
        let (response, agreed) = early
            .or_else(|| opening.receive(&mut buffer).unwrap())
            .expect("a whole head");
        assert_eq!((response.status().as_u16(), agreed), (101, None));
        assert_eq!(buffer, FRAMES, "cut at {cut}");
    }
}

#[test]
fn variants_that_the_rfc_allows_are_accepted() {
    for (line, instead) in [
        ("101 Switching Protocols", "101 "),
        (
            "101 Switching Protocols",
            "101 Web Socket Protocol Handshake",
        ),
        ("Upgrade: websocket", "upgrade:WEBSOCKET "),
        ("Connection: Upgrade", "CONNECTION: keep-alive, upgrade"),
        (
            "Connection: Upgrade",
            "Connection: keep-alive\r\nConnection: Upgrade",
        ),
        ("Protocol: chat", "Protocol: superchat"),
        ("\r\n\r\n", "\r\nX-Caf\u{65}: \u{e9}\r\n\r\n"),
    ] {
        let response = RESPONSE.replacen(line, instead, 1);
        assert_ne!(response, RESPONSE);
        assert!(
            receive(response.as_bytes()).unwrap().is_some(),
            "{instead:?}"
        );
    }
    let deflate = RESPONSE.replace(
        "\r\n\r\n",
        "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
    );
    let (_, agreed) = receive(deflate.as_bytes()).unwrap().unwrap();
    assert!(agreed.is_some());
}

type IsError = fn(&Error) -> bool;

/// Text in the response, its replacement, and the error.
#[rustfmt::skip]
const REFUSED: &[(&str, &str, IsError)] = &[
    ("101 Switching Protocols", "200 OK", |error| http(error, 200)),
    ("101 Switching Protocols", "301 Moved\r\nLocation: ws://other", |error| http(error, 301)),
    ("101 Switching Protocols", "401 Unauthorized", |error| http(error, 401)),
    ("101 Switching Protocols", "403 Forbidden", |error| http(error, 403)),
    ("101 Switching Protocols", "426 Upgrade Required", |error| http(error, 426)),
    ("101 Switching Protocols", "503 Busy", |error| http(error, 503)),
    ("101 Switching Protocols", "000 Nothing", malformed),
    ("101 Switching Protocols", "1010 Many", malformed),
    ("HTTP/1.1", "HTTP/1.0", |error| matches!(error, Error::Protocol(ProtocolError::WrongHttpVersion))),
    ("HTTP/1.1", "HTTP/2.0", malformed),
    ("HTTP/1.1", "SSH-2.0-x", malformed),
    ("Upgrade: websocket\r\n", "", no_upgrade),
    ("Upgrade: websocket", "Upgrade: h2c", no_upgrade),
    ("Upgrade: websocket", "Upgrade: websocket, h2c", no_upgrade),
    ("Upgrade: websocket", "Upgrade: websocket\r\nUpgrade: websocket", no_upgrade),
    ("Connection: Upgrade\r\n", "", no_connection),
    ("Connection: Upgrade", "Connection: close", no_connection),
    ("Connection: Upgrade", "Connection: notupgrade", no_connection),
    ("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n", "", no_accept),
    ("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "s3pPLMBiTxaQ9kYGzzhZRbK+xOp=", no_accept),
    ("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "S3PPLMBITXAQ9KYGZZHZRBK+XOO=", no_accept),
    ("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "dGhlIHNhbXBsZSBub25jZQ==", no_accept),
    ("xOo=", "xOo=\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", no_accept),
    ("Sec-WebSocket-Protocol: chat\r\n", "", |error| protocol(error, SubProtocolError::NoSubProtocol)),
    ("Protocol: chat", "Protocol: Chat", |error| protocol(error, SubProtocolError::InvalidSubProtocol)),
    ("Protocol: chat", "Protocol: other", |error| protocol(error, SubProtocolError::InvalidSubProtocol)),
    ("Protocol: chat", "Protocol: ", |error| protocol(error, SubProtocolError::InvalidSubProtocol)),
    ("Protocol: chat", "Protocol: chat, superchat", |error| protocol(error, SubProtocolError::InvalidSubProtocol)),
    ("Protocol: chat", "Protocol: chat\r\nSec-WebSocket-Protocol: chat", |error| protocol(error, SubProtocolError::InvalidSubProtocol)),
    ("Protocol: chat", "Protocol: chat\r\nSec-WebSocket-Extensions: x-other", extensions),
    ("Protocol: chat", "Protocol: chat\r\nSec-WebSocket-Extensions: permessage-deflate, permessage-deflate", extensions),
    ("Protocol: chat", "Protocol: chat\r\nSec-WebSocket-Extensions: permessage-deflate; x", extensions),
    ("Protocol: chat", "Protocol: chat\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits", extensions),
    ("Protocol: chat", "Protocol: chat\r\nSec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=16", extensions),
    ("Protocol: chat", "Protocol: chat\r\nSec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Extensions: x", extensions),
    ("Protocol: chat", "Protocol: chat\r\nbad name: x", malformed),
    ("Protocol: chat\r\n", "Protocol: chat\n", malformed),
    ("Protocol: chat", "Protocol: c\0hat", malformed),
];

fn malformed(error: &Error) -> bool {
    matches!(error, Error::Protocol(ProtocolError::HttparseError(_)))
}
fn http(error: &Error, status: u16) -> bool {
    matches!(error, Error::Http(response) if response.status() == status)
}
fn protocol(error: &Error, expected: SubProtocolError) -> bool {
    matches!(error, Error::Protocol(ProtocolError::SecWebSocketSubProtocolError(seen)) if *seen == expected)
}
fn no_upgrade(error: &Error) -> bool {
    matches!(
        error,
        Error::Protocol(ProtocolError::MissingUpgradeWebSocketHeader)
    )
}
fn no_connection(error: &Error) -> bool {
    matches!(
        error,
        Error::Protocol(ProtocolError::MissingConnectionUpgradeHeader)
    )
}
fn no_accept(error: &Error) -> bool {
    matches!(
        error,
        Error::Protocol(ProtocolError::SecWebSocketAcceptKeyMismatch)
    )
}
fn extensions(error: &Error) -> bool {
    matches!(error, Error::Protocol(ProtocolError::InvalidHeader(name)) if name.as_str() == "sec-websocket-extensions")
}

#[test]
fn each_wrong_answer_fails_the_handshake() {
    for (line, instead, expected) in REFUSED {
        let response = RESPONSE.replacen(line, instead, 1);
        assert_ne!(response, RESPONSE, "{line:?} is in the response");
        let error = receive(response.as_bytes()).expect_err(instead);
        assert!(expected(&error), "{instead:?}: {error:?}");
    }
}

#[test]
fn endless_heads_are_cut_off() {
    let endless = [b"HTTP/1.1 101 x\r\nA: ".to_vec(), vec![b'x'; 1 << 20]].concat();
    assert!(matches!(receive(&endless), Err(Error::AttackAttempt)));
    let fields = format!("HTTP/1.1 101 x\r\n{}", "A: b\r\n".repeat(102));
    assert!(matches!(
        receive(fields.as_bytes()),
        Err(Error::Capacity(CapacityError::TooManyHeaders))
    ));
}

#[test]
fn nothing_is_accepted_that_was_not_asked_for() {
    let mut request = request();
    request.headers_mut().remove("sec-websocket-protocol");
    let mut opening = OpeningHandshake::start(request, &Options::default().deflate(None)).unwrap();
    let error = opening.receive(&mut BytesMut::from(RESPONSE)).unwrap_err();
    assert!(
        protocol(&error, SubProtocolError::ServerSentSubProtocolNoneRequested),
        "{error:?}"
    );

    let mut opening =
        OpeningHandshake::start(self::request(), &Options::default().deflate(None)).unwrap();
    let deflate = RESPONSE.replace(
        "\r\n\r\n",
        "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
    );
    let error = opening
        .receive(&mut BytesMut::from(&deflate[..]))
        .unwrap_err();
    assert!(extensions(&error), "{error:?}");
}

#[test]
fn extensions_of_the_caller_stay_as_they_are() {
    for (own, answer, deflate, agreed) in [
        ("x-own; a=1", "x-own", true, Some(false)),
        ("x-own; a=1", "x-own", false, Some(false)),
        ("permessage-deflate", "permessage-deflate", true, Some(true)),
        (
            "permessage-deflate",
            "permessage-deflate",
            false,
            Some(false),
        ),
        (
            "permessage-deflate, x-own",
            "permessage-deflate, x-own",
            true,
            Some(true),
        ),
        ("x-own", "permessage-deflate, x-own", true, None),
    ] {
        let mut request = request();
        request
            .headers_mut()
            .insert("sec-websocket-extensions", own.parse().unwrap());
        let options = if deflate {
            Options::default()
        } else {
            Options::default().deflate(None)
        };
        let mut opening = OpeningHandshake::start(request, &options).unwrap();
        let written = String::from_utf8_lossy(opening.request()).into_owned();
        assert_eq!(
            written.matches("sec-websocket-extensions").count(),
            1,
            "{written}"
        );
        assert!(
            written.contains(&format!("sec-websocket-extensions: {own}\r\n")),
            "{written}"
        );
        let response = RESPONSE.replace(
            "\r\n\r\n",
            &format!("\r\nSec-WebSocket-Extensions: {answer}\r\n\r\n"),
        );
        let received = opening.receive(&mut BytesMut::from(&response[..]));
        assert_eq!(
            received.ok().flatten().map(|(_, agreed)| agreed.is_some()),
            agreed,
            "{own}, {answer}, {deflate}"
        );
    }
}

#[test]
fn wrong_requests_are_told_to_the_caller() {
    let start = |change: fn(&mut Request)| {
        let mut request = request();
        change(&mut request);
        OpeningHandshake::start(request, &Options::default()).unwrap_err()
    };
    let error = start(|request| *request.method_mut() = http::Method::POST);
    assert!(
        matches!(error, Error::Protocol(ProtocolError::WrongHttpMethod)),
        "{error:?}"
    );
    let error = start(|request| *request.version_mut() = http::Version::HTTP_10);
    assert!(
        matches!(error, Error::Protocol(ProtocolError::WrongHttpVersion)),
        "{error:?}"
    );
    let error = start(|request| *request.uri_mut() = "http://server.example.com/".parse().unwrap());
    assert!(
        matches!(error, Error::Url(UrlError::UnsupportedUrlScheme)),
        "{error:?}"
    );
    for name in [
        "host",
        "upgrade",
        "connection",
        "sec-websocket-key",
        "sec-websocket-version",
    ] {
        let mut request = request();
        request.headers_mut().remove(name);
        let error = OpeningHandshake::start(request, &Options::default()).unwrap_err();
        assert!(
            matches!(&error, Error::Protocol(ProtocolError::InvalidHeader(seen)) if seen.as_str() == name),
            "{error:?}"
        );
    }
}

/// A peer that answers every request with `response`, in which `ACCEPT` stands for the accept value.
async fn client(
    response: &str,
    end: bool,
) -> Result<(WebSocketStream<DuplexStream>, Response), Error> {
    let (mut peer, stream) = tokio::io::duplex(1 << 20);
    let response = response.to_owned();
    let server = tokio::spawn(async move {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(peer.read_u8().await.unwrap());
        }
        let request = String::from_utf8(request).unwrap();
        let key = request
            .split("Sec-WebSocket-Key: ")
            .nth(1)
            .unwrap()
            .split("\r\n")
            .next()
            .unwrap();
        peer.write_all(
            response
                .replace("ACCEPT", &derive_accept_key(key.as_bytes()))
                .as_bytes(),
        )
        .await
        .unwrap();
        if end {
            peer.shutdown().await.unwrap();
        }
        peer
    });
    let connected = tokio::time::timeout(
        Duration::from_secs(5),
        client_async("ws://localhost/", stream),
    )
    .await
    .expect("an end");
    server.await.unwrap();
    connected
}

#[tokio::test]
async fn refusal_comes_with_its_body() {
    for (response, end, body) in [
        (
            "HTTP/1.1 403 Forbidden\r\nContent-Length: 5\r\n\r\nhello",
            false,
            "hello",
        ),
        (
            "HTTP/1.1 403 Forbidden\r\nContent-Length: 5\r\n\r\nhello and more",
            false,
            "hello",
        ),
        (
            "HTTP/1.1 403 Forbidden\r\nContent-Length: 10\r\n\r\nhello",
            true,
            "hello",
        ),
        ("HTTP/1.1 403 Forbidden\r\n\r\nhello", true, "hello"),
        ("HTTP/1.1 403 Forbidden\r\n\r\n", false, ""),
        (
            "HTTP/1.1 403 Forbidden\r\nContent-Length: x\r\n\r\nhello",
            false,
            "hello",
        ),
    ] {
        match client(response, end).await {
            Err(Error::Http(refusal)) => {
                assert_eq!(refusal.status(), 403);
                assert_eq!(
                    refusal.body().as_deref(),
                    Some(body.as_bytes()),
                    "{response:?}"
                );
            }
            other => panic!("{response:?}: {other:?}"),
        }
    }
    let long = format!(
        "HTTP/1.1 500 x\r\nContent-Length: 100000\r\n\r\n{}",
        "x".repeat(100_000)
    );
    match client(&long, false).await {
        Err(Error::Http(refusal)) => {
            assert_eq!(refusal.body().as_ref().map(Vec::len), Some(64 << 10));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn connection_is_open_after_a_good_answer() {
    let response = "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\nX-A: b\r\n\r\n";
    let (_, seen) = client(response, false).await.unwrap();
    assert_eq!(seen.headers()["x-a"], "b");
    assert_eq!(seen.body(), &None);
}

#[tokio::test]
async fn end_amid_the_head_is_an_incomplete_handshake() {
    for response in ["", "HTTP/1.1 101 x\r\nUpgrade: websocket\r\n"] {
        let failed = client(response, true).await;
        assert!(
            matches!(
                failed,
                Err(Error::Protocol(ProtocolError::HandshakeIncomplete))
            ),
            "{failed:?}"
        );
    }
}

#[tokio::test]
async fn caller_gives_requests_of_any_kind() {
    for url in ["", "/", "localhost", "http://localhost", "ws:///x"] {
        let (_, stream) = tokio::io::duplex(1024);
        let failed = client_async(url, stream).await;
        assert!(
            matches!(failed, Err(Error::Url(_) | Error::HttpFormat(_))),
            "{url:?}: {failed:?}"
        );
    }
    let (mut peer, stream) = tokio::io::duplex(1024);
    let builder = ClientRequestBuilder::new("ws://localhost/x".parse().unwrap())
        .with_header("X-Name", "value")
        .with_sub_protocol("a");
    let client = tokio::spawn(client_async_with_options(
        builder,
        stream,
        Options::default(),
    ));
    let mut request = vec![0; 1024];
    let read = peer.read(&mut request).await.unwrap();
    let request = String::from_utf8_lossy(&request[..read]);
    assert!(
        request.contains("x-name: value\r\n") && request.contains("Sec-WebSocket-Protocol: a\r\n"),
        "{request}"
    );
    drop(peer);
    assert!(client.await.unwrap().is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics(mut bytes: Vec<u8>, at in 0..RESPONSE.len(), whole: bool) {
        if whole {
            bytes.truncate(20);
            let mut response = RESPONSE.as_bytes().to_vec();
            response.splice(at..at, bytes);
            bytes = response;
        }
        let _ = receive(&bytes);
    }
}
