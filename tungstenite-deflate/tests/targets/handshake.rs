//! Opening handshakes of strangers.

use bytes::BytesMut;
use tungstenite_deflate::handshake::client::OpeningHandshake;
use tungstenite_deflate::handshake::server::{self, RequestReader};
use tungstenite_deflate::tungstenite::http::Request;
use tungstenite_deflate::{Agreed, DeflateConfig, HeadLimits, Options};

use super::Input;

/// As a server: a request head, whole and in pieces.
pub fn request(data: &[u8]) {
    let mut input = Input(data);
    let piece = usize::from(input.byte()) + 1;
    let whole = read_request(input.0, input.0.len().max(1));
    assert_eq!(read_request(input.0, piece), whole, "in pieces of {piece}");
}

/// The bytes of an acceptance and those behind the head; `None` if it is refused or not whole. Which fault of a head is
/// named, and when, may depend on how it was cut; what is accepted may not.
fn read_request(bytes: &[u8], piece: usize) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut reader = RequestReader::new(HeadLimits::default());
    let mut buffer = BytesMut::new();
    let mut pieces = bytes.chunks(piece);
    loop {
        let received = reader.receive(&mut buffer);
        let (answer, accepted) = match received {
            Ok(None) => {
                buffer.extend_from_slice(pieces.next()?);
                continue;
            }
            Ok(Some(request)) => match server::accept(&request, Some(&DeflateConfig::default())) {
                Ok((response, _)) => (server::encode(&response), true),
                Err(rejection) => (server::encode(&rejection.response()), false),
            },
            Err(rejection) => (server::encode(&rejection.response()), false),
        };
        check_head(&answer, if accepted { "101" } else { "4" });
        if !accepted {
            return None;
        }
        pieces.for_each(|piece| buffer.extend_from_slice(piece));
        return Some((answer, buffer.to_vec()));
    }
}

/// One head, whose every line has the form that HTTP wants: nothing of the peer's makes a line of its own.
fn check_head(head: &[u8], status: &str) {
    let text = std::str::from_utf8(head).expect("an ASCII head");
    let Some(body) = text.find("\r\n\r\n") else {
        panic!("the head does not end: {text:?}")
    };
    let mut lines = text[..body].split("\r\n");
    let first = lines.next().unwrap_or_default();
    assert!(
        first.starts_with("HTTP/1.1 ")
            && (first[9..].starts_with(status) || first[9..].starts_with('5')),
        "{first}"
    );
    for line in lines {
        let name = line.split(": ").next().unwrap_or_default();
        let token = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        assert!(
            !name.is_empty() && name.len() < line.len() && name.bytes().all(token),
            "{line:?}"
        );
        assert!(!line.contains(['\r', '\n', '\0']), "{line:?}");
    }
}

/// As a client: a response head, whole and in pieces. The key is that of RFC 6455 §1.3, so that inputs can accept it.
pub fn response(data: &[u8]) {
    let mut input = Input(data);
    let piece = usize::from(input.byte()) + 1;
    let whole = read_response(input.0, input.0.len().max(1));
    assert_eq!(read_response(input.0, piece), whole, "in pieces of {piece}");
}

/// Returns the parameters agreed, and the bytes after the head; `None` if the response is refused or not whole.
fn read_response(bytes: &[u8], piece: usize) -> Option<(Option<Agreed>, Vec<u8>)> {
    let request = Request::builder()
        .uri("ws://server.example.com/chat")
        .header("Host", "server.example.com")
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
        .body(())
        .expect("a valid request");
    let mut opening =
        OpeningHandshake::start(request, &Options::default()).expect("a valid request");
    let mut buffer = BytesMut::new();
    let mut pieces = bytes.chunks(piece);
    loop {
        match opening.receive(&mut buffer) {
            Ok(None) => buffer.extend_from_slice(pieces.next()?),
            Ok(Some((response, agreed))) => {
                assert_eq!(response.status(), 101);
                assert_eq!(
                    response.headers()["Sec-WebSocket-Accept"],
                    "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
                );
                pieces.for_each(|piece| buffer.extend_from_slice(piece));
                return Some((agreed, buffer.to_vec()));
            }
            Err(error) => {
                assert!(!error.to_string().is_empty());
                return None;
            }
        }
    }
}
