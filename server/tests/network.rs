//! Real connections over a bad network: delayed, in single bytes, throttled, held back, cut anywhere.

#![allow(
    clippy::large_futures,
    clippy::unwrap_used,
    reason = "it is a test: it may panic, and needs no small stack"
)]

mod common;

use std::time::Duration;

use common::network::{BadNetwork, Conditions};
use common::{Running, client_config, connect, soon, start, until};
use futures_util::future::join_all;
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::client::TlsStream;
use tungstenite_deflate::tungstenite::{Error, Message};
use tungstenite_deflate::{DeflateConfig, WebSocketStream, client_async_with_options};

type Socket = WebSocketStream<TlsStream<TcpStream>>;

/// A WebSocket of the library with permessage-deflate on /echo, by way of `network`.
async fn open(server: &Running, network: &BadNetwork) -> Result<Socket, Error> {
    let config = client_config(&server.authority(), &["http/1.1"]);
    let stream = connect(network.address, config, "localhost").await?;
    let url = format!("wss://localhost:{}/echo", network.address.port());
    let (socket, _) = client_async_with_options(url, stream, DeflateConfig::default()).await?;
    assert!(socket.agreed().is_some(), "permessage-deflate");
    Ok(socket)
}

/// Messages of several sizes, half of them compressible.
fn messages(sizes: &[usize]) -> Vec<Message> {
    let noise = |size: usize| (0..size).map(|_| rand::random()).collect::<Vec<u8>>();
    sizes
        .iter()
        .flat_map(|size| {
            let text = "the same again and again ".repeat(size / 25 + 1);
            [Message::text(&text[..*size]), Message::binary(noise(*size))]
        })
        .collect()
}

/// Sends `messages` all at once and reads what comes back.
async fn echo(socket: &mut Socket, messages: &[Message]) -> Vec<Message> {
    let mut echoes = Vec::new();
    for message in messages {
        socket.feed(message.clone()).await.unwrap();
    }
    while echoes.len() < messages.len() {
        echoes.push(soon(socket.next()).await.unwrap().unwrap());
    }
    echoes
}

#[tokio::test]
async fn x10_messages_survive_delay_and_single_bytes() {
    let server = start(&[]).await;
    let small = [0, 1, 125, 126, 1000, 5000];
    let large = [0, 125, 126, 65_535, 65_536, 300_000];
    let plain = Conditions::default();
    let delay = Duration::from_millis(40);
    #[rustfmt::skip]
    let cases = [
        (Conditions { delay, ..plain }, large),
        (Conditions { piece: 1, ..plain }, small),
        (Conditions { piece: 7, delay,..plain }, small),
        (Conditions { piece: 1000, rate: 200_000,..plain }, small),
    ];
    for (conditions, sizes) in cases {
        let network = BadNetwork::to(server.address, conditions).await;
        let mut socket = soon(open(&server, &network)).await.unwrap();
        let messages = messages(&sizes);
        assert!(
            echo(&mut socket, &messages).await == messages,
            "{conditions:?}"
        );
        // The closing handshake gets through as well.
        soon(socket.close(None)).await.unwrap();
        let close = soon(socket.next()).await.unwrap().unwrap();
        assert!(close.is_close(), "{close:?}");
        assert!(soon(socket.next()).await.is_none(), "{conditions:?}");
    }
}

/// Returns a client's view of a conversation that may be cut: the echoes, and if it ended by a closing handshake.
async fn converse(
    server: &Running,
    network: &BadNetwork,
    messages: &[Message],
) -> (Vec<Message>, bool) {
    let mut echoes = Vec::new();
    let Ok(mut socket) = open(server, network).await else {
        return (echoes, false);
    };
    for message in messages {
        if socket.send(message.clone()).await.is_err() {
            return (echoes, false);
        }
        match socket.next().await {
            Some(Ok(echo)) => echoes.push(echo),
            Some(Err(_)) => return (echoes, false),
            None => panic!("a clean end that nobody asked for"),
        }
    }
    let _ = socket.close(None).await;
    loop {
        match socket.next().await {
            Some(Ok(message)) => assert!(message.is_close(), "{message:?}"),
            Some(Err(_)) => return (echoes, false),
            None => return (echoes, true),
        }
    }
}

