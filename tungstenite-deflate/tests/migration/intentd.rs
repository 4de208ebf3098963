//! A server as intent-hq's intentd is, retyped: it reads the request by itself and negotiates the offers by hand.

use bytes::BytesMut;
use futures_util::{SinkExt, StreamExt};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tungstenite_deflate::deflate::negotiate;
use tungstenite_deflate::tungstenite::Message;
use tungstenite_deflate::tungstenite::handshake::derive_accept_key;
use tungstenite_deflate::tungstenite::protocol::Role;
use tungstenite_deflate::{Options, WebSocketStream, connect_async_with_options};

use crate::bytes::{fork_bytes, recipe, session};
use crate::events;
use crate::servers::{header, listen, read_head};

async fn serve(mut socket: TcpStream) {
    let head = read_head(&mut socket).await;
    let key = header(&head, "sec-websocket-key").unwrap();
    let negotiated = negotiate::accept_offers(header(&head, "sec-websocket-extensions"), &recipe());
    let mut response = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n",
        derive_accept_key(key.as_bytes())
    );
    if let Some((_, value)) = &negotiated {
        response += "Sec-WebSocket-Extensions: ";
        response += value;
        response += "\r\n";
    }
    response += "\r\n";
    socket.write_all(response.as_bytes()).await.unwrap();
    let agreed = negotiated.map(|(agreed, _)| agreed);
    let options = Options::default().deflate(Some(recipe()));
    let mut socket =
        WebSocketStream::with_options(socket, BytesMut::new(), Role::Server, options, agreed);
    for event in session() {
        socket.feed(Message::text(event)).await.unwrap();
    }
    socket.close(None).await.unwrap();
    while socket.next().await.is_some() {}
}

#[tokio::test]
async fn offers_are_negotiated_by_the_program() {
    let url = format!("ws://{}/", listen(serve).await);
    for deflate in [Some(recipe()), None] {
        let compressed = deflate.is_some();
        let options = Options::default().deflate(deflate);
        let (mut socket, _) = connect_async_with_options(&url, options, false)
            .await
            .unwrap();
        assert_eq!(events(&mut socket).await, session());
        let received = socket.statistics().map(|statistics| statistics.received);
        assert_eq!(received.is_some(), compressed);
        if let Some(received) = received {
            let fork = u64::try_from(fork_bytes(&session())).unwrap();
            assert!(
                received.wire_bytes * 100 <= fork * 105,
                "{received:?} against {fork}"
            );
        }
    }
}
