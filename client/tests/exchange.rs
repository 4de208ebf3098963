//! The exchange without arguments, the counted messages and single messages, against the real server.

#![allow(
    clippy::format_collect,
    clippy::unwrap_used,
    reason = "a test may panic and need not be fast"
)]

mod common;

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use common::{RealServer, client, dead_port, run, server_binary};

fn transcript(url: &str) -> String {
    format!(
        "Conectando a {url}\n\
         Mensagem enviada para o servidor: Olá, servidor WebSocket!\n\
         Mensagem recebida do servidor: Retorno do servidor!\n\
         Conexão WebSocket encerrada!\n"
    )
}

#[test]
fn exchange_is_shown_word_for_word() {
    let server = RealServer::get();
    let url = server.url("/ws");
    let ca = server.ca();
    for arguments in [
        &[][..],
        &["--no-deflate"],
        &["--ca", ca.to_str().unwrap()],
        &["--http2"],
    ] {
        let ended = run(server.client(arguments).env("CLIENT_URL", &url));
        assert_eq!(
            (ended.status, ended.stdout.as_str(), ended.stderr.as_str()),
            (0, transcript(&url).as_str(), "")
        );
    }
}

#[test]
fn insecure_exchange_warns_once_on_standard_error() {
    let server = RealServer::get();
    let url = server.url("/ws");
    // Without the local CA in reach the certificate is unknown.
    let ended = run(client(&["--insecure"]).env("CLIENT_URL", &url));
    assert_eq!((ended.status, ended.stdout), (0, transcript(&url)));
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    assert!(
        ended.stderr.starts_with("warning: --insecure:"),
        "{}",
        ended.stderr
    );
}

#[test]
fn foreign_ca_is_refused() {
    let server = RealServer::get();
    let other = tempfile::NamedTempFile::new().unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    std::fs::write(other.path(), parameters.self_signed(&key).unwrap().pem()).unwrap();
    let ended = run(server
        .client(&["--ca", other.path().to_str().unwrap()])
        .env("CLIENT_URL", server.url("/ws")));
    ended.assert_refused(4, "signed by no trusted authority");
    assert_eq!(
        ended.stdout,
        format!("Conectando a {}\n", server.url("/ws"))
    );
}

#[test]
fn absent_server_is_told_in_one_line() {
    let server = RealServer::get();
    let ended = run(server
        .client(&[])
        .env("CLIENT_URL", format!("wss://localhost:{}/ws", dead_port())));
    ended.assert_refused(3, "nobody listens there");
    assert_eq!(ended.stderr.lines().count(), 1);
}

#[test]
fn both_binaries_show_their_transcripts() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = Command::new(server_binary())
        .args(["--listen", "127.0.0.1:0", "--certs"])
        .arg(directory.path().join("certs"))
        .env_clear()
        .current_dir(directory.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let port = loop {
        let line = lines.next().unwrap();
        if let Some(rest) = line.split("rodando na porta ").nth(1) {
            break rest.trim_end_matches("...").to_owned();
        }
    };
    let url = format!("wss://localhost:{port}/ws");
    let ended = run(client(&[])
        .env("CLIENT_URL", &url)
        .current_dir(directory.path()));
    assert_eq!((ended.status, ended.stdout), (0, transcript(&url)));
    let mut wanted = [
        "Handshake recebido",
        "Conexão WebSocket estabelecida!",
        "Mensagem recebida do cliente: Olá, servidor WebSocket!",
        "Mensagem enviada de volta para o cliente: Retorno do servidor!",
        "Conexão WebSocket encerrada!",
    ]
    .iter();
    let mut next = wanted.next();
    while let Some(text) = next {
        // The end of the log would mean that a line is missing.
        let line = lines
            .next()
            .unwrap_or_else(|| panic!("{text} was not shown"));
        if line.contains(text) {
            next = wanted.next();
        }
    }
    rustix::process::kill_process(
        rustix::process::Pid::from_child(&server),
        rustix::process::Signal::TERM,
    )
    .unwrap();
    assert!(server.wait().unwrap().success());
}

