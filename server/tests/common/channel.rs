//! gRPC channels to a server of ours.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::large_futures,
    clippy::unwrap_used,
    reason = "each test file uses its own part of this"
)]

use std::future::Future;

use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tonic::transport::{Channel, Endpoint, Uri};

use crate::common::{self, soon, start};

/// A channel whose connections come from `connect`; `None` stands for tonic's own window.
async fn channel<F, I>(
    url: String,
    window: Option<u32>,
    connect: impl Fn() -> F + Clone + Send + 'static,
) -> Channel
where
    F: Future<Output = std::io::Result<I>> + Send + 'static,
    I: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let connector = tower::service_fn(move |_: Uri| {
        let connecting = connect();
        async move { connecting.await.map(TokioIo::new) }
    });
    let endpoint = Endpoint::from_shared(url)
        .unwrap()
        .initial_stream_window_size(window);
    soon(endpoint.connect_with_connector(connector))
        .await
        .unwrap()
}

/// A channel over TLS to the server's own port.
pub async fn over_tls(server: &common::Running) -> Channel {
    over_tls_with_window(server, None).await
}

/// The same, whose client takes `window` bytes of each response unread.
pub async fn over_tls_with_window(server: &common::Running, window: Option<u32>) -> Channel {
    let (address, config) = (
        server.address,
        common::client_config(&server.authority(), &["h2"]),
    );
    // tonic wants `http` here: it is the connector that brings TLS.
    let url = format!("http://localhost:{}", address.port());
    channel(url, window, move || {
        common::connect(address, config.clone(), "localhost")
    })
    .await
}

/// A server with a plain-text port and `flags`, and a channel to that.
pub async fn plain(flags: &[&str]) -> (common::Running, Channel) {
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let flag = free.to_string();
    let flags = [&["--grpc-listen", &flag], flags].concat();
    let server = start(&flags).await;
    common::until(async || TcpStream::connect(free).await.is_ok()).await;
    let channel = channel(format!("http://{free}"), None, move || {
        TcpStream::connect(free)
    })
    .await;
    (server, channel)
}
