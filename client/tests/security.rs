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
fn k1_addresses_need_a_name_of_their_own() {
    let authority = Authority::new();
    for (name, host, status) in [
        ("127.0.0.1", "127.0.0.1", 0),
        ("localhost", "127.0.0.1", 4),
        ("*.host.example", "a.host.example", 0),
        ("*.host.example", "a.b.host.example", 4),
    ] {
        let (certificate, key) = authority.sign(name, |_| {});
        let port = serve_tls(certificate, &key);
        let url = format!("wss://{host}:{port}/");
        let rule = format!("{host}:{port}:127.0.0.1");
        let arguments = [&url, "x", "--ca", authority.path(), "--resolve", &rule];
        let ended = run(&mut client(&arguments));
        assert_eq!(ended.status, status, "{name} at {host}: {ended:?}");
    }
}

#[test]
fn k3_given_roots_replace_the_systems_and_pins_come_on_top() {
    let server = RealServer::get();
    let url = server.url("/echo");
    let (ca, other) = (server.ca(), Authority::new());
    let ca = ca.to_str().unwrap();
    let status = |arguments: &[&str]| {
        let mut all = vec![url.as_str(), "x"];
        all.extend(arguments);
        run(&mut client(&all)).status
    };
    assert_eq!(status(&["--ca", ca]), 0);
    assert_eq!(status(&["--ca", other.path()]), 4);
    // Repeatable: any of them may vouch.
    assert_eq!(status(&["--ca", other.path(), "--ca", ca]), 0);
    let variable = |value: &str| run(client(&[&url, "x"]).env("CLIENT_CA", value)).status;
    assert_eq!((variable(ca), variable(other.path())), (0, 4));
    let shown = run(&mut client(&[&url, "x", "--ca", ca, "--verbose"]));
    let pin = shown.stderr.split("sha256//").nth(1).unwrap();
    let pin = format!("sha256//{}", pin.split_whitespace().next().unwrap());
    let wrong = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    assert_eq!(status(&["--ca", ca, "--pin", &pin]), 0);
    assert_eq!(status(&["--ca", ca, "--pin", wrong]), 4);
    // One of several is enough: keys are changed with both pinned.
    assert_eq!(status(&["--ca", ca, "--pin", wrong, "--pin", &pin]), 0);
    // A pin does not stand in for the chain.
    assert_eq!(status(&["--ca", other.path(), "--pin", &pin]), 4);
    assert_eq!(status(&["--insecure", "--pin", &pin]), 0);
    assert_eq!(status(&["--insecure", "--pin", wrong]), 4);
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
fn k7_wrong_answers_fail_the_handshake() {
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
        with("Sec-WebSocket-Accept: {accept}"),
        with("Upgrade: h2c"),
        with("Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: b"),
        with("Bad\x1bName: x"),
        "SSH-2.0-OpenSSH\r\n\r\n".to_owned(),
        "HTTP/1.1 101 Switching\r\n".to_owned(),
        "\0\0\0\0\r\n\r\n".to_owned(),
        String::new(),
    ]);
    assert!(answers.len() >= 30, "{}", answers.len());
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

/// A client without compression reads frames as they stand here.
fn answer_with_frames(frames: &[u8]) -> String {
    let upgrade = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n";
    let frames = frames.to_vec();
    let address = serve(move |mut stream| {
        let head = read_head(&mut stream);
        let key = header(&head, "Sec-WebSocket-Key").unwrap_or_default();
        let accept = tungstenite_deflate::tungstenite::handshake::derive_accept_key(key.as_bytes());
        let _ = stream.write_all(upgrade.replace("{accept}", &accept).as_bytes());
        let _ = stream.write_all(&frames);
        let _ = stream.set_read_timeout(Some(std::time::Duration::from_secs(5)));
        let _ = std::io::Read::read_to_end(&mut stream, &mut Vec::new());
    });
    format!("ws://{address}/")
}

