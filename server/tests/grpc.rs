//! The tutorial's gRPC exchange, over TLS on the server's port and on a plain-text one.

#![allow(
    clippy::large_futures,
    clippy::unwrap_used,
    reason = "it is a test: it may panic, and needs no small stack"
)]

mod common;

use std::future::Future;

use common::{soon, start};
use hyper_util::rt::TokioIo;
use server::grpc::proto::Message;
use server::grpc::proto::chat_service_client::ChatServiceClient;
use tokio::net::TcpStream;
use tonic::Code;
use tonic::transport::{Channel, Endpoint, Uri};

/// A client whose connection comes from `connect`.
async fn client<F, I>(
    url: String,
    connect: impl Fn() -> F + Clone + Send + 'static,
) -> ChatServiceClient<Channel>
where
    F: Future<Output = std::io::Result<I>> + Send + 'static,
    I: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let connector = tower::service_fn(move |_: Uri| {
        let connecting = connect();
        async move { connecting.await.map(TokioIo::new) }
    });
    let endpoint = Endpoint::from_shared(url).unwrap();
    ChatServiceClient::new(
        soon(endpoint.connect_with_connector(connector))
            .await
            .unwrap(),
    )
}

/// A client over TLS on the server's own port.
async fn over_tls(server: &common::Running) -> ChatServiceClient<Channel> {
    let (address, config) = (
        server.address,
        common::client_config(&server.authority(), &["h2"]),
    );
    // tonic wants `http` here: it is the connector that brings TLS.
    client(format!("http://localhost:{}", address.port()), move || {
        common::connect(address, config.clone(), "localhost")
    })
    .await
}

/// Alice's words.
fn hello() -> Message {
    Message {
        sender: "Alice".to_owned(),
        text: "Olá, gRPC!".to_owned(),
    }
}

#[tokio::test]
async fn a_message_is_answered_over_tls() {
    let server = start(&[]).await;
    let mut client = over_tls(&server).await;
    let reply = soon(client.send_message(hello()))
        .await
        .unwrap()
        .into_inner()
        .reply;
    assert_eq!(reply, "Mensagem recebida: Olá, gRPC!");
    // The same port goes on serving everything else.
    assert!(server.get("/healthz").await.contains("200 OK"));
    drop(client);
    assert_eq!(server.stop().await.cut_off, 0);
}

#[tokio::test]
async fn a_message_is_answered_without_tls_where_that_is_wanted() {
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let flag = free.to_string();
    let server = start(&["--grpc-listen", &flag]).await;
    common::until(async || TcpStream::connect(free).await.is_ok()).await;
    let mut client = client(format!("http://{free}"), move || TcpStream::connect(free)).await;
    let reply = soon(client.send_message(hello()))
        .await
        .unwrap()
        .into_inner()
        .reply;
    assert_eq!(reply, "Mensagem recebida: Olá, gRPC!");
    assert_eq!(server.stop().await.cut_off, 0);
}

#[tokio::test]
async fn a_message_beyond_the_limit_is_refused() {
    // R17
    let server = start(&["--max-message-bytes", "1KiB"]).await;
    let mut client = over_tls(&server).await;
    let long = Message {
        text: "a".repeat(2000),
        ..hello()
    };
    let refused = soon(client.send_message(long)).await.unwrap_err();
    assert!(
        matches!(refused.code(), Code::OutOfRange | Code::ResourceExhausted),
        "{refused:?}"
    );
    soon(client.send_message(hello())).await.unwrap();
}
