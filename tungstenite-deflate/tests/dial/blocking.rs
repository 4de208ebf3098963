//! The same by the blocking API.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::task::spawn_blocking;
use tungstenite_deflate::Options;
use tungstenite_deflate::dial::{Dial, Family, Proxy, ProxyError};
use tungstenite_deflate::sync::{Error, connect_with_options};

use super::addresses::black_hole;
use super::servers::{http_proxy, inside, listen, server, socks_proxy};

async fn connect(url: impl Into<String>, dial: Dial) -> Result<(), Error> {
    let (url, options) = (url.into(), Options::default().dial(dial));
    let connecting = spawn_blocking(move || connect_with_options(url, options, 1).map(drop));
    connecting.await.unwrap()
}

/// A server that sends a byte of its answer now and then, and never all of it.
async fn trickling() -> SocketAddr {
    listen(|mut socket| async move {
        let mut pause = tokio::time::interval(Duration::from_millis(5));
        let _ = socket.write_all(b"HTTP/1.1 101 x\r\nName: ").await;
        while socket.write_all(b"a").await.is_ok() {
            pause.tick().await;
        }
    })
    .await
}

#[tokio::test]
async fn deadline_ends_every_step() {
    let hole = black_hole().await;
    // Accepts the connection by the backlog of the kernel, and never answers the request.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = silent
        .local_addr()
        .map(|address| (address, silent))
        .unwrap();
    let trickling = trickling().await;
    let redirecting = format!("{}/to?ws://{trickling}/", server().await.0);
    for place in [
        hole.address.to_string(),
        silent.0.to_string(),
        trickling.to_string(),
        redirecting,
    ] {
        let dial = Dial::default().timeout(Some(Duration::from_millis(80)));
        let overdue = connect(format!("ws://{place}"), dial).await;
        assert!(
            matches!(&overdue, Err(Error::Io(error)) if error.kind() == ErrorKind::TimedOut),
            "{place}: {overdue:?}"
        );
    }
    let alive = server().await.0;
    let dial = Dial::default().timeout(Some(Duration::from_secs(60)));
    connect(format!("ws://{alive}/"), dial).await.unwrap();
}

#[cfg(feature = "__rustls")]
#[tokio::test]
async fn deadline_ends_tls_of_a_slow_server() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dial = Dial::default().timeout(Some(Duration::from_millis(80)));
    let overdue = connect(format!("wss://{}/", silent.local_addr().unwrap()), dial).await;
    assert!(
        matches!(&overdue, Err(Error::Io(error)) if error.kind() == ErrorKind::TimedOut),
        "{overdue:?}"
    );
}

#[tokio::test]
async fn family_is_kept_to() {
    let port = server().await.0.port();
    for (family, connects) in [(Family::Any, true), (Family::V4, true), (Family::V6, false)] {
        let result = connect(
            format!("ws://127.0.0.1:{port}/"),
            Dial::default().family(family),
        );
        assert_eq!(result.await.is_ok(), connects, "{family:?}");
    }
}

#[tokio::test]
async fn proxies_are_gone_through() {
    let (server, requests) = server().await;
    let url = format!("ws://{server}/chat");
    let (http, tunnels) = http_proxy().await;
    let with_password: Proxy = format!("http://alice:hunter2@{http}").parse().unwrap();
    connect(&url, Dial::default().proxy(with_password))
        .await
        .unwrap();
    let tunnel = tunnels.lock().unwrap().pop().unwrap();
    assert!(
        tunnel.starts_with(&format!("CONNECT {server} ")),
        "{tunnel}"
    );

    let (socks, asked) = socks_proxy(server).await;
    let names: Proxy = format!("socks5h://{socks}").parse().unwrap();
    let dial = Dial::default().proxy(names);
    connect("ws://server.example/", dial).await.unwrap();
    assert_eq!(asked.lock().unwrap().pop().unwrap(), "server.example:80");
    assert_eq!(requests.lock().unwrap().len(), 2);

    let without: Proxy = format!("http://{http}").parse().unwrap();
    let refused = connect(&url, Dial::default().proxy(without))
        .await
        .unwrap_err();
    assert!(
        matches!(inside(&refused), ProxyError::Status { status: 407, .. }),
        "{refused}"
    );
    assert_eq!(requests.lock().unwrap().len(), 2, "never around the proxy");
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy: Proxy = format!("http://{}", silent.local_addr().unwrap())
        .parse()
        .unwrap();
    let dial = Dial::default()
        .proxy(proxy)
        .timeout(Some(Duration::from_millis(80)));
    let overdue = connect(&url, dial).await;
    assert!(
        matches!(&overdue, Err(Error::Io(error)) if error.kind() == ErrorKind::TimedOut),
        "{overdue:?}"
    );
}
