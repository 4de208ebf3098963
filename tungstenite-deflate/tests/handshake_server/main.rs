//! The server's side of the opening handshake, seen from outside: threats H1 to H9, H11, H13 and H16.
#![cfg(feature = "handshake")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]
#![allow(clippy::result_large_err, reason = "tungstenite's callback")]

mod accepting;
mod limits;
mod refusals;

use std::time::Duration;

use bytes::BytesMut;
use http::StatusCode;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tungstenite_deflate::handshake::server::RequestReader;
use tungstenite_deflate::handshake::{Rejection, server};
use tungstenite_deflate::tungstenite::Error;
use tungstenite_deflate::tungstenite::handshake::derive_accept_key;
use tungstenite_deflate::tungstenite::handshake::server::{Request, Response};
use tungstenite_deflate::{DeflateConfig, HeadLimits, WebSocketStream};

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

/// Returns the server's result for `request`, and all that it writes until the connection ends.
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
