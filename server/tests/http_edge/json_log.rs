//! Lines of the JSON log read by a parser that refuses what readers take in different ways (S7).
//!
//! Members of the kind that are tried: a field named `message` beside the log's own, payloads that look like JSON or like
//! lines of the log, controls and bidirectional characters in text, binary payloads, durations as text.

use std::collections::BTreeMap;
use std::fmt;

use futures_util::{SinkExt, StreamExt};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use tokio_tungstenite::tungstenite::Message;

use super::{begin, end, exchange};
use crate::common::program::Program;
use crate::common::{handshake, soon};

/// JSON in which no object has a key twice.
#[derive(Debug, PartialEq)]
enum Strict {
    Object(BTreeMap<String, Strict>),
    Array(Vec<Strict>),
    Text(String),
    Other,
}

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Strict;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Strict, A::Error> {
        let mut object = BTreeMap::new();
        while let Some((key, value)) = map.next_entry::<String, Strict>()? {
            if object.insert(key.clone(), value).is_some() {
                return Err(A::Error::custom(format!("the key {key} stands twice")));
            }
        }
        Ok(Strict::Object(object))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Strict, A::Error> {
        let mut array = Vec::new();
        while let Some(value) = sequence.next_element()? {
            array.push(value);
        }
        Ok(Strict::Array(array))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Strict, E> {
        Ok(Strict::Text(text.to_owned()))
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Strict, E> {
        Ok(Strict::Other)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Strict, E> {
        Ok(Strict::Other)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Strict, E> {
        Ok(Strict::Other)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Strict, E> {
        Ok(Strict::Other)
    }

    fn visit_unit<E: Error>(self) -> Result<Strict, E> {
        Ok(Strict::Other)
    }
}

/// The line as an object; its strings neither steer a terminal nor are durations.
fn object(line: &str) -> BTreeMap<String, Strict> {
    let harmless = |c: char| !c.is_control() && !"\u{202e}\u{200f}\u{2028}\u{feff}".contains(c);
    assert!(line.chars().all(harmless), "{line:?}");
    let Strict::Object(object) =
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
    else {
        panic!("no object: {line}");
    };
    for (key, value) in &object {
        if let Strict::Text(text) = value {
            let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
            let is_duration = unit != text && ["ns", "µs", "ms", "s"].contains(&unit);
            assert!(!is_duration, "{key} is a duration as text: {line}");
        }
    }
    object
}

fn text<'a>(object: &'a BTreeMap<String, Strict>, key: &str) -> &'a str {
    match object.get(key) {
        Some(Strict::Text(text)) => text,
        _ => "",
    }
}

const PAYLOADS: [&str; 5] = [
    "PAYLOAD",
    r#"PAYLOAD","message":"forged","level":"ERROR"#,
    r#"{"message":"PAYLOAD","timestamp":0}"#,
    "PAYLOAD\n{\"level\":\"ERROR\"}\u{1b}[2J\u{9b}",
    "PAYLOAD\u{202e}\u{200f}\u{2028}\u{feff}",
];

/// Everything that makes the server log: messages on each route, refusals, failures.
async fn keep_busy(program: &Program) {
    for path in ["/echo", "/ws", "/ack", "/drone", "/chat/room?name=ana"] {
        let mut client = program.open(path).await;
        for payload in PAYLOADS {
            soon(client.send(Message::text(payload))).await.unwrap();
            soon(client.next()).await.unwrap().unwrap();
        }
        let _ = soon(client.send(Message::binary(&b"PAYLOAD"[..]))).await;
        let _ = soon(client.close(None)).await;
        while let Some(Ok(_)) = soon(client.next()).await {}
    }
    for request in [
        "GET /PATH\u{202e} HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
        "GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n".to_owned(),
        handshake(
            "/ws",
            "Origin: https://\"message\".example\r\nConnection: close\r\n",
        ),
        "BAD\r\n\r\n".to_owned(),
    ] {
        exchange(program, request.as_bytes()).await;
    }
    for bytes in [
        &b"GET /plain HTTP/1.1\r\n\r\n"[..],
        b"\x16\x03\x01\xff\xff......",
    ] {
        let mut stream = tokio::net::TcpStream::connect(program.address)
            .await
            .unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, bytes)
            .await
            .unwrap();
        let _ = soon(tokio::io::AsyncReadExt::read_to_end(
            &mut stream,
            &mut Vec::new(),
        ))
        .await;
    }
}

#[tokio::test]
async fn every_line_of_a_busy_run_has_each_key_once() {
    let flags = [
        "--log-format",
        "json",
        "--log-level",
        "trace",
        "--access-log",
        "json",
    ];
    let program = begin(&flags);
    keep_busy(&program).await;
    let (output, errors) = end(program);
    assert_eq!(errors, "");
    let lines: Vec<_> = output.lines().map(object).collect();
    for message in [
        "message echoed",
        "connection opened",
        "connection closed",
        "request refused",
        "TLS handshake failed",
        "negotiated",
        "request",
        "Conexão WebSocket encerrada!",
    ] {
        let found = lines.iter().any(|line| text(line, "message") == message);
        assert!(found, "{message}: {output}");
    }
    let echoed = lines
        .iter()
        .filter(|line| text(line, "message") == "message echoed")
        .map(|line| text(line, "payload"))
        .collect::<Vec<_>>();
    assert_eq!(echoed[0], PAYLOADS[0]);
    assert_eq!(echoed[1], PAYLOADS[1]);
    assert_eq!(echoed[3], "PAYLOAD\\n{\"level\":\"ERROR\"}\\x1b[2J\\u{9b}");
}

#[tokio::test]
async fn payloads_are_logged_by_default_only_where_a_transcript_demands_them() {
    let program = begin(&["--log-format", "json"]);
    keep_busy(&program).await;
    let (output, _) = end(program);
    let mut demanded = 0;
    for line in output.lines().map(object) {
        if text(&line, "target") == "transcript" {
            let payload = text(&line, "payload");
            if !payload.is_empty() {
                demanded += 1;
                let words = format!("Mensagem recebida do cliente: {payload}");
                assert_eq!(text(&line, "message"), words);
            }
        } else {
            assert!(!format!("{line:?}").contains("PAYLOAD"), "{line:?}");
        }
    }
    assert_eq!(demanded, PAYLOADS.len() + 1);
}
