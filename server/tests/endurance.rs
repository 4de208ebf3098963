//! Many messages, many connections, streams that are stuck: nothing grows, and nobody honest is cut off.

#![allow(
    clippy::large_futures,
    clippy::unwrap_used,
    reason = "it is a test: it may panic, and needs no small stack"
)]

mod common;

use std::time::Duration;

use common::{http2, soon, start, until};
use futures_util::future::join_all;
use futures_util::{SinkExt, StreamExt};
use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

/// Tasks of this process, the server's among them.
fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

#[tokio::test]
async fn r11_churn_leaves_nothing_behind() {
    let server = start(&[]).await;
    let visit = async || {
        let (mut client, _) = server.open("/echo", &[]).await;
        soon(client.send(Message::text("hello"))).await.unwrap();
        soon(client.next()).await.unwrap().unwrap();
        // Half of them leave without a word.
        if rand::random() {
            let _ = soon(client.close(None)).await;
        }
    };
    visit().await;
    until(async || tasks() < 10).await;
    let (before, descriptors) = (tasks(), open_descriptors());
    for _ in 0..50 {
        join_all((0..10).map(|_| visit())).await;
    }
    until(async || tasks() <= before && open_descriptors() <= descriptors).await;
    let metrics = server.get("/metrics").await;
    assert!(
        metrics.contains("wss_websocket_connections{route=\"/echo\",http=\"1.1\"} 0"),
        "{metrics}"
    );
}

/// Descriptors of this process.
fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

#[tokio::test]
async fn r18_messages_take_no_tasks() {
    let server = start(&[]).await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(server.open("/echo", &[]).await.0);
    }
    let mut most = 0;
    for client in &mut clients {
        for _ in 0..200 {
            client.feed(Message::text("hello")).await.unwrap();
        }
        soon(client.flush()).await.unwrap();
        for _ in 0..200 {
            soon(client.next()).await.unwrap().unwrap();
            most = most.max(tasks());
        }
    }
    // The server's own, and one for each connection.
    assert!(most <= 10 + 2 * clients.len(), "{most} tasks");
}

#[tokio::test]
async fn r15_a_hundred_thousand_small_messages_over_http2_are_not_cut_off() {
    const BATCH: usize = 1000;
    let server = start(&[]).await;
    let mut sender = http2::dial(&server).await;
    let mut socket = http2::open(&server, &mut sender, "/echo").await;
    for batch in 0..100 {
        for number in 0..BATCH {
            let text = format!("{:020}", batch * BATCH + number);
            socket.feed(Message::text(text)).await.unwrap();
        }
        soon(socket.flush()).await.unwrap();
        for number in 0..BATCH {
            let text = format!("{:020}", batch * BATCH + number);
            let received = soon(socket.next()).await.unwrap().unwrap();
            assert_eq!(received, Message::text(text));
        }
    }
}

#[tokio::test]
async fn r16_a_stuck_stream_does_not_hold_up_its_neighbours() {
    let server = start(&[]).await;
    let mut sender = http2::dial(&server).await;
    let mut stuck = http2::open(&server, &mut sender, "/echo").await;
    let mut neighbour = http2::open(&server, &mut sender, "/echo").await;
    let large = Message::binary(vec![7; 256 * 1024]);
    // Sends and never reads, until the windows are full both ways.
    let filling = async {
        loop {
            if stuck.send(large.clone()).await.is_err() {
                return;
            }
        }
    };
    let _ = timeout(Duration::from_secs(1), filling).await;
    for _ in 0..100 {
        soon(neighbour.send(Message::text("hello"))).await.unwrap();
        let received = soon(neighbour.next()).await.unwrap().unwrap();
        assert_eq!(received, Message::text("hello"));
    }
    drop(stuck);
    soon(neighbour.send(Message::text("still here")))
        .await
        .unwrap();
    let received = soon(neighbour.next()).await.unwrap().unwrap();
    assert_eq!(received, Message::text("still here"));
}
