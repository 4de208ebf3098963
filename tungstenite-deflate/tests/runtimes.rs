//! Executors other than tokio: streams of `futures` traits, and no timer of tokio without deadlines.
//!
//! No runtime of tokio exists here, so a use of `tokio::time` would panic.
#![cfg(feature = "handshake")]
#![allow(clippy::result_large_err, reason = "the signatures are tungstenite's")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use futures_util::{SinkExt, StreamExt};
use smol::net::{TcpListener, TcpStream};
use tokio_util::compat::{Compat, FuturesAsyncReadCompatExt};
use tungstenite_deflate::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tungstenite_deflate::tungstenite::{Error, Message};
use tungstenite_deflate::{accept_async, accept_hdr_async, client_async};

type Stream = Compat<TcpStream>;

async fn pair() -> (Stream, Stream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let connecting = TcpStream::connect(listener.local_addr().unwrap());
    let (near, far) = futures_util::join!(connecting, listener.accept());
    (near.unwrap().compat(), far.unwrap().0.compat())
}

#[test]
fn smol_talks_to_itself() {
    smol::block_on(async {
        let (near, far) = pair().await;
        let (client, server) =
            futures_util::join!(client_async("ws://localhost/", near), accept_async(far));
        let ((mut client, _), mut server) = (client.unwrap(), server.unwrap());
        assert!(client.agreed().is_some() && client.agreed() == server.agreed());
        let echoing = async {
            while let Some(message) = server.next().await {
                let message = message.unwrap();
                if message.is_text() || message.is_binary() {
                    server.send(message).await.unwrap();
                }
            }
        };
        let asking = async {
            for length in [1, 1000, 3_000_000] {
                let message = Message::text("olá ".repeat(length));
                client.send(message.clone()).await.unwrap();
                assert_eq!(client.next().await.unwrap().unwrap(), message);
            }
            client
                .send(Message::Ping(b"?".as_ref().into()))
                .await
                .unwrap();
            assert!(client.next().await.unwrap().unwrap().is_pong());
            client.close(None).await.unwrap();
            assert!(client.next().await.unwrap().unwrap().is_close());
            assert!(client.next().await.is_none());
        };
        futures_util::join!(echoing, asking);
    });
}

/// The wait for the body of a refusal has a deadline on any executor.
#[test]
fn smol_is_refused() {
    smol::block_on(async {
        let (near, far) = pair().await;
        let callback = |_: &Request, _: Response| {
            let mut response = ErrorResponse::new(Some("no".to_owned()));
            *response.status_mut() = http::StatusCode::FORBIDDEN;
            Err::<Response, _>(response)
        };
        let (client, server) = futures_util::join!(
            client_async("ws://localhost/", near),
            accept_hdr_async(far, callback)
        );
        assert!(matches!(server, Err(Error::Http(_))));
        let Err(Error::Http(response)) = client else {
            panic!("{client:?}");
        };
        assert_eq!(response.body().as_deref(), Some(&b"no"[..]));
    });
}