#[test]
fn k5_huge_replies_meet_the_limits() {
    use futures_util::{SinkExt as _, StreamExt as _};
    // A header that announces 2^62 bytes; one MiB and a byte in two fragments; a megabyte of empty fragments.
    let announced = b"\x82\x7f\x40\0\0\0\0\0\0\0".to_vec();
    let half = vec![0; (1 << 19) + 1];
    let mut fragments = vec![0x02, 0x7f, 0, 0, 0, 0, 0, 8, 0, 1];
    fragments.extend(&half);
    fragments.extend([0x80, 0x7f, 0, 0, 0, 0, 0, 8, 0, 1]);
    fragments.extend(&half);
    for frames in [announced, fragments] {
        let url = answer_with_frames(&frames);
        let ended = run(&mut client(&[&url, "x", "--no-deflate"]));
        assert_eq!((ended.status, ended.stdout.as_str()), (8, ""), "{ended:?}");
        assert!(ended.stderr.contains("raise --max-message"), "{ended:?}");
    }
    // Some KiB that inflate to 64 MiB: refused at the limit, which stays well below what would be needed for all.
    let bomb = common::serve_deflating(|mut stream| async move {
        let zeros = "0".repeat(64 << 20);
        let _ = stream
            .send(tungstenite_deflate::tungstenite::Message::text(zeros))
            .await;
        while let Some(Ok(_)) = stream.next().await {}
    });
    let ended = run(&mut client(&[&bomb, "x"]));
    assert_eq!((ended.status, ended.stdout.as_str()), (8, ""), "{ended:?}");
    assert!(ended.stderr.contains("raise --max-message"), "{ended:?}");
}

#[test]
fn k11_masked_and_reserved_frames_fail_the_connection() {
    for (what, frame) in [
        ("masked", &b"\x81\x81\x01\x02\x03\x04\x60"[..]),
        ("RSV1 without compression", b"\xc1\x01a"),
        ("RSV2", b"\xa1\x01a"),
        ("RSV3", b"\x91\x01a"),
        ("long control frame", b"\x89\x7e\x00\x7e"),
        ("fragmented control frame", b"\x09\x00"),
        ("invalid UTF-8", b"\x81\x02\xc3\x28"),
        ("close code 1005", b"\x88\x02\x03\xed"),
    ] {
        let ended = run(&mut client(&[
            &answer_with_frames(frame),
            "x",
            "--no-deflate",
        ]));
        assert_eq!(
            (ended.status, ended.stdout.as_str()),
            (8, ""),
            "{what}: {ended:?}"
        );
    }
}

/// A server that redirects as often as the path says, `/3` to `/2`, and answers 404 on `/0`; notes the last head.
fn redirecting(seen: &Arc<Mutex<String>>) -> String {
    let seen = Arc::clone(seen);
    let address = serve(move |mut stream| {
        let head = read_head(&mut stream);
        let path = head.split_whitespace().nth(1).unwrap_or("/").to_owned();
        *seen.lock().unwrap() = head;
        let answer = match path.trim_start_matches('/').parse::<u32>() {
            Ok(left @ 1..) => format!(
                "HTTP/1.1 307 Temporary Redirect\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n",
                left - 1
            ),
            _ => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
        };
        let _ = stream.write_all(answer.as_bytes());
    });
    format!("ws://{address}")
}

#[test]
fn k8_five_redirects_are_followed_and_credentials_stay_with_the_origin() {
    let seen = Arc::new(Mutex::new(String::new()));
    let base = redirecting(&seen);
    let secret = ["--follow", "--user", "a:b", "--cookie", "c=d"];
    let go = |path: &str, more: &[&str]| {
        let url = format!("{base}{path}");
        let mut all = vec![url.as_str(), "x"];
        all.extend(more);
        run(&mut client(&all))
    };
    go("/1", &[]).assert_refused(5, "--follow");
    go("/5", &secret).assert_refused(5, "404");
    // Same origin: they are still there after five hops, by relative URLs.
    let head = seen.lock().unwrap().clone();
    assert!(head.starts_with("GET /0 "), "{head}");
    assert_eq!(
        header(&head, "Authorization").as_deref(),
        Some("Basic YTpi"),
        "{head}"
    );
    assert_eq!(header(&head, "Cookie").as_deref(), Some("c=d"), "{head}");
    go("/6", &secret).assert_refused(5, "at most 5 are followed");
    // From wss to ws: never, whatever is asked for.
    let authority = Authority::new();
    let (certificate, key) = authority.sign("localhost", |_| {});
    let port = common::authority::serve_tls_answer(
        certificate,
        &key,
        &format!("HTTP/1.1 301 Moved\r\nLocation: {base}/0\r\nContent-Length: 0\r\n\r\n"),
    );
    let url = format!("wss://localhost:{port}/");
    run(&mut client(&[
        &url,
        "x",
        "--follow",
        "--ca",
        authority.path(),
    ]))
    .assert_refused(5, "from wss to unencrypted ws");
    for location in ["ftp://h/", "javascript:alert(1)", "//[::1", "ws://h:99999/"] {
        let answer =
            format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
        let ended = run(&mut client(&[&serve_answer(&answer), "x", "--follow"]));
        assert!(matches!(ended.status, 3 | 5), "{location}: {ended:?}");
        assert!(!ended.stderr.contains("panicked"), "{ended:?}");
    }
}

