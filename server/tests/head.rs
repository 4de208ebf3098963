//! Requests that are no opening handshake, or not ours to accept (threats H1 to H14).

#![allow(
    clippy::large_futures,
    clippy::unwrap_used,
    reason = "it is a test: it may panic, and needs no small stack"
)]

mod common;

use common::{handshake, start, status_of};

/// The handshake for `/ws` with `from` replaced by `to`.
fn with(from: &str, to: &str) -> String {
    let request = handshake("/ws", "");
    assert!(request.contains(from), "{from}");
    request.replace(from, to)
}

#[tokio::test]
async fn what_is_wrong_with_a_handshake_decides_the_status() {
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let version = "Sec-WebSocket-Version: 13\r\n";
    let upgrade = "Upgrade: websocket\r\n";
    let connection = "Connection: Upgrade\r\n";
    let host = "Host: localhost\r\n";
    #[rustfmt::skip]
    let cases: &[(&str, u16, String)] = &[
        ("good", 101, handshake("/ws", "")),
        ("H1 post", 405, with("GET", "POST")),
        ("H1 put", 405, with("GET", "PUT")),
        ("H1 delete", 405, with("GET", "DELETE")),
        ("H1 lower case", 405, with("GET", "get")),
        ("H2 1.0", 505, with("HTTP/1.1", "HTTP/1.0")),
        ("H3 none", 400, with(host, "")),
        ("H3 twice", 400, with(host, "Host: localhost\r\nHost: localhost\r\n")),
        ("H3 with user", 400, with(host, "Host: user@localhost\r\n")),
        ("H3 no host at all", 400, with(host, "Host: \r\n")),
        ("H4 none", 426, with(upgrade, "")),
        ("H4 other", 400, with(upgrade, "Upgrade: notwebsocket\r\n")),
        ("H4 longer", 400, with(upgrade, "Upgrade: websocket2\r\n")),
        ("H4 capitals", 101, with(upgrade, "Upgrade: WebSocket\r\n")),
        ("H4 list", 101, with(upgrade, "Upgrade: foo, websocket\r\n")),
        ("H5 none", 400, with(connection, "")),
        ("H5 other", 400, with(connection, "Connection: notupgrade\r\n")),
        ("H5 list", 101, with(connection, "Connection: keep-alive, Upgrade\r\n")),
        ("H5 two lines", 101, with(connection, "Connection: keep-alive\r\nConnection: upgrade\r\n")),
        ("H6 none", 400, with(version, "")),
        ("H6 eight", 426, with("Version: 13", "Version: 8")),
        ("H6 zeros", 426, with("Version: 13", "Version: 013")),
        ("H6 list", 426, with("Version: 13", "Version: 13, 8")),
        ("H7 none", 400, with(key, "")),
        ("H7 twice", 400, with(key, &key.repeat(2))),
        ("H7 short", 400, with("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25j")),
        ("H7 not base64", 400, with("dGhlIHNhbXBsZSBub25jZQ==", "!!!!!!!!!!!!!!!!!!!!!!==")),
        ("H9 no token", 400, handshake("/ws", "Sec-WebSocket-Protocol: ch at\r\n")),
        ("H9 twice the same", 400, handshake("/ws", "Sec-WebSocket-Protocol: chat, chat\r\n")),
        ("H10 body", 400, handshake("/ws", "Content-Length: 5\r\n") + "hello"),
        ("H10 chunked", 400, handshake("/ws", "Transfer-Encoding: chunked\r\n") + "0\r\n\r\n"),
        ("H13 space before colon", 400, with("Host:", "Host :")),
        ("H13 folded", 400, with(host, "Host: localhost\r\n more\r\n")),
        ("H13 NUL", 400, with("localhost", "local\0host")),
        ("H13 bare CR", 400, with("localhost", "local\rhost")),
        ("404", 404, handshake("/other", "")),
        ("404 below", 404, handshake("/ws/", "")),
    ];
    let server = start(&[]).await;
    for (name, expected, request) in cases {
        let answer = server.exchange(request.as_bytes()).await;
        assert_eq!(status_of(&answer), *expected, "{name}: {answer}");
    }
}

