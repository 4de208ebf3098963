//! The server's side of the opening handshake, seen from outside: threats H1 to H9, H11, H13 and H16.
#![cfg(feature = "handshake")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]
#![allow(clippy::result_large_err, reason = "tungstenite's callback")]

use std::time::{Duration, Instant};

use bytes::BytesMut;
use http::StatusCode;
use http::header::HeaderValue;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tungstenite_deflate::handshake::Rejection;
use tungstenite_deflate::handshake::server::{self, RequestReader};
use tungstenite_deflate::tungstenite::Error;
use tungstenite_deflate::tungstenite::error::{CapacityError, ProtocolError};
use tungstenite_deflate::tungstenite::handshake::derive_accept_key;
use tungstenite_deflate::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tungstenite_deflate::{
    DeflateConfig, HeadLimits, Options, WebSocketStream, accept_async, accept_async_with_options,
    accept_hdr_async,
};

/// The request of RFC 6455 §1.2.
const REQUEST: &str = "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://example.com\r\n\
    Sec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// RFC 6455 §1.3.
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

fn read(bytes: &[u8]) -> Result<Option<(Request, BytesMut)>, Rejection> {
    let mut buffer = BytesMut::from(bytes);
    let request = RequestReader::new(HeadLimits::default()).receive(&mut buffer)?;
    Ok(request.map(|request| (request, buffer)))
}

fn handle(request: &str) -> Result<Response, Rejection> {
    let (request, _) = read(request.as_bytes())?.expect("a whole head");
    server::accept(&request, None).map(|(response, _)| response)
}

#[test]
fn request_of_the_rfc_is_accepted_cut_anywhere_and_keeps_what_follows() {
    const FRAMES: &[u8] = &[
        0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58, 0x0d, 0x0a, 0x0d, 0x0a,
    ];
    let bytes = [REQUEST.as_bytes(), FRAMES].concat();
    for cut in 0..=bytes.len() {
        let mut reader = RequestReader::new(HeadLimits::default());
        let mut buffer = BytesMut::from(&bytes[..cut]);
        let early = reader.receive(&mut buffer).unwrap();
        assert_eq!(early.is_some(), cut >= REQUEST.len(), "cut at {cut}");
        buffer.extend_from_slice(&bytes[cut..]);
        let request = early
            .or_else(|| reader.receive(&mut buffer).unwrap())
            .expect("a whole head");
        assert_eq!(buffer, FRAMES, "cut at {cut}");
        assert_eq!(request.uri(), "/chat");
        assert_eq!(request.headers()["origin"], "http://example.com");
        assert_eq!(
            server::requested_protocols(request.headers()).unwrap(),
            ["chat", "superchat"]
        );
        let (response, agreed) = server::accept(&request, Some(&DeflateConfig::default())).unwrap();
        assert_eq!(
            (response.status(), agreed),
            (StatusCode::SWITCHING_PROTOCOLS, None)
        );
        assert_eq!(response.headers()["sec-websocket-accept"], ACCEPT);
    }
}

#[test]
fn request_is_read_byte_by_byte_behind_empty_lines() {
    let mut reader = RequestReader::new(HeadLimits::default());
    let mut buffer = BytesMut::new();
    let bytes = format!("\r\n\r\n{REQUEST}");
    let (last, all_but_last) = bytes.as_bytes().split_last().unwrap();
    for byte in all_but_last {
        buffer.extend_from_slice(&[*byte]);
        assert!(reader.receive(&mut buffer).unwrap().is_none());
    }
    buffer.extend_from_slice(&[*last]);
    assert!(reader.receive(&mut buffer).unwrap().is_some());
    assert!(buffer.is_empty());
}

