//! Responses that nobody takes.

use std::time::Duration;

use futures_util::SinkExt;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::Message;

use crate::common::{self, Running, soon, start, status_of, until};
use crate::{buffered, dial, metric, request, until_idle, whole};

/// Fills a room with `count` messages of 1,000 control characters, which take 6,000 bytes of JSON each.
async fn fill(server: &Running, count: usize) {
    let mut sender = dial(server, 1 << 20).await;
    for number in 0..count {
        let text = "\\u0001".repeat(1_000);
        let post = request(server, "POST", "/rooms/room/messages")
            .header("content-type", "application/json")
            .body(whole(format!(
                r#"{{"from":"ana","text":"{number}{text}"}}"#
            )))
            .unwrap();
        let answer = soon(sender.send_request(post)).await.unwrap();
        assert_eq!(answer.status(), 201);
    }
}

const HISTORY: &str = "/rooms/room/messages?limit=1000";

/// 380 histories on four connections held 1,011 MiB for two minutes.
#[tokio::test]
async fn r7_histories_that_nobody_reads_are_bounded_and_end() {
    let server = start(&[
        "--rooms-open",
        "on",
        "--rooms-burst",
        "1000",
        "--write-timeout",
        "2s",
        "--max-buffered-bytes-per-connection",
        "1MiB",
    ])
    .await;
    fill(&server, 200).await;
    let mut sender = dial(&server, 1).await;
    let asking: FuturesUnordered<_> = (0..20)
        .map(|_| {
            let asked = request(&server, "GET", HISTORY).body(whole("")).unwrap();
            sender.send_request(asked)
        })
        .collect();
    let answers: Vec<_> = soon(asking.collect::<Vec<_>>()).await;
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    let busy = answers.iter().filter(|answer| answer.status() == 503);
    // A history takes some 220 KB; what was refused holds little.
    let busy = busy.count();
    assert!((14..20).contains(&busy), "{busy}");
    let held = buffered(&server, "responses").await + buffered(&server, "output").await;
    assert!(held > 500_000 && held <= 1 << 20, "{held}");
    // They are reset one by one, and the connection goes on.
    until_idle(&server, &["responses", "output"]).await;
    let stalled = metric(&server, "wss_buffered_stalled_total{part=\"responses\"}").await;
    assert_eq!(stalled, 20 - busy);
    for answer in answers {
        if answer.status() == 200 {
            assert!(
                soon(answer.into_body().collect()).await.is_err(),
                "it was reset"
            );
        }
    }
}