#[test]
fn counted_messages_show_each_reply() {
    let server = RealServer::get();
    let ended =
        run(&mut server.client(&[&server.url("/ack"), "--count", "3", "--interval", "10ms"]));
    let shown: String = (1..=3)
        .map(|n| format!("Resposta do servidor: Recebido: Mensagem {n}\n"))
        .collect();
    assert_eq!((ended.status, ended.stdout), (0, shown));
}

#[test]
fn single_messages_print_one_reply_each() {
    let server = RealServer::get();
    for more in [
        &[][..],
        &["--no-deflate"],
        &["--http2"],
        &["--context-takeover", "--deflate-threshold", "0"],
    ] {
        let url = server.url("/echo");
        let mut arguments = vec![url.as_str(), "Olá", "two"];
        arguments.extend(more);
        let ended = run(&mut server.client(&arguments));
        assert_eq!(
            (ended.status, ended.stdout.as_str(), ended.stderr.as_str()),
            (0, "Olá\ntwo\n", ""),
            "{more:?}"
        );
    }
}

#[test]
fn verbose_shows_tls_compression_and_sizes() {
    let server = RealServer::get();
    let text = "compressible ".repeat(100);
    let ended =
        run(&mut server.client(&[&server.url("/echo"), &text, "--verbose", "--show-handshake"]));
    assert_eq!(ended.status, 0);
    for part in [
        "> GET /echo HTTP/1.1",
        "< HTTP/1.1 101 ",
        "ok     Sec-WebSocket-Accept",
        "TLSv1_3 with X25519MLKEM768",
        "days left",
        "sha256//",
        "permessage-deflate",
        "1300 B (",
        "compressed)",
        "closed with 1000 (normal closure)",
    ] {
        assert!(ended.stderr.contains(part), "{part} in {}", ended.stderr);
    }
    let pin = ended
        .stderr
        .split("sha256//")
        .nth(1)
        .unwrap()
        .split_whitespace()
        .next()
        .unwrap();
    let pinned = run(&mut server.client(&[
        &server.url("/echo"),
        "x",
        "--pin",
        &format!("sha256//{pin}"),
    ]));
    assert_eq!(pinned.status, 0, "{pinned:?}");
    let other = "sha256//AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    run(&mut server.client(&[&server.url("/echo"), "x", "--pin", other]))
        .assert_refused(4, "not pinned");
    run(&mut server.client(&[&server.url("/echo"), "x", "--insecure", "--pin", other]))
        .assert_refused(4, "not pinned");
}

