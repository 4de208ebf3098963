//! Heads as bytes: other versions of HTTP (H2), lines that end with LF alone (H13), and nothing else touched by the look
//! at them, however the bytes are cut.

#![allow(
    clippy::large_futures,
    clippy::unwrap_used,
    reason = "it is a test: it may panic, and needs no small stack"
)]

mod common;

use common::{Running, handshake, soon, start};
use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A whole request for a page; the last one of a connection has the field that closes it.
const NEXT: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
const LAST: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// The statuses of what comes back for the pieces, each written by itself, until the server closes.
async fn statuses(server: &Running, pieces: impl Iterator<Item = &[u8]>) -> (Vec<u16>, String) {
    let mut stream = server.tls(&["http/1.1"]).await;
    for piece in pieces {
        let _ = stream.write_all(piece).await;
        let _ = stream.flush().await;
    }
    let mut answer = Vec::new();
    let _ = soon(stream.read_to_end(&mut answer)).await;
    let text = String::from_utf8_lossy(&answer).into_owned();
    let statuses = text.split("HTTP/1.").skip(1);
    let statuses = statuses.map(|response| response[2..5].parse().unwrap());
    (statuses.collect(), text)
}

/// Checks every case in one write, and cut into single bytes where that makes no difference to hyper, which closes when
/// the rest of a body that nobody wants is not there yet.
async fn check(cases: &[(&str, &[u16], String)], and_cut: bool) {
    let server = start(&["--head-timeout", "5s"]).await;
    let checking = cases.iter().map(async |(name, expected, bytes)| {
        let (whole, text) = statuses(&server, std::iter::once(bytes.as_bytes())).await;
        assert_eq!(whole, *expected, "{name}: {text}");
        if !and_cut {
            return;
        }
        let (cut, text) = statuses(&server, bytes.as_bytes().chunks(1)).await;
        assert_eq!(cut, *expected, "{name}, byte by byte: {text}");
    });
    join_all(checking).await;
}

#[tokio::test]
async fn h2_other_versions_are_505() {
    let server = start(&[]).await;
    for version in ["1.2", "1.9", "2.0", "2.1", "3.0", "9.9", "0.9", "0.0"] {
        for request in [NEXT.to_owned(), handshake("/ws", "")] {
            let request = request.replace("1.1", version);
            let (seen, text) = statuses(&server, std::iter::once(request.as_bytes())).await;
            assert_eq!(seen, [505], "{version}: {text}");
            assert!(
                text.ends_with("the versions of HTTP that are spoken here are 2 and 1.1\n"),
                "{text}"
            );
            let (seen, text) = statuses(&server, request.as_bytes().chunks(1)).await;
            assert_eq!(seen, [505], "{version}, byte by byte: {text}");
        }
    }
    #[rustfmt::skip]
    let other = |version: &str| NEXT.replace("HTTP/1.1", version);
    check(
        &[
            (
                "behind a good one",
                &[200, 505],
                format!("{NEXT}{}{NEXT}", other("HTTP/1.2")),
            ),
            ("1.0 is spoken", &[200], other("HTTP/1.0")),
            ("in the target", &[404], LAST.replace("healthz", "HTTP/1.2")),
            ("no version at all", &[400], other("HTTP/x.y")),
            ("a digit too many", &[400], other("HTTP/1.10")),
            ("a letter behind", &[400], other("HTTP/1.2x")),
        ],
        true,
    )
    .await;
}

#[tokio::test]
async fn h13_lines_that_end_with_lf_alone_are_400() {
    let post = "POST /healthz HTTP/1.1\r\nHost: localhost\r\n";
    #[rustfmt::skip]
    let bad = NEXT.replacen("\r\nHost", "\nHost", 1);
    check(
        &[
            ("request line", &[400], bad.clone()),
            (
                "field",
                &[400],
                NEXT.replacen("\r\n\r\n", "\nX: y\r\n\r\n", 1),
            ),
            (
                "end of the head",
                &[400],
                NEXT.replacen("\r\n\r\n", "\r\n\n", 1),
            ),
            ("everywhere", &[400], NEXT.replace('\r', "")),
            ("empty line before", &[400], format!("\n{NEXT}")),
            (
                "in a value",
                &[400],
                NEXT.replacen("localhost", "local\nhost", 1),
            ),
            ("upgrade", &[400], handshake("/ws", "X: y\n")),
            ("behind a good one", &[200, 400], format!("{NEXT}{bad}")),
        ],
        true,
    )
    .await;
    check(&[
        ("behind a body", &[405, 400], format!("{post}Content-Length: 3\r\n\r\na\nb{bad}")),
        (
            "behind chunks",
            &[405, 400],
            format!(
                "{post}Transfer-Encoding: chunked\r\n\r\n3;x=y\r\na\nb\r\n0\r\nT: u\r\n\r\n{bad}"
            ),
        ),
        ("behind a refused upgrade", &[426], handshake("/ws", "").replace("Version: 13", "Version: 8") + &bad),
    ], false)
    .await;
}

#[tokio::test]
async fn h13_bytes_of_bodies_are_left_alone() {
    #[rustfmt::skip]
    let echo = "POST /healthz HTTP/1.1\r\nHost: localhost\r\n";
    check(
        &[
            (
                "length",
                &[405, 200],
                format!("{echo}Content-Length: 7\r\n\r\n\n\n\n\n\n\n\n{LAST}"),
            ),
            (
                "length with zeros",
                &[405, 200],
                format!("{echo}content-length:  0007\r\n\r\n\n\n\n\n\n\n\n{LAST}"),
            ),
            (
                "chunks",
                &[405, 200],
                format!(
                    "{echo}Transfer-Encoding: chunked\r\n\r\n0A\r\n0123\n5678\n\r\n0\r\n\r\n{LAST}"
                ),
            ),
            (
                "many",
                &[200, 200, 200, 200],
                format!("{}{LAST}", NEXT.repeat(3)),
            ),
        ],
        false,
    )
    .await;
    // Frames after the head hold any bytes: a text of line feeds, masked with zeros, then a Close.
    let server = start(&[]).await;
    let frames = b"\x81\x84\0\0\0\0\n\n\n\n\x88\x82\0\0\0\0\x03\xe8";
    let bytes = [handshake("/echo", "").as_bytes(), frames].concat();
    for size in [bytes.len(), 1] {
        let mut stream = server.tls(&["http/1.1"]).await;
        for piece in bytes.chunks(size) {
            stream.write_all(piece).await.unwrap();
            stream.flush().await.unwrap();
        }
        let mut answer = Vec::new();
        soon(stream.read_to_end(&mut answer)).await.unwrap();
        assert!(
            answer.ends_with(b"\r\n\r\n\x81\x04\n\n\n\n\x88\x02\x03\xe8"),
            "{}",
            answer.escape_ascii()
        );
    }
}
