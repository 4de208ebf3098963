//! The end over real TLS: `close_notify` (RFC 8446 §6.1) is sent after the last frame, and a client waits for the server's.
//!
//! Members tried, in both roles and with the defaults of the drop-in functions and of `Options`: the closing handshake that either
//! side begins, a violation by the peer, a message that is too big, an end without a Close, an end without `close_notify`.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test may panic")]

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::{FutureExt, SinkExt, StreamExt};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{Options, WebSocketStream};

type Tls = TlsStream<TcpStream>;

/// A WebSocket in `role` and the other end of its TLS session.
async fn pair(role: Role, options: Options) -> (WebSocketStream<Tls>, Tls) {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let server = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let client = rustls::ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepting = async {
        let (stream, _) = listener.accept().await.unwrap();
        TlsAcceptor::from(Arc::new(server)).accept(stream).await
    };
    let connecting = async {
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(client))
            .connect(name, stream)
            .await
    };
    let (server, client) = tokio::join!(accepting, connecting);
    let (server, client) = (Tls::from(server.unwrap()), Tls::from(client.unwrap()));
    let (own, far) = match role {
        Role::Server => (server, client),
        Role::Client => (client, server),
    };
    let socket = WebSocketStream::with_options(own, BytesMut::new(), role, options, None);
    (socket, far)
}

/// A frame as the peer of `role` writes it; the masking key of a client is zero.
fn frame(role: Role, first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    let mut bytes = match role {
        Role::Server => vec![first, 0x80 | length, 0, 0, 0, 0],
        Role::Client => vec![first, length],
    };
    bytes.extend_from_slice(payload);
    bytes
}

/// Reads all that the WebSocket writes until its `close_notify`; without one it is an error.
async fn rest(far: &mut Tls) -> Result<Vec<u8>, ErrorKind> {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(10), far.read_to_end(&mut bytes));
    match read.await.expect("an end within 10 s") {
        Ok(_) => Ok(bytes),
        Err(error) => Err(error.kind()),
    }
}

/// The code of the Close frame that is all the WebSocket in `role` wrote.
fn close_code(role: Role, bytes: &[u8]) -> u16 {
    assert_eq!(bytes[0], 0x88, "{bytes:x?}");
    let (key, payload) = match role {
        Role::Server => ([0; 4], &bytes[2..]),
        Role::Client => (bytes[2..6].try_into().unwrap(), &bytes[6..]),
    };
    u16::from_be_bytes([payload[0] ^ key[0], payload[1] ^ key[1]])
}

fn every_choice() -> Vec<(Role, Options)> {
    let all = [Role::Server, Role::Client].map(|role| {
        [Options::default(), Options::drop_in(None)].map(move |options| (role, options))
    });
    all.into_iter().flatten().collect()
}

/// Returns the items of the stream until it ends.
async fn to_the_end(socket: &mut WebSocketStream<Tls>) -> Vec<Result<Message, Error>> {
    let all = socket.by_ref().collect::<Vec<_>>();
    tokio::time::timeout(Duration::from_secs(10), all)
        .await
        .expect("an end within 10 s")
}

#[tokio::test]
async fn a_closing_handshake_ends_in_close_notify_of_both() {
    for own_close_first in [true, false] {
        for (role, options) in every_choice() {
            let (mut socket, mut far) = pair(role, options).await;
            if own_close_first {
                socket.send(Message::Close(None)).await.unwrap();
            }
            far.write_all(&frame(role, 0x88, b"")).await.unwrap();
            assert!(socket.next().await.unwrap().unwrap().is_close());
            match role {
                // The server ends first (RFC 6455 §7.1.1).
                Role::Server => {
                    assert!(to_the_end(&mut socket).await.is_empty());
                    assert!(rest(&mut far).await.is_ok());
                }
                Role::Client => {
                    assert!(socket.next().now_or_never().is_none(), "it waits");
                    far.shutdown().await.unwrap();
                    assert!(to_the_end(&mut socket).await.is_empty());
                    assert!(rest(&mut far).await.is_ok());
                }
            }
        }
    }
}

/// Whoever goes on to `None` after the error leaves in order: the peer reads the code, then `close_notify`.
#[tokio::test]
async fn an_error_is_followed_by_close_and_close_notify() {
    for (bytes, code) in [
        (&[0x83, 0][..], 1002),
        (b"\xc1\x00", 1002),
        (b"\x81\x01\xff", 1007),
        (b"\x82\x02ab", 1009),
    ] {
        for (role, mut options) in every_choice() {
            options.websocket.max_message_size = Some(1);
            let (mut socket, mut far) = pair(role, options).await;
            far.write_all(&frame(role, bytes[0], &bytes[2..]))
                .await
                .unwrap();
            assert!(socket.next().await.unwrap().is_err());
            let (after, read) = tokio::join!(to_the_end(&mut socket), async {
                let read = rest(&mut far).await;
                far.shutdown().await.unwrap();
                read
            });
            assert!(after.is_empty(), "{after:?}");
            assert_eq!(close_code(role, &read.expect("close_notify")), code);
        }
    }
}

/// The peer leaves: with `close_notify` alone, or with nothing at all.
#[tokio::test]
async fn an_end_without_a_close_is_an_error_and_answered() {
    for notifies in [true, false] {
        for (role, options) in every_choice() {
            let (mut socket, mut far) = pair(role, options).await;
            if notifies {
                far.shutdown().await.unwrap();
            } else {
                far.get_mut().0.shutdown().await.unwrap();
            }
            assert!(socket.next().await.unwrap().is_err());
            assert!(to_the_end(&mut socket).await.is_empty());
            if notifies {
                assert!(rest(&mut far).await.is_ok());
            }
        }
    }
}
