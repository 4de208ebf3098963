//! Bodies and gRPC messages that do not come to an end.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep};

use crate::common::{Running, soon, start, status_of};
use crate::{Pieces, buffered, dial, request, unfinished, until_idle};

/// A gRPC message of `announced` bytes of which `there` are there.
fn begun(announced: u32, there: usize) -> Vec<Bytes> {
    let mut message = vec![0];
    message.extend(announced.to_be_bytes());
    message.extend(vec![0x0a; there]);
    vec![message.into()]
}

/// A call of the method that takes messages of 1 MiB.
fn call(server: &Running, kind: &str, body: Pieces) -> http::Request<Pieces> {
    request(server, "POST", "/chat.ChatService/SendMessage")
        .header("content-type", kind)
        .header("te", "trailers")
        .body(body)
        .unwrap()
}

/// The status of a call, wherever it stands.
async fn grpc_status(response: http::Response<hyper::body::Incoming>) -> String {
    let status = |headers: &http::HeaderMap| {
        let status = headers.get("grpc-status");
        status.map(|status| status.to_str().unwrap().to_owned())
    };
    if let Some(status) = status(response.headers()) {
        return status;
    }
    let body = soon(response.into_body().collect()).await.unwrap();
    if let Some(status) = body.trailers().and_then(status) {
        return status;
    }
    // gRPC-Web has its trailers in the body.
    let text = String::from_utf8_lossy(&body.to_bytes()).into_owned();
    let (_, status) = text.split_once("grpc-status:").unwrap();
    status
        .trim()
        .chars()
        .take_while(char::is_ascii_digit)
        .collect()
}

/// Unfinished messages took 100 MiB of each TCP connection for 30 s.
#[tokio::test]
async fn r17_unfinished_grpc_messages_share_the_budget_and_have_to_go_on() {
    for kind in [
        "application/grpc",
        "application/grpc+proto",
        "application/grpc-web+proto",
    ] {
        let server = start(&[
            "--max-buffered-bytes-per-connection",
            "3MiB",
            "--message-timeout",
            "1s",
        ])
        .await;
        let mut sender = dial(&server, 1 << 20).await;
        let calls = (0..10).map(|_| {
            let body = unfinished(begun(1 << 20, 900_000));
            sender.send_request(call(&server, kind, body))
        });
        let calls: Vec<_> = calls.collect();
        let answers = tokio::spawn(join_all(calls));
        crate::common::until(async || buffered(&server, "requests").await > 2_000_000).await;
        assert!(buffered(&server, "requests").await <= 3 << 20);
        let answers = soon(answers).await.unwrap();
        let mut statuses = Vec::new();
        for answer in answers {
            statuses.push(grpc_status(answer.unwrap()).await);
        }
        statuses.sort();
        // Three messages fit; they end by their lack of progress, the others for lack of memory.
        assert_eq!(statuses[..3], ["4", "4", "4"], "{kind}: {statuses:?}");
        assert_eq!(statuses[3..], ["8"; 7], "{kind}: {statuses:?}");
        until_idle(&server, &["requests", "input"]).await;
        // And the connection is good for more.
        let message = vec![0, 0, 0, 0, 2, 0x0a, 0];
        let answer = sender.send_request(call(&server, kind, crate::whole(message)));
        assert_eq!(
            grpc_status(soon(answer).await.unwrap()).await,
            "0",
            "{kind}"
        );
    }
}

/// A body that comes as `bytes` each `interval`.
fn paced(bytes: usize, times: usize, interval: Duration) -> Pieces {
    let pieces = stream::iter(0..times).then(move |_| async move {
        sleep(interval).await;
        Ok(Frame::data(Bytes::from(vec![b' '; bytes])))
    });
    StreamBody::new(pieces.boxed())
}

/// Bodies of one byte each 5 s were open after 241 s, 64 KiB a stream.
#[tokio::test]
async fn h12_bodies_that_trickle_are_408_and_slow_ones_live() {
    let flags = [
        "--message-timeout",
        "500ms",
        "--min-progress-bytes",
        "500",
        "--rooms-open",
        "on",
    ];
    let server = start(&flags).await;
    let post = |body| {
        request(&server, "POST", "/rooms/room/messages")
            .header("content-type", "application/json")
            .body(body)
            .unwrap()
    };
    let mut sender = dial(&server, 1 << 20).await;
    let (tick, begun) = (Duration::from_millis(50), Instant::now());
    let trickling = sender.send_request(post(paced(1, 10_000, tick)));
    let trickling = soon(trickling).await.unwrap();
    assert_eq!(trickling.status(), 408);
    assert!(begun.elapsed() >= Duration::from_millis(400));
    // 2,000 bytes a second for 2 s are four windows. White space is no message, but it was read to its end.
    let slow = sender.send_request(post(paced(100, 40, tick)));
    let slow = soon(slow).await.unwrap();
    assert_eq!(slow.status(), 400);
    until_idle(&server, &["requests", "input"]).await;
}

/// The same over HTTP/1.1, with a length and with chunks.
#[tokio::test]
async fn h12_bodies_that_trickle_are_408_over_http1() {
    let flags = ["--message-timeout", "300ms", "--rooms-open", "on"];
    let server = start(&flags).await;
    for framing in [
        "Content-Length: 60000\r\n\r\n{",
        "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
    ] {
        let mut stream = server.tls(&["http/1.1"]).await;
        let head = format!(
            "POST /rooms/room/messages HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{framing}"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let _ = soon(stream.read_to_string(&mut answer)).await;
        assert_eq!(status_of(&answer), 408, "{framing:?}: {answer}");
    }
}

/// The budget of all connections together, spent by others.
#[tokio::test]
async fn r4_a_post_is_503_while_nothing_is_left() {
    let flags = [
        "--max-buffered-bytes",
        "64KiB",
        "--rooms-open",
        "on",
        "--message-timeout",
        "1s",
    ];
    let server = start(&flags).await;
    let post = |body| {
        request(&server, "POST", "/rooms/room/messages")
            .header("content-type", "application/json")
            .body(body)
            .unwrap()
    };
    let mut first = dial(&server, 1 << 20).await;
    let holding = first.send_request(post(unfinished(vec![vec![b' '; 60_000].into()])));
    let holding = tokio::spawn(holding);
    let mut second = dial(&server, 1 << 20).await;
    let text = format!(r#"{{"from":"ana","text":"{}"}}"#, "x".repeat(20_000));
    // Until the first one's body is there it may pass.
    loop {
        let refused = second.send_request(post(crate::whole(text.clone())));
        match soon(refused).await.unwrap().status().as_u16() {
            503 => break,
            status => assert_eq!(status, 201),
        }
    }
    // Little things pass.
    assert_eq!(status_of(&server.get("/healthz").await), 200);
    assert_eq!(soon(holding).await.unwrap().unwrap().status(), 408);
    let taken = second.send_request(post(crate::whole(text)));
    assert_eq!(soon(taken).await.unwrap().status(), 201);
}
