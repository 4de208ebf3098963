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

/// Returns the first bytes of the server's answer to these pieces, each sent by itself; empty if it has none.
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

/// A `ClientHello` of `version` with one cipher suite and these extensions.
fn hello_of(version: [u8; 2], extensions: &[u8]) -> Vec<u8> {
    let mut hello = version.to_vec();
    hello.extend_from_slice(&[7; 32]);
    // No session, TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, no compression.
    hello.extend_from_slice(&[0, 0, 2, 0xc0, 0x13, 1, 0]);
    if !extensions.is_empty() {
        hello.extend_from_slice(&u16::try_from(extensions.len()).unwrap().to_be_bytes());
        hello.extend_from_slice(extensions);
    }
    let length = u16::try_from(hello.len()).unwrap();
    let mut record = vec![HANDSHAKE, 3, version[1].min(1)];
    record.extend_from_slice(&(length + 4).to_be_bytes());
    record.extend_from_slice(&[1, 0]);
    record.extend_from_slice(&length.to_be_bytes());
    record.extend_from_slice(&hello);
    record
}

#[tokio::test]
async fn t1_old_versions_get_protocol_version() {
    let server = start(&["--handshake-rate", "off"]).await;
    // secp256r1 and its form, as TLS 1.0 has them; rsa_pkcs1_sha256, which it has not.
    let groups = [0, 10, 0, 4, 0, 2, 0, 23, 0, 11, 0, 2, 1, 0];
    let signatures = [0, 13, 0, 4, 0, 2, 4, 1];
    let versions_11 = [0, 43, 0, 3, 2, 3, 2];
    for (name, version, extensions) in [
        ("SSL 3.0", [3, 0], vec![]),
        ("TLS 1.0 without extensions", [3, 1], vec![]),
        ("TLS 1.0", [3, 1], groups.to_vec()),
        ("TLS 1.0 with signatures", [3, 1], signatures.to_vec()),
        ("TLS 1.1 without extensions", [3, 2], vec![]),
        ("TLS 1.1", [3, 2], groups.to_vec()),
        ("TLS 1.1 with signatures", [3, 2], signatures.to_vec()),
        (
            "TLS 1.1 by its extension",
            [3, 3],
            [&signatures[..], &versions_11].concat(),
        ),
    ] {
        let hello = hello_of(version, &extensions);
        // In one piece, in records of few bytes, and a byte a segment.
        let records = [1, 2, 3, 4, 5, 7, 40].map(|size| in_records_of(size, &hello));
        let mut cases: Vec<Vec<&[u8]>> = records.iter().map(|bytes| vec![&bytes[..]]).collect();
        cases.push(vec![&hello[..]]);
        cases.push(hello.chunks(1).collect());
        cases.extend(records.iter().map(|bytes| bytes.chunks(1).collect()));
        for pieces in cases {
            let mut tcp = TcpStream::connect(server.address).await.unwrap();
            tcp.set_nodelay(true).unwrap();
            for piece in &pieces {
                tcp.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
            let mut answer = Vec::new();
            soon(tcp.read_to_end(&mut answer)).await.unwrap();
            let name = format!(
                "{name} in {} pieces, {} bytes",
                pieces.len(),
                pieces[0].len()
            );
            // One record: an alert, fatal, protocol_version.
            assert_eq!(answer.len(), 7, "{name}: {answer:02x?}");
            assert_eq!(answer[0], 21, "{name}: {answer:02x?}");
            assert_eq!(answer[3..], [0, 2, 2, 70], "{name}: {answer:02x?}");
        }
    }
}