#[test]
fn variants_that_the_rfc_allows_are_accepted() {
    for (line, instead) in [
        ("Upgrade: websocket\r\n", "UPGRADE: WebSocket\r\n"),
        ("Upgrade: websocket\r\n", "Upgrade: h2c, websocket\r\n"),
        (
            "Upgrade: websocket\r\n",
            "Upgrade: h2c\r\nUpgrade:websocket\t\r\n",
        ),
        (
            "Connection: Upgrade\r\n",
            "Connection: keep-alive, Upgrade\r\n",
        ),
        (
            "Connection: Upgrade\r\n",
            "Connection: keep-alive\r\nconnection: uPGRADE\r\n",
        ),
        ("Host: server.example.com\r\n", "Host: [::1]:8080\r\n"),
        ("Host: server.example.com\r\n", "Host: 127.0.0.1\r\n"),
        (
            "Sec-WebSocket-Version: 13\r\n",
            "Sec-WebSocket-Version: \t13 \r\n",
        ),
        ("Sec-WebSocket-Protocol: chat, superchat\r\n", ""),
        (
            "Sec-WebSocket-Protocol: chat, superchat\r\n",
            "Sec-WebSocket-Extensions: ;;, =\r\n",
        ),
        (
            "Origin: http://example.com\r\n",
            "X-Name: Jos\u{e9}\r\nContent-Length: 0\r\n",
        ),
        (
            "GET /chat HTTP",
            "GET http://server.example.com/chat?a=b HTTP",
        ),
    ] {
        let request = REQUEST.replace(line, instead);
        assert_ne!(request, REQUEST);
        let response =
            handle(&request).unwrap_or_else(|rejection| panic!("{instead:?}: {rejection}"));
        assert_eq!(
            response.headers()["sec-websocket-accept"],
            ACCEPT,
            "{instead:?}"
        );
    }
}

type IsError = fn(&Error) -> bool;

