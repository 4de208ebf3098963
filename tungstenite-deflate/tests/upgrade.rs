//! Upgrades of requests that axum and hyper have read, over HTTP/1.1 and HTTP/2, on real sockets.
#![cfg(feature = "axum")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use axum::routing::any;
use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt, StreamExt};
use http::{Method, Request, StatusCode, Version};
use http_body_util::{Empty, Full};
use hyper::body::Incoming;
use hyper::ext::Protocol;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tungstenite_deflate::axum::ws::{self, WebSocket, WebSocketUpgrade};
use tungstenite_deflate::hyper::{Upgrade, upgrade};
use tungstenite_deflate::tungstenite::Message;
use tungstenite_deflate::tungstenite::client::IntoClientRequest;
use tungstenite_deflate::tungstenite::protocol::Role;
use tungstenite_deflate::{
    Agreed, DeflateConfig, Options, WebSocketStream, client_async, client_async_with_options,
    deflate,
};

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future)
        .await
        .expect("an end within 20 s")
}

async fn echo<S: AsyncRead + AsyncWrite + Unpin>(mut socket: WebSocketStream<S>) {
    while let Some(Ok(message)) = socket.next().await {
        if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
            return;
        }
    }
}

async fn axum_echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if matches!(message, ws::Message::Text(_) | ws::Message::Binary(_))
            && socket.send(message).await.is_err()
        {
            return;
        }
    }
}

/// axum's server with one route for each thing to choose.
async fn axum_server() -> SocketAddr {
    async fn plain(upgrade: WebSocketUpgrade) -> Response {
        upgrade.on_upgrade(axum_echo)
    }
    async fn without_deflate(upgrade: WebSocketUpgrade) -> Response {
        upgrade.deflate(None).on_upgrade(axum_echo)
    }
    async fn small(upgrade: WebSocketUpgrade) -> Response {
        upgrade.max_message_size(1000).on_upgrade(axum_echo)
    }
    async fn protocols(upgrade: WebSocketUpgrade) -> Response {
        let asked: Vec<_> = upgrade.requested_protocols().cloned().collect();
        let upgrade = upgrade.protocols(["v3", "v2", "v1"]);
        let text = format!(
            "asked {asked:?}, selected {:?}",
            upgrade.selected_protocol()
        );
        upgrade.on_upgrade(|mut socket| async move {
            let _ = socket.send(ws::Message::text(text)).await;
        })
    }
    let router = Router::new()
        .route("/", any(plain))
        .route("/plain", any(without_deflate))
        .route("/small", any(small))
        .route("/protocols", any(protocols));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// Returns the response to a raw HTTP/1.1 request, until the server ends the connection or nothing more is announced.
async fn raw(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(
            request
                .replace("\r\n\r\n", "\r\nHost: a\r\n\r\n")
                .as_bytes(),
        )
        .await
        .unwrap();
    let mut answer = BytesMut::new();
    soon(async {
        while !answer.windows(4).any(|window| window == b"\r\n\r\n") {
            assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0, "{answer:?}");
        }
    })
    .await;
    String::from_utf8(answer.to_vec()).unwrap()
}

/// An extended CONNECT over HTTP/2 (RFC 8441 §4), and the stream if it was accepted.
async fn connect(
    address: SocketAddr,
    change: impl FnOnce(&mut Request<Empty<Bytes>>),
) -> Result<(http::response::Parts, TokioIo<hyper::upgrade::Upgraded>), hyper::Response<Incoming>> {
    let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), stream)
            .await
            .unwrap();
    tokio::spawn(connection);
    let mut request = Request::new(Empty::new());
    *request.method_mut() = Method::CONNECT;
    *request.version_mut() = Version::HTTP_2;
    *request.uri_mut() = format!("http://{address}/").parse().unwrap();
    request
        .extensions_mut()
        .insert(Protocol::from_static("websocket"));
    request
        .headers_mut()
        .insert("sec-websocket-version", "13".parse().unwrap());
    change(&mut request);
    let mut response = soon(sender.send_request(request)).await.unwrap();
    if response.status() != StatusCode::OK {
        return Err(response);
    }
    let upgraded = soon(hyper::upgrade::on(&mut response)).await.unwrap();
    Ok((response.into_parts().0, TokioIo::new(upgraded)))
}