#[test]
fn jsonl_is_one_object_for_each_event() {
    let server = RealServer::get();
    let ended = run(&mut server.client(&[&server.url("/echo"), "Olá", "--jsonl"]));
    let events: Vec<serde_json::Value> = ended
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let shown: Vec<(&str, &str)> = events
        .iter()
        .map(|event| {
            (
                event["direction"].as_str().unwrap(),
                event["opcode"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        &shown[..3],
        [("sent", "text"), ("received", "text"), ("sent", "close")]
    );
    assert_eq!(events[1]["text"], "Olá");
    assert_eq!(
        (
            events[0]["wire_bytes"].as_u64(),
            events[1]["wire_bytes"].as_u64()
        ),
        (Some(10), Some(6))
    );
}

#[test]
fn recording_replays_and_differences_show() {
    let server = RealServer::get();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("session.jsonl");
    let name = file.to_str().unwrap();
    let ended = run(&mut server.client(&["record", &server.url("/echo"), "a", "b", "--to", name]));
    assert_eq!(
        (ended.status, ended.stdout.as_str()),
        (0, "a\nb\n"),
        "{ended:?}"
    );
    let same = run(&mut server.client(&["replay", name, &server.url("/echo"), "--speed", "0"]));
    assert_eq!((same.status, same.stdout.as_str()), (0, ""), "{same:?}");
    let other = run(&mut server.client(&["replay", name, &server.url("/ack"), "--speed", "0"]));
    other.assert_refused(9, "2 of 2 answers differ");
    assert_eq!(
        other.stdout,
        "- 1 text a\n+ 1 text Recebido: a\n- 2 text b\n+ 2 text Recebido: b\n"
    );
}

/// Numbers that no clock can add: in the recording, as speed, as any length of time.
/// Nothing is compared, so nothing may be reported as equal.
#[test]
fn a_recording_without_messages_is_refused() {
    let server = RealServer::get();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("session.jsonl");
    let line = |opcode| {
        format!(
            r#"{{"time":"","elapsed":0.1,"direction":"sent","opcode":"{opcode}","bytes":0,"text":""}}"#
        )
    };
    for text in ["", "\n", "\n\n\n", &line("ping"), &line("close")] {
        std::fs::write(&file, text).unwrap();
        let url = server.url("/echo");
        let ended = run(&mut server.client(&["replay", file.to_str().unwrap(), &url]));
        ended.assert_refused(2, "it has no message to send or to compare");
    }
}

#[test]
fn no_number_makes_a_replay_panic() {
    let server = RealServer::get();
    let url = server.url("/echo");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("session.jsonl");
    let name = file.to_str().unwrap();
    let write = |elapsed: &str| {
        let line = format!(
            r#"{{"time":"","elapsed":{elapsed},"direction":"sent","opcode":"text","bytes":1,"text":"a"}}"#
        );
        std::fs::write(&file, line).unwrap();
    };
    for elapsed in ["9.2e18", "1.8e19", "1e300", "-1", "-0.001", "3.2e7"] {
        write(elapsed);
        let ended = run(&mut server.client(&["replay", name, &url]));
        ended.assert_refused(2, "line 1: `elapsed` is");
    }
    for elapsed in ["NaN", "1e999", "null", "\"1\""] {
        write(elapsed);
        run(&mut server.client(&["replay", name, &url])).assert_refused(2, "line 1");
    }
    write("0.001");
    for speed in ["1e-300", "1e300", "NaN", "-1", "inf", "0.0009"] {
        let speed = format!("--speed={speed}");
        let ended = run(&mut server.client(&["replay", name, &url, &speed]));
        assert_eq!(ended.status, 2, "{speed}: {ended:?}");
        assert!(ended.stderr.contains("is not a factor"), "{ended:?}");
    }
    let long = "18446744073709551615s";
    for arguments in [
        &["replay", name, &url, "--speed", "1", "--timeout", long][..],
        &[&url, "x", "--timeout", long],
        &[&url, "x", "--idle", long, "--ping-interval", long],
        &[&url, "--count", "1", "--interval", long],
        &[
            "bench",
            &url,
            "-n",
            "3",
            "-c",
            "1",
            "--timeout",
            long,
            "-d",
            long,
        ],
    ] {
        let ended = run(&mut server.client(arguments));
        assert!(
            !ended.stderr.contains("panicked") && ended.status != 101,
            "{arguments:?}: {ended:?}"
        );
    }
}

#[test]
fn benchmark_measures_and_reports() {
    let server = RealServer::get();
    let url = server.url("/echo");
    let ended = run(&mut server.client(&["bench", &url, "-c", "2", "-n", "100", "--json"]));
    assert_eq!(ended.status, 0, "{ended:?}");
    let report: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(report["messages"], 100, "{report}");
    assert!(report["wire_ratio"].as_f64().unwrap() < 0.6, "{report}");
    assert!(report["saved"].as_f64().unwrap() > 0.4, "{report}");
    assert!(report["errors"].as_object().unwrap().is_empty(), "{report}");
    let rated = run(&mut server.client(&[
        "bench",
        &url,
        "-c",
        "2",
        "-d",
        "500ms",
        "--warm-up",
        "0",
        "--rate",
        "100",
    ]));
    assert!(rated.stdout.contains("coordinated omission"), "{rated:?}");
}

#[test]
fn pings_show_their_round_trip_time() {
    let server = RealServer::get();
    let arguments = [
        &server.url("/echo"),
        "--ping-interval",
        "300ms",
        "--idle",
        "1500ms",
        "--verbose",
    ];
    let ended = run(&mut server.client(&arguments));
    assert_eq!(ended.status, 0, "{ended:?}");
    assert!(
        ended.stderr.matches("pong after ").count() >= 2,
        "{ended:?}"
    );
    // Without --verbose nobody is told of Pongs.
    let quiet = run(&mut server.client(&arguments[..arguments.len() - 1]));
    assert_eq!((quiet.status, quiet.stderr.as_str()), (0, ""));
}