/// What stands in the request, what instead, the status, the part at fault, tungstenite's error.
#[rustfmt::skip]
const REFUSED: &[(&str, &str, u16, &str, IsError)] = &[
    ("GET", "get", 405, "method", wrong_method),
    ("GET", "HEAD", 405, "method", wrong_method),
    ("GET", "POST", 405, "method", wrong_method),
    ("GET", "PUT", 405, "method", wrong_method),
    ("GET", "DELETE", 405, "method", wrong_method),
    ("GET", "OPTIONS", 405, "method", wrong_method),
    ("GET", "PATCH", 405, "method", wrong_method),
    ("GET", "TRACE", 405, "method", wrong_method),
    ("GET", "BREW", 405, "method", wrong_method),
    ("HTTP/1.1", "HTTP/1.0", 505, "version", wrong_version),
    ("HTTP/1.1", "HTTP/1.2", 505, "version", httparse_error),
    ("HTTP/1.1", "HTTP/2.0", 505, "version", httparse_error),
    ("HTTP/1.1", "HTTP/0.9", 505, "version", httparse_error),
    (" HTTP/1.1", "", 400, "head", httparse_error),
    ("Host: server.example.com\r\n", "", 400, "Host", any_header),
    ("Host: server.example.com\r\n", "Host: \r\n", 400, "Host", any_header),
    ("Host: server.example.com\r\n", "Host: a b\r\n", 400, "Host", any_header),
    ("Host: server.example.com\r\n", "Host: a/b\r\n", 400, "Host", any_header),
    ("Host: server.example.com\r\n", "Host: user@a\r\n", 400, "Host", any_header),
    ("Host: server.example.com\r\n", "Host: a:b:c\r\n", 400, "Host", any_header),
    ("Host: server.example.com\r\n", "Host: a\r\nHost: a\r\n", 400, "Host", any_header),
    ("Host: server.example.com\r\n", "Host: a\r\nHost: b\r\n", 400, "Host", any_header),
    ("Origin: http://example.com\r\n", "Content-Length: 5\r\n", 400, "Content-Length", any_header),
    ("Origin: http://example.com\r\n", "Content-Length: -1\r\n", 400, "Content-Length", any_header),
    ("Origin: http://example.com\r\n", "Content-Length: 0\r\nContent-Length: 0\r\n", 400, "Content-Length", any_header),
    ("Origin: http://example.com\r\n", "Content-Length: 99999999999999999999\r\n", 400, "Content-Length", any_header),
    ("Origin: http://example.com\r\n", "Transfer-Encoding: chunked\r\n", 400, "Content-Length", any_header),
    ("Origin: http://example.com\r\n", "Transfer-Encoding: identity\r\nContent-Length: 0\r\n", 400, "Content-Length", any_header),
    ("Upgrade: websocket\r\n", "", 426, "Upgrade", no_upgrade),
    ("Upgrade: websocket\r\n", "Upgrade: \r\n", 400, "Upgrade", no_upgrade),
    ("Upgrade: websocket\r\n", "Upgrade: notwebsocket\r\n", 400, "Upgrade", no_upgrade),
    ("Upgrade: websocket\r\n", "Upgrade: websocket2\r\n", 400, "Upgrade", no_upgrade),
    ("Upgrade: websocket\r\n", "Upgrade: websocket/13\r\n", 400, "Upgrade", no_upgrade),
    ("Upgrade: websocket\r\n", "Upgrade: h2c\r\n", 400, "Upgrade", no_upgrade),
    ("Upgrade: websocket\r\n", "Upgrade: web socket\r\n", 400, "Upgrade", no_upgrade),
    ("Connection: Upgrade\r\n", "", 400, "Connection", no_connection),
    ("Connection: Upgrade\r\n", "Connection: close\r\n", 400, "Connection", no_connection),
    ("Connection: Upgrade\r\n", "Connection: notupgrade\r\n", 400, "Connection", no_connection),
    ("Connection: Upgrade\r\n", "Connection: keep-alive Upgrade\r\n", 400, "Connection", no_connection),
    ("Sec-WebSocket-Version: 13\r\n", "", 400, "Sec-WebSocket-Version", no_version),
    ("Sec-WebSocket-Version: 13\r\n", "Sec-WebSocket-Version: 0\r\n", 426, "Sec-WebSocket-Version", no_version),
    ("Sec-WebSocket-Version: 13\r\n", "Sec-WebSocket-Version: 8\r\n", 426, "Sec-WebSocket-Version", no_version),
    ("Sec-WebSocket-Version: 13\r\n", "Sec-WebSocket-Version: 12\r\n", 426, "Sec-WebSocket-Version", no_version),
    ("Sec-WebSocket-Version: 13\r\n", "Sec-WebSocket-Version: 14\r\n", 426, "Sec-WebSocket-Version", no_version),
    ("Sec-WebSocket-Version: 13\r\n", "Sec-WebSocket-Version: 255\r\n", 426, "Sec-WebSocket-Version", no_version),
    ("Sec-WebSocket-Version: 13\r\n", "Sec-WebSocket-Version: 256\r\n", 426, "Sec-WebSocket-Version", no_version),
    ("Sec-WebSocket-Version: 13\r\n", "Sec-WebSocket-Version: 013\r\n", 426, "Sec-WebSocket-Version", no_version),
    ("Sec-WebSocket-Version: 13\r\n", "Sec-WebSocket-Version: +13\r\n", 426, "Sec-WebSocket-Version", no_version),
    ("Sec-WebSocket-Version: 13\r\n", "Sec-WebSocket-Version: 13, 8\r\n", 426, "Sec-WebSocket-Version", no_version),
    ("Version: 13\r\n", "Version: 13\r\nSec-WebSocket-Version: 13\r\n", 426, "Sec-WebSocket-Version", no_version),
    ("Version: 13\r\n", "Version: 8\r\nSec-WebSocket-Version: 13\r\n", 426, "Sec-WebSocket-Version", no_version),
    ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "", 400, "Sec-WebSocket-Key", no_key),
    ("dGhlIHNhbXBsZSBub25jZQ==", "", 400, "Sec-WebSocket-Key", bad_key),
    ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ", 400, "Sec-WebSocket-Key", bad_key),
    ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25j", 400, "Sec-WebSocket-Key", bad_key),
    ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZWU=", 400, "Sec-WebSocket-Key", bad_key),
    ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZWVl", 400, "Sec-WebSocket-Key", bad_key),
    ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZR==", 400, "Sec-WebSocket-Key", bad_key),
    ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZ===", 400, "Sec-WebSocket-Key", bad_key),
    ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub2-jZQ==", 400, "Sec-WebSocket-Key", bad_key),
    ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub2_jZQ==", 400, "Sec-WebSocket-Key", bad_key),
    ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBs ZSBub25jZQ==", 400, "Sec-WebSocket-Key", bad_key),
    ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ==, x", 400, "Sec-WebSocket-Key", bad_key),
    ("Origin: http://example.com", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", 400, "Sec-WebSocket-Key", bad_key),
    ("chat, superchat", "", 400, "Sec-WebSocket-Protocol", any_header),
    ("chat, superchat", ",", 400, "Sec-WebSocket-Protocol", any_header),
    ("chat, superchat", "chat, chat", 400, "Sec-WebSocket-Protocol", any_header),
    ("chat, superchat", "chat,", 400, "Sec-WebSocket-Protocol", any_header),
    ("chat, superchat", "chat;v=1", 400, "Sec-WebSocket-Protocol", any_header),
    ("chat, superchat", "(chat)", 400, "Sec-WebSocket-Protocol", any_header),
    ("chat, superchat", "chat\r\nSec-WebSocket-Protocol: chat", 400, "Sec-WebSocket-Protocol", any_header),
    ("Origin: http", "Origin : http", 400, "head", httparse_error),
    ("Origin: http", "Origin\r\nX: http", 400, "head", httparse_error),
    ("Origin: http", "Ori\0gin: http", 400, "head", httparse_error),
    ("Origin: http", "Origin: \0http", 400, "head", httparse_error),
    ("Origin: http", "Origin: \x07http", 400, "head", httparse_error),
    ("Origin: http", "Origin: a\rb: http", 400, "head", httparse_error),
    ("Origin: http", "Origin: a\r\n b: http", 400, "head", httparse_error),
    ("Origin: http", "Origin: a\r\n\tb: http", 400, "head", httparse_error),
    ("Origin: http", "Origin: a\nb: http", 400, "head", httparse_error),
    ("Origin: http", ": http", 400, "head", httparse_error),
    ("Origin: http", "\u{e9}: http", 400, "head", httparse_error),
    ("\r\n\r\n", "\n\n", 400, "head", httparse_error),
    ("\r\n\r\n", "\r\n\n", 400, "head", httparse_error),
    ("\r\n\r\n", "\n\r\n", 400, "head", httparse_error),
    ("GET /chat", "\nGET /chat", 400, "head", httparse_error),
    ("GET /chat", " GET /chat", 400, "head", httparse_error),
    ("GET /chat", "GET  /chat", 400, "head", httparse_error),
    ("GET /chat", "G\u{cb}T /chat", 400, "head", httparse_error),
    ("GET /chat", "GET /ch\0at", 400, "head", httparse_error),
];