async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(client: &mut WebSocketStream<S>) {
    for message in [
        Message::text("Olá, ".repeat(1000)),
        Message::binary(vec![7; 100_000]),
        Message::text(""),
    ] {
        client.send(message.clone()).await.unwrap();
        assert!(soon(client.next()).await.unwrap().unwrap() == message);
    }
    client.close(None).await.unwrap();
    assert!(soon(client.next()).await.unwrap().unwrap().is_close());
}

#[tokio::test]
async fn axum_upgrades_http1_with_and_without_deflate() {
    let address = axum_server().await;
    for (path, options, deflated) in [
        ("", Options::default(), true),
        ("", Options::default().deflate(None), false),
        ("plain", Options::default(), false),
    ] {
        let stream = TcpStream::connect(address).await.unwrap();
        let opened = client_async_with_options(format!("ws://{address}/{path}"), stream, options);
        let (mut client, _) = soon(opened).await.unwrap();
        assert_eq!(client.agreed().is_some(), deflated, "/{path}");
        exchange(&mut client).await;
    }
}

#[tokio::test]
async fn axum_upgrades_http2_with_and_without_deflate() {
    let address = axum_server().await;
    let offer = deflate::negotiate::offer(&DeflateConfig::default());
    for (path, offer) in [("/", Some(&offer)), ("/", None), ("/plain", Some(&offer))] {
        let (response, stream) = connect(address, |request| {
            *request.uri_mut() = format!("http://{address}{path}").parse().unwrap();
            if let Some(offer) = offer {
                request
                    .headers_mut()
                    .insert("sec-websocket-extensions", offer.parse().unwrap());
            }
        })
        .await
        .unwrap();
        assert!(
            !response.headers.contains_key("sec-websocket-accept"),
            "{response:?}"
        );
        let answer = response.headers.get_all("sec-websocket-extensions");
        let agreed: Option<Agreed> =
            deflate::negotiate::accept_response(answer, Some(&DeflateConfig::default())).unwrap();
        assert_eq!(agreed.is_some(), offer.is_some() && path == "/");
        let mut client = WebSocketStream::with_options(
            stream,
            BytesMut::new(),
            Role::Client,
            Options::default(),
            agreed,
        );
        exchange(&mut client).await;
    }
}

#[tokio::test]
async fn axum_selects_the_servers_preference() {
    let address = axum_server().await;
    let mut request = format!("ws://{address}/protocols")
        .into_client_request()
        .unwrap();
    request
        .headers_mut()
        .insert("sec-websocket-protocol", "v1, v2, v9".parse().unwrap());
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut client, response) = soon(client_async(request, stream)).await.unwrap();
    assert_eq!(response.headers()["sec-websocket-protocol"], "v2");
    let told = soon(client.next()).await.unwrap().unwrap();
    assert_eq!(
        told,
        Message::text(r#"asked ["v1", "v2", "v9"], selected Some("v2")"#)
    );
}