/// A history in pieces is the same JSON as in one, with its length, over both versions.
#[tokio::test]
async fn histories_come_whole_and_with_their_length() {
    let flags = ["--rooms-open", "on", "--rooms-burst", "1000"];
    let server = start(&flags).await;
    let empty = server.get(HISTORY).await;
    let (_, body) = empty.split_once("\r\n\r\n").unwrap();
    let value: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(value["messages"], serde_json::json!([]));
    fill(&server, 30).await;
    let mut sender = dial(&server, 1 << 20).await;
    let asked = request(&server, "GET", HISTORY).body(whole("")).unwrap();
    let answer = soon(sender.send_request(asked)).await.unwrap();
    let length: usize = answer.headers()["content-length"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    let over2 = soon(answer.into_body().collect()).await.unwrap().to_bytes();
    assert_eq!(over2.len(), length);
    assert!(length > 180_000, "{length}");
    let over1 = server.get(HISTORY).await;
    let (_, over1) = over1.split_once("\r\n\r\n").unwrap();
    let [one, two] = [over1.as_bytes(), &over2].map(|body| {
        let value: serde_json::Value = serde_json::from_slice(body).unwrap();
        assert_eq!(value["messages"].as_array().unwrap().len(), 30);
        assert_eq!(
            (&value["complete"], &value["more"]),
            (&true.into(), &false.into())
        );
        assert!(value["end"].is_string());
        value
    });
    assert_eq!(one, two);
}

/// Pages and figures that nobody reads, without credentials.
#[tokio::test]
async fn r7_pages_and_figures_that_nobody_reads_end() {
    let server = start(&["--write-timeout", "1s"]).await;
    let mut sender = dial(&server, 1).await;
    let mut answers = Vec::new();
    for path in ["/metrics", "/", "/drone.html", "/metrics"] {
        let asked = request(&server, "GET", path).body(whole("")).unwrap();
        answers.push(soon(sender.send_request(asked)).await.unwrap());
    }
    assert!(answers.iter().all(|answer| answer.status() == 200));
    // A byte of the window is enough for h2 to take a small page as a whole: then the connection goes.
    until(async || metric(&server, "wss_tcp_connections").await == 1).await;
    for answer in answers {
        assert!(
            soon(answer.into_body().collect()).await.is_err(),
            "it was reset"
        );
    }
    until_idle(&server, &["responses", "output"]).await;
}

/// A client that asks and asks, and reads nothing, without any WebSocket: over HTTP/1.1 with pipelining, over HTTP/2
/// with windows that never end.
#[tokio::test]
async fn r7_a_connection_whose_output_stands_still_is_closed() {
    let flags = [
        "--write-timeout",
        "1s",
        "--rooms-open",
        "on",
        "--rooms-burst",
        "1000",
    ];
    let server = start(&flags).await;
    fill(&server, 30).await;
    let mut first = server.tls(&["http/1.1"]).await;
    let asked = format!("GET {HISTORY} HTTP/1.1\r\nHost: localhost\r\n\r\n").repeat(300);
    first.write_all(asked.as_bytes()).await.unwrap();
    let stalled = "wss_buffered_stalled_total{part=\"output\"}";
    until(async || metric(&server, stalled).await == 1).await;
    let mut rest = Vec::new();
    let _ = soon(first.read_to_end(&mut rest)).await;
    assert!(rest.len() < 300 * 180_000, "it was cut off: {}", rest.len());
    until(async || metric(&server, "wss_tcp_connections").await == 1).await;
}

/// A slow reader that goes on lives, for longer than the write timeout.
#[tokio::test]
async fn r7_a_slow_reader_gets_everything() {
    let server = start(&[
        "--rooms-open",
        "on",
        "--rooms-burst",
        "1000",
        "--write-timeout",
        "3s",
    ])
    .await;
    fill(&server, 60).await;
    for protocol in ["h2", "http/1.1"] {
        let mut body = if protocol == "h2" {
            let mut sender = dial(&server, 4_096).await;
            let asked = request(&server, "GET", HISTORY).body(whole("")).unwrap();
            soon(sender.send_request(asked)).await.unwrap().into_body()
        } else {
            let stream = server.tls(&["http/1.1"]).await;
            let io = hyper_util::rt::TokioIo::new(stream);
            let (mut sender, connection) = soon(hyper::client::conn::http1::handshake(io))
                .await
                .unwrap();
            tokio::spawn(connection);
            let asked = request(&server, "GET", HISTORY)
                .version(http::Version::HTTP_11)
                .header("host", "localhost")
                .body(whole(""))
                .unwrap();
            soon(sender.send_request(asked)).await.unwrap().into_body()
        };
        let (mut read, begun) = (0, std::time::Instant::now());
        while let Some(frame) = soon(body.frame()).await {
            let bytes = frame.unwrap().data_ref().map_or(0, bytes::Bytes::len);
            read += bytes;
            // It is the reader that is slow: 70 kB a second, 5 s for 360 KB.
            let pause = Duration::from_micros(15).saturating_mul(u32::try_from(bytes).unwrap());
            tokio::time::sleep(pause).await;
        }
        assert!(read > 360_000, "{protocol}: {read} bytes");
        assert!(protocol != "h2" || begun.elapsed() > Duration::from_secs(4));
    }
}

/// `/echo` over HTTP/2 still held 20 MiB of a connection when its WebSockets were gone.
#[tokio::test]
async fn r16_nothing_is_left_of_websockets_over_http2() {
    let server = start(&["--write-timeout", "1s", "--ping-interval", "off"]).await;
    // A client whose windows are closed: it never reads.
    let stream = server.tls(&["h2"]).await;
    let mut builder =
        hyper::client::conn::http2::Builder::new(hyper_util::rt::TokioExecutor::new());
    builder.initial_stream_window_size(1_000);
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) = soon(builder.handshake(io)).await.unwrap();
    tokio::spawn(async move {
        let _: Result<(), _> = connection.await;
    });
    let mut sockets = Vec::new();
    for _ in 0..10 {
        let mut socket = common::http2::open(&server, &mut sender, "/echo").await;
        let message = Message::binary(vec![7; 300_000]);
        // It is not taken as a whole: the server waits for its echo to be read.
        let sending = tokio::time::timeout(Duration::from_millis(200), socket.send(message));
        let _ = sending.await;
        sockets.push(socket);
    }
    // Of each its echo, which waits in its queue, and what HTTP/2 holds of it.
    let held = buffered(&server, "output").await;
    assert!(
        held > 100_000 && held <= 10 * (300_000 + 80 * 1024),
        "{held}"
    );
    let open = "wss_websocket_connections{route=\"/echo\",http=\"2\"}";
    until(async || metric(&server, open).await == 0).await;
    until_idle(&server, &["output", "input", "messages"]).await;
    // The connection still serves.
    let asked = common::http2::connect(&server, &mut sender, "/ws", &[]).await;
    assert_eq!(asked.status(), 200);
    drop(sockets);
    assert_eq!(status_of(&server.get("/healthz").await), 200);
}