fn wrong_method(error: &Error) -> bool {
    matches!(error, Error::Protocol(ProtocolError::WrongHttpMethod))
}
fn wrong_version(error: &Error) -> bool {
    matches!(error, Error::Protocol(ProtocolError::WrongHttpVersion))
}
fn httparse_error(error: &Error) -> bool {
    matches!(error, Error::Protocol(ProtocolError::HttparseError(_))) || wrong_version(error)
}
fn any_header(error: &Error) -> bool {
    matches!(error, Error::Protocol(ProtocolError::InvalidHeader(_)))
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
fn no_version(error: &Error) -> bool {
    matches!(
        error,
        Error::Protocol(ProtocolError::MissingSecWebSocketVersionHeader)
    )
}
fn no_key(error: &Error) -> bool {
    matches!(
        error,
        Error::Protocol(ProtocolError::MissingSecWebSocketKey)
    )
}
fn bad_key(error: &Error) -> bool {
    matches!(
        error,
        Error::Protocol(ProtocolError::InvalidSecWebSocketKey)
    )
}

#[test]
fn each_fault_has_its_rejection() {
    for (line, instead, status, part, error) in REFUSED {
        let request = REQUEST.replacen(line, instead, 1);
        assert_ne!(request, REQUEST, "{line:?} is in the request");
        let rejection = handle(&request).expect_err(instead);
        assert_eq!(
            (rejection.status().as_u16(), rejection.part()),
            (*status, *part),
            "{instead:?}: {rejection}"
        );
        assert!(rejection.section().starts_with("RFC "), "{rejection:?}");
        let response = rejection.response();
        assert_eq!(
            response.headers().get("allow").is_some(),
            *status == 405,
            "{instead:?}"
        );
        assert_eq!(
            response.headers().get("upgrade").is_some(),
            *status == 426,
            "{instead:?}"
        );
        let told = response
            .headers()
            .get("sec-websocket-version")
            .is_some_and(|version| version == "13");
        assert_eq!(
            told,
            *status == 426 || *part == "Sec-WebSocket-Version",
            "{instead:?}"
        );
        assert!(
            response.body().is_ascii()
                || response.body().contains('§')
                || response.body().contains('…')
        );
        let as_error = Error::from(rejection);
        assert!(error(&as_error), "{instead:?}: {as_error:?}");
    }
}

#[tokio::test]
async fn each_fault_is_answered_on_the_wire_before_the_connection_ends() {
    for (line, instead, status, _, error) in REFUSED {
        let (failed, answer) =
            serve(REQUEST.replacen(line, instead, 1).as_bytes(), accept_async).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{instead:?}: {answer}"
        );
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains(&format!("\r\nContent-Length: {}", body.len())),
            "{instead:?}: {answer}"
        );
        assert!(
            head.contains("\r\nConnection: close"),
            "{instead:?}: {answer}"
        );
        assert!(error(&failed.expect_err(instead)), "{instead:?}");
    }
}

