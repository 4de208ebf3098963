//! T6: a `ClientHello` in any pieces is read, and half of one costs nothing.

#![allow(
    clippy::large_futures,
    clippy::unwrap_used,
    reason = "it is a test: it may panic, and needs no small stack"
)]

mod common;

use std::sync::Arc;

use common::{client_config, soon, start};
use futures_util::{StreamExt, stream};
use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Content type and header length of a record (RFC 8446 §5.1).
const HANDSHAKE: u8 = 22;
const RECORD_HEADER: usize = 5;

/// The first flight of an honest client.
fn client_hello(server: &common::Running) -> Vec<u8> {
    let config = Arc::new(client_config(&server.authority(), &["http/1.1"]));
    let name = ServerName::try_from("localhost").unwrap();
    let mut client = ClientConnection::new(config, name).unwrap();
    let mut hello = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut hello).unwrap();
    }
    hello
}

/// The handshake bytes of records, cut anew into records of `size` bytes.
fn in_records_of(size: usize, mut records: &[u8]) -> Vec<u8> {
    let mut handshake = Vec::new();
    while let Some((header, rest)) = records.split_at_checked(RECORD_HEADER) {
        let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
        handshake.extend_from_slice(&rest[..length]);
        records = &rest[length..];
    }
    let mut cut = Vec::new();
    for chunk in handshake.chunks(size) {
        let length = u16::try_from(chunk.len()).unwrap().to_be_bytes();
        cut.extend_from_slice(&[HANDSHAKE, 3, 1, length[0], length[1]]);
        cut.extend_from_slice(chunk);
    }
    cut
}

/// What the server says to these pieces, each sent by itself: the first bytes of its answer, empty if it has none.
async fn answer(server: &common::Running, pieces: &[&[u8]], and_ends: bool) -> Vec<u8> {
    let mut tcp = TcpStream::connect(server.address).await.unwrap();
    tcp.set_nodelay(true).unwrap();
    for piece in pieces {
        tcp.write_all(piece).await.unwrap();
        tokio::task::yield_now().await;
    }
    if and_ends {
        tcp.shutdown().await.unwrap();
    }
    let mut first = vec![0; 6];
    let read = soon(tcp.read(&mut first)).await.unwrap_or(0);
    first.truncate(read);
    first
}

#[tokio::test]
async fn t6_a_hello_cut_anywhere_is_answered() {
    let server = start(&[]).await;
    let hello = client_hello(&server);
    assert!(hello.len() > 200, "{} bytes", hello.len());
    let cuts = stream::iter(1..hello.len()).map(async |cut| {
        let (front, back) = hello.split_at(cut);
        (cut, answer(&server, &[front, back], false).await)
    });
    let answers: Vec<_> = cuts.buffer_unordered(32).collect().await;
    for (cut, answer) in answers {
        // A ServerHello.
        assert!(
            answer.starts_with(&[HANDSHAKE, 3, 3]),
            "cut at {cut}: {answer:02x?}"
        );
    }
    let single: Vec<&[u8]> = hello.chunks(1).collect();
    assert_eq!(answer(&server, &single, false).await[0], HANDSHAKE);
}

#[tokio::test]
async fn t6_a_hello_in_many_records_is_answered() {
    let server = start(&[]).await;
    let hello = client_hello(&server);
    for size in [1, 2, 3, 16, 100, 255] {
        let records = in_records_of(size, &hello);
        let answer = answer(&server, &[&records], false).await;
        assert_eq!(answer[0], HANDSHAKE, "records of {size} bytes");
    }
}

#[tokio::test]
async fn t6_half_a_hello_is_forgotten_at_once() {
    let server = start(&[]).await;
    let hello = client_hello(&server);
    let cuts = stream::iter(1..hello.len()).map(async |cut| {
        let answer = answer(&server, &[&hello[..cut]], true).await;
        assert_ne!(answer.first(), Some(&HANDSHAKE), "cut at {cut}");
    });
    cuts.buffer_unordered(32).collect::<Vec<_>>().await;
    let metrics = server.get("/metrics").await;
    let expected = hello.len() - 1;
    let failures = "wss_tls_handshake_failures_total{cause=\"disconnected\"}";
    assert!(
        metrics.contains(&format!("{failures} {expected}")),
        "{metrics}"
    );
    println!("{expected} bad inputs: halves of a ClientHello, 0 wrong");
}
