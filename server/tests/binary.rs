//! The program itself: what it shows, how it stops, its exit codes.

#![allow(
    clippy::large_futures,
    clippy::unwrap_used,
    reason = "it is a test: it may panic, and needs no small stack"
)]

mod common;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use common::program::{Program, begin, begin_after, begin_with, command, run};
use common::{client_config, connect, soon};
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// A line without what may stand before its words.
fn words(line: &str) -> &str {
    line.split_once(" INFO ").map_or(line, |(_, words)| words)
}

#[tokio::test]
async fn the_exchange_is_shown_word_for_word() {
    let program = begin(&[]);
    let mut client = program.open("/ws").await;
    soon(client.send(Message::text("Olá, servidor WebSocket!")))
        .await
        .unwrap();
    assert_eq!(
        soon(client.next()).await.unwrap().unwrap(),
        Message::text("Retorno do servidor!")
    );
    soon(client.close(Some(CloseFrame {
        code: CloseCode::Normal,
        reason: "".into(),
    })))
    .await
    .unwrap();
    while let Some(Ok(_)) = soon(client.next()).await {}
    program.signal("TERM");
    let (code, output, errors) = program.end();
    assert_eq!(code, Some(0), "{errors}");
    let lines: Vec<&str> = output.lines().map(words).collect();
    assert_eq!(
        lines,
        [
            "Handshake recebido",
            "Conexão WebSocket estabelecida!",
            "Mensagem recebida do cliente: Olá, servidor WebSocket!",
            "Mensagem enviada de volta para o cliente: Retorno do servidor!",
            "Conexão WebSocket encerrada!",
        ]
    );
    assert!(errors.contains("listening address=127.0.0.1:"), "{errors}");
    assert!(
        errors.contains("connection closed code=1000 by=\"client\""),
        "{errors}"
    );
}

#[tokio::test]
async fn a_client_cannot_forge_lines_of_the_log() {
    // K4
    let program = begin(&[]);
    let mut client = program.open("/ws").await;
    soon(client.send(Message::text(
        "a\nConexão\x1b[2J\u{202e}\u{200e}\u{200f}\u{61c}",
    )))
    .await
    .unwrap();
    soon(client.next()).await.unwrap().unwrap();
    program.signal("INT");
    while let Some(Ok(_)) = soon(client.next()).await {}
    let (code, output, _) = program.end();
    assert_eq!(code, Some(0));
    assert!(
        output.contains("cliente: a\\nConexão\\x1b[2J\\u{202e}\\u{200e}\\u{200f}\\u{61c}\n"),
        "{output}"
    );
}

#[tokio::test]
async fn json_logs_are_one_object_per_line_with_the_peer() {
    let certs = tempfile::tempdir().unwrap();
    let fixed = [
        "--listen",
        "127.0.0.1:0",
        "--log-format",
        "json",
        "--certs",
        certs.path().to_str().unwrap(),
    ];
    let mut child = command(&fixed).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut address: Option<SocketAddr> = None;
    while address.is_none() {
        let mut line = String::new();
        assert_ne!(output.read_line(&mut line).unwrap(), 0);
        let event: serde_json::Value = serde_json::from_str(&line).unwrap();
        address = event["address"]
            .as_str()
            .map(|address| address.parse().unwrap());
    }
    let program = Program {
        child,
        output,
        address: address.unwrap(),
        certs,
    };
    let mut client = program.open("/echo").await;
    soon(client.send(Message::text("hello"))).await.unwrap();
    soon(client.next()).await.unwrap().unwrap();
    program.signal("TERM");
    while let Some(Ok(_)) = soon(client.next()).await {}
    let (code, output, errors) = program.end();
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    let events: Vec<serde_json::Value> = output
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let closed = events
        .iter()
        .find(|event| event["message"] == "connection closed")
        .unwrap();
    assert_eq!(closed["code"], 1001);
    assert_eq!(closed["by"], "server");
    assert_eq!(closed["span"]["route"], "/echo");
    assert!(
        closed["span"]["peer"]
            .as_str()
            .unwrap()
            .starts_with("127.0.0.1:")
    );
}

