//! Redirects: followed only when asked, never to less, and without credentials to others (K8).

use std::io::Write as _;
use std::sync::{Arc, Mutex};

use super::common::authority::{Authority, serve_tls_answer};
use super::common::{RealServer, client, header, read_head, run, serve, serve_answer};

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
    // A URL in the query does not make it absolute.
    for relative in [
        "/login?next=https://g/",
        "login?next=wss://g",
        "?next=ws://g",
    ] {
        run(&mut server.client(&[&redirect(relative), "x", "--follow"]))
            .assert_refused(5, "at most 5 are followed");
    }
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
    for name in ["Authorization", "Cookie", "X-Plain"] {
        assert_eq!(header(&head, name), None, "{head}");
    }
}

/// Further members of the kind: whatever was given for an origin (headers under any name, subprotocols, an Origin that
/// the redirecting server has no right to, the certificate), by a direct redirect, by one through the origin itself,
/// and on a connection that is opened again.
#[test]
fn k8_nothing_given_for_an_origin_reaches_another() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let copy = Arc::clone(&seen);
    let other = serve(move |mut stream| {
        copy.lock().unwrap().push(read_head(&mut stream));
        let _ = stream.write_all(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
    });
    let first = serve(move |mut stream| {
        let path = read_head(&mut stream);
        let location = if path.starts_with("GET /hop ") {
            "/there".to_owned()
        } else {
            format!("ws://{other}/")
        };
        let answer =
            format!("HTTP/1.1 307 Go\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
        let _ = stream.write_all(answer.as_bytes());
    });
    let secrets = [
        &["--user", "alice:hunter2"][..],
        &["--cookie", "a=hunter2"],
        &["-H", "X-Auth: hunter2"],
        &["-H", "Api_Key: hunter2"],
        &["-H", "X-Gateway: hunter2"],
        &["-H", "Host: hunter2.example"],
        &["-H", "User-Agent: hunter2"],
        &["--origin", "https://hunter2.example"],
        &["--subprotocol", "chat,bearer.hunter2"],
        &["--subprotocol", "bearer,hunter2"],
        &["--subprotocol", "hunter2"],
    ];
    let user_info = format!("ws://alice:hunter2@{first}/");
    for path in ["/", "/hop"] {
        for secret in secrets.iter().copied().chain([&["--reconnect=1"][..]]) {
            let plain = format!("ws://{first}{path}");
            let url = if secret[0] == "--reconnect=1" {
                &user_info
            } else {
                &plain
            };
            let mut arguments = vec![url.as_str(), "x", "--follow"];
            arguments.extend(secret);
            run(&mut client(&arguments)).assert_refused(5, "503");
        }
    }
    let heads = std::mem::take(&mut *seen.lock().unwrap());
    assert!(heads.len() > 2 * secrets.len(), "{}", heads.len());
    for head in heads {
        assert!(
            !head.contains("hunter2") && !head.contains("aHVudGVyMg"),
            "{head}"
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
    let port = serve_tls_answer(
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