#[test]
fn k9_urls_and_headers_are_checked_before_anything_is_dialled() {
    for arguments in [
        &["ws://127.0.0.1:0/"][..],
        &["ws://127.0.0.1:65536/"],
        &["ws:///path"],
        &["ws://h/#fragment"],
        &["ws://h/ space"],
        &["ws://h/\u{e9}"],
        &["ws://ex\u{e4}mple/"],
        &["ws://h\r\nX: y/"],
        &["ws://u%0d%0a@h/"],
        &["ws://[::1/"],
        &["wss://h/", "-H", "X: a\r\nInjected: b"],
        &["wss://h/", "-H", "X\r\nInjected: b"],
        &["wss://h/", "--cookie", "a=b\r\nInjected: c"],
        &["wss://h/", "--origin", "https://o\r\nInjected: c"],
        &["wss://h/", "--user", "a\nb:c"],
        &["wss://h/", "-H", "Sec-WebSocket-Key: x"],
        &["wss://h/", "-H", "Host"],
    ] {
        let mut all = arguments.to_vec();
        all.extend(["--timeout", "1s"]);
        let ended = run(&mut client(&all));
        assert_eq!(
            (ended.status, ended.stdout.as_str()),
            (2, ""),
            "{arguments:?}: {ended:?}"
        );
        assert!(!ended.stderr.contains('\r'), "{ended:?}");
    }
}

#[test]
fn k10_passwords_are_in_no_output_whatever_goes_wrong() {
    let server = RealServer::get();
    let echo = server.url("/echo");
    let ca = server.ca();
    let with_user = echo.replace("wss://", "wss://alice:hunter2@");
    let dead = common::dead_port();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "hunter2\n").unwrap();
    let broken = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(broken.path(), "hunter2\nhunter2\n").unwrap();
    let record = server.directory.path().join("k10.jsonl");
    let record = record.to_str().unwrap();
    let port = server.address.port();
    let cases: Vec<Vec<String>> = [
        format!("{with_user} x -v --show-handshake --stats"),
        format!("{with_user} x --jsonl"),
        format!("record {with_user} x --to {record}"),
        format!("bench {with_user} -n 4 -c 1"),
        format!("bench {with_user} -n 4 -c 1 --json"),
        format!("compare {with_user} -n 4 -c 1"),
        format!("grpc https://alice:hunter2@localhost:{port} -v"),
        format!("wss://alice:hunter2@localhost:{dead}/ x"),
        format!("wss://alice:hunter2@localhost:{dead}/ x --reconnect=1"),
        format!("ws://alice:hunter2@127.0.0.1:{port}/ x"),
        "ws://alice:hunter2@h:x/ y".into(),
        "ws://alice:hunter2@[::1 y".into(),
        "ws://alice:hunter2/x@h/ y".into(),
        "ws://alice:hunter2%zz@h/ y".into(),
        "alice:hunter2@h y".into(),
        "ftp://alice:hunter2@h/ y".into(),
        "ws://alice:hunter2@h/#f y".into(),
        "grpc https://alice:hunter2@h/path".into(),
        "grpc wss://alice:hunter2@h".into(),
        format!("{echo} x --proxy http://alice:hunter2@127.0.0.1:{dead}"),
        format!("{echo} x --proxy socks5://alice:hunter2@127.0.0.1:{dead}"),
        format!("{echo} x --proxy https://alice:hunter2@localhost:{port}"),
        format!("{echo} x --proxy ftp://alice:hunter2@h"),
        format!("{echo} x --proxy http://alice:hunter2@h:x"),
        format!(
            "{echo} x --bearer-file {} -v --show-handshake",
            file.path().display()
        ),
        format!("{echo} x --bearer-file {}", broken.path().display()),
        format!("{echo} x --cookie hunter2"),
        format!("{echo} x --user alice:hunter2 --insecure"),
    ]
    .iter()
    .map(|line| line.split(' ').map(Into::into).collect())
    .collect();
    for mut arguments in cases {
        if arguments.iter().all(|one| one != "--insecure") {
            arguments.extend(["--ca".to_owned(), ca.display().to_string()]);
        }
        let all: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let ended = run(&mut server.client(&all));
        let shown = format!("{ended:?}");
        assert!(
            !shown.contains("hunter2") && !shown.contains("aHVudGVyMg"),
            "{arguments:?}: {shown}"
        );
    }
    assert!(!std::fs::read_to_string(record).unwrap().contains("hunter2"));
    let ended = run(server
        .client(&[&echo, "x"])
        .env("https_proxy", "http://alice:hunter2@h:x"));
    assert_eq!(ended.status, 2, "{ended:?}");
    assert!(!format!("{ended:?}").contains("hunter2"), "{ended:?}");
}