#[tokio::test]
async fn axum_bounds_messages() {
    let address = axum_server().await;
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut client, _) = soon(client_async(format!("ws://{address}/small"), stream))
        .await
        .unwrap();
    client.send(Message::text("x".repeat(1001))).await.unwrap();
    match soon(client.next()).await.unwrap().unwrap() {
        Message::Close(Some(frame)) => {
            assert_eq!(u16::from(frame.code), 1009, "counted after inflating");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn axum_rejects_with_status_and_advice() {
    const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let address = axum_server().await;
    for (request, status, header) in [
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), 426, "upgrade: websocket"),
        ("POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n".to_owned(), 405, "allow: GET"),
        (format!("GET / HTTP/1.1\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n{KEY}\r\n"), 400, ""),
        (format!("GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: notupgrade\r\n{KEY}\r\n"), 400, ""),
        (format!("GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{KEY}\r\n"), 400, "sec-websocket-version: 13"),
        (
            format!("GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 8\r\n{KEY}\r\n"),
            426,
            "sec-websocket-version: 13",
        ),
        (
            "GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\r\n".to_owned(),
            400,
            "",
        ),
    ] {
        let answer = raw(address, &request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {answer}");
        assert!(answer.contains(header), "{request}: {answer}");
    }
}

#[tokio::test]
async fn axum_rejects_http2_requests_by_their_own_rules() {
    let address = axum_server().await;
    let rejected = connect(address, |request| {
        request
            .headers_mut()
            .insert("sec-websocket-version", "8".parse().unwrap());
    });
    let response = rejected.await.unwrap_err();
    assert_eq!(response.status(), 426);
    assert_eq!(response.headers()["sec-websocket-version"], "13");
    let rejected = connect(address, |request| {
        request
            .extensions_mut()
            .insert(Protocol::from_static("connect-udp"));
    });
    assert_eq!(rejected.await.unwrap_err().status(), 400);
    for (method, status, allow) in [
        (Method::POST, 405, Some("CONNECT")),
        (Method::GET, 426, None),
    ] {
        let rejected = connect(address, |request| {
            *request.method_mut() = method.clone();
            request.extensions_mut().remove::<Protocol>();
        });
        let response = rejected.await.unwrap_err();
        assert_eq!(response.status(), status, "{method}");
        assert_eq!(
            response
                .headers()
                .get("allow")
                .map(http::HeaderValue::as_bytes),
            allow.map(str::as_bytes),
            "{method}"
        );
    }
}

/// hyper's HTTP/1.1 server; `take_back` takes the socket out of hyper.
async fn hyper_server(take_back: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = service_fn(move |mut request: Request<Incoming>| async move {
        let answer = |rejection: tungstenite_deflate::handshake::Rejection| {
            rejection.response().map(Full::<Bytes>::from)
        };
        if !take_back {
            return Ok::<_, hyper::Error>(match upgrade(&mut request, Options::default()) {
                Ok((response, connection)) => {
                    tokio::spawn(async move {
                        echo(connection.await.unwrap()).await;
                    });
                    response
                }
                Err(rejection) => answer(rejection),
            });
        }
        Ok(match Upgrade::from_request(&mut request) {
            Ok(upgrade) => {
                let (response, pending) = upgrade.accept();
                tokio::spawn(async move {
                    let connection = pending.connect_as::<TcpStream>().await.unwrap();
                    echo(connection.expect("a socket")).await;
                });
                response.map(|()| Full::default())
            }
            Err(rejection) => answer(rejection),
        })
    });
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service);
            tokio::spawn(connection.with_upgrades());
        }
    });
    address
}

#[tokio::test]
async fn hyper_upgrades_and_gives_the_socket_back_with_what_it_read() {
    for take_back in [false, true] {
        let address = hyper_server(take_back).await;
        let stream = TcpStream::connect(address).await.unwrap();
        let (mut client, _) = soon(client_async(format!("ws://{address}/"), stream))
            .await
            .unwrap();
        assert!(client.agreed().is_some());
        exchange(&mut client).await;

        // Head and frame in one write: hyper has read the frame when it upgrades.
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\x81\x85\0\0\0\0Early";
        stream.write_all(request).await.unwrap();
        let mut answer = BytesMut::new();
        soon(async {
            while !answer.ends_with(b"\x81\x05Early") {
                assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0, "{answer:?}");
            }
        })
        .await;
        assert!(answer.starts_with(b"HTTP/1.1 101 "), "{answer:?}");
        let rejected = raw(address, "GET / HTTP/1.1\r\n\r\n").await;
        assert!(rejected.starts_with("HTTP/1.1 426 "), "{rejected}");
    }
}

#[tokio::test]
async fn failed_upgrade_is_told() {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let handler = move |upgrade: WebSocketUpgrade| async move {
        let tell = move |error: axum::Error| sender.send(error.to_string()).unwrap();
        upgrade.on_failed_upgrade(tell).on_upgrade(axum_echo)
    };
    let service = TowerToHyperService::new(Router::new().route("/", any(handler)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        // Without `with_upgrades`.
        let _ = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .await;
    });
    let stream = TcpStream::connect(address).await.unwrap();
    let _client = soon(client_async(format!("ws://{address}/"), stream)).await;
    let told = soon(receiver.recv()).await.unwrap();
    assert!(told.contains("upgrade"), "{told}");
}
