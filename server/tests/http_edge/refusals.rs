//! Refusals leave one line each at the default level, with the reason and the value that failed (S9).

use futures_util::future::join_all;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::{begin, end, exchange, value};
use crate::common::program::Program;
use crate::common::{client_config, connect, handshake, soon, status_of};

fn get(target: &str, more: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{more}\r\n")
}

/// A request, the status of its refusal, and fields of its line.
type Case = (String, u16, Vec<(&'static str, &'static str)>);

#[rustfmt::skip]
fn cases() -> Vec<Case> {
    let close = "Connection: close\r\n";
    vec![
        (
            handshake("/ws", "Origin: https://evil.example\r\n"),
            403,
            vec![
                ("origin", "https://evil.example"),
                ("request_target", "/ws"),
            ],
        ),
        (handshake("/ws", "Origin: https://e\u{202e}vil\r\n"), 403, vec![("origin", r"https://e\u{202e}vil")]),
        (
            get("/rooms/hall/messages", "Origin: https://evil.example\r\n"),
            403,
            vec![("origin", "https://evil.example")],
        ),
        (
            get("/rooms/hall/messages", "Authorization: Bearer a.b.c\r\n"),
            401,
            vec![("request_target", "/rooms/hall/messages")],
        ),
        (
            handshake(
                "/chat/hall?name=ana",
                "Sec-WebSocket-Protocol: bearer.a.b.c\r\n",
            ),
            401,
            vec![("request_target", "/chat/hall?name=ana")],
        ),
        (get("/nothing?a=%1b", ""), 404, vec![("request_target", "/nothing?a=%1b")]),
        (get("/ws", ""), 426, vec![("request_target", "/ws")]),
        (get("/", "").replace("localhost", "evil.example"), 421, vec![("host", "evil.example")]),
        (get(&format!("/{}", "a".repeat(9_000)), ""), 414, vec![]),
        (get("/", "").replace("GET", "BREW"), 405, vec![("method", "BREW")]),
        (
            format!(
                "POST /chat.ChatService/SendMessage HTTP/1.1\r\nHost: localhost\r\n{close}Content-Length: 0\r\n\r\n"
            ),
            415,
            vec![("method", "POST")],
        ),
        (format!("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n{close}\r\n"), 400, vec![]),
    ]
}

#[tokio::test]
async fn each_refusal_is_one_line_with_reason_and_value() {
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("key.pem");
    std::fs::write(&key, rcgen::KeyPair::generate().unwrap().public_key_pem()).unwrap();
    let flags = [
        "--host-allow",
        "localhost",
        "--rooms-token-key",
        key.to_str().unwrap(),
    ];
    let program = begin(&flags);
    let cases = cases();
    for (request, status, _) in &cases {
        let answer = exchange(&program, request.as_bytes()).await;
        assert_eq!(status_of(&answer), *status, "{request:.80}: {answer}");
    }
    let (_, errors) = end(program);
    let lines: Vec<&str> = errors
        .lines()
        .filter(|line| line.contains("request refused"))
        .collect();
    assert_eq!(lines.len(), cases.len(), "{errors}");
    for (line, (request, status, values)) in lines.iter().zip(&cases) {
        assert_eq!(
            value(line, "status"),
            Some(status.to_string().as_str()),
            "{request:.80}: {line}"
        );
        assert!(
            value(line, "reason").is_some_and(|reason| reason.len() > 5),
            "{line}"
        );
        assert!(
            line.contains("peer=127.0.0.1:") && line.contains(" INFO "),
            "{line}"
        );
        assert!(line.len() < 1_200, "{line}");
        for (name, expected) in values {
            assert_eq!(value(line, name), Some(*expected), "{line}");
        }
    }
    assert!(!errors.contains("a.b.c"), "a token is in the log: {errors}");
}

/// Sends bytes without TLS and waits for the end.
async fn raw(program: &Program, bytes: &[u8]) {
    let mut stream = TcpStream::connect(program.address).await.unwrap();
    let _ = stream.write_all(bytes).await;
    let _ = soon(tokio::io::AsyncReadExt::read_to_end(
        &mut stream,
        &mut Vec::new(),
    ))
    .await;
}

#[tokio::test]
async fn connections_that_fail_before_a_request_leave_a_line() {
    let program = begin(&[
        "--max-connections-per-address",
        "2",
        "--handshake-timeout",
        "1s",
    ]);
    raw(&program, b"GET /plain HTTP/1.1\r\n\r\n").await;
    raw(&program, b"SSH-2.0-x\r\n").await;
    raw(&program, b"\x16\x03\x01\x00\x05hello").await;
    raw(&program, b"").await;
    let config = || client_config(&program.certs.path().join("ca.crt"), &["smtp"]);
    assert!(
        soon(connect(program.address, config(), "localhost"))
            .await
            .is_err()
    );
    exchange(&program, b"NOT HTTP\r\n\r\n").await;
    let held = join_all((0..3).map(|_| TcpStream::connect(program.address))).await;
    // They wait for a handshake that does not come.
    for stream in held {
        let mut stream = stream.unwrap();
        let _ = soon(tokio::io::AsyncReadExt::read_to_end(
            &mut stream,
            &mut Vec::new(),
        ))
        .await;
    }
    let (_, errors) = end(program);
    for (words, name, expected) in [
        ("TLS handshake failed", "cause", "plain_http"),
        ("TLS handshake failed", "cause", "not_tls"),
        ("TLS handshake failed", "cause", "malformed"),
        ("TLS handshake failed", "cause", "alpn"),
        ("connection refused", "limit", "address"),
    ] {
        let found = errors.lines().any(|line| {
            line.contains(words)
                && value(line, name) == Some(expected)
                && line.contains("peer=127.0.0.1:")
        });
        assert!(found, "{expected}: {errors}");
    }
    assert!(errors.contains("not done within its deadline"), "{errors}");
    assert!(errors.contains("malformed request refused"), "{errors}");
}
