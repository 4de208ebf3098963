//! Echo client for Autobahn's fuzzing server, which it finds in `AUTOBAHN_URL`: `autobahn-client [AGENT]`.
//!
//! On wss it trusts the certificate in `AUTOBAHN_CERT`. `scripts/conformance` uses it.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program; its output is the point"
)]

use std::error::Error;
use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tungstenite_deflate::deflate::WindowBits;
use tungstenite_deflate::tungstenite::Message;
use tungstenite_deflate::tungstenite::protocol::WebSocketConfig;
use tungstenite_deflate::{
    DeflateConfig, Options, WebSocketStream, client_async_with_options, tungstenite,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let agent = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "tungstenite-deflate".to_owned());
    let url = std::env::var("AUTOBAHN_URL")
        .map_err(|_| "AUTOBAHN_URL is not set; start this through the fuzzing server")?;
    let server = Server::new(&url)?;
    let count: u32 = server.number("/getCaseCount").await?;
    for case in 1..=count {
        if let Err(error) = server
            .echo(&format!("/runCase?case={case}&agent={agent}"))
            .await
            && std::env::var_os("AUTOBAHN_LOG").is_some()
        {
            eprintln!("case {case}: {error}");
        }
    }
    server
        .echo(&format!("/updateReports?agent={agent}"))
        .await?;
    println!("{count} cases");
    Ok(())
}

/// Address of the fuzzing server, and its authority.
struct Server {
    url: String,
    authority: String,
    tls: Option<TlsConnector>,
}

impl Server {
    fn new(url: &str) -> Result<Self, Box<dyn Error>> {
        let (scheme, authority) = url.split_once("://").ok_or("AUTOBAHN_URL has no scheme")?;
        let tls = if scheme == "wss" {
            Some(connector(&std::env::var("AUTOBAHN_CERT")?)?)
        } else {
            None
        };
        Ok(Self {
            url: url.to_owned(),
            authority: authority.to_owned(),
            tls,
        })
    }

    /// Echoes on one connection until it is closed.
    async fn echo(&self, path: &str) -> Result<(), Box<dyn Error>> {
        let stream = TcpStream::connect(&self.authority).await?;
        stream.set_nodelay(true)?;
        match &self.tls {
            None => echo(self.open(path, stream).await?).await?,
            Some(tls) => {
                let stream = tls.connect(self.name()?, stream).await?;
                echo(self.open(path, stream).await?).await?;
            }
        }
        Ok(())
    }

    /// The number that the server sends on `path`.
    async fn number(&self, path: &str) -> Result<u32, Box<dyn Error>> {
        let stream = TcpStream::connect(&self.authority).await?;
        let message = match &self.tls {
            None => self.open(path, stream).await?.next().await,
            Some(tls) => {
                self.open(path, tls.connect(self.name()?, stream).await?)
                    .await?
                    .next()
                    .await
            }
        };
        Ok(message
            .ok_or("closed without a number")??
            .to_text()?
            .parse()?)
    }

    async fn open<S>(&self, path: &str, stream: S) -> Result<WebSocketStream<S>, tungstenite::Error>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let url = format!("{}{path}", self.url);
        Ok(client_async_with_options(url, stream, options()).await?.0)
    }

    fn name(&self) -> Result<ServerName<'static>, Box<dyn Error>> {
        let host = self
            .authority
            .rsplit_once(':')
            .map_or(self.authority.as_str(), |(host, _)| host);
        Ok(ServerName::try_from(host.to_owned())?)
    }
}

/// Sends each message back as it came until the connection is closed.
async fn echo<S: AsyncRead + AsyncWrite + Unpin>(
    mut websocket: WebSocketStream<S>,
) -> Result<(), tungstenite::Error> {
    let mut outcome = Ok(());
    while let Some(message) = websocket.next().await {
        match message {
            Ok(data @ (Message::Text(_) | Message::Binary(_))) => {
                // `next` flushes what was fed.
                outcome = outcome.and(websocket.feed(data).await);
            }
            Ok(_) => {}
            // Not `?`: the stream still writes its Close and ends the transport.
            Err(error) => outcome = outcome.and(Err(error)),
        }
    }
    outcome
}

/// Sizes for 9.*, whose messages reach 16 MiB; 12.* and 13.* want every message compressed, with context takeover and
/// windows of the server's choice.
fn options() -> Options {
    let sizes = WebSocketConfig::default()
        .max_message_size(Some(64 << 20))
        .max_frame_size(Some(64 << 20));
    let deflate = DeflateConfig::default()
        .threshold(0)
        .server_no_context_takeover(false)
        .client_no_context_takeover(false)
        .client_max_window_bits(WindowBits::MAX);
    Options::default().websocket(sizes).deflate(Some(deflate))
}

/// TLS that trusts the certificate in a PEM file.
fn connector(certificate: &str) -> Result<TlsConnector, Box<dyn Error>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate)?)?;
    let config = rustls::ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
