//! The log under peers that want to fill it (I5, R19): payloads are cut, lines limited, and what is left out is counted.

use std::time::Instant;

use futures_util::{SinkExt, StreamExt, stream};
use tokio_tungstenite::tungstenite::Message;

use super::{begin, end, exchange, left_out};
use crate::common::program::Program;
use crate::common::soon;

/// Sends `count` texts on `path` and takes the answers.
async fn flood(program: &Program, path: &str, text: &str, count: usize) {
    let mut client = program.open(path).await;
    for _ in 0..count {
        soon(client.send(Message::text(text))).await.unwrap();
        soon(client.next()).await.unwrap().unwrap();
    }
    soon(client.close(None)).await.unwrap();
    while let Some(Ok(_)) = soon(client.next()).await {}
}

/// The number of lines that may have been written since `begun`: a burst, and one more for each second.
fn permitted(limit: usize, begun: Instant) -> usize {
    limit * (usize::try_from(begun.elapsed().as_secs()).unwrap() + 2)
}

#[tokio::test]
async fn payloads_are_cut_and_messages_beyond_the_limit_counted() {
    for (path, words, flags) in [
        ("/ws", "Mensagem recebida do cliente: ", vec![]),
        (
            "/ws",
            "Mensagem enviada de volta",
            vec!["--log-payload-bytes", "64"],
        ),
        (
            "/echo",
            "message echoed",
            vec![
                "--log-level",
                "info,server::demonstrations::echo=trace",
                "--log-payload-bytes",
                "64",
            ],
        ),
        ("/echo", "message echoed", vec!["--log-messages", "7"]),
    ] {
        let program = begin(&flags);
        let begun = Instant::now();
        flood(&program, path, &"\u{202e}x".repeat(2_000), 150).await;
        // However slow the machine is and so however many lines are permitted: all of them fit into the log's queue and the pipes,
        // which nobody reads meanwhile.
        let (output, errors) = end(program);
        let log = output + &errors;
        let logged = log.matches(words).count();
        let limit = if flags.contains(&"7") { 7 } else { 100 };
        assert!(
            logged >= limit && logged <= permitted(limit, begun),
            "{path}: {logged}"
        );
        let counted = left_out(&log, "more messages came");
        assert_eq!(logged + counted, 150, "{path} {flags:?}");
        let longest = log.lines().map(str::len).max().unwrap();
        let cut = if flags.contains(&"64") { 64 } else { 1024 };
        assert!(longest < cut + 300, "{path}: a line of {longest} bytes");
    }
}

#[tokio::test]
async fn a_short_exchange_is_logged_whole() {
    let program = begin(&[]);
    flood(&program, "/ws", "Olá, servidor WebSocket!", 1).await;
    let (output, _) = end(program);
    let words: Vec<&str> = output
        .lines()
        .map(|line| line.split_once(" INFO ").unwrap().1)
        .collect();
    assert_eq!(
        words,
        [
            "Handshake recebido",
            "Conexão WebSocket estabelecida!",
            "Mensagem recebida do cliente: Olá, servidor WebSocket!",
            "Mensagem enviada de volta para o cliente: Retorno do servidor!",
            "Conexão WebSocket encerrada!",
        ]
    );
}

#[tokio::test]
async fn connections_beyond_the_limit_are_counted() {
    let program = begin(&["--log-connections", "10"]);
    let begun = Instant::now();
    stream::iter(0..100)
        .for_each_concurrent(10, |_| flood(&program, "/ws", "x", 0))
        .await;
    let (output, errors) = end(program);
    let log = output + &errors;
    // Five lines tell of one connection.
    let words = [
        "Handshake recebido",
        "estabelecida!",
        "connection opened",
        "encerrada!",
        "connection closed",
    ];
    let logged: usize = words.iter().map(|words| log.matches(words).count()).sum();
    assert!((10..=permitted(10, begun)).contains(&logged), "{logged}");
    assert_eq!(logged + left_out(&log, "more connections were opened"), 500);
}

#[tokio::test]
async fn refusals_beyond_the_limit_are_counted() {
    let program = begin(&["--log-failures", "10"]);
    let begun = Instant::now();
    let request = b"GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream::iter(0..100)
        .for_each_concurrent(10, |_| async {
            exchange(&program, request).await;
        })
        .await;
    let (_, errors) = end(program);
    let logged = errors.matches("request refused").count();
    assert!((10..=permitted(10, begun)).contains(&logged), "{logged}");
    assert_eq!(logged + left_out(&errors, "more connections failed"), 100);
}
