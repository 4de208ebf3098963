//! The end of the server as its clients see it (threats H17, X2), the delay before it included.

#![allow(
    clippy::large_futures,
    clippy::unwrap_used,
    reason = "it is a test: it may panic, and needs no small stack"
)]

mod common;

use std::time::{Duration, Instant};

use common::program::{Program, begin};
use common::{client_config, connect, soon, start, start_with, status_of, until};
use futures_util::future::join_all;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// Reads until the end; the code of the Close that came, and when.
async fn goodbye(mut client: common::Client) -> (Option<CloseCode>, Instant) {
    let mut seen = (None, Instant::now());
    while let Some(Ok(message)) = client.next().await {
        if let Message::Close(frame) = message {
            seen = (frame.map(|frame| frame.code), Instant::now());
        }
    }
    seen
}

#[tokio::test]
async fn every_connection_gets_going_away_within_the_window() {
    let mut server = start(&[]).await;
    let mut clients = Vec::new();
    for number in 0..200 {
        let (mut client, _) = server.open(["/ws", "/echo", "/ack"][number % 3], &[]).await;
        soon(client.send(Message::text("before the signal")))
            .await
            .unwrap();
        clients.push(client);
    }
    for client in &mut clients {
        assert!(soon(client.next()).await.unwrap().unwrap().is_text());
    }
    let begun = Instant::now();
    server.begin_stop();
    let goodbyes = soon(join_all(clients.into_iter().map(goodbye))).await;
    assert!(
        goodbyes
            .iter()
            .all(|(code, _)| *code == Some(CloseCode::Away)),
        "{goodbyes:?}"
    );
    let last = goodbyes.iter().map(|(_, at)| *at).max().unwrap();
    assert!(last - begun < Duration::from_secs(3), "{:?}", last - begun);
    assert_eq!(server.stop().await.cut_off, 0);
}

