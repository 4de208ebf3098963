//! Listeners of every kind, and what each of them carries.

use bytes::Bytes;
use http::{Request, Version};
use http_body_util::Empty;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::UnixStream;

use super::common::program::run;
use super::common::soon;
use super::{exchange, start, status, who};

const GET: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn several_listeners_serve_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("wss.sock");
    let unix = format!("unix:{}", path.display());
    let site = start(&[
        "--listen",
        "127.0.0.1:0",
        "--listen",
        "plain://127.0.0.1:0",
        "--listen",
        &unix,
    ]);
    let tls = soon(site.tls_after(b"")).await.unwrap();
    assert!(who(tls, &[]).await.unwrap().ends_with(" 1.3"));
    let plain = who(site.plain(1).await, &[]).await.unwrap();
    assert!(
        plain.starts_with("127.0.0.1:") && plain.ends_with(" plain"),
        "{plain}"
    );
    let stream = soon(UnixStream::connect(&path)).await.unwrap();
    assert_eq!(who(stream, &[]).await.as_deref(), Ok("[::]:0 plain"));
    let mut stream = UnixStream::connect(&path).await.unwrap();
    assert_eq!(status(&exchange(&mut stream, GET).await), 200);
}

/// The proxy behind a Unix socket is trusted as such, and reports clients in either way.
#[tokio::test]
async fn n1_a_unix_socket_is_trusted_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("wss.sock");
    let unix = format!("unix:{}", path.display());
    let fields = [("x-forwarded-for", "203.0.113.9")];
    for (trusted, expected) in [
        ("unix", "203.0.113.9:0 plain"),
        ("127.0.0.1", "[::]:0 plain"),
    ] {
        let _site = start(&[
            "--listen",
            &unix,
            "--trusted-proxy",
            trusted,
            "--trusted-header",
            "x-forwarded",
        ]);
        let stream = UnixStream::connect(&path).await.unwrap();
        assert_eq!(
            who(stream, &fields).await.as_deref(),
            Ok(expected),
            "{trusted}"
        );
        std::fs::remove_file(&path).unwrap();
    }
}

/// HTTP/2 by prior knowledge, as proxies speak it to what is behind them.
#[tokio::test]
async fn a_plain_listener_speaks_both_versions() {
    let site = start(&["--listen", "plain://127.0.0.1:0"]);
    let answer = site.get(0, "/healthz", "").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let stream = TokioIo::new(site.plain(0).await);
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream);
    let (mut sender, connection) = soon(handshake).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::get("http://localhost/healthz").body(Empty::<Bytes>::new());
    let response = soon(sender.send_request(request.unwrap())).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), response.version()),
        (200, Version::HTTP_2)
    );
    connection.abort();
}

/// Operators' paths are served on their own listener only.
#[tokio::test]
async fn n5_what_is_for_operators_leaves_the_public_listener() {
    let site = start(&[
        "--listen",
        "plain://127.0.0.1:0",
        "--admin-listen",
        "plain://127.0.0.1:0",
    ]);
    let reflection = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    for (path, public, admin) in [
        ("/healthz", 404, 200),
        ("/readyz", 404, 200),
        ("/metrics", 404, 200),
        ("/stats", 404, 426),
        // gRPC wants POST.
        (reflection, 404, 405),
        ("/grpc.health.v1.Health/Check", 405, 405),
        ("/chat.ChatService/SendMessage", 405, 404),
        ("/", 200, 404),
        ("/who", 426, 404),
        ("/rooms/hall/messages", 200, 404),
    ] {
        assert_eq!(status(&site.get(0, path, "").await), public, "{path}");
        assert_eq!(
            status(&site.get(1, path, "").await),
            admin,
            "{path} for operators"
        );
    }
    let site = start(&["--listen", "plain://127.0.0.1:0"]);
    assert_eq!(status(&site.get(0, "/metrics", "").await), 200);
}

#[test]
fn n6_what_could_be_read_on_its_way_must_be_asked_for() {
    for (flags, part) in [
        (
            &["--listen", "plain://0.0.0.0:0"][..],
            "--insecure-plain-public",
        ),
        (
            &["--admin-listen", "plain://[::]:0"],
            "--insecure-plain-public",
        ),
        (
            &[
                "--listen",
                "127.0.0.1:9",
                "--admin-listen",
                "plain://127.0.0.1:9",
            ],
            "twice",
        ),
        (
            &["--listen", "127.0.0.1:9", "--listen", "127.0.0.1:9"],
            "twice",
        ),
        (&["--listen", "http://127.0.0.1:80"], "plain://"),
        (&["--trusted-proxy", "0.0.0.0/0"], "everybody"),
        (&["--trusted-proxy", "127.0.0.1"], "nothing is believed"),
        (&["--proxy-protocol", "on"], "without --trusted-proxy"),
        (
            &["--trusted-header", "forwarded"],
            "without --trusted-proxy",
        ),
    ] {
        let output = run(&[&["check"][..], flags].concat());
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {errors}");
        assert!(errors.contains(part), "{flags:?}: {errors}");
    }
    let allowed = [
        "check",
        "--listen",
        "plain://0.0.0.0:0",
        "--insecure-plain-public",
        "on",
    ];
    assert_eq!(run(&allowed).status.code(), Some(0));
}
