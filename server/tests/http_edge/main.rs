//! The edge of the HTTP server: what is logged and counted of requests, and what strangers to TLS and CORS get.

#![allow(
    clippy::large_futures,
    clippy::unwrap_used,
    reason = "it is a test: it may panic, and needs no small stack"
)]

mod access_log;
mod broadcasts;
#[path = "../common/mod.rs"]
mod common;
mod cors;
mod expect;
mod exposition;
mod flood;
mod json_log;
mod labels;
mod plain_http;
mod probes;
mod refusals;
mod switches;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;

use common::program::{Program, command};
use common::{client_config, connect, soon};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Starts the program whose log may be JSON and begin with any line.
fn begin(flags: &[&str]) -> Program {
    let certs = tempfile::tempdir().unwrap();
    let path = certs.path().to_str().unwrap();
    let fixed = ["--listen", "127.0.0.1:0", "--certs", path];
    // A refused handshake leaves its connection open for the next request, until this is over.
    let wait = ["--keep-alive-timeout", "1s"];
    let mut child = command(&[&fixed[..], &wait, flags].concat())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let port = loop {
        let mut line = String::new();
        assert_ne!(output.read_line(&mut line).unwrap(), 0, "it ended");
        if let Some((_, rest)) = line.split_once("rodando na porta ") {
            break rest.split("...").next().unwrap().parse().unwrap();
        }
    };
    Program {
        child,
        output,
        address: SocketAddr::from(([127, 0, 0, 1], port)),
        certs,
    }
}

/// Sends a request over TLS and gives everything until the server closes.
async fn exchange(program: &Program, request: &[u8]) -> String {
    let config = client_config(&program.certs.path().join("ca.crt"), &["http/1.1"]);
    let mut stream = soon(connect(program.address, config, "localhost"))
        .await
        .unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    // A server that refuses early may reset the connection after its answer.
    let _ = soon(stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// Ends the program; its standard output and standard error from now on.
fn end(program: Program) -> (String, String) {
    program.signal("TERM");
    let (code, output, errors) = program.end();
    assert_eq!(code, Some(0), "{errors}");
    (output, errors)
}

/// Gives the value of `name=` in a line of the text log.
fn value<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(&format!(" {name}="))?;
    match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next(),
        None => rest.split(' ').next(),
    }
}

/// The sum of the lines that were left out, as those with `words` report it.
fn left_out(log: &str, words: &str) -> usize {
    let reports = log.lines().filter(|line| line.contains(words));
    reports
        .map(|line| value(line, "lines").unwrap().parse::<usize>().unwrap())
        .sum()
}