/// What the server makes of `request`, and all that it writes until the connection ends.
async fn serve<F, Fut>(
    request: &[u8],
    accept: F,
) -> (Result<WebSocketStream<DuplexStream>, Error>, String)
where
    F: FnOnce(DuplexStream) -> Fut,
    Fut: Future<Output = Result<WebSocketStream<DuplexStream>, Error>>,
{
    let (mut peer, stream) = tokio::io::duplex(1 << 20);
    peer.write_all(request).await.unwrap();
    let accepted = tokio::time::timeout(Duration::from_secs(5), accept(stream))
        .await
        .expect("an end");
    let mut answer = Vec::new();
    if accepted.is_ok() {
        let mut buffer = [0; 4096];
        let read = peer.read(&mut buffer).await.unwrap();
        answer.extend_from_slice(&buffer[..read]);
    } else {
        peer.read_to_end(&mut answer).await.unwrap();
    }
    (accepted, String::from_utf8(answer).unwrap())
}

#[test]
fn limits_hold_to_the_byte() {
    let padded = |length: usize| {
        let padding = "x".repeat(length - REQUEST.len() - "Padding: \r\n".len());
        REQUEST.replace("\r\nUpgrade", &format!("\r\nPadding: {padding}\r\nUpgrade"))
    };
    assert_eq!(padded(16_384).len(), 16_384);
    assert!(handle(&padded(15_900)).is_ok());
    assert!(handle(&padded(16_384)).is_ok());
    assert_eq!(handle(&padded(16_385)).unwrap_err().status(), 431);
    assert_eq!(
        read(&padded(30_000).as_bytes()[..16_384])
            .unwrap_err()
            .status(),
        431,
        "as soon as it must be too long"
    );

    let fields = |number: usize| {
        REQUEST.replace(
            "\r\nOrigin",
            &format!("{}\r\nOrigin", "\r\nA: b".repeat(number - 7)),
        )
    };
    assert!(handle(&fields(99)).is_ok());
    assert!(handle(&fields(100)).is_ok());
    let rejection = handle(&fields(101)).unwrap_err();
    assert_eq!(rejection.status(), 431);
    assert!(matches!(
        Error::from(rejection),
        Error::Capacity(CapacityError::TooManyHeaders)
    ));
    assert_eq!(handle(&fields(2_000)).unwrap_err().status(), 431);

    let target = |length: usize| REQUEST.replace("/chat", &format!("/{}", "c".repeat(length - 1)));
    assert!(handle(&target(8_192)).is_ok());
    assert_eq!(handle(&target(8_193)).unwrap_err().status(), 414);
    assert_eq!(
        read(format!("GET /{}", "c".repeat(16_384)).as_bytes())
            .unwrap_err()
            .status(),
        414
    );
}

