//! What a peer may take, and what happens beyond it (threats F7, R1, R4, R7, R9).

#![allow(
    clippy::large_futures,
    clippy::unwrap_used,
    reason = "it is a test: it may panic, and needs no small stack"
)]

mod common;

use std::time::{Duration, Instant};

use common::{soon, start, until};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::Message;

/// Reads raw bytes until the server closes; gives the code of the Close frame among them.
async fn close_code(stream: &mut (impl AsyncReadExt + Unpin)) -> Option<u16> {
    let mut bytes = Vec::new();
    let _ = soon(stream.read_to_end(&mut bytes)).await;
    let at = bytes
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .map_or(0, |at| at + 4);
    let frames = &bytes[at..];
    let close = frames
        .windows(4)
        .find(|window| window[0] == 0x88 && window[1] >= 2)?;
    Some(u16::from_be_bytes([close[2], close[3]]))
}

/// Opens `/echo` by hand and sends `frame` behind the request.
async fn send_raw(server: &common::Running, frame: &[u8]) -> Option<u16> {
    let mut stream = server.tls(&[]).await;
    stream
        .write_all(common::handshake("/echo", "").as_bytes())
        .await
        .unwrap();
    stream.write_all(frame).await.unwrap();
    close_code(&mut stream).await
}

#[tokio::test]
async fn violations_end_with_their_close_code() {
    let server = start(&["--max-message-bytes", "1KiB", "--message-timeout", "300ms"]).await;
    let too_big = [0x82, 0xfe, 0x04, 0x01, 0, 0, 0, 0];
    let unmasked = [0x81, 0x01, b'a'];
    let not_utf8 = [0x81, 0x81, 0, 0, 0, 0, 0xff];
    let reserved = [0xc1, 0x81, 0, 0, 0, 0, b'a'];
    let unfinished = [0x01, 0x81, 0, 0, 0, 0, b'a'];
    for (name, code, frame) in [
        ("too big, on the header alone", 1009, &too_big[..]),
        ("unmasked", 1002, &unmasked),
        ("not UTF-8", 1007, &not_utf8),
        ("RSV1 without extension", 1002, &reserved),
        ("never finished", 1008, &unfinished),
    ] {
        assert_eq!(send_raw(&server, frame).await, Some(code), "{name}");
    }
    // The log's and the metrics' account is the same as the wire's.
    until(async || {
        let metrics = server.get("/metrics").await;
        [("1009", "1"), ("1002", "2"), ("1007", "1"), ("1008", "1")].iter().all(|(code, count)| {
            metrics.contains(&format!("wss_websocket_closed_total{{route=\"/echo\",code=\"{code}\",by=\"server\"}} {count}"))
        })
    })
    .await;
}

#[tokio::test]
async fn a_message_at_the_limit_passes() {
    let server = start(&["--max-message-bytes", "1KiB"]).await;
    let (mut client, _) = server.open("/echo", &[]).await;
    let message = Message::binary(vec![1; 1024]);
    soon(client.send(message.clone())).await.unwrap();
    assert_eq!(soon(client.next()).await.unwrap().unwrap(), message);
}

#[tokio::test]
async fn connections_beyond_a_limit_are_closed_and_room_comes_back() {
    // R1
    for flags in [
        ["--max-connections", "3"],
        ["--max-connections-per-address", "3"],
    ] {
        let server = start(&flags).await;
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(server.open("/echo", &[]).await.0);
        }
        let refused = common::connect(
            server.address,
            common::client_config(&server.authority(), &[]),
            "localhost",
        );
        assert!(soon(refused).await.is_err());
        held.pop();
        let config = common::client_config(&server.authority(), &[]);
        until(async || {
            common::connect(server.address, config.clone(), "localhost")
                .await
                .is_ok()
        })
        .await;
    }
}

#[tokio::test]
async fn silence_is_pinged_and_then_ended() {
    // R9
    let server = start(&["--ping-interval", "100ms", "--pong-timeout", "200ms"]).await;
    let (mut answering, _) = server.open("/echo", &[]).await;
    let mut silent = server.tls(&[]).await;
    silent
        .write_all(common::handshake("/echo", "").as_bytes())
        .await
        .unwrap();
    let begun = Instant::now();
    let mut seen = Vec::new();
    let _ = soon(silent.read_to_end(&mut seen)).await;
    assert!(
        begun.elapsed() >= Duration::from_millis(250) && begun.elapsed() < Duration::from_secs(8),
        "{:?}",
        begun.elapsed()
    );
    // The client of the other connection answers pings while it is polled.
    let pinged = soon(answering.next()).await.unwrap().unwrap();
    assert!(pinged.is_ping(), "{pinged:?}");
    soon(answering.send(Message::text("alive"))).await.unwrap();
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_dropped() {
    // R7, R8
    let server = start(&["--write-timeout", "300ms", "--ping-interval", "off"]).await;
    let (client, _) = server.open("/echo", &[]).await;
    let (mut write, read) = client.split();
    let flood = tokio::spawn(async move {
        let message = Message::binary(vec![0; 256 * 1024]);
        while write.send(message.clone()).await.is_ok() {}
    });
    until(async || {
        let metrics = server.get("/metrics").await;
        metrics.contains("wss_websocket_slow_readers_total{route=\"/echo\"} 1")
    })
    .await;
    soon(flood).await.unwrap();
    drop(read);
}
