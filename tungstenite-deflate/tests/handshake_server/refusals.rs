//! Requests that are refused, each for its reason.

use http::header::HeaderValue;
use tungstenite_deflate::accept_async;
use tungstenite_deflate::handshake::server;
use tungstenite_deflate::tungstenite::Error;
use tungstenite_deflate::tungstenite::error::ProtocolError;

use super::{REQUEST, handle, serve};

type IsError = fn(&Error) -> bool;

/// Text in the request, its replacement, the status, the part at fault, tungstenite's error.
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
    ("chat, superchat", "chat, chat", 400, "Sec-WebSocket-Protocol", any_header),
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