#[test]
fn limits_can_be_chosen() {
    let limits = HeadLimits::default()
        .max_bytes(100)
        .max_fields(3)
        .max_target_bytes(10);
    let mut buffer = BytesMut::from(REQUEST);
    assert_eq!(
        RequestReader::new(limits)
            .receive(&mut buffer)
            .unwrap_err()
            .status(),
        431
    );
    let mut buffer = BytesMut::from("GET / HTTP/1.1\r\na: b\r\na: b\r\na: b\r\na: b\r\n\r\n");
    assert_eq!(
        RequestReader::new(limits)
            .receive(&mut buffer)
            .unwrap_err()
            .part(),
        "head"
    );
    let mut buffer = BytesMut::from("GET /1234567890 HTTP/1.1\r\n\r\n");
    assert_eq!(
        RequestReader::new(limits)
            .receive(&mut buffer)
            .unwrap_err()
            .status(),
        414
    );
}

#[test]
fn nonsense_is_refused_before_the_limit() {
    let hello = [&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01][..], &[0xaa; 60]].concat();
    assert_eq!(read(&hello).unwrap_err().status(), 400, "a TLS hello");
    assert_eq!(read(b"SSH-2.0-OpenSSH_9.2\r\n").unwrap_err().status(), 400);
    assert_eq!(
        read(b"\n").err().map(|rejection| rejection.status()),
        Some(StatusCode::BAD_REQUEST)
    );
    assert!(read(b"").unwrap().is_none());
    assert!(read(b"GET").unwrap().is_none());
}

#[test]
fn head_in_single_bytes_costs_linear_time() {
    let requests = [
        format!("GET / HTTP/1.1\r\nCookie: {}", "x".repeat(16_000)),
        "\r\n".repeat(8_190),
        format!("GET / HTTP/1.1\r\n{}", "a: b\r\n".repeat(99)),
    ];
    let start = Instant::now();
    let mut bytes = 0;
    for request in requests.iter().cycle().take(60) {
        let mut reader = RequestReader::new(HeadLimits::default());
        let mut buffer = BytesMut::new();
        for byte in request.as_bytes() {
            buffer.extend_from_slice(&[*byte]);
            assert!(reader.receive(&mut buffer).unwrap().is_none());
            bytes += 1;
        }
    }
    let spent = start.elapsed();
    assert!(
        spent < Duration::from_secs(3),
        "{bytes} bytes took {spent:?}"
    );
}

