//! The program under more than it can take: descriptors, connections, log lines (threats R2, R19, T4, X2, X12).

#![allow(
    clippy::large_futures,
    clippy::unwrap_used,
    reason = "it is a test: it may panic, and needs no small stack"
)]

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::program::{Program, begin, begin_after};
use common::{client_config, connect, soon, until};
use futures_util::future::join_all;
use futures_util::{SinkExt, StreamExt, stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// Returns true if a new connection to `program` can echo.
async fn echoes(program: &Program) -> bool {
    let config = client_config(&program.certs.path().join("ca.crt"), &[]);
    let Ok(stream) = connect(program.address, config, "localhost").await else {
        return false;
    };
    let url = format!("wss://localhost:{}/echo", program.address.port());
    let Ok((mut client, _)) = tokio_tungstenite::client_async(url, stream).await else {
        return false;
    };
    let word = Message::text("canary");
    client.send(word.clone()).await.is_ok()
        && client
            .next()
            .await
            .is_some_and(|answer| answer.is_ok_and(|answer| answer == word))
}

/// Descriptors that `program` holds.
fn descriptors(program: &Program) -> usize {
    let directory = format!("/proc/{}/fd", program.child.id());
    std::fs::read_dir(directory).unwrap().count()
}

/// Lets this process hold as many descriptors as the system allows.
fn raise_own_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised).unwrap();
}

#[tokio::test]
async fn r2_few_descriptors_bound_the_connections() {
    let program = begin_after("ulimit -n 256", &[]);
    // By then it has opened what it needs for itself.
    until(async || echoes(&program).await).await;
    let before = descriptors(&program);
    let mut clients = Vec::new();
    for _ in 0..400 {
        clients.push(TcpStream::connect(program.address).await.unwrap());
    }
    // 112 are held, 16 may get a response, the others are closed.
    let closed = async |stream: &mut TcpStream| {
        let read = tokio::time::timeout(Duration::from_secs(1), stream.read(&mut [0])).await;
        matches!(read, Ok(Ok(0) | Err(_)))
    };
    let closed = join_all(clients.iter_mut().map(closed)).await;
    let closed = closed.into_iter().filter(|closed| *closed).count();
    assert!(
        (400 - 128..=400 - 112).contains(&closed),
        "{closed} of 400 closed"
    );
    assert!(descriptors(&program) <= before + 128);
    drop(clients);
    let begun = Instant::now();
    until(async || echoes(&program).await).await;
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
    program.signal("TERM");
    let (code, _, errors) = program.end();
    assert_eq!(code, Some(0), "{errors}");
    assert_eq!(
        errors.matches("fewer connections than wanted").count(),
        1,
        "{errors}"
    );
    assert!(!errors.contains("cannot accept"), "{errors}");
}

#[tokio::test]
async fn r2_without_descriptors_clients_are_shed_and_one_line_tells() {
    let idle = {
        let program = begin(&[]);
        until(async || echoes(&program).await).await;
        descriptors(&program)
    };
    // Three connections more than what the server needs for itself; it would hold half of all.
    let program = begin_after(
        &format!("ulimit -n {}", idle + 3),
        &["--handshake-timeout", "1m"],
    );
    let mut clients = Vec::new();
    for _ in 0..40 {
        clients.push(TcpStream::connect(program.address).await.unwrap());
    }
    let shed = async |stream: &mut TcpStream| {
        let read = tokio::time::timeout(Duration::from_secs(3), stream.read(&mut [0])).await;
        matches!(read, Ok(Ok(0) | Err(_)))
    };
    let shed = join_all(clients.iter_mut().map(shed)).await;
    let shed = shed.into_iter().filter(|shed| *shed).count();
    assert!((30..40).contains(&shed), "{shed} of 40 shed");
    drop(clients);
    let begun = Instant::now();
    until(async || echoes(&program).await).await;
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
    program.signal("TERM");
    let (code, _, errors) = program.end();
    assert_eq!(code, Some(0), "{errors}");
    assert_eq!(
        errors.matches("cannot accept connections").count(),
        1,
        "{errors}"
    );
}