#[tokio::test]
async fn refusals_say_what_to_do() {
    let server = start(&[]).await;
    let answer = server
        .exchange(with("GET", "POST").as_bytes())
        .await
        .to_lowercase();
    assert!(answer.contains("allow: get"), "{answer}");
    let answer = server.get("/ws").await.to_lowercase();
    assert_eq!(status_of(&answer), 426);
    assert!(answer.contains("upgrade: websocket"), "{answer}");
    let answer = server
        .exchange(with("Version: 13", "Version: 7").as_bytes())
        .await
        .to_lowercase();
    assert!(answer.contains("sec-websocket-version: 13"), "{answer}");
}

#[tokio::test]
async fn heads_beyond_a_limit_are_refused() {
    // H11
    let server = start(&[]).await;
    let fields = |count: usize| handshake("/ws", &"X-Field: 1\r\n".repeat(count));
    let long = |bytes: usize| handshake("/ws", &format!("X-Long: {}\r\n", "a".repeat(bytes)));
    let target = |bytes: usize| handshake(&format!("/ws?{}", "a".repeat(bytes)), "");
    for (name, expected, request) in [
        ("100 fields", 101, fields(95)),
        ("101 fields", 431, fields(96)),
        ("10,000 fields", 431, fields(10_000)),
        ("15,900 bytes", 101, long(15_700)),
        ("17 KiB", 431, long(17 * 1024)),
        ("8 KiB target", 101, target(8_188)),
        ("longer target", 414, target(8_189)),
    ] {
        let answer = server.exchange(request.as_bytes()).await;
        assert_eq!(status_of(&answer), expected, "{name}: {answer}");
    }
    let narrow = start(&["--max-headers", "5"]).await;
    assert_eq!(narrow.status(fields(1).as_bytes()).await, 431);
}

#[tokio::test]
async fn a_head_that_dribbles_in_is_cut_off() {
    // H12
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let server = start(&["--head-timeout", "300ms"]).await;
    let mut stream = server.tls(&["http/1.1"]).await;
    stream
        .write_all(b"GET /ws HTTP/1.1\r\nHost: lo")
        .await
        .unwrap();
    let mut rest = Vec::new();
    let begun = std::time::Instant::now();
    let _ = common::soon(stream.read_to_end(&mut rest)).await;
    assert!(
        begun.elapsed() >= std::time::Duration::from_millis(250),
        "{:?}",
        begun.elapsed()
    );
    let answer = String::from_utf8_lossy(&rest);
    assert!(answer.is_empty() || status_of(&answer) == 408, "{answer}");
}

/// Proxies keep connections for a minute or so, and send the next request on one that they believe to be open.
#[tokio::test]
async fn a_connection_outlives_the_time_for_a_head() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    const GET: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let server = start(&["--head-timeout", "200ms", "--keep-alive-timeout", "3s"]).await;
    let mut stream = server.tls(&["http/1.1"]).await;
    let mut answer = [0; 4096];
    for _ in 0..2 {
        stream.write_all(GET).await.unwrap();
        let count = common::soon(stream.read(&mut answer)).await.unwrap();
        assert!(answer[..count].starts_with(b"HTTP/1.1 200"));
        // Silence of more than a head may take.
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
    // The next head has its own time again.
    let begun = std::time::Instant::now();
    stream.write_all(&GET[..10]).await.unwrap();
    let _ = common::soon(stream.read_to_end(&mut Vec::new())).await;
    let waited = begun.elapsed().as_millis();
    assert!((190..2_000).contains(&waited), "{waited} ms");
    let server = start(&["--keep-alive-timeout", "200ms"]).await;
    let mut stream = server.tls(&["http/1.1"]).await;
    stream.write_all(GET).await.unwrap();
    let mut all = Vec::new();
    let _ = common::soon(stream.read_to_end(&mut all)).await;
    assert!(all.starts_with(b"HTTP/1.1 200"));
}

