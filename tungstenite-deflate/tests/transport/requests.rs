//! Requests of a program to a socket beside messages.

use std::sync::Arc;

use bytes::BytesMut;
use futures_util::{SinkExt, StreamExt};
use tungstenite_deflate::tungstenite::Message;
use tungstenite_deflate::tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite_deflate::{Agreed, Compression, Options, WebSocketStream};

use super::{ROLES, Wire, frame};

#[tokio::test(start_paused = true)]
async fn the_transport_and_the_choices_can_be_asked_for_and_taken_back() {
    for role in ROLES {
        let wire = Wire::default();
        let config = WebSocketConfig::default().max_message_size(Some(77));
        let read_before = frame(role, 0x81, b"early");
        let mut socket =
            WebSocketStream::from_partially_read(wire.clone(), read_before, role, Some(config))
                .await;
        assert_eq!(socket.get_config().max_message_size, Some(77));
        assert!(Arc::ptr_eq(&socket.get_ref().0, &wire.0));
        assert!(Arc::ptr_eq(&socket.get_mut().0, &wire.0));
        let message = socket.next().await.unwrap().unwrap();
        assert_eq!(message, Message::text("early"));
        // Two messages in one read: one is delivered, the other is given back as bytes.
        let second = frame(role, 0x82, b"second");
        wire.gives(&[frame(role, 0x82, b"first"), second.clone()].concat());
        let message = socket.next().await.unwrap().unwrap();
        assert_eq!(message, Message::binary(&b"first"[..]));
        let (back, rest) = socket.into_parts();
        assert!(Arc::ptr_eq(&back.0, &wire.0));
        assert_eq!(rest, second);
        let back = wire.socket(role, Options::default()).into_inner();
        assert!(Arc::ptr_eq(&back.0, &wire.0));
    }
}

#[tokio::test(start_paused = true)]
async fn one_message_may_be_compressed_against_the_rule() {
    let agreed = Agreed {
        server_no_context_takeover: true,
        client_no_context_takeover: true,
        server_max_window_bits: 15,
        client_max_window_bits: 15,
    };
    let (short, long) = ("short".to_owned(), "long ".repeat(100));
    for role in ROLES {
        for (text, choice, compressed) in [
            (&short, Compression::Auto, false),
            (&short, Compression::Always, true),
            (&long, Compression::Auto, true),
            (&long, Compression::Never, false),
        ] {
            let wire = Wire::default();
            let mut socket = WebSocketStream::with_options(
                wire.clone(),
                BytesMut::new(),
                role,
                Options::default(),
                Some(agreed),
            );
            let message = Message::text(text.as_str());
            socket.feed_with(message.clone(), choice).await.unwrap();
            assert!(wire.state().outgoing.is_empty(), "fed, not flushed");
            socket.flush().await.unwrap();
            let sent = wire.state().outgoing.clone();
            assert_eq!(sent[0], if compressed { 0xc1 } else { 0x81 }, "{choice:?}");
            let other = match role {
                Role::Server => Role::Client,
                Role::Client => Role::Server,
            };
            let mut receiver = WebSocketStream::with_options(
                Wire::default(),
                BytesMut::from(&sent[..]),
                other,
                Options::default(),
                Some(agreed),
            );
            assert_eq!(receiver.next().await.unwrap().unwrap(), message);
        }
    }
}