#[tokio::test]
async fn a_second_signal_stops_at_once() {
    let program = begin(&["--drain-window", "3s", "--drain-timeout", "1m"]);
    // A connection that never answers the server's Close keeps the drain waiting.
    let client = program.open("/ws").await;
    program.signal("TERM");
    // The listener is closed as soon as the first signal has been taken.
    common::until(async || {
        tokio::net::TcpStream::connect(program.address)
            .await
            .is_err()
    })
    .await;
    program.signal("TERM");
    let begun = std::time::Instant::now();
    let (code, _, errors) = program.end();
    assert_eq!(code, Some(0));
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
    assert!(errors.contains("second signal"), "{errors}");
    drop(client);
}

#[test]
fn wrong_usage_and_failures_have_their_exit_codes() {
    let directory = tempfile::tempdir().unwrap();
    let certs = directory.path().to_str().unwrap();
    for (expected, part, arguments) in [
        (0, "--listen", vec!["--help"]),
        (0, "server", vec!["--version"]),
        (2, "--lisen", vec!["--lisen"]),
        (2, "--max-connections", vec!["--max-connections", "0"]),
        (
            2,
            "/nonexistent.toml",
            vec!["--config", "/nonexistent.toml"],
        ),
        (
            1,
            "/nonexistent.crt",
            vec![
                "--listen",
                "127.0.0.1:0",
                "--cert",
                "/nonexistent.crt",
                "--key",
                "/nonexistent.key",
            ],
        ),
        (
            1,
            "--client-ca",
            vec!["check", "--certs", certs, "--client-auth", "required"],
        ),
    ] {
        let output = run(&arguments);
        let shown =
            String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            output.status.code(),
            Some(expected),
            "{arguments:?}: {shown}"
        );
        assert!(shown.contains(part), "{arguments:?}: {shown}");
    }
}

#[test]
fn an_address_in_use_is_one_clear_line() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, certs) = (
        taken.local_addr().unwrap().to_string(),
        tempfile::tempdir().unwrap(),
    );
    let output = run(&[
        "--listen",
        &address,
        "--certs",
        certs.path().to_str().unwrap(),
    ]);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains(&address), "{errors}");
    assert_eq!(errors.lines().count(), 1, "{errors}");
}

#[tokio::test]
async fn a_hangup_reads_the_certificates_again() {
    // T13
    let program = begin(&["--certificate-poll", "off"]);
    let (certs, address) = (program.certs.path().to_owned(), program.address);
    let config = client_config(&certs.join("ca.crt"), &[]);
    let shown = async || {
        let stream = soon(connect(address, config.clone(), "localhost"))
            .await
            .unwrap();
        stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
    };
    let before = shown().await;
    let renewal = certs::Request {
        force: true,
        ..certs::Request::default()
    };
    let made = certs::ensure(&certs, &renewal).unwrap();
    let after = certs::load_certificates(&made.certificate).unwrap()[0].to_vec();
    assert_eq!(shown().await, before);
    program.signal("HUP");
    common::until(async || shown().await == after).await;
}

#[test]
fn the_service_manager_is_told_of_readiness_and_of_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let manager = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(common::PATIENCE)).unwrap();
    let told = || {
        let mut buffer = [0; 256];
        let length = manager.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).trim().to_owned()
    };
    let program = begin_after(&format!("export NOTIFY_SOCKET={}", path.display()), &[]);
    assert_eq!(told(), "READY=1");
    program.signal("TERM");
    assert_eq!(told(), "STOPPING=1");
    assert_eq!(program.end().0, Some(0));
}

#[tokio::test]
async fn a_port_that_the_service_manager_opened_is_taken_over() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let input = Stdio::from(std::os::fd::OwnedFd::from(listener));
    // The third descriptor is the first that is handed over, and the shell's number becomes the program's.
    let preparation = "exec 3<&0 0</dev/null; export LISTEN_FDS=1 LISTEN_PID=$$";
    let program = begin_with(preparation, input, &[]);
    assert_eq!(program.address, address, "--listen gives way");
    let mut client = program.open("/echo").await;
    soon(client.send(Message::text("hello"))).await.unwrap();
    assert!(soon(client.next()).await.unwrap().unwrap().is_text());
}