#[test]
fn protocol_lists_cost_linear_time() {
    let mut headers = http::HeaderMap::new();
    let names: Vec<String> = (0..3_000).map(|number| format!("p{number}")).collect();
    headers.insert(
        "sec-websocket-protocol",
        HeaderValue::try_from(names.join(",")).unwrap(),
    );
    assert_eq!(server::requested_protocols(&headers).unwrap().len(), 3_000);
    headers.insert(
        "sec-websocket-protocol",
        HeaderValue::try_from(format!("a{}b", " ".repeat(8_192))).unwrap(),
    );
    let start = Instant::now();
    assert_eq!(
        server::requested_protocols(&headers).unwrap_err().status(),
        400
    );
    assert!(start.elapsed() < Duration::from_millis(100));
}

#[tokio::test]
async fn deflate_is_agreed_unless_it_is_off() {
    let request = REQUEST.replace(
        "\r\nOrigin",
        "\r\nSec-WebSocket-Extensions: x, permessage-deflate\r\nOrigin",
    );
    let (accepted, answer) = serve(request.as_bytes(), accept_async).await;
    assert!(accepted.is_ok());
    assert!(
        answer.contains("\r\nSec-WebSocket-Extensions: permessage-deflate"),
        "{answer}"
    );
    let options = Options::default().deflate(None);
    let (accepted, answer) = serve(request.as_bytes(), |stream| {
        accept_async_with_options(stream, options)
    })
    .await;
    assert!(accepted.is_ok());
    assert!(!answer.contains("Extensions"), "{answer}");
    assert!(
        answer.starts_with("HTTP/1.1 101 Switching Protocols\r\n"),
        "{answer}"
    );
}

#[tokio::test]
async fn callback_has_the_last_word() {
    let add = |request: &Request, mut response: Response| {
        assert_eq!(request.uri(), "/chat");
        response.headers_mut().insert(
            "sec-websocket-protocol",
            HeaderValue::from_static("superchat"),
        );
        response
            .headers_mut()
            .append("set-cookie", HeaderValue::from_bytes(b"a=\xe9").unwrap());
        Ok(response)
    };
    let (mut peer, stream) = tokio::io::duplex(4096);
    peer.write_all(REQUEST.as_bytes()).await.unwrap();
    accept_hdr_async(stream, add).await.unwrap();
    let mut answer = Vec::new();
    peer.read_to_end(&mut answer).await.unwrap();
    let contains = |part: &[u8]| answer.windows(part.len()).any(|window| window == part);
    assert!(contains(b"\r\nSec-WebSocket-Protocol: superchat\r\n"));
    assert!(contains(b"\r\nset-cookie: a=\xe9\r\n"));

    let request = REQUEST.replace(
        "\r\nOrigin",
        "\r\nSec-WebSocket-Extensions: permessage-deflate\r\nOrigin",
    );
    let remove = |_: &Request, mut response: Response| {
        assert!(
            response
                .headers_mut()
                .remove("sec-websocket-extensions")
                .is_some()
        );
        Ok(response)
    };
    let (accepted, answer) = serve(request.as_bytes(), |stream| {
        accept_hdr_async(stream, remove)
    })
    .await;
    assert!(!answer.contains("Extensions"), "{answer}");
    assert!(accepted.unwrap().agreed().is_none());
}

#[tokio::test]
async fn callback_may_refuse() {
    let refuse = |_: &Request, _: Response| {
        let response = http::Response::builder()
            .status(403)
            .header("x-reason", "origin");
        Err::<Response, ErrorResponse>(response.body(Some("not from there".to_owned())).unwrap())
    };
    let (refused, answer) = serve(REQUEST.as_bytes(), |stream| {
        accept_hdr_async(stream, refuse)
    })
    .await;
    assert!(
        answer.starts_with("HTTP/1.1 403 Forbidden\r\nx-reason: origin\r\nContent-Length: 14\r\n"),
        "{answer}"
    );
    assert!(answer.ends_with("\r\n\r\nnot from there"), "{answer}");
    match refused {
        Err(Error::Http(response)) => {
            assert_eq!(response.status(), 403);
            assert_eq!(response.headers().len(), 1, "as the callback made it");
            assert_eq!(response.body().as_deref(), Some(&b"not from there"[..]));
        }
        other => panic!("{other:?}"),
    }
    for status in [101, 200, 204] {
        let succeed = |_: &Request, _: Response| {
            Err::<Response, ErrorResponse>(
                http::Response::builder().status(status).body(None).unwrap(),
            )
        };
        let (refused, answer) = serve(REQUEST.as_bytes(), |stream| {
            accept_hdr_async(stream, succeed)
        })
        .await;
        assert!(
            matches!(
                refused,
                Err(Error::Protocol(ProtocolError::CustomResponseSuccessful))
            ),
            "{refused:?}"
        );
        assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    }
}

