//! `Expect: 100-continue` (L7; RFC 9110 §7.8, §10.1.1): the interim response before a 101 and before a body.
//!
//! Members tried: an upgrade; one after another request on the connection; one in the same segment as that request; a
//! value in other letters and in a list; HTTP/1.0; a refused upgrade; an upgrade without it; a body.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::common::{Running, client_config, connect, soon, start};

const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";

/// A handshake with `more` fields, each with its line end.
fn handshake(path: &str, more: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
    )
}

/// Sends `request` and gives what came until `end` has come.
async fn until(server: &Running, request: &str, end: &str) -> String {
    let config = client_config(&server.certs.path().join("ca.crt"), &["http/1.1"]);
    let mut stream = soon(connect(server.address, config, "localhost"))
        .await
        .unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !String::from_utf8_lossy(&answer).contains(end) {
        let read = soon(stream.read_buf(&mut answer)).await.unwrap();
        assert_ne!(read, 0, "{}", answer.escape_ascii());
    }
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_101_is_preceded_by_the_100_that_was_asked_for() {
    let server = start(&[]).await;
    let accepted = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    let accepted = accepted.to_ascii_lowercase();
    for expect in [
        "Expect: 100-continue\r\n",
        "expect: 100-Continue\r\n",
        "Expect: , 100-continue\r\n",
    ] {
        let answer = until(&server, &handshake("/echo", expect), "\r\n\r\nHTTP/1.1 101").await;
        assert!(
            answer.starts_with(&format!("{CONTINUE}HTTP/1.1 101 ")),
            "{answer}"
        );
    }
    let before = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let both = before.to_owned() + &handshake("/echo", "Expect: 100-continue\r\n");
    let answer = until(&server, &both, "HTTP/1.1 101").await;
    let (first, second) = answer.split_once(CONTINUE).unwrap();
    assert!(first.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(second.starts_with("HTTP/1.1 101 "), "{answer}");
    let answer = until(&server, &handshake("/echo", ""), "\r\n\r\n").await;
    assert!(
        answer.starts_with("HTTP/1.1 101 ") && answer.to_ascii_lowercase().contains(&accepted),
        "{answer}"
    );
}

#[tokio::test]
async fn a_refusal_comes_without_it() {
    let server = start(&[]).await;
    let expect = "Expect: 100-continue\r\n";
    #[rustfmt::skip]
    let cases = [
        (handshake("/echo", &format!("{expect}Origin: https://evil.example\r\n")), "HTTP/1.1 403 "),
        (handshake("/nothing", expect), "HTTP/1.1 404 "),
        (handshake("/echo", expect).replace("Version: 13", "Version: 12"), "HTTP/1.1 426 "),
        (handshake("/echo", expect).replace(" HTTP/1.1", " HTTP/1.0"), "HTTP/1.0 505 "),
    ];
    for (request, status) in cases {
        let answer = until(&server, &request, "\r\n\r\n").await;
        assert!(
            answer[9..].starts_with(&status[9..]) && !answer.contains("100 Continue"),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn a_body_is_asked_for_before_it_comes() {
    let server = start(&["--rooms-open", "on"]).await;
    let head = "POST /rooms/expected/messages HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                Content-Length: 28\r\nExpect: 100-continue\r\n\r\n";
    let config = client_config(&server.certs.path().join("ca.crt"), &["http/1.1"]);
    let mut stream = soon(connect(server.address, config, "localhost"))
        .await
        .unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut interim = [0; CONTINUE.len()];
    soon(stream.read_exact(&mut interim)).await.unwrap();
    assert_eq!(std::str::from_utf8(&interim).unwrap(), CONTINUE);
    let body = br#"{"from":"ana","text":"hello"}"#;
    stream.write_all(&body[..28]).await.unwrap();
    let mut answer = [0; 12];
    soon(stream.read_exact(&mut answer)).await.unwrap();
    // One byte of it is missing, as the length says.
    assert_eq!(std::str::from_utf8(&answer).unwrap(), "HTTP/1.1 400");
}