#[tokio::test]
async fn r19_t4_a_flood_of_failures_leaves_a_small_log() {
    let program = begin(&["--log-level", "debug"]);
    let address = program.address;
    let begun = Instant::now();
    stream::iter(0..3_000)
        .for_each_concurrent(50, |_| async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
            let _ = stream.write_all(request).await;
            let _ = soon(stream.read_to_end(&mut Vec::new())).await;
        })
        .await;
    let seconds = usize::try_from(begun.elapsed().as_secs()).unwrap() + 2;
    // The line about those that were not logged comes at the end of the second, or of the program.
    until(async || echoes(&program).await).await;
    program.signal("TERM");
    let (code, _, errors) = program.end();
    assert_eq!(code, Some(0));
    let logged = errors.matches("TLS handshake failed").count();
    assert!(
        (100..=100 * seconds).contains(&logged),
        "{logged} lines in {seconds} s"
    );
    let suppressed: usize = errors
        .lines()
        .filter(|line| line.contains("more connections failed"))
        .map(|line| {
            let count = line.split("lines=").nth(1).unwrap();
            count.split(' ').next().unwrap().parse::<usize>().unwrap()
        })
        .sum();
    assert!(
        (3_000..3_010).contains(&(logged + suppressed)),
        "every one is logged or counted: {logged} + {suppressed}"
    );
    assert!(errors.len() < 1 << 20, "{} bytes", errors.len());
}

#[tokio::test]
async fn x2_a_thousand_connections_all_get_going_away() {
    const CONNECTIONS: usize = 1_000;
    raise_own_limit();
    let program = begin(&["--max-connections-per-address", "2000"]);
    let address = program.address;
    let config = Arc::new(client_config(&program.certs.path().join("ca.crt"), &[]));
    let open = |number: usize| {
        let config = Arc::clone(&config);
        async move {
            let stream = connect(address, (*config).clone(), "localhost")
                .await
                .unwrap();
            let path = ["/ws", "/echo", "/ack"][number % 3];
            let url = format!("wss://localhost:{}{path}", address.port());
            let (mut client, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
            client
                .send(Message::text("before the signal"))
                .await
                .unwrap();
            assert!(client.next().await.unwrap().unwrap().is_text());
            client
        }
    };
    let clients: Vec<common::Client> = stream::iter(0..CONNECTIONS)
        .map(open)
        .buffer_unordered(32)
        .collect()
        .await;
    let begun = Instant::now();
    program.signal("TERM");
    let goodbyes = clients.into_iter().map(async |mut client| {
        // What is sent while the server drains is answered or followed by the goodbye, never by a cut.
        let _ = client.send(Message::text("after the signal")).await;
        let mut code = None;
        while let Some(Ok(message)) = client.next().await {
            if let Message::Close(frame) = message {
                code = frame.map(|frame| frame.code);
            }
        }
        code
    });
    let codes = soon(join_all(goodbyes)).await;
    let away = codes
        .iter()
        .filter(|code| **code == Some(CloseCode::Away))
        .count();
    assert_eq!(away, CONNECTIONS);
    let (code, _, errors) = program.end();
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(code, Some(0), "{errors}");
    assert!(!errors.contains("cut off"), "{errors}");
}

#[tokio::test]
async fn x12_a_log_that_nobody_reads_holds_nobody_up() {
    let flags = ["--log-level", "debug", "--log-failures", "1000000"];
    let mut program = begin(&flags);
    let address = program.address;
    // Some 150 bytes each; a pipe takes 64 KiB before its writer has to wait.
    stream::iter(0..2_000)
        .for_each_concurrent(50, |_| async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let _ = stream.write_all(b"no TLS at all").await;
            let _ = soon(stream.read_to_end(&mut Vec::new())).await;
        })
        .await;
    for _ in 0..5 {
        assert!(soon(echoes(&program)).await);
    }
    program.signal("TERM");
    // Nor does it keep the program from ending.
    let ended = async {
        loop {
            if let Some(status) = program.child.try_wait().unwrap() {
                return status.code();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert_eq!(soon(ended).await, Some(0));
}
