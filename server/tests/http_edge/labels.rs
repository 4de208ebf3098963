//! Labels of metrics come from closed sets (R24): odd values of everything that a peer chooses add no series.
//!
//! Peer-chosen values that are tried: close codes, paths, room and member names, methods, gRPC methods and content types,
//! subprotocols, server names (SNI), ALPN, Origin, statuses that they cause, drone commands.

use std::collections::BTreeSet;

use futures_util::{SinkExt, StreamExt, stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tungstenite_deflate::{DeflateConfig, client_async_with_options};

use crate::common::{Running, client_config, connect, handshake, soon, start};

/// The names and labels of all series.
async fn series(server: &Running) -> BTreeSet<String> {
    let metrics = server.get("/metrics").await;
    let (_, body) = metrics.split_once("\r\n\r\n").unwrap();
    let series = body.lines().filter(|line| !line.starts_with('#'));
    series
        .map(|line| line.rsplit_once(' ').unwrap().0.to_owned())
        .collect()
}

/// Tries `count` values from `seed` on.
async fn hammer(server: &Running, seed: u16, count: u16) {
    stream::iter(seed..seed + count)
        .for_each_concurrent(8, |number| try_all(server, number))
        .await;
}

/// Tries one value at every position.
async fn try_all(server: &Running, number: u16) {
    for (path, code) in [
        ("/ws", 3000 + number),
        ("/echo", 4000 + number),
        ("/ack", 1000 + number % 16),
        ("/drone", 4000 + number),
    ] {
        let (mut client, _) = server
            .open(
                path,
                &[("sec-websocket-protocol", &format!("chat, p{number}"))],
            )
            .await;
        let _ = soon(client.send(Message::text(format!("command{number} {number}")))).await;
        let close = CloseFrame {
            code: code.into(),
            reason: format!("reason {number}").into(),
        };
        let _ = soon(client.send(Message::Close(Some(close)))).await;
        while let Some(Ok(_)) = soon(client.next()).await {}
    }
    let room = format!("/chat/room{number}?name=member{number}");
    let (mut client, _) = server.open(&room, &[]).await;
    let _ = soon(client.close(None)).await;
    while let Some(Ok(_)) = soon(client.next()).await {}
    for request in [
        format!("GET /path{number} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        format!("METHOD{number} / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        format!("GET /rooms/r{number}/messages?after={number} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        format!(
            "POST /chat.ChatService/M{number} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/grpc-web\r\nContent-Length: 0\r\n\r\n"
        ),
        format!(
            "POST /chat.ChatService/SendMessage HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/t{number}\r\nContent-Length: 0\r\n\r\n"
        ),
        handshake(
            &format!("/ws?q={number}"),
            &format!("Origin: https://o{number}.example\r\n"),
        ),
        handshake(
            &format!("/chat/r{number}"),
            &format!("Authorization: Bearer {number}\r\n"),
        ),
    ] {
        server
            .exchange(
                request
                    .replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")
                    .as_bytes(),
            )
            .await;
    }
    for (name, protocol) in [
        (format!("name{number}.example"), "http/1.1".to_owned()),
        ("localhost".to_owned(), format!("protocol{number}")),
    ] {
        let config = client_config(&server.authority(), &[&protocol]);
        let _ = soon(connect(server.address, config, &name)).await;
    }
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let _ = stream
        .write_all(format!("{number}GET / HTTP/1.1\r\n\r\n").as_bytes())
        .await;
    let _ = soon(stream.read_to_end(&mut Vec::new())).await;
}

#[tokio::test]
async fn r24_odd_values_add_no_series() {
    let server = start(&["--unknown-name", "refuse"]).await;
    // Sixteen values are all registered codes once.
    hammer(&server, 16, 16).await;
    let first = series(&server).await;
    hammer(&server, 512, 4).await;
    let second = series(&server).await;
    let added: Vec<_> = second.difference(&first).collect();
    assert!(added.is_empty(), "{added:?}");
    assert!(second.len() < 400, "{} series", second.len());
    let others: Vec<_> = second
        .iter()
        .filter(|series| series.contains("\"other\""))
        .collect();
    assert!(
        others
            .iter()
            .any(|series| series.contains("wss_websocket_closed_total")),
        "{others:?}"
    );
    assert!(
        others
            .iter()
            .any(|series| series.contains("wss_grpc_calls_total")),
        "{others:?}"
    );
}

#[tokio::test]
async fn stats_and_metrics_tell_the_same() {
    let server = start(&[]).await;
    let stream = server.tls(&["http/1.1"]).await;
    let url = format!("wss://localhost:{}/echo", server.address.port());
    let offer = DeflateConfig::default();
    let opening = client_async_with_options(url, stream, offer);
    let (mut client, _) = soon(opening).await.unwrap();
    let long = "compressed, and compressed again ".repeat(20);
    for text in ["a", "bc", &long] {
        soon(client.send(Message::text(text))).await.unwrap();
        soon(client.next()).await.unwrap().unwrap();
    }
    let (mut watcher, _) = server.open("/stats", &[]).await;
    let Message::Text(sample) = soon(watcher.next()).await.unwrap().unwrap() else {
        panic!("no text");
    };
    let sample: serde_json::Value = serde_json::from_str(&sample).unwrap();
    let metrics = server.get("/metrics").await;
    let sum = |name: &str, labels: &[&str]| -> u64 {
        let lines = metrics.lines().filter(|line| {
            line.starts_with(name)
                && !line.contains("/stats")
                && labels.iter().all(|label| line.contains(label))
        });
        lines
            .map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap())
            .sum()
    };
    for (key, expected) in [
        (
            "messages_in",
            sum("wss_websocket_messages_total", &["\"in\"", "\"text\""]),
        ),
        (
            "messages_out",
            sum("wss_websocket_messages_total", &["\"out\"", "\"text\""]),
        ),
        (
            "message_bytes",
            sum("wss_websocket_message_bytes_total", &[]),
        ),
        ("wire_bytes", sum("wss_websocket_wire_bytes_total", &[])),
        // The watcher itself is a connection.
        ("connections", sum("wss_websocket_connections", &[]) + 1),
        ("opened", sum("wss_websocket_opened_total", &[]) + 1),
    ] {
        assert_eq!(sample[key], expected, "{key}: {sample} {metrics}");
    }
    assert_eq!(sample["messages_in"], 3);
    // Both frames of 660 bytes, and what they became.
    let wire = sum("wss_websocket_wire_bytes_total", &[]);
    let before = sum("wss_websocket_compressed_message_bytes_total", &[]);
    let after = sum("wss_websocket_compressed_wire_bytes_total", &[]);
    assert_eq!(before, 2 * long.len() as u64, "{metrics}");
    assert!((1..200).contains(&after), "{metrics}");
    assert_eq!(sample["uncompressed_bytes"], wire + before - after);
}
