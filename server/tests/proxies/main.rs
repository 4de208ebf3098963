//! The client's address behind a proxy, and every kind of listener (threats N1 to N6).
//!
//! The proxies are this test: their headers are written byte by byte. Real ones are in `scripts/behind-proxies`.

#![allow(
    clippy::large_futures,
    clippy::unwrap_used,
    reason = "it is a test: it may panic, and needs no small stack"
)]

#[path = "../common/mod.rs"]
mod common;
mod fields;
mod header;
mod listeners;
mod log;
mod multiplexed;

use std::net::SocketAddr;
use std::path::PathBuf;

use common::{client_config, config, soon, status_of};
use futures_util::SinkExt;
use rustls::pki_types::ServerName;
use server::{Conversation, Listener, Server};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A server on every listener of its settings, with `/who`, which tells a client its address.
pub(crate) struct Site {
    /// In the order of the settings; Unix sockets are left out.
    pub(crate) addresses: Vec<SocketAddr>,
    certs: tempfile::TempDir,
    task: JoinHandle<()>,
}

impl Drop for Site {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Starts a server with `flags`; without `--listen` among them, with TLS on a free port.
pub(crate) fn start(flags: &[&str]) -> Site {
    let certs = tempfile::tempdir().unwrap();
    let mut flags = flags.to_vec();
    if !flags.contains(&"--listen") {
        flags.extend(["--listen", "127.0.0.1:0"]);
    }
    let config = config(certs.path(), &flags);
    let listeners = server::listeners(&config.network).unwrap();
    let addresses = listeners.iter().filter_map(Listener::tcp_address).collect();
    let server = Server::new(config)
        .unwrap()
        .route("/who", |socket, info| async move {
            let who = format!(
                "{} {}",
                info.peer,
                info.tls().map_or("plain", |tls| tls.version)
            );
            let mut conversation = Conversation::new(socket, info);
            let _ = conversation.feed(who.as_str().into()).await;
            while conversation.next().await.is_some() {}
        });
    let task = tokio::spawn(async move {
        let _ = server.run_on(listeners, std::future::pending()).await;
    });
    Site {
        addresses,
        certs,
        task,
    }
}

impl Site {
    /// The CA that clients trust.
    fn authority(&self) -> PathBuf {
        self.certs.path().join("ca.crt")
    }

    /// TLS to the first listener, after `header`.
    pub(crate) async fn tls_after(&self, header: &[u8]) -> std::io::Result<TlsStream<TcpStream>> {
        let mut stream = TcpStream::connect(self.addresses[0]).await?;
        stream.write_all(header).await?;
        let name = ServerName::try_from("localhost").unwrap();
        let config = client_config(&self.authority(), &["http/1.1"]);
        TlsConnector::from(std::sync::Arc::new(config))
            .connect(name, stream)
            .await
    }

    /// The listener at position `at` without TLS.
    pub(crate) async fn plain(&self, at: usize) -> TcpStream {
        TcpStream::connect(self.addresses[at]).await.unwrap()
    }

    /// The response to a GET for `path` over the plain listener at position `at`.
    pub(crate) async fn get(&self, at: usize, path: &str, fields: &str) -> String {
        let mut stream = self.plain(at).await;
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{fields}Connection: close\r\n\r\n");
        exchange(&mut stream, request.as_bytes()).await
    }
}

/// Sends `request` and reads until the end.
pub(crate) async fn exchange(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    request: &[u8],
) -> String {
    let mut answer = Vec::new();
    // A server that refuses early may close before all is written; its answer is what counts.
    let _ = stream.write_all(request).await;
    let _ = soon(stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// Returns the answer of `/who` over `stream` to a request with `fields`, or the status of a refusal.
pub(crate) async fn who<S>(stream: S, fields: &[(&str, &str)]) -> Result<String, u16>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut client, who) = open_who(stream, fields).await?;
    soon(client.close(None)).await.unwrap();
    Ok(who)
}

/// The same, with the WebSocket still open.
pub(crate) async fn open_who<S>(
    stream: S,
    fields: &[(&str, &str)],
) -> Result<(tokio_tungstenite::WebSocketStream<S>, String), u16>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    use futures_util::StreamExt;
    use tokio_tungstenite::tungstenite::Error;
    use tokio_tungstenite::tungstenite::client::IntoClientRequest;
    use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};

    let mut request = "ws://localhost/who".into_client_request().unwrap();
    for (name, value) in fields {
        let name: HeaderName = name.parse().unwrap();
        let value = HeaderValue::from_str(value).unwrap();
        if name == "host" {
            request.headers_mut().insert(name, value);
        } else {
            request.headers_mut().append(name, value);
        }
    }
    match soon(tokio_tungstenite::client_async(request, stream)).await {
        Ok((mut client, _)) => {
            let message = soon(client.next()).await.unwrap().unwrap();
            client.flush().await.unwrap();
            Ok((client, message.into_text().unwrap().to_string()))
        }
        Err(Error::Http(response)) => Err(response.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

/// The status of a response.
pub(crate) fn status(response: &str) -> u16 {
    status_of(response)
}
