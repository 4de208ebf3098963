//! F16: bytes that a client goes on sending cost it no answer that was sent before: no reset by TCP overtakes it.

#![allow(
    clippy::large_futures,
    clippy::unwrap_used,
    reason = "it is a test: it may panic, and needs no small stack"
)]

mod common;

use std::sync::Arc;

use common::{Running, client_config, handshake, soon, start, status_of};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio_rustls::TlsConnector;

/// Runs of each case; without lingering most of them lost something.
const RUNS: usize = 60;
/// Bytes that a client sends although nobody reads them.
const BEHIND: usize = 256 * 1024;
/// Bytes that the kernel holds for a client that has not read them.
const CAPACITY: u32 = 16 * 1024;

/// Returns what arrives of the answer to `bytes` and much behind them at a client that writes all before it reads, with little
/// capacity for what comes meanwhile; an error if the server broke off.
async fn answer(server: &Running, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(CAPACITY)?;
    let stream = socket.connect(server.address).await?;
    let config = client_config(&server.authority(), &["http/1.1"]);
    let name = ServerName::try_from("localhost").unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let mut stream = connector.connect(name, stream).await?;
    let mut sent = bytes.to_vec();
    sent.resize(bytes.len() + BEHIND, b'x');
    for piece in sent.chunks(4096) {
        stream.write_all(piece).await?;
        stream.flush().await?;
        tokio::task::yield_now().await;
    }
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn f16_data_behind_a_close_destroys_no_reply() {
    let server = start(&[]).await;
    let mut bytes = handshake("/echo", "").into_bytes();
    for _ in 0..100 {
        bytes.extend_from_slice(b"\x82\xfe\x03\xe8\0\0\0\0");
        bytes.extend_from_slice(&[7; 1000]);
    }
    bytes.extend_from_slice(b"\x88\x82\0\0\0\0\x03\xe8");
    let mut lost = 0;
    for _ in 0..RUNS {
        match soon(answer(&server, &bytes)).await {
            Ok(answer) if answer.len() > 100_400 && answer.ends_with(b"\x88\x02\x03\xe8") => {}
            _ => lost += 1,
        }
    }
    assert_eq!(lost, 0, "of {RUNS}");
}

#[tokio::test]
async fn f16_a_refused_request_is_told_so_while_it_is_sent() {
    let server = start(&["--head-timeout", "2s"]).await;
    let length = format!("Content-Length: {BEHIND}\r\n");
    let long = format!("X: {}\r\n", "y".repeat(20_000));
    for (status, request) in [
        (
            400,
            "GET /healthz HTTP/1.1\r\nHost: a\r\nHost\r\n\r\n".to_owned(),
        ),
        (
            405,
            format!("POST /healthz HTTP/1.1\r\nHost: localhost\r\n{length}\r\n"),
        ),
        (
            431,
            format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\n{long}\r\n"),
        ),
        (
            404,
            format!(
                "POST /nowhere HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{length}\r\n"
            ),
        ),
        (400, handshake("/ws", &length)),
    ] {
        let mut lost = None;
        for _ in 0..RUNS {
            match soon(answer(&server, request.as_bytes())).await {
                Ok(answer) if status_of(&String::from_utf8_lossy(&answer)) == status => {}
                other => lost = Some(other),
            }
        }
        assert!(lost.is_none(), "{status}: {lost:?}: {request:.200}");
    }
}
