//! Secrets that are typed or read from files: checked before anything is dialled (K9), and never printed (K10).

use std::io::Write as _;
use std::sync::{Arc, Mutex};

use super::common::{RealServer, client, dead_port, header, read_head, run, serve};

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

/// Beside `Authorization` and `Cookie`: headers under other names, tokens among the subprotocols (also when the server
/// repeats them), in the query, and in what the server answers.
#[test]
fn k10_shown_handshakes_have_no_secrets() {
    let protocol = "eyJhbGciOi.hunter2.x1y2z3";
    let answer = format!(
        "HTTP/1.1 403 Forbidden\r\nSec-WebSocket-Protocol: {protocol}\r\nX-Session-Token: hunter2\r\n\
         Location: /?access_token=hunter2\r\nX-CSRF: hunter2\r\nSet-Cookie: hunter2\r\nServer: seen\r\n\
         Content-Length: 0\r\n\r\n"
    );
    let base = super::common::serve_answer(&answer);
    for more in [
        &["-H", "X-Auth: hunter2"][..],
        &["-H", "Api_Key: hunter2"],
        &["-H", "Proxy-Authorization: hunter2"],
        &["-H", "X-Drone: hunter2"],
        &["--subprotocol", "bearer.hunter2"],
        &["--subprotocol", "bearer,hunter2"],
        &["--subprotocol", protocol],
        &["--subprotocol", "hunter2"],
    ] {
        let url = format!("{base}?token=hunter2&x=1");
        let mut arguments = vec![url.as_str(), "y", "--verbose", "--show-handshake"];
        arguments.extend(more);
        let ended = run(&mut client(&arguments));
        assert_eq!(ended.status, 5, "{ended:?}");
        assert!(!ended.stderr.contains("hunter2"), "{more:?}: {ended:?}");
        for part in ["x=1", "< Server: seen", "(not shown)"] {
            assert!(ended.stderr.contains(part), "{part}: {ended:?}");
        }
    }
}

#[test]
fn k9_urls_and_headers_are_checked_before_anything_is_dialled() {
    for arguments in [
        &["ws://127.0.0.1:0/"][..],
        &["ws://127.0.0.1:65536/"],
        &["ws:///path"],
        &["ws://h/#fragment"],
        &["ws://h/\t"],
        &["ws://h/ "],
        &["ws://h\\@g/"],
        &["ws://xn--a/"],
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
    let dead = dead_port();
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
