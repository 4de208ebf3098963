//! Requests that another server on the way may read differently, and what is left of a head that is cut off (threats
//! H10 and H13): 33 cases after h1spec's, and forms of request smuggling (RFC 9112 §11.2).

#![allow(
    clippy::large_futures,
    clippy::unwrap_used,
    reason = "it is a test: it may panic, and needs no small stack"
)]

mod common;

use std::time::Duration;

use common::verdict::none_wrong;
use common::{handshake, start};
use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Name, statuses of all responses in order until the server closes, and the bytes sent.
type Case = (&'static str, &'static [u16], String);

/// Longer than the server of these tests waits for a request.
const LONGER_THAN_IDLE: Duration = Duration::from_secs(4);
/// Stands for a connection that is not closed in time.
const STAYS_OPEN: u16 = 0;

/// Sends `bytes` and reads until the server closes.
async fn statuses(server: &common::Running, bytes: &[u8]) -> (Vec<u16>, String) {
    let mut stream = server.tls(&["http/1.1"]).await;
    // A server that refuses early may close before all is written; its answer is what counts.
    let _ = stream.write_all(bytes).await;
    let _ = stream.flush().await;
    let mut answer = Vec::new();
    let read = tokio::time::timeout(LONGER_THAN_IDLE, stream.read_to_end(&mut answer)).await;
    let text = String::from_utf8_lossy(&answer).into_owned();
    let mut statuses: Vec<u16> = text
        .split("HTTP/1.1 ")
        .skip(1)
        .map(|response| response[..3].parse().unwrap())
        .collect();
    if read.is_err() && !statuses.contains(&101) {
        statuses.push(STAYS_OPEN);
    }
    (statuses, text)
}

/// Runs every case on a connection of its own.
async fn check(cases: &[Case]) {
    let server = start(&["--head-timeout", "700ms", "--keep-alive-timeout", "700ms"]).await;
    let checking = cases.iter().map(async |(name, expected, request)| {
        let (seen, text) = statuses(&server, request.as_bytes()).await;
        (seen != *expected).then(|| format!("{name}: {seen:?}, expected {expected:?}: {text}"))
    });
    let wrong: Vec<String> = join_all(checking).await.into_iter().flatten().collect();
    let bad = cases
        .iter()
        .filter(|(_, expected, _)| expected.iter().any(|status| *status >= 400))
        .count();
    let what = "heads that could be read in two ways";
    none_wrong(what, bad, cases.len() - bad, &wrong);
}

/// A request for a page with `fields` and what follows the head.
fn get(fields: &str, rest: &str) -> String {
    format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n{rest}")
}

/// Request that an attacker would like to be taken for one of its own; nothing is at that path.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[tokio::test]
async fn h10_heads_are_read_as_h1spec_asks() {
    let whole = get("", "");
    #[rustfmt::skip]
    let mut cases: Vec<Case> = vec![
        ("whole", &[200], whole.clone()),
        ("two in one write", &[200, 200], whole.repeat(2)),
        ("empty line before", &[200], format!("\r\n{whole}")),
        ("without Host", &[400], "GET /healthz HTTP/1.1\r\n\r\n".to_owned()),
        ("two Hosts", &[400], get("Host: localhost\r\n", "")),
        ("empty value", &[200], get("X-Empty:\r\n", "")),
        ("tab in a value", &[200], get("X-Tab: a\tb\r\n", "")),
        ("8-bit value", &[200], get("X-Eight: \u{e9}\r\n", "")),
        ("bad character in a name", &[400], get("X-Bad[]: a\r\n", "")),
        ("control character in a value", &[400], get("X-Bad: a\x07\r\n", "")),
        ("NUL in a value", &[400], get("X-Bad: a\0b\r\n", "")),
        ("empty name", &[400], get(": a\r\n", "")),
        ("no colon", &[400], get("X-Bad\r\n", "")),
        ("space before the colon", &[400], get("X-Bad : a\r\n", "")),
        ("tab before the colon", &[400], get("X-Bad\t: a\r\n", "")),
        ("space before a name", &[400], "GET /healthz HTTP/1.1\r\n Host: localhost\r\n\r\n".to_owned()),
        ("folded", &[400], get("X-Folded: a\r\n b\r\n", "")),
        ("version of one digit", &[400], whole.replace("1.1", "1")),
        ("version in lower case", &[400], whole.replace("HTTP", "http")),
        ("no version", &[400], whole.replace(" HTTP/1.1", "")),
        ("words before the method", &[400], format!("Extra line{}", whole.replacen("GET", " GET", 1))),
        ("two spaces", &[400], whole.replacen("GET ", "GET  ", 1)),
        ("tab in place of a space", &[400], whole.replacen("GET ", "GET\t", 1)),
        ("target without slash", &[400], whole.replace("/healthz", "healthz")),
        ("lower-case method", &[405], whole.replacen("GET", "get", 1)),
        ("CR without LF", &[400], whole.replacen("\r\nHost", "\rHost", 1)),
    ];
    // Incomplete: there is nothing to answer; the deadline closes.
    for length in [
        1,
        4,
        12,
        13,
        20,
        22,
        23,
        30,
        whole.len() - 2,
        whole.len() - 1,
    ] {
        cases.push(("incomplete", &[], whole[..length].to_owned()));
    }
    assert!(cases.len() >= 33);
    check(&cases).await;
}