#[tokio::test]
async fn end_amid_the_head_is_an_incomplete_handshake() {
    for cut in [0, 1, 40, REQUEST.len() - 1] {
        let (mut peer, stream) = tokio::io::duplex(4096);
        peer.write_all(&REQUEST.as_bytes()[..cut]).await.unwrap();
        peer.shutdown().await.unwrap();
        let failed = accept_async(stream).await;
        assert!(
            matches!(
                failed,
                Err(Error::Protocol(ProtocolError::HandshakeIncomplete))
            ),
            "{failed:?}"
        );
    }
}

#[test]
fn http2_requests_are_checked_by_their_own_rules() {
    let request = |method: &str, version: &str| {
        http::Request::builder()
            .version(http::Version::HTTP_2)
            .method(method)
            .header("sec-websocket-version", version)
            .body(())
    };
    let (response, _) = server::accept(&request("CONNECT", "13").unwrap(), None).unwrap();
    assert_eq!(response.status(), 200);
    assert!(
        response.headers().is_empty(),
        "no header of HTTP/1.1's handshake"
    );
    assert_eq!(
        server::accept(&request("GET", "13").unwrap(), None)
            .unwrap_err()
            .status(),
        426,
        "an ordinary GET is told what is spoken here, as over HTTP/1.1"
    );
    let rejection = server::accept(&request("POST", "13").unwrap(), None).unwrap_err();
    assert_eq!(
        (
            rejection.status().as_u16(),
            &rejection.response().headers()["allow"]
        ),
        (405, &HeaderValue::from_static("CONNECT"))
    );
    assert_eq!(
        server::accept(&request("CONNECT", "8").unwrap(), None)
            .unwrap_err()
            .status(),
        426
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_key_is_answered(key: [u8; 16]) {
        let key = base64(&key);
        let response = handle(&REQUEST.replace("dGhlIHNhbXBsZSBub25jZQ==", &key)).unwrap();
        prop_assert_eq!(&response.headers()["sec-websocket-accept"], &derive_accept_key(key.as_bytes()));
    }

    #[test]
    fn nothing_panics(mut bytes: Vec<u8>, at in 0..REQUEST.len(), whole: bool) {
        if whole {
            bytes.truncate(20);
            let mut request = REQUEST.as_bytes().to_vec();
            request.splice(at..at, bytes);
            bytes = request;
        }
        let handled = read(&bytes).map(|read| read.map(|(request, _)| server::accept(&request, Some(&DeflateConfig::default()))));
        if let Err(rejection) | Ok(Some(Err(rejection))) = handled {
            prop_assert!(rejection.response().status().is_client_error() || rejection.status() == 505);
        }
    }
}

/// RFC 4648 §4.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits = |chunk: &[u8]| {
        (0..3).fold(0_usize, |bits, at| {
            bits << 8 | usize::from(*chunk.get(at).unwrap_or(&0))
        })
    };
    let characters = bytes.chunks(3).flat_map(|chunk| {
        (0..4).map(move |at| {
            if at > chunk.len() {
                '='
            } else {
                char::from(ALPHABET[bits(chunk) >> (18 - 6 * at) & 63])
            }
        })
    });
    characters.collect()
}
