//! WebSockets over HTTP/2 (RFC 8441), beside ordinary requests on the same connection.

#![allow(
    clippy::large_futures,
    clippy::unwrap_used,
    reason = "it is a test: it may panic, and needs no small stack"
)]

mod common;

use common::http2::{Sender, connect, dial};
use common::{soon, start};
use futures_util::{SinkExt, StreamExt};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

#[tokio::test]
async fn several_websockets_share_a_connection_with_ordinary_requests() {
    let server = start(&[]).await;
    let mut sender = dial(&server).await;
    let mut sockets = Vec::new();
    for path in ["/ws", "/echo", "/ack", "/echo"] {
        let response = connect(
            &server,
            &mut sender,
            path,
            &[("sec-websocket-protocol", "chat")],
        )
        .await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["sec-websocket-protocol"], "chat");
        let upgraded = TokioIo::new(soon(hyper::upgrade::on(response)).await.unwrap());
        sockets.push(WebSocketStream::from_raw_socket(upgraded, Role::Client, None).await);
    }
    for (socket, expected) in
        sockets
            .iter_mut()
            .zip(["Retorno do servidor!", "hello", "Recebido: hello", "hello"])
    {
        soon(socket.send(Message::text("hello"))).await.unwrap();
        assert_eq!(
            soon(socket.next()).await.unwrap().unwrap(),
            Message::text(expected)
        );
    }
    let request = Request::get(format!(
        "https://localhost:{}/healthz",
        server.address.port()
    ))
    .body(Empty::new())
    .unwrap();
    let response = soon(sender.send_request(request)).await.unwrap();
    assert_eq!(
        response.into_body().collect().await.unwrap().to_bytes(),
        "ok\n"
    );
    let metrics = server.get("/metrics").await;
    assert!(
        metrics.contains("wss_websocket_connections{route=\"/echo\",http=\"2\"} 2"),
        "{metrics}"
    );
    // The end of the server reaches them as it does those over HTTP/1.1.
    let mut server = server;
    server.begin_stop();
    for mut socket in sockets {
        let last = soon(socket.next()).await.unwrap().unwrap();
        assert!(
            matches!(&last, Message::Close(Some(frame)) if u16::from(frame.code) == 1001),
            "{last:?}"
        );
        while let Some(Ok(_)) = soon(socket.next()).await {}
    }
    drop(sender);
    assert_eq!(server.stop().await.cut_off, 0);
}

#[tokio::test]
async fn compression_is_agreed_over_http2_too() {
    let server = start(&[]).await;
    let mut sender = dial(&server).await;
    let response = connect(
        &server,
        &mut sender,
        "/echo",
        &[("sec-websocket-extensions", "permessage-deflate")],
    )
    .await;
    let answer = response.headers()["sec-websocket-extensions"]
        .to_str()
        .unwrap();
    assert!(answer.starts_with("permessage-deflate"), "{answer}");
}

#[tokio::test]
async fn other_requests_for_a_websocket_route_are_refused() {
    let server = start(&[]).await;
    let mut sender = dial(&server).await;
    let response = connect(&server, &mut sender, "/nothing", &[]).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    let response = connect(
        &server,
        &mut sender,
        "/ws",
        &[("origin", "https://evil.example")],
    )
    .await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    let request = Request::get(format!("https://localhost:{}/ws", server.address.port()))
        .body(Empty::new())
        .unwrap();
    let response = soon(sender.send_request(request)).await.unwrap();
    assert_eq!(response.status(), StatusCode::UPGRADE_REQUIRED);
}

#[tokio::test]
async fn h3_other_hosts_are_misdirected_over_http2_too() {
    let server = start(&["--host-allow", "localhost"]).await;
    let mut sender = dial(&server).await;
    let answer = async |sender: &mut Sender, authority: &str, host: Option<&str>| {
        let mut request = Request::get(format!("https://{authority}/"));
        if let Some(host) = host {
            request = request.header("host", host);
        }
        let request = request.body(Empty::new()).unwrap();
        soon(sender.send_request(request))
            .await
            .unwrap()
            .status()
            .as_u16()
    };
    assert_eq!(answer(&mut sender, "localhost:1", None).await, 200);
    assert_eq!(
        answer(&mut sender, "localhost", Some("localhost")).await,
        200
    );
    assert_eq!(answer(&mut sender, "evil.example", None).await, 421);
    assert_eq!(
        answer(&mut sender, "localhost", Some("evil.example")).await,
        400
    );
}
