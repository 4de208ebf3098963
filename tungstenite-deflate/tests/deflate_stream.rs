//! Compressed messages between two streams, as a program sees them.

use bytes::BytesMut;
use futures_util::{SinkExt, StreamExt};
use tokio::io::DuplexStream;
use tungstenite_deflate::deflate::{DeflateConfig, WindowBits, negotiate};
use tungstenite_deflate::tungstenite::Message;
use tungstenite_deflate::tungstenite::protocol::Role;
use tungstenite_deflate::{Options, WebSocketStream};

/// Both ends of a connection that negotiated with these configurations.
fn connection(
    client: &DeflateConfig,
    server: &DeflateConfig,
    fragment_bytes: Option<usize>,
) -> (WebSocketStream<DuplexStream>, WebSocketStream<DuplexStream>) {
    let (at_server, response) =
        negotiate::accept_offers([negotiate::offer(client)], server).expect("an offer");
    let at_client = negotiate::accept_response([response], Some(client)).expect("our answer");
    let (near, far) = tokio::io::duplex(64 * 1024);
    let options =
        |config: &DeflateConfig| Options::from(config.clone()).fragment_bytes(fragment_bytes);
    (
        WebSocketStream::with_options(
            near,
            BytesMut::new(),
            Role::Client,
            options(client),
            at_client,
        ),
        WebSocketStream::with_options(
            far,
            BytesMut::new(),
            Role::Server,
            options(server),
            Some(at_server),
        ),
    )
}

/// A message of so many bytes that repeats itself and yet not quite.
fn text(bytes: usize) -> Message {
    let lines = (0..)
        .flat_map(|number: u32| format!("{{\"n\":{number},\"of\":{}}}", number % 13).into_bytes());
    Message::text(String::from_utf8(lines.take(bytes).collect()).expect("ASCII"))
}

#[tokio::test]
async fn echo_is_exact_for_every_negotiation() {
    let flags = [(false, false), (false, true), (true, false), (true, true)];
    for (server_forgets, client_forgets) in flags {
        for (bits, fragment_bytes) in [(9, None), (12, Some(100)), (15, Some(20_000))] {
            let bits = WindowBits::new(bits).expect("9 to 15");
            let config = DeflateConfig::default()
                .server_no_context_takeover(server_forgets)
                .client_no_context_takeover(client_forgets)
                .server_max_window_bits(bits)
                .client_max_window_bits(bits);
            let (mut client, mut server) = connection(&config, &config, fragment_bytes);
            let echo = tokio::spawn(async move {
                while let Some(Ok(message)) = server.next().await {
                    if message.is_text() || message.is_binary() {
                        server.send(message).await.expect("an open connection");
                    }
                }
                server.statistics().expect("agreed")
            });
            for bytes in [0, 1, 95, 96, 1_000, 16_384, 70_000, 300_000, 1_000] {
                let message = text(bytes);
                client
                    .send(message.clone())
                    .await
                    .expect("an open connection");
                assert_eq!(
                    client.next().await.expect("an echo").expect("a message"),
                    message,
                    "{bytes} bytes"
                );
            }
            client.close(None).await.expect("an open connection");
            while client.next().await.is_some() {}
            let (near, far) = (
                client.statistics().expect("agreed"),
                echo.await.expect("no panic"),
            );
            assert_eq!((near.sent, near.received), (far.received, far.sent));
            // The threshold is 96 bytes without a context and 16 bytes with one.
            let counted = if client_forgets { (6, 3) } else { (7, 2) };
            assert_eq!((near.sent.messages, near.sent_uncompressed), counted);
            assert!(
                near.sent.ratio().is_some_and(|ratio| ratio < 0.5),
                "{near:?}"
            );
            let contexts = u8::from(!server_forgets) + u8::from(!client_forgets);
            assert_eq!((near.contexts, far.contexts), (contexts, contexts));
        }
    }
}

#[tokio::test]
async fn connection_without_agreement_has_no_statistics() {
    let (near, _far) = tokio::io::duplex(64);
    let stream = WebSocketStream::from_raw_socket(near, Role::Client, None).await;
    assert_eq!(stream.statistics(), None);
}

/// A mebibyte of nothing takes a few bytes and a millisecond: in its midst other tasks of the thread have their turn.
#[tokio::test]
async fn inflation_of_a_long_message_lets_other_tasks_run() {
    const MIB: usize = 1 << 20;
    let config = DeflateConfig::default();
    let (mut client, mut server) = connection(&config, &config, None);
    let long = Message::binary(vec![0; MIB]);
    client.send(long.clone()).await.expect("a few bytes");
    let turns = std::cell::Cell::new(0);
    let receiving = async {
        server
            .next()
            .await
            .expect("a message")
            .expect("a valid one")
    };
    let others = async {
        loop {
            tokio::task::yield_now().await;
            turns.set(turns.get() + 1);
        }
    };
    let message = tokio::select! {
        biased;
        message = receiving => message,
        () = others => unreachable!("it has no end"),
    };
    assert!(message == long);
    assert!(turns.get() >= MIB / (160 * 1024), "{} turns", turns.get());
}
