//! A real server on a free port with fresh certificates, and clients for it.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::large_futures,
    clippy::unwrap_used,
    reason = "each test file uses its own part of this"
)]

pub mod http2;
pub mod network;
pub mod program;
pub mod verdict;

use std::ffi::OsString;
use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use server::{Config, Ending, Server, ServerError};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Response;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};

/// A foreign peer's connection.
pub type Client = WebSocketStream<TlsStream<TcpStream>>;

/// Nothing that is awaited takes longer than this.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A server that is running in this process.
pub struct Running {
    pub address: SocketAddr,
    pub certs: TempDir,
    /// Reads the certificates again.
    pub reload: Box<dyn Fn() + Send + Sync>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<Ending, ServerError>>,
}

/// Settings as if `flags` had been given, with certificates in `certs`.
pub fn config(certs: &Path, flags: &[&str]) -> Config {
    let fixed = ["server", "--certs", certs.to_str().unwrap()];
    let arguments = fixed.iter().chain(flags).map(OsString::from);
    Config::load(arguments).unwrap().config
}

/// Starts a server with `flags`.
pub async fn start(flags: &[&str]) -> Running {
    std::future::ready(start_with(tempfile::tempdir().unwrap(), flags, |server| {
        server
    }))
    .await
}

/// Starts a server with `flags`, certificates in `certs`, and what `extend` adds.
pub fn start_with(
    certs: TempDir,
    flags: &[&str],
    extend: impl FnOnce(Server) -> Server,
) -> Running {
    let server = Server::new(config(certs.path(), flags)).unwrap();
    let server = extend(server::demonstrations::add(server));
    let listener = server::listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let reload = Box::new(server.reloader());
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(server.run(listener, async {
        let _ = stopped.await;
    }));
    Running {
        address,
        certs,
        reload,
        stop: Some(stop),
        task,
    }
}

impl Running {
    /// The CA that clients trust.
    pub fn authority(&self) -> PathBuf {
        self.certs.path().join("ca.crt")
    }

    /// Tells the server to end, without waiting.
    pub fn begin_stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }

    /// Ends the server and waits for it.
    pub async fn stop(mut self) -> Ending {
        self.begin_stop();
        soon(self.task).await.unwrap().unwrap()
    }

    /// TLS to the server, with `protocols` for ALPN.
    pub async fn tls(&self, protocols: &[&str]) -> TlsStream<TcpStream> {
        let config = client_config(&self.authority(), protocols);
        soon(connect(self.address, config, "localhost"))
            .await
            .unwrap()
    }

    /// A WebSocket on `path`, with further `headers`.
    pub async fn open(&self, path: &str, headers: &[(&str, &str)]) -> (Client, Response) {
        self.try_open(path, headers).await.unwrap()
    }

    /// The same where a refusal is expected.
    pub async fn try_open(
        &self,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<(Client, Response), tokio_tungstenite::tungstenite::Error> {
        let stream = self.tls(&["http/1.1"]).await;
        let url = format!("wss://localhost:{}{path}", self.address.port());
        let mut request = url.into_client_request().unwrap();
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            request
                .headers_mut()
                .append(name, HeaderValue::from_str(value).unwrap());
        }
        soon(tokio_tungstenite::client_async(request, stream)).await
    }

    /// Sends bytes as they are over TLS and gives everything that comes back until the server closes or the head and
    /// its body are whole.
    pub async fn exchange(&self, request: &[u8]) -> String {
        let mut stream = self.tls(&["http/1.1"]).await;
        // A server that refuses early may close before all is written; its answer is what counts.
        let _ = stream.write_all(request).await;
        let _ = stream.flush().await;
        soon(read_response(&mut stream)).await
    }

    /// The status of the answer to `request`; 0 if there was none.
    pub async fn status(&self, request: &[u8]) -> u16 {
        status_of(&self.exchange(request).await)
    }

    /// One GET; head and body.
    pub async fn get(&self, path: &str) -> String {
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        self.exchange(request.as_bytes()).await
    }
}

/// The number after `HTTP/1.1 `, 0 if there is none.
pub fn status_of(response: &str) -> u16 {
    response
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or(0)
}

/// Puts a body together that came in chunks (RFC 9112 §7.1); `None` while it is not whole.
pub fn unchunked(mut body: &str) -> Option<String> {
    let mut whole = String::new();
    loop {
        let (size, rest) = body.split_once("\r\n")?;
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            return Some(whole);
        }
        whole.push_str(rest.get(..size)?);
        body = rest.get(size + 2..)?;
    }
}

/// Reads one response: its head, and its body as far as Content-Length says or until the last chunk.
async fn read_response(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let parts = text.split_once("\r\n\r\n");
        if let Some((head, body)) = parts
            && head
                .to_ascii_lowercase()
                .contains("\r\ntransfer-encoding: chunked")
        {
            if let Some(body) = unchunked(body) {
                return format!("{head}\r\n\r\n{body}");
            }
        } else if let Some((head, body)) = parts {
            let length = head.lines().find_map(|line| {
                line.to_ascii_lowercase()
                    .strip_prefix("content-length: ")?
                    .parse()
                    .ok()
            });
            if body.len() >= length.unwrap_or(0_usize) {
                return text;
            }
        }
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return text,
            Ok(count) => bytes.extend_from_slice(&chunk[..count]),
        }
    }
}

/// A client that trusts `authority` and shows no certificate.
pub fn client_config(authority: &Path, protocols: &[&str]) -> ClientConfig {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    let mut config = builder
        .with_root_certificates(certs::load_roots(authority).unwrap())
        .with_no_client_auth();
    config.alpn_protocols = protocols
        .iter()
        .map(|protocol| protocol.as_bytes().to_vec())
        .collect();
    config
}

/// TCP and TLS.
pub async fn connect(
    address: SocketAddr,
    config: ClientConfig,
    name: &str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    // Else a long message waits 40 ms for the acknowledgement of its first part.
    stream.set_nodelay(true)?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
}

/// Waits for what must happen soon.
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("this should not take so long")
}

/// Asks until `condition` holds.
pub async fn until<F: Future<Output = bool>>(mut condition: impl FnMut() -> F) {
    soon(async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

/// An opening handshake for `path` that a server must accept, with `more` lines at its end.
pub fn handshake(path: &str, more: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{more}\r\n"
    )
}