#[tokio::test]
async fn x2_a_thousand_websockets_over_http2_all_get_going_away() {
    const CONNECTIONS: usize = 10;
    let mut server = start(&[]).await;
    let mut senders = Vec::new();
    for _ in 0..CONNECTIONS {
        senders.push(common::http2::dial(&server).await);
    }
    let opened = senders.iter_mut().map(async |sender| {
        let mut sockets = Vec::new();
        for number in 0..100 {
            let path = ["/ws", "/echo", "/ack"][number % 3];
            let mut socket = common::http2::open(&server, sender, path).await;
            soon(socket.send(Message::text("before the signal")))
                .await
                .unwrap();
            assert!(soon(socket.next()).await.unwrap().unwrap().is_text());
            sockets.push(socket);
        }
        sockets
    });
    let sockets: Vec<_> = join_all(opened).await.into_iter().flatten().collect();
    let begun = Instant::now();
    server.begin_stop();
    let goodbyes = sockets.into_iter().map(async |mut socket| {
        let mut code = None;
        while let Some(Ok(message)) = socket.next().await {
            if let Message::Close(frame) = message {
                code = frame.map(|frame| frame.code);
            }
        }
        code
    });
    let codes = soon(join_all(goodbyes)).await;
    let away = codes.iter().filter(|code| **code == Some(CloseCode::Away));
    assert_eq!(away.count(), 100 * CONNECTIONS);
    drop(senders);
    assert_eq!(server.stop().await.cut_off, 0);
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn a_message_sent_before_the_signal_is_answered() {
    let mut server = start(&[]).await;
    let (mut client, _) = server.open("/echo", &[]).await;
    for number in 0..100 {
        soon(client.send(Message::text(number.to_string())))
            .await
            .unwrap();
    }
    // The first answer proves that the server reads; what was sent before is on its way.
    assert_eq!(
        soon(client.next()).await.unwrap().unwrap(),
        Message::text("0")
    );
    server.begin_stop();
    for number in 1..100 {
        assert_eq!(
            soon(client.next()).await.unwrap().unwrap(),
            Message::text(number.to_string())
        );
    }
    assert_eq!(soon(goodbye(client)).await.0, Some(CloseCode::Away));
    server.stop().await;
}

#[tokio::test]
async fn new_work_is_refused_while_draining() {
    let flags = ["--drain-window", "0s", "--drain-timeout", "10s"];
    let certs = tempfile::tempdir().unwrap();
    // A handler that holds the drain open until its client goes.
    let mut server = start_with(certs, &flags, |server| {
        server.route("/stubborn", |mut socket, _| async move {
            while let Some(Ok(_)) = socket.next().await {}
        })
    });
    let (stubborn, _) = server.open("/stubborn", &[]).await;
    // HTTP/1.1 connections in the middle of a request outlive the signal; their request is refused.
    let mut early = server.tls(&["http/1.1"]).await;
    early
        .write_all(b"GET /readyz HTTP/1.1\r\nHost: local")
        .await
        .unwrap();
    let mut upgrading = server.tls(&["http/1.1"]).await;
    let request = common::handshake("/ws", "");
    upgrading
        .write_all(&request.as_bytes()[..20])
        .await
        .unwrap();
    assert_eq!(status_of(&server.get("/readyz").await), 200);
    server.begin_stop();
    until(async || TcpStream::connect(server.address).await.is_err()).await;
    early.write_all(b"host\r\n\r\n").await.unwrap();
    upgrading
        .write_all(&request.as_bytes()[20..])
        .await
        .unwrap();
    for stream in [early, upgrading] {
        let mut stream = stream;
        let mut answer = String::new();
        let _ = soon(stream.read_to_string(&mut answer)).await;
        assert!(answer.is_empty() || status_of(&answer) == 503, "{answer}");
    }
    drop(stubborn);
    assert_eq!(server.stop().await.cut_off, 0);
}

#[tokio::test]
async fn who_does_not_go_is_cut_off_at_the_deadline() {
    let flags = ["--drain-window", "0s", "--drain-timeout", "300ms"];
    let certs = tempfile::tempdir().unwrap();
    let server = start_with(certs, &flags, |server| {
        server.route("/deaf", |socket, _| async move {
            std::future::pending::<()>().await;
            drop(socket);
        })
    });
    let (mut client, _) = server.open("/deaf", &[]).await;
    let begun = Instant::now();
    assert!(server.stop().await.cut_off >= 1);
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
    assert!(matches!(soon(client.next()).await, None | Some(Err(_))));
}

/// Sends a request for `path` over a new connection and gives the answer.
async fn get(program: &Program, path: &str) -> String {
    let config = client_config(&program.certs.path().join("ca.crt"), &["http/1.1"]);
    let mut stream = soon(connect(program.address, config, "localhost"))
        .await
        .unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    soon(stream.read_to_string(&mut answer)).await.unwrap();
    answer
}

/// Waits until the program says that it is not ready.
async fn not_ready(program: &Program) {
    until(async || status_of(&get(program, "/readyz").await) == 503).await;
}

/// Sends `text` to `/echo` and reads it back.
async fn echo(client: &mut common::Client, text: &str) {
    soon(client.send(Message::text(text))).await.unwrap();
    assert_eq!(
        soon(client.next()).await.unwrap().unwrap(),
        Message::text(text)
    );
}

#[tokio::test]
async fn s16_all_is_served_during_the_delay_and_a_second_signal_ends_at_once() {
    for signal in ["TERM", "INT"] {
        let program = begin(&["--drain-delay", "1h"]);
        let mut early = program.open("/echo").await;
        echo(&mut early, "before the signal").await;
        assert_eq!(status_of(&get(&program, "/readyz").await), 200);
        program.signal(signal);
        not_ready(&program).await;
        let answer = get(&program, "/readyz").await;
        assert!(answer.ends_with("draining\n"), "{answer}");
        for path in ["/healthz", "/", "/rooms/lobby/messages", "/metrics"] {
            assert_eq!(status_of(&get(&program, path).await), 200, "{path}");
        }
        assert!(get(&program, "/metrics").await.contains("wss_draining 1"));
        let mut late = program.open("/echo").await;
        echo(&mut late, "after the signal").await;
        echo(&mut early, "still here").await;
        program.signal(signal);
        let asked = Instant::now();
        let (code, _, errors) = program.end();
        assert_eq!(code, Some(0), "{errors}");
        assert!(errors.contains("second signal"), "{errors}");
        assert!(asked.elapsed() < Duration::from_secs(5), "{errors}");
    }
}

#[tokio::test]
async fn s16_after_the_delay_the_drain_is_as_ever() {
    const DELAY: Duration = Duration::from_secs(2);
    let program = begin(&["--drain-delay", "2s", "--drain-window", "0s"]);
    let early = program.open("/ws").await;
    let signalled = Instant::now();
    program.signal("TERM");
    not_ready(&program).await;
    let late = program.open("/echo").await;
    for client in [early, late] {
        let (code, at) = soon(goodbye(client)).await;
        assert_eq!(code, Some(CloseCode::Away));
        assert!(at - signalled >= DELAY, "{:?}", at - signalled);
    }
    let address = program.address;
    until(async || TcpStream::connect(address).await.is_err()).await;
    let (code, _, errors) = program.end();
    assert_eq!(code, Some(0), "{errors}");
    assert!(
        errors.contains("not ready, still serving delay=2s"),
        "{errors}"
    );
}
