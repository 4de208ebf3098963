//! Beside the asynchronous API: each is the peer of the other.

use std::thread;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpListener;
use tungstenite_deflate::sync::{self, Error, Message};

use crate::text;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

fn messages() -> Vec<Message> {
    (0..40)
        .map(|number| match number % 2 {
            0 => text(number * 97),
            _ => Message::binary(vec![number.to_le_bytes()[0]; number * 53]),
        })
        .collect()
}

#[test]
fn a_blocking_client_talks_to_an_asynchronous_server() {
    runtime().block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/", listener.local_addr().unwrap());
        let client = thread::spawn(move || {
            let (mut socket, _) = sync::connect(url).unwrap();
            for message in messages() {
                socket.send(message.clone()).unwrap();
                assert_eq!(socket.read().unwrap(), message);
            }
            socket.close(None).unwrap();
            assert_eq!(socket.read().unwrap(), Message::Close(None));
            assert!(matches!(socket.read(), Err(Error::ConnectionClosed)));
            socket.statistics()
        });
        let (stream, _) = listener.accept().await.unwrap();
        let mut socket = tungstenite_deflate::accept_async(stream).await.unwrap();
        while let Some(message) = socket.next().await {
            let message = message.unwrap();
            if message.is_text() || message.is_binary() {
                socket.send(message).await.unwrap();
            }
        }
        assert!(client.join().unwrap().is_some(), "compression was agreed");
    });
}

#[test]
fn an_asynchronous_client_talks_to_a_blocking_server() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        let mut socket = sync::accept(listener.accept().unwrap().0).unwrap();
        let end = loop {
            match socket.read() {
                Ok(message) if message.is_text() || message.is_binary() => {
                    socket.send(message).unwrap();
                }
                Ok(_) => {}
                Err(end) => break end,
            }
        };
        assert!(matches!(end, Error::ConnectionClosed), "{end:?}");
        socket.statistics()
    });
    runtime().block_on(async {
        let (mut socket, _) = tungstenite_deflate::connect_async(url).await.unwrap();
        for message in messages() {
            socket.send(message.clone()).await.unwrap();
            assert_eq!(socket.next().await.unwrap().unwrap(), message);
        }
        socket.close(None).await.unwrap();
        assert!(matches!(socket.next().await, Some(Ok(Message::Close(_)))));
        assert!(socket.next().await.is_none());
    });
    assert!(server.join().unwrap().is_some(), "compression was agreed");
}
