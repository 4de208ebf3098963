//! `Expect: 100-continue` with Upgrade (RFC 9110 §7.8, §10.1.1; cases L7).
//!
//! Members of the kind: any case, in a list, over several lines, other expectations; HTTP/1.0; refused requests; a client
//! that sends it itself.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tungstenite_deflate::handshake::server::interim_response;
use tungstenite_deflate::tungstenite::http::Version;
use tungstenite_deflate::{accept_async, client_async};

use super::{read, request};

const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";

/// All that the server writes to a request with these lines.
async fn answer(version: &str, lines: &str) -> String {
    let (mut client, server) = tokio::io::duplex(4096);
    let head = format!(
        "GET / {version}\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{lines}\r\n"
    );
    client.write_all(head.as_bytes()).await.unwrap();
    let _ = accept_async(server).await;
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn server_sends_100_before_101_and_never_otherwise() {
    let good = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (lines, is_expected) in [
        ("Expect: 100-continue\r\n", true),
        ("expect: 100-Continue\r\n", true),
        ("Expect: , 100-continue\r\n", true),
        ("Expect: x=y, 100-continue\r\n", true),
        ("Expect: x=y\r\nExpect: 100-continue\r\n", true),
        ("Expect: 100-continued\r\n", false),
        ("Expect: x=y\r\n", false),
        ("", false),
    ] {
        let answer = answer("HTTP/1.1", &format!("{lines}{good}")).await;
        let rest = answer.strip_prefix(CONTINUE).unwrap_or(&answer);
        assert_eq!(
            rest.len() < answer.len(),
            is_expected,
            "{lines:?}: {answer}"
        );
        assert!(
            rest.starts_with("HTTP/1.1 101 ") && !rest.contains(" 100 "),
            "{lines:?}: {answer}"
        );
    }
    // Refused: a final status alone.
    let refused = answer("HTTP/1.1", "Expect: 100-continue\r\n").await;
    assert!(
        refused.starts_with("HTTP/1.1 400 ") && !refused.contains(CONTINUE),
        "{refused}"
    );
    let old = answer("HTTP/1.0", &format!("Expect: 100-continue\r\n{good}")).await;
    assert!(
        old.starts_with("HTTP/1.1 505 ") && !old.contains(CONTINUE),
        "{old}"
    );
}

#[test]
fn expectation_of_http_1_0_is_ignored() {
    let mut request = read("Expect: 100-continue\r\n");
    assert_eq!(interim_response(&request), CONTINUE.as_bytes());
    for version in [Version::HTTP_10, Version::HTTP_2] {
        *request.version_mut() = version;
        assert_eq!(interim_response(&request), b"");
    }
}

#[tokio::test]
async fn both_sides_understand_each_other() {
    let (here, there) = tokio::io::duplex(4096);
    let asked = request(&[("expect", "100-continue")]);
    let (client, server) = tokio::join!(client_async(asked, here), accept_async(there));
    assert!(client.is_ok() && server.is_ok());
}