#[tokio::test]
async fn pages_of_other_origins_are_refused() {
    // H14
    let server = start(&["--origin-allow", "https://good.example"]).await;
    let port = server.address.port();
    let request = |origin: &str| {
        handshake("/ws", &format!("Origin: {origin}\r\n"))
            .replace("Host: localhost", &format!("Host: localhost:{port}"))
    };
    for (origin, expected) in [
        (format!("https://localhost:{port}"), 101),
        ("https://good.example".to_owned(), 101),
        ("https://evil.example".to_owned(), 403),
        ("null".to_owned(), 403),
        (format!("http://localhost:{port}"), 403),
        (format!("https://localhost:{port}.evil.example"), 403),
        ("https://good.example.evil.example".to_owned(), 403),
        (
            format!("https://localhost:{port}\r\nOrigin: https://good.example"),
            403,
        ),
    ] {
        assert_eq!(
            server.status(request(&origin).as_bytes()).await,
            expected,
            "{origin}"
        );
    }
}

#[tokio::test]
async fn h3_requests_for_other_hosts_are_misdirected() {
    let server = start(&["--host-allow", "Good.Example", "--host-allow", "[::1]:8443"]).await;
    let request =
        |host: &str| handshake("/ws", "").replace("Host: localhost", &format!("Host: {host}"));
    for (host, expected) in [
        ("good.example", 101),
        ("GOOD.example:8443", 101),
        ("[::1]:8443", 101),
        ("[::1]:8444", 421),
        ("localhost", 421),
        ("good.example.evil.example", 421),
        ("good.example\r\nHost: good.example", 400),
    ] {
        assert_eq!(
            server.status(request(host).as_bytes()).await,
            expected,
            "{host}"
        );
    }
    // What an absolute target names counts more than Host (RFC 9112 §3.2.2).
    let absolute =
        |target: &str| handshake(target, "").replace("Host: localhost", "Host: good.example");
    for (target, expected) in [
        ("https://good.example/ws", 101),
        ("https://evil.example/ws", 421),
    ] {
        assert_eq!(
            server.status(absolute(target).as_bytes()).await,
            expected,
            "{target}"
        );
    }
    assert_eq!(
        server.status(b"GET /style.css HTTP/1.0\r\n\r\n").await,
        421,
        "HTTP/1.0 without Host"
    );
}

