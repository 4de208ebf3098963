//! `client grpc` against the real server, and against servers that answer otherwise.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::convert::Infallible;
use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use common::authority::{Authority, serve_tls};
use common::{RealServer, client, dead_port, run, serve};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};

const WORDS: &str = "Resposta do servidor: Mensagem recebida: Olá, gRPC!\n";

/// A plain-text HTTP/2 server that answers every call so; `None` does not answer at all.
fn serve_http2(
    answer: impl Fn(&Request<Incoming>) -> Option<Response<Empty<Bytes>>> + Send + Sync + 'static,
) -> SocketAddr {
    let answer = Arc::new(answer);
    serve(move |stream| {
        stream.set_nonblocking(true).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let answer = Arc::clone(&answer);
        runtime.block_on(async {
            let stream = tokio::net::TcpStream::from_std(stream).unwrap();
            let service = service_fn(move |request: Request<Incoming>| {
                let answer = answer(&request);
                async move {
                    match answer {
                        Some(answer) => Ok::<_, Infallible>(answer),
                        None => std::future::pending().await,
                    }
                }
            });
            let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    })
}

fn with_status(status: u32, message: &str) -> Response<Empty<Bytes>> {
    Response::builder()
        .header("content-type", "application/grpc")
        .header("grpc-status", status)
        .header("grpc-message", message)
        .body(Empty::new())
        .unwrap()
}

#[test]
fn tutorial_is_reproduced_word_for_word_over_tls() {
    let server = RealServer::get();
    for scheme in ["https", "grpcs"] {
        let url = format!("{scheme}://localhost:{}", server.address.port());
        let ended = run(&mut server.client(&["grpc", &url, "--sender", "Alice", "Olá, gRPC!"]));
        assert_eq!(
            (ended.status, ended.stdout.as_str(), ended.stderr.as_str()),
            (0, WORDS, "")
        );
    }
    let url = format!("localhost:{}", server.address.port());
    let ended = run(server.client(&["grpc"]).env("CLIENT_GRPC_URL", &url));
    assert_eq!((ended.status, ended.stdout.as_str()), (0, WORDS));
    let ended = run(&mut server.client(&["grpc", &url, "um", "dois"]));
    assert_eq!(
        ended.stdout,
        "Resposta do servidor: Mensagem recebida: um\nResposta do servidor: Mensagem recebida: dois\n"
    );
}

#[test]
fn tls_options_are_those_of_the_websocket() {
    let server = RealServer::get();
    let port = server.address.port();
    let url = format!("https://localhost:{port}");
    // Without the local CA in reach the certificate is unknown.
    run(&mut client(&["grpc", &url])).assert_refused(4, "signed by no trusted authority");
    let ca = server.ca();
    let ca = ca.to_str().unwrap();
    assert_eq!(run(&mut client(&["grpc", &url, "--ca", ca])).stdout, WORDS);
    let insecure = run(&mut client(&["grpc", &url, "--insecure"]));
    assert_eq!(insecure.stdout, WORDS);
    assert!(
        insecure.stderr.starts_with("warning: --insecure:"),
        "{insecure:?}"
    );
    run(&mut client(&["grpc", &url, "--insecure", "--user", "a:b"]))
        .assert_refused(2, "--insecure-credentials");
    let wrong_pin = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    run(&mut client(&["grpc", &url, "--ca", ca, "--pin", wrong_pin])).assert_refused(4, "--pin");
    let rule = format!("elsewhere:443:localhost:{port}");
    let arguments = [
        "grpc",
        "https://elsewhere",
        "--ca",
        ca,
        "--connect-to",
        &rule,
        "--sni",
        "localhost",
        "--tls-min",
        "1.3",
        "-v",
    ];
    let ended = run(&mut client(&arguments));
    assert_eq!(
        (ended.status, ended.stdout.as_str()),
        (0, WORDS),
        "{ended:?}"
    );
    for part in [
        "over HTTP/2",
        "TLSv1_3",
        "days left",
        "SendMessage answered after",
    ] {
        assert!(ended.stderr.contains(part), "{part} in {ended:?}");
    }
}

#[test]
fn statuses_become_exit_statuses_and_sentences() {
    for (status, exit, part) in [
        (16, 5, "(Unauthenticated): who are you; give credentials"),
        (7, 5, "(PermissionDenied)"),
        (12, 5, "check that chat.ChatService is served"),
        (8, 1, "(ResourceExhausted)"),
        (13, 1, "gRPC status 13 (Internal)"),
        (14, 1, "try later"),
        (4, 6, "(DeadlineExceeded)"),
    ] {
        let address = serve_http2(move |_| Some(with_status(status, "who are you")));
        let ended = run(&mut client(&["grpc", &format!("http://{address}")]));
        ended.assert_refused(exit, part);
        assert_eq!(ended.stdout, "");
    }
    let plain_web =
        serve_http2(|_| Some(Response::builder().status(404).body(Empty::new()).unwrap()));
    run(&mut client(&["grpc", &format!("grpc://{plain_web}")]))
        .assert_refused(5, "(Unimplemented)");
}

#[test]
fn silent_and_broken_servers_are_told_apart() {
    let seen = Arc::new(Mutex::new(String::new()));
    let copy = Arc::clone(&seen);
    let silent = serve_http2(move |request| {
        *copy.lock().unwrap() = format!("{:?}", request.headers());
        None
    });
    let url = format!("http://{silent}");
    run(&mut client(&["grpc", &url, "--timeout", "reply=300ms"]))
        .assert_refused(6, "no answer within 300");
    // The server is told how long it is worth working on the answer.
    assert!(seen.lock().unwrap().contains("grpc-timeout"), "{seen:?}");
    let closes = serve(|stream| {
        let _ = (&stream).read(&mut [0; 4096]);
    });
    run(&mut client(&["grpc", &format!("http://{closes}")])).assert_refused(7, "was lost");
    let url = format!("http://127.0.0.1:{}", dead_port());
    run(&mut client(&["grpc", &url])).assert_refused(3, "nobody listens");
    let (certificate, key) = Authority::new().sign("localhost", |_| {});
    let url = format!("https://localhost:{}", serve_tls(certificate, &key));
    run(&mut client(&["grpc", &url, "--insecure"])).assert_refused(5, "did not choose h2 by ALPN");
    for wrong in ["wss://h", "https://h/path", "ftp://h"] {
        assert_eq!(run(&mut client(&["grpc", wrong])).status, 2, "{wrong}");
    }
}

#[test]
fn credentials_are_metadata_and_never_shown() {
    let seen = Arc::new(Mutex::new(String::new()));
    let copy = Arc::clone(&seen);
    let address = serve_http2(move |request| {
        let value = |name| {
            request
                .headers()
                .get(name)
                .map(|value| value.to_str().unwrap().to_owned())
        };
        *copy.lock().unwrap() = format!("{:?} {:?}", value("authorization"), value("x-tenant"));
        Some(with_status(16, "no"))
    });
    let url = format!("http://alice:hunter2@{address}");
    let ended = run(&mut client(&[
        "grpc",
        &url,
        "-H",
        "X-Tenant: t",
        "--verbose",
    ]));
    ended.assert_refused(5, "Unauthenticated");
    assert_eq!(
        *seen.lock().unwrap(),
        "Some(\"Basic YWxpY2U6aHVudGVyMg==\") Some(\"t\")"
    );
    assert!(!format!("{ended:?}").contains("hunter2"), "{ended:?}");
    assert!(
        ended.stderr.contains("warning: http:// is not encrypted"),
        "{ended:?}"
    );
}

#[test]
fn reply_beyond_the_limit_is_refused() {
    let server = RealServer::get();
    let url = format!("https://localhost:{}", server.address.port());
    let text = "x".repeat(5000);
    run(&mut server.client(&["grpc", &url, &text, "--max-message", "4KiB"]))
        .assert_refused(1, "--max-message");
}
