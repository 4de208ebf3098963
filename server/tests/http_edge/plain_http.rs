//! Plain HTTP on the TLS port (S10): a status and a sentence, whatever the pace; other bytes get TLS' alert as ever.

use std::process::Command;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{begin, end, value};
use crate::common::{Running, soon, start};

/// Sends `pieces`, each a segment of its own, and gives everything until the server closes.
async fn send(server: &Running, pieces: &[&[u8]]) -> Vec<u8> {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    for piece in pieces {
        let _ = stream.write_all(piece).await;
        let _ = stream.flush().await;
        tokio::task::yield_now().await;
    }
    let mut answer = Vec::new();
    let _ = soon(stream.read_to_end(&mut answer)).await;
    answer
}

#[tokio::test]
async fn a_plain_request_gets_a_status_and_a_sentence() {
    let server = start(&[]).await;
    let long = format!("POST / HTTP/1.1\r\nHost: a\r\n\r\n{}", "x".repeat(30_000));
    for request in [
        "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "GET /\r\n",
        "OPTIONS * HTTP/1.1\r\n\r\n",
        "CONNECT example.org:443 HTTP/1.1\r\n\r\n",
        "GET http://example.org/ HTTP/1.1\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
        &long,
    ] {
        let whole = send(&server, &[request.as_bytes()]).await;
        let single: Vec<&[u8]> = request.as_bytes()[..request.len().min(60)]
            .chunks(1)
            .collect();
        let slow = send(&server, &single).await;
        for answer in [whole, slow] {
            let answer = String::from_utf8(answer).unwrap();
            let (head, content) = answer.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with("HTTP/1.1 400 "), "{request:.20}: {answer}");
            assert!(head.contains("Connection: close"), "{answer}");
            assert!(
                head.contains(&format!("Content-Length: {}", content.len())),
                "{answer}"
            );
            assert!(content.contains("https://"), "{answer}");
        }
    }
    let answer = send(&server, &[b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n"]).await;
    assert!(answer.ends_with(b"\r\n\r\n"), "{}", answer.escape_ascii());
    let metrics = server.get("/metrics").await;
    assert!(
        metrics.contains("wss_tls_handshake_failures_total{cause=\"plain_http\"} 19"),
        "{metrics}"
    );
}

#[tokio::test]
async fn other_protocols_get_the_alert_of_tls() {
    let server = start(&[]).await;
    for bytes in [
        &b"SSH-2.0-OpenSSH_9.9\r\n"[..],
        b"HELO mail.example\r\n",
        b"USER anonymous\r\n",
        b"get / HTTP/1.1\r\n\r\n",
        b"\r\nGET / HTTP/1.1\r\n\r\n",
        b"A\0\0\0\0\0\0",
    ] {
        for pieces in [vec![bytes], bytes.chunks(1).collect()] {
            let answer = send(&server, &pieces).await;
            assert!(
                answer.is_empty() || answer[0] == 0x15,
                "{}: {}",
                bytes.escape_ascii(),
                answer.escape_ascii()
            );
        }
    }
    let metrics = server.get("/metrics").await;
    assert!(metrics.contains("cause=\"not_tls\"} 12"), "{metrics}");
}

#[tokio::test]
async fn the_beginning_of_a_plain_request_waits_no_longer_than_a_handshake_and_holds_nobody_up() {
    let flags = ["--handshake-timeout", "1s", "--max-handshakes", "1"];
    let server = start(&flags).await;
    let begun = Instant::now();
    let mut stalled = Vec::new();
    for beginning in ["G", "GET", "GET ", "OPTIONS http", "GET h"] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        // What may be HTTP is not yet answered.
        stream.write_all(beginning.as_bytes()).await.unwrap();
        stalled.push((beginning, stream));
    }
    assert!(server.get("/healthz").await.contains("ok"));
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "{:?}",
        begun.elapsed()
    );
    for (beginning, mut stream) in stalled {
        let mut answer = Vec::new();
        let _ = soon(stream.read_to_end(&mut answer)).await;
        let is_whole = beginning == "OPTIONS http";
        assert_eq!(answer.starts_with(b"HTTP/1.1 400"), is_whole, "{beginning}");
        assert!(begun.elapsed() < Duration::from_secs(3), "{beginning}");
    }
}

#[tokio::test]
async fn one_that_sends_on_after_the_answer_is_cut_off() {
    let server = start(&[]).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let begun = Instant::now();
    let sent = soon(async {
        let _ = stream.write_all(b"POST / HTTP/1.1\r\n\r\n").await;
        while stream.write_all(&[b'x'; 1024]).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        begun.elapsed()
    });
    assert!(sent.await < Duration::from_secs(5));
}

#[tokio::test]
async fn curl_shows_the_sentence_and_the_log_the_request() {
    let program = begin(&[]);
    let url = format!("http://127.0.0.1:{}/some/path", program.address.port());
    let curl = Command::new("curl")
        .args(["-sS", "-m", "5", "-w", "%{http_code}", &url])
        .output();
    match curl {
        Ok(output) => {
            let shown = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(
                shown.ends_with("400") && shown.contains("https://"),
                "{output:?}"
            );
        }
        // A machine without curl still tests the same bytes above.
        Err(error) => return assert_eq!(error.kind(), std::io::ErrorKind::NotFound),
    }
    let (_, errors) = end(program);
    let line = errors
        .lines()
        .find(|line| line.contains("TLS handshake failed"))
        .unwrap();
    assert_eq!(value(line, "cause"), Some("plain_http"), "{line}");
    assert!(
        line.contains("GET /some/path HTTP/1.1") && line.contains("peer=127.0.0.1:"),
        "{line}"
    );
}
