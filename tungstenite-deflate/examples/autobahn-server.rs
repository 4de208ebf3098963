//! Echo server for Autobahn's fuzzing client: `autobahn-server [ADDR:PORT] [--tls CERT KEY]`.
//!
//! Port 0 works; the address is printed. `scripts/conformance` uses it.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program; its output is the point"
)]

use std::error::Error;

use futures_util::{SinkExt, StreamExt};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tungstenite_deflate::tungstenite::Message;
use tungstenite_deflate::tungstenite::protocol::WebSocketConfig;
use tungstenite_deflate::{DeflateConfig, Options, accept_async_with_options, tungstenite};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments
        .next()
        .unwrap_or_else(|| "127.0.0.1:9001".to_owned());
    let tls = match (
        arguments.next().as_deref(),
        arguments.next(),
        arguments.next(),
    ) {
        (None, ..) => None,
        (Some("--tls"), Some(certificate), Some(key)) => Some(acceptor(&certificate, &key)?),
        _ => return Err("usage: autobahn-server [ADDR:PORT] [--tls CERT KEY]".into()),
    };
    let listener = TcpListener::bind(&address).await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (stream, peer) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let tls = tls.clone();
        tokio::spawn(async move {
            let ended = match tls {
                None => echo(stream).await,
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => echo(stream).await,
                    Err(error) => Err(error.into()),
                },
            };
            // Most cases break the protocol on purpose, so an error is news only to somebody who looks for it.
            if let Err(error) = ended
                && std::env::var_os("AUTOBAHN_LOG").is_some()
            {
                eprintln!("{peer}: {error}");
            }
        });
    }
}

/// Sends each message back as it came until the connection is closed.
async fn echo<S: AsyncRead + AsyncWrite + Unpin>(stream: S) -> Result<(), tungstenite::Error> {
    let mut websocket = accept_async_with_options(stream, options()).await?;
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

/// Sizes for 9.*, whose messages reach 16 MiB; 12.* and 13.* want every message compressed, with context takeover.
fn options() -> Options {
    let sizes = WebSocketConfig::default()
        .max_message_size(Some(64 << 20))
        .max_frame_size(Some(64 << 20));
    let deflate = DeflateConfig::default()
        .threshold(0)
        .server_no_context_takeover(false)
        .client_no_context_takeover(false);
    Options::default().websocket(sizes).deflate(Some(deflate))
}

/// TLS with the certificate and key in two PEM files.
fn acceptor(certificate: &str, key: &str) -> Result<TlsAcceptor, Box<dyn Error>> {
    let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_file(key)?;
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    Ok(TlsAcceptor::from(std::sync::Arc::new(config)))
}