#[tokio::test]
async fn h19_no_path_leads_out_of_the_pages() {
    let server = start(&[]).await;
    let long = format!("/{}", "a/".repeat(4_000));
    for path in [
        "/..",
        "/../",
        "/../Cargo.toml",
        "/../../../../etc/passwd",
        "/./index.html",
        "/style.css/..",
        "/style.css/../style.css",
        "/%2e%2e/Cargo.toml",
        "/%2e%2e%2fetc%2fpasswd",
        "/..%2f..%2fetc%2fpasswd",
        "/%252e%252e/etc/passwd",
        "/..%5c..%5cetc",
        "/..\\..\\etc",
        "/\\etc\\passwd",
        "/%5c%5cetc",
        "//etc/passwd",
        "//style.css",
        "///",
        "/style.css/",
        "/style.css%00",
        "/style.css%00.html",
        "/%00",
        "/style.css%20",
        "/STYLE.CSS",
        "/style%2ecss%2f",
        "/assets/style.css",
        "/server.key",
        "/ca.key",
        "/certs/server.key",
        "/.git/config",
        "/file:///etc/passwd",
        &long,
    ] {
        let answer = server.get(path).await;
        assert!(matches!(status_of(&answer), 400 | 404), "{path}: {answer}");
        assert!(
            !answer.contains("root:") && !answer.contains("PRIVATE KEY"),
            "{answer}"
        );
    }
    assert_eq!(status_of(&server.get("/style.css").await), 200);
    assert_eq!(
        server
            .status(b"GET /style.css\0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .await,
        400
    );
}

#[tokio::test]
async fn h15_what_is_echoed_cannot_split_the_response() {
    let server = start(&[]).await;
    for (protocols, expected) in [
        ("chat", 101),
        ("x, chat", 101),
        ("chat\rSet-Cookie: a=b", 400),
        ("chat\0", 400),
        ("chat\x0bSet-Cookie: a=b", 400),
        ("chat%0d%0aSet-Cookie: a=b", 400),
        // A field of the request's own; nothing of it comes back.
        ("chat\r\nSet-Cookie: a=b", 101),
    ] {
        let request = handshake("/ws", &format!("Sec-WebSocket-Protocol: {protocols}\r\n"));
        let answer = server.exchange(request.as_bytes()).await;
        assert_eq!(status_of(&answer), expected, "{protocols:?}: {answer}");
        let head = answer.split("\r\n\r\n").next().unwrap().to_lowercase();
        assert!(!head.contains("cookie"), "{answer}");
        if expected == 101 {
            let chosen = answer
                .lines()
                .filter(|line| line.eq_ignore_ascii_case("sec-websocket-protocol: chat"));
            assert_eq!(chosen.count(), 1, "{answer}");
        }
    }
}

#[tokio::test]
async fn h20_pages_leave_little_room_for_mischief() {
    let server = start(&[]).await;
    for page in ["/", "/drone.html"] {
        let answer = server.get(page).await.to_lowercase();
        for field in [
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
        ] {
            assert!(answer.contains(field), "{page}: {field}");
        }
        let policy = answer
            .lines()
            .find(|line| line.starts_with("content-security-policy:"))
            .unwrap();
        assert!(
            policy.contains("default-src 'none'") && policy.contains("script-src 'self'"),
            "{policy}"
        );
        assert!(
            !policy.contains("unsafe") && !policy.contains('*'),
            "{policy}"
        );
    }
}

#[tokio::test]
async fn h20_no_answer_binds_the_host_beyond_the_visit_unless_told_to() {
    // keycloak#32366: one visit to a development server made every other port of `localhost` unreachable over http.
    #[rustfmt::skip]
    const LASTING: [&str; 9] = [
        "strict-transport-security", "alt-svc", "public-key-pins", "expect-ct", "nel", "report-to",
        "reporting-endpoints", "set-cookie", "refresh",
    ];
    let server = start(&[]).await;
    #[rustfmt::skip]
    let cases = [
        "/", "/drone.html", "/style.css", "/healthz", "/readyz", "/metrics",
        "/rooms/lobby/messages", "/nothing", "/echo",
    ];
    for path in cases {
        let answer = server.get(path).await.to_lowercase();
        assert_ne!(status_of(&answer), 0, "{path}");
        for name in LASTING {
            let field = format!("\r\n{name}:");
            assert!(!answer.contains(&field), "{path}: {answer}");
        }
    }
    let server = start(&["--hsts", "off"]).await;
    let answer = server.get("/").await.to_lowercase();
    assert!(!answer.contains("strict-transport-security"), "{answer}");
}

#[tokio::test]
async fn h20_browsers_keep_to_https_for_as_long_as_told() {
    // 0 takes back what an earlier visit got (RFC 6797 §6.1.1).
    for (time, field) in [
        (
            "365d",
            "\r\nstrict-transport-security: max-age=31536000\r\n",
        ),
        ("90", "\r\nstrict-transport-security: max-age=90\r\n"),
        ("0", "\r\nstrict-transport-security: max-age=0\r\n"),
    ] {
        let server = start(&["--hsts", time]).await;
        for page in ["/", "/chat.html", "/common.js"] {
            let answer = server.get(page).await.to_lowercase();
            assert_eq!(answer.matches(field).count(), 1, "{page}: {answer}");
        }
    }
}