#[tokio::test]
async fn x10_a_cut_anywhere_is_an_abnormal_end_and_never_half_a_message() {
    let server = start(&["--handshake-rate", "1000", "--handshake-burst", "1000"]).await;
    let messages = messages(&[10, 200, 3000]);
    let network = BadNetwork::to(server.address, Conditions::default()).await;
    let (echoes, clean) = soon(converse(&server, &network, &messages)).await;
    assert!(
        clean && echoes == messages,
        "nothing is wrong when nothing is cut"
    );
    let whole = network.passed();
    let mut seen = Vec::new();
    for way in [0, 1] {
        // The last cut is amid the Close: 28 bytes of it, or 26, and 24 of close_notify are the last that pass.
        let ways = (1..=40).map(|part| part * (whole[way] - 40) / 40);
        let cuts = ways.map(async |at| {
            let mut cut = [usize::MAX; 2];
            cut[way] = at;
            let conditions = Conditions {
                cut,
                ..Conditions::default()
            };
            let network = BadNetwork::to(server.address, conditions).await;
            let (echoes, clean) = soon(converse(&server, &network, &messages)).await;
            assert!(!clean, "cut behind {at} bytes, direction {way}");
            assert!(
                messages.starts_with(&echoes),
                "cut behind {at} bytes, direction {way}"
            );
            echoes.len()
        });
        seen.extend(join_all(cuts).await);
    }
    // Cuts in the handshake and after the last echo were among them.
    assert!(
        seen.contains(&0) && seen.contains(&messages.len()),
        "{seen:?}"
    );
    until(async || {
        let metrics = server.get("/metrics").await;
        metrics.contains("wss_websocket_connections{route=\"/echo\",http=\"1.1\"} 0")
    })
    .await;
    let metrics = server.get("/metrics").await;
    assert!(
        metrics.contains("closed_total{route=\"/echo\",code=\"1006\",by=\"nobody\"}"),
        "{metrics}"
    );
    let network = BadNetwork::to(server.address, Conditions::default()).await;
    assert_eq!(
        soon(converse(&server, &network, &messages)).await,
        (messages, true)
    );
}

/// The first bytes sent arrive last: ten connections are held back when they are open, ten at their first record, and let
/// go from the last to the first.
#[tokio::test]
async fn x10_connections_that_are_held_back_do_not_stall_others() {
    let server = start(&[]).await;
    let free = Conditions::default();
    let held_back = Conditions {
        open: false,
        ..free
    };
    let gates: Vec<_> = (0..30).map(|_| watch::channel(free)).collect();
    let ways: Vec<_> = gates.iter().map(|(_, way)| way.clone()).collect();
    let network = BadNetwork::with(server.address, move |number| ways[number].clone()).await;
    let mut held = Vec::new();
    for (gate, _) in &gates[..10] {
        held.push(soon(open(&server, &network)).await.unwrap());
        gate.send_replace(held_back);
    }
    for (number, socket) in held.iter_mut().enumerate() {
        soon(socket.send(Message::text(number.to_string())))
            .await
            .unwrap();
    }
    for (gate, _) in &gates[10..20] {
        gate.send_replace(held_back);
    }
    let mut opening = Vec::new();
    for number in 10..20 {
        let mut socket = Box::pin(open(&server, &network));
        let arrived = until(async || network.accepted() > number);
        tokio::select! {
            biased;
            _ = &mut socket => panic!("opened without a way to the server"),
            () = arrived => opening.push(socket),
        }
    }
    // Others are served as if nothing were.
    let others = (20..30).map(|_| async {
        let mut socket = open(&server, &network).await.unwrap();
        let messages = messages(&[0, 100, 10_000]);
        for _ in 0..10 {
            assert!(echo(&mut socket, &messages).await == messages);
        }
    });
    soon(join_all(others)).await;
    for (number, (gate, _)) in gates[..20].iter().enumerate().rev() {
        gate.send_replace(free);
        if let Some(socket) = opening.pop() {
            held.push(soon(socket).await.unwrap());
            continue;
        }
        let echo = soon(held[number].next()).await.unwrap().unwrap();
        assert_eq!(echo, Message::text(number.to_string()));
    }
    assert_eq!(held.len(), 20);
}
