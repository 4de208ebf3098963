//! wss by rustls: `client_tls` and halves on two threads.

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use rustls::pki_types::PrivateKeyDer;
use rustls::{ClientConfig, RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use tungstenite_deflate::Connector;
use tungstenite_deflate::sync::stream::MaybeTlsStream;
use tungstenite_deflate::sync::{Error, Message, WebSocket, accept, client_tls_with_config};

use crate::two_threads::floods_both_ways;

type Client = WebSocket<MaybeTlsStream<TcpStream>>;
type Server = WebSocket<StreamOwned<ServerConnection, TcpStream>>;

/// A client and a server over TLS, both by the functions of tungstenite.
fn pair() -> (Client, Server) {
    let (client, server) = open(true);
    (client.unwrap(), server.unwrap())
}

/// The results of both sides; the client may trust the server's certificate or not.
fn open(is_trusted: bool) -> (Result<Client, String>, Result<Server, String>) {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let mut roots = RootCertStore::empty();
    if is_trusted {
        roots.add(made.cert.der().clone()).unwrap();
    }
    let server = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let client = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serving = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let session = ServerConnection::new(Arc::new(server)).unwrap();
        accept(StreamOwned::new(session, stream)).map_err(|error| error.to_string())
    });
    let stream = TcpStream::connect(address).unwrap();
    let url = format!("wss://localhost:{}/", address.port());
    let connector = Connector::Rustls(Arc::new(client));
    let client = client_tls_with_config(url, stream, None, Some(connector));
    let client = client.map(|(client, _)| client);
    (
        client.map_err(|error| error.to_string()),
        serving.join().unwrap(),
    )
}

#[test]
fn messages_are_compressed_over_tls() {
    let (mut client, mut server) = pair();
    assert!(client.agreed().is_some());
    client.send(Message::text("Olá")).unwrap();
    assert_eq!(server.read().unwrap(), Message::text("Olá"));
    server.close(None).unwrap();
    assert!(client.read().unwrap().is_close());
    // Its answer, and the wait for the server to go.
    let waiting = thread::spawn(move || client.read().unwrap_err());
    assert!(server.read().unwrap().is_close());
    assert!(matches!(server.read(), Err(Error::ConnectionClosed)));
    // Without `close_notify`, as tungstenite's servers do.
    drop(server);
    let end = waiting.join().unwrap();
    assert!(matches!(end, Error::ConnectionClosed), "{end:?}");
}

#[test]
fn tls_floods_both_ways() {
    let (client, server) = pair();
    floods_both_ways(client, server);
}

#[test]
fn a_server_that_is_not_trusted_is_refused() {
    let (client, server) = open(false);
    let refused = client.unwrap_err();
    assert!(refused.contains("certificate"), "{refused}");
    assert!(server.is_err());
}