#[tokio::test]
async fn h10_no_request_is_smuggled_in_another() {
    let length = SMUGGLED.len();
    let chunk = format!("{length:x}\r\n{SMUGGLED}\r\n0\r\n\r\n");
    let te = |value: &str| get(&format!("Transfer-Encoding: {value}\r\n"), &chunk);
    let cl = |value: &str| get(&format!("Content-Length: {value}\r\n"), SMUGGLED);
    let both = |a: &str, b: &str| get(&format!("{a}\r\n{b}\r\n"), &chunk);
    #[rustfmt::skip]
    let cases: Vec<Case> = vec![
        // Bodies whose end is certain are skipped, and what comes after them is the next request.
        ("length", &[200], cl(&length.to_string())),
        ("length, then a request", &[200, 404], cl(&length.to_string()) + SMUGGLED),
        ("chunked", &[200], te("chunked")),
        ("chunked, then a request", &[200, 404], te("chunked") + SMUGGLED),
        ("length of nought", &[200, 404], cl("0")),
        (
            // Valid (§6.3): it says one thing twice.
            "same length twice",
            &[200],
            get(
                &format!("Content-Length: {length}\r\nContent-Length: {length}\r\n"),
                SMUGGLED,
            ),
        ),
        ("two lengths", &[400], get(&format!("Content-Length: 0\r\nContent-Length: {length}\r\n"), SMUGGLED)),
        ("list of lengths", &[400], cl(&format!("0, {length}"))),
        ("negative length", &[400], cl("-1")),
        ("signed length", &[400], cl("+5")),
        ("empty length", &[400], cl("")),
        ("hexadecimal length", &[400], cl("0x10")),
        ("length with a unit", &[400], cl("5 bytes")),
        ("length with underscores", &[400], cl("1_0")),
        ("overflowing length", &[400], cl("18446744073709551616")),
        ("very long length", &[400], cl(&"9".repeat(40))),
        ("negative overflow", &[400], cl("-18446744073709551616")),
        (
            // hyper reads the coding alone and closes, as §6.1 allows.
            "chunked and length",
            &[200],
            both("Transfer-Encoding: chunked", "Content-Length: 5"),
        ),
        ("length and chunked", &[200], both("Content-Length: 5", "Transfer-Encoding: chunked")),
        ("unknown coding", &[400], te("cow")),
        ("identity", &[400], te("identity")),
        ("chunked not last", &[400], te("chunked, gzip")),
        ("chunked twice", &[400], te("chunked, chunked")),
        ("gzip, chunked", &[400], te("gzip, chunked")),
        ("chunked in two lines", &[400], both("Transfer-Encoding: chunked", "Transfer-Encoding: chunked")),
        ("chunked, then identity", &[400], both("Transfer-Encoding: chunked", "Transfer-Encoding: identity")),
        ("quoted", &[400], te("\"chunked\"")),
        ("with a parameter", &[400], te("chunked;q=1")),
        ("vertical tab before", &[400], te("\x0bchunked")),
        ("prefix", &[400], te("xchunked")),
        ("suffix", &[400], te("chunkedx")),
        ("space in the name", &[400], get("Transfer-Encoding : chunked\r\n", &chunk)),
        ("folded coding", &[400], get("Transfer-Encoding:\r\n chunked\r\n", &chunk)),
        ("coding in HTTP/1.0", &[400], te("chunked").replacen("HTTP/1.1", "HTTP/1.0", 1)),
        // The head is answered before the body is looked at; what is wrong with that ends the connection.
        ("chunk size not a number", &[200], get("Transfer-Encoding: chunked\r\n", &format!("zz\r\n{SMUGGLED}"))),
        ("chunk size negative", &[200], get("Transfer-Encoding: chunked\r\n", &format!("-1\r\n{SMUGGLED}"))),
        (
            "chunk size overflows",
            &[200],
            get(
                "Transfer-Encoding: chunked\r\n",
                &format!("10000000000000000\r\n{SMUGGLED}"),
            ),
        ),
        ("chunk size with 0x", &[200], get("Transfer-Encoding: chunked\r\n", &format!("0x5\r\n{SMUGGLED}"))),
        ("chunk ended by LF", &[200], get("Transfer-Encoding: chunked\r\n", &format!("5\nhello\n0\n\n{SMUGGLED}"))),
        (
            "chunk longer than said",
            &[200],
            get(
                "Transfer-Encoding: chunked\r\n",
                &format!("1\r\nhello\r\n0\r\n\r\n{SMUGGLED}"),
            ),
        ),
        ("LF in an extension", &[200], get("Transfer-Encoding: chunked\r\n", &format!("0;a\nb\r\n\r\n{SMUGGLED}"))),
    ];
    check(&cases).await;
}

#[tokio::test]
async fn h10_a_body_before_an_upgrade_is_no_frames() {
    // A text frame with the word `hello`, as a client would send it.
    let frame = "\u{1}\u{5}hello";
    let upgrade = |fields: &str, rest: &str| handshake("/echo", fields) + rest;
    #[rustfmt::skip]
    let cases: Vec<Case> = vec![
        ("length", &[400], upgrade("Content-Length: 7\r\n", frame)),
        ("length of nought", &[101], upgrade("Content-Length: 0\r\n", "")),
        ("chunked", &[400], upgrade("Transfer-Encoding: chunked\r\n", "7\r\n\u{1}\u{5}hello\r\n0\r\n\r\n")),
        ("both", &[400], upgrade("Transfer-Encoding: chunked\r\nContent-Length: 7\r\n", frame)),
        ("two lengths", &[400], upgrade("Content-Length: 0\r\nContent-Length: 7\r\n", frame)),
        ("negative length", &[400], upgrade("Content-Length: -1\r\n", frame)),
        ("overflowing length", &[400], upgrade("Content-Length: 99999999999999999999\r\n", frame)),
        (
            "a request behind a refused upgrade",
            &[400],
            upgrade(&format!("Content-Length: {}\r\n", SMUGGLED.len()), SMUGGLED),
        ),
    ];
    check(&cases).await;
}
