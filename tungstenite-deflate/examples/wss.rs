//! A wss server that sends back what it gets. `cargo run -p tungstenite-deflate --example wss ADDRESS CERTIFICATE KEY`
#![expect(clippy::print_stdout, reason = "a program; its output is the point")]

use std::{error::Error, sync::Arc, time::Duration};

use futures_util::{SinkExt, StreamExt};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio::{net::TcpListener, time::timeout};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};
use tungstenite_deflate::{Options, accept_async_with_options};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, certificate, key] = &arguments[..] else {
        return Err("usage: wss ADDRESS CERTIFICATE KEY".into());
    };
    let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_file(key)?;
    let config = ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(chain, key)?;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(address).await?;
    println!("listening on wss://{}", listener.local_addr()?);
    loop {
        let (socket, _) = listener.accept().await?;
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let tls = timeout(Duration::from_secs(10), acceptor.accept(socket));
            let stream = tls.await??;
            let mut socket = accept_async_with_options(stream, Options::default()).await?;
            while let Some(message) = socket.next().await {
                match message {
                    Ok(data) if data.is_text() || data.is_binary() => drop(socket.send(data).await),
                    _ => {}
                }
            }
            Ok::<_, Box<dyn Error + Send + Sync>>(())
        });
    }
}
