//! What a hostile server, network or environment must not achieve.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::io::Write as _;
use std::sync::{Arc, Mutex};

use common::authority::{Authority, serve_tls};
use common::{RealServer, client, header, read_head, run, serve, serve_answer};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair};

#[test]
fn k1_wrong_certificates_are_refused_with_the_reason() {
    let authority = Authority::new();
    let other = Authority::new();
    let year = |year| rcgen::date_time_ymd(year, 1, 1);
    let cases = [
        ("good", authority.sign("localhost", |_| {}), 0, ""),
        (
            "wrong name",
            authority.sign("elsewhere", |_| {}),
            4,
            "not valid for localhost, only for elsewhere",
        ),
        (
            "other CA",
            other.sign("localhost", |_| {}),
            4,
            "no trusted authority",
        ),
        (
            "expired",
            authority.sign("localhost", |one| one.not_after = year(2020)),
            4,
            "has expired",
        ),
        (
            "not yet",
            authority.sign("localhost", |one| one.not_before = year(2090)),
            4,
            "not valid yet",
        ),
        (
            "for clients",
            authority.sign("localhost", |one| {
                one.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            }),
            4,
            "not meant for servers",
        ),
        (
            "address",
            authority.sign("127.0.0.1", |_| {}),
            4,
            "not valid for localhost",
        ),
    ];
    for (case, (certificate, key), status, part) in cases {
        let port = serve_tls(certificate, &key);
        let ended = run(&mut client(&[
            &format!("wss://localhost:{port}/"),
            "x",
            "--ca",
            authority.path(),
        ]));
        if status == 0 {
            assert_eq!(
                (ended.status, ended.stdout.as_str()),
                (0, "x\n"),
                "{case}: {ended:?}"
            );
        } else {
            ended.assert_refused(status, part);
        }
    }
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec!["localhost".to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    let port = serve_tls(own.der().clone(), &key);
    run(&mut client(&[
        &format!("wss://localhost:{port}/"),
        "x",
        "--ca",
        authority.path(),
    ]))
    .assert_refused(4, "no trusted authority");
}

#[test]
fn k2_insecure_still_wants_proof_of_the_key() {
    let authority = Authority::new();
    let (certificate, _) = authority.sign("localhost", |_| {});
    let wrong_key = KeyPair::generate().unwrap();
    let port = serve_tls(certificate, &wrong_key);
    for version in ["1.2", "1.3"] {
        let ended = run(&mut client(&[
            &format!("wss://localhost:{port}/"),
            "x",
            "--insecure",
            "--tls-min",
            version,
        ]));
        ended.assert_refused(4, "does not hold the key");
    }
}

#[test]
fn k2_insecure_is_refused_with_credentials_and_has_no_variable() {
    let server = RealServer::get();
    let url = server.url("/echo");
    let token = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(token.path(), "s3cret\n").unwrap();
    for credential in [
        &["--user", "a:s3cret"][..],
        &["--bearer-file", token.path().to_str().unwrap()],
        &["--cookie", "a=s3cret"],
        &["-H", "Authorization: s3cret"],
    ] {
        let mut arguments = vec![url.as_str(), "x", "--insecure"];
        arguments.extend(credential);
        let ended = run(&mut client(&arguments));
        ended.assert_refused(2, "--insecure-credentials");
        assert!(!ended.stderr.contains("s3cret"), "{ended:?}");
        arguments.push("--insecure-credentials");
        assert_eq!(run(&mut client(&arguments)).status, 0, "{credential:?}");
    }
    let variables = run(client(&[&url, "x"])
        .env("CLIENT_INSECURE", "1")
        .env("INSECURE", "1"));
    assert_eq!(variables.status, 4);
}

#[test]
fn k6_and_k7_wrong_answers_fail_the_handshake() {
    let good = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n";
    let with = |line: &str| format!("{good}{line}\r\n\r\n");
    let mut answers: Vec<String> = [
        "200 OK",
        "204 No Content",
        "206 Partial",
        "301 Moved",
        "302 Found",
        "400 Bad",
        "401 Unauthorized",
        "403 Forbidden",
        "404 Not Found",
        "426 Upgrade Required",
        "429 Too Many",
        "500 Error",
        "503 Unavailable",
    ]
    .iter()
    .map(|status| format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n"))
    .collect();
    answers.extend([
        good.replace("{accept}", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") + "\r\n",
        good.replace("Sec-WebSocket-Accept: {accept}\r\n", "") + "\r\n",
        good.replace("Upgrade: websocket\r\n", "") + "\r\n",
        good.replace("Upgrade: websocket", "Upgrade: h2c") + "\r\n",
        good.replace("Connection: Upgrade", "Connection: close") + "\r\n",
        with("Sec-WebSocket-Protocol: chat"),
        with("Sec-WebSocket-Extensions: x-unknown"),
        with("Sec-WebSocket-Extensions: permessage-deflate, permessage-deflate"),
        with("Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=7"),
        with("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=10; client_max_window_bits=10"),
        with("Sec-WebSocket-Extensions: permessage-deflate; unknown"),
        with(&format!("X: {}", "x".repeat(1 << 20))),
        "SSH-2.0-OpenSSH\r\n\r\n".to_owned(),
        "HTTP/1.1 101 Switching\r\n".to_owned(),
        "\0\0\0\0\r\n\r\n".to_owned(),
        String::new(),
    ]);
    for answer in answers {
        let ended = run(&mut client(&[
            &serve_answer(&answer),
            "x",
            "--timeout",
            "http=10s",
        ]));
        let start: String = answer.chars().take(300).collect();
        assert_eq!(
            (ended.status, ended.stdout.as_str()),
            (5, ""),
            "{start}: {ended:?}"
        );
        assert_eq!(ended.stderr.lines().count(), 1, "{start}: {ended:?}");
    }
}

#[test]
fn k8_redirects_follow_the_rules() {
    let server = RealServer::get();
    let target = server.url("/echo");
    let redirect = |location: &str| {
        serve_answer(&format!(
            "HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
        ))
    };
    run(&mut server.client(&[&redirect(&target), "x"])).assert_refused(5, "--follow");
    let ended = run(&mut server.client(&[&redirect(&target), "x", "--follow"]));
    assert_eq!(
        (ended.status, ended.stdout.as_str()),
        (0, "x\n"),
        "{ended:?}"
    );
    run(&mut server.client(&[&redirect("/"), "x", "--follow"]))
        .assert_refused(5, "at most 5 are followed");
    run(&mut server.client(&[&redirect("ftp://h/"), "x", "--follow"]))
        .assert_refused(5, "scheme `ftp`");
    // Credentials stay with the origin that they were meant for.
    let seen = Arc::new(Mutex::new(String::new()));
    let copy = Arc::clone(&seen);
    let other = serve(move |mut stream| {
        *copy.lock().unwrap() = read_head(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    });
    let first = redirect(&format!("ws://{other}/"));
    run(&mut client(&[
        &first,
        "x",
        "--follow",
        "--user",
        "a:b",
        "--cookie",
        "c=d",
        "-H",
        "X-Plain: e",
    ]))
    .assert_refused(5, "404");
    let head = seen.lock().unwrap().clone();
    assert_eq!(
        (header(&head, "Authorization"), header(&head, "Cookie")),
        (None, None),
        "{head}"
    );
    assert_eq!(header(&head, "X-Plain").as_deref(), Some("e"), "{head}");
}

#[test]
fn k9_and_k10_secrets_are_sent_but_never_shown() {
    let seen = Arc::new(Mutex::new(String::new()));
    let copy = Arc::clone(&seen);
    let address = serve(move |mut stream| {
        *copy.lock().unwrap() = read_head(&mut stream);
        let _ = stream.write_all(
            b"HTTP/1.1 403 Forbidden\r\nSet-Cookie: hunter2\r\nContent-Length: 0\r\n\r\n",
        );
    });
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "hunter2\n").unwrap();
    let path = file.path().to_str().unwrap();
    let plain = format!("ws://{address}/");
    let with_user = format!("ws://alice:hunter2@{address}/");
    for (arguments, name, value) in [
        (
            &[with_user.as_str()][..],
            "Authorization",
            "Basic YWxpY2U6aHVudGVyMg==",
        ),
        (
            &[&plain, "--user", "alice"],
            "Authorization",
            "Basic YWxpY2U6aHVudGVyMg==",
        ),
        (
            &[&plain, "--bearer-file", path],
            "Authorization",
            "Bearer hunter2",
        ),
        (&[&plain, "--cookie", "a=hunter2"], "Cookie", "a=hunter2"),
        (
            &[&plain, "-H", "X-Api-Key: hunter2"],
            "X-Api-Key",
            "hunter2",
        ),
    ] {
        let mut all = arguments.to_vec();
        all.extend(["x", "--verbose", "--show-handshake"]);
        let ended = run(client(&all).env("CLIENT_PASSWORD", "hunter2"));
        assert_eq!(
            header(&seen.lock().unwrap(), name).as_deref(),
            Some(value),
            "{arguments:?}"
        );
        assert!(
            !format!("{ended:?}").contains("hunter2")
                && !format!("{ended:?}").contains("aHVudGVyMg"),
            "{ended:?}"
        );
        assert!(
            ended.stderr.contains("warning: ws:// is not encrypted"),
            "{ended:?}"
        );
    }
}

#[test]
fn origin_subprotocols_and_names_reach_the_server() {
    let seen = Arc::new(Mutex::new(String::new()));
    let copy = Arc::clone(&seen);
    let address = serve(move |mut stream| {
        *copy.lock().unwrap() = read_head(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    });
    let to = format!("name.example:80:127.0.0.1:{}", address.port());
    let arguments = [
        "ws://name.example/p?q",
        "x",
        "--connect-to",
        &to,
        "--origin",
        "https://o",
        "--subprotocol",
        "chat,superchat",
    ];
    run(&mut client(&arguments)).assert_refused(5, "403");
    let head = seen.lock().unwrap().clone();
    assert!(head.starts_with("GET /p?q HTTP/1.1\r\n"), "{head}");
    for (name, value) in [
        ("Host", "name.example"),
        ("Origin", "https://o"),
        ("Sec-WebSocket-Protocol", "chat, superchat"),
    ] {
        assert_eq!(header(&head, name).as_deref(), Some(value), "{head}");
    }
    let rule = format!("name.example:{}:127.0.0.1", address.port());
    run(&mut client(&[
        &format!("ws://name.example:{}/", address.port()),
        "x",
        "--resolve",
        &rule,
    ]))
    .assert_refused(5, "403");
}

#[test]
fn key_log_is_written_only_with_its_flag() {
    let server = RealServer::get();
    let file = tempfile::NamedTempFile::new().unwrap();
    let url = server.url("/echo");
    for (flag, written) in [(None, false), (Some("--keylog"), true)] {
        let mut arguments = vec![url.as_str(), "x"];
        arguments.extend(flag);
        let ended = run(server.client(&arguments).env("SSLKEYLOGFILE", file.path()));
        assert_eq!(ended.status, 0, "{ended:?}");
        assert_eq!(
            std::fs::read_to_string(file.path())
                .unwrap()
                .contains("CLIENT_TRAFFIC_SECRET_0"),
            written
        );
    }
}
