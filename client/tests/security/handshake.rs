//! Answers to the opening handshake that are wrong (K7), and what a server is told in it.

use std::io::Write as _;
use std::sync::{Arc, Mutex};

use super::common::{client, header, read_head, run, serve, serve_answer};

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

/// The server's own words come first, escaped and bounded, and ours fit what was sent.
#[test]
fn a_refusal_tells_what_the_server_says() {
    let refuse = |head: &str, body: &str| {
        serve_answer(&format!(
            "HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ))
    };
    let long = "x".repeat(5000);
    let problem = r#"{"title":"Unauthorized","status":401,"detail":"token expired"}"#;
    for (head, body, more, said, advice) in [
        (
            "401 No",
            "no \x1b[2Jtoken\n",
            &[][..],
            "no \\x1b[2Jtoken; ",
            "credentials are wanted",
        ),
        (
            "401 No\r\nWWW-Authenticate: Bearer realm=x",
            problem,
            &[],
            "token expired; ",
            "a token is wanted: --bearer-file",
        ),
        (
            "401 No\r\nWWW-Authenticate: Basic",
            "",
            &[],
            "`HTTP/1.1 401 No`",
            "name and password are wanted",
        ),
        (
            "401 No",
            "old",
            &["--user", "a:b"],
            "old; ",
            "were not accepted",
        ),
        (
            "401 No",
            "old",
            &["--subprotocol", "bearer.x"],
            "old; ",
            "were not accepted",
        ),
        (
            "403 No",
            "your page",
            &["--origin", "https://o"],
            "your page; ",
            "check --origin https://o",
        ),
        (
            "403 No",
            "you",
            &["--cookie", "a=b"],
            "you; ",
            "the holder of these credentials",
        ),
        (
            "403 No",
            "",
            &[],
            "`HTTP/1.1 403 No`",
            "it may want --origin",
        ),
        (
            "429 No\r\nRetry-After: 7",
            &long,
            &[],
            "…; ",
            "try again in 7 s",
        ),
        ("503 No", "<title>Busy</title>", &[], "Busy; ", "try later"),
        ("418 No", "a teapot", &[], "a teapot; ", "418"),
    ] {
        let url = refuse(head, body);
        let mut arguments = vec![url.as_str(), "x"];
        arguments.extend(more);
        let ended = run(&mut client(&arguments));
        ended.assert_refused(5, advice);
        let line = ended.stderr.lines().last().unwrap();
        let at = line.find(said).unwrap_or_else(|| panic!("{said}: {line}"));
        assert!(at < line.find(advice).unwrap(), "{line}");
        assert!(line.len() < 800 && !line.contains('\x1b'), "{line}");
    }
}
