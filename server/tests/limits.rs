//! Limits for a peer, and the reaction when it exceeds them (threats F7, R1, R4, R7, R9).

#![allow(
    clippy::large_futures,
    clippy::unwrap_used,
    reason = "it is a test: it may panic, and needs no small stack"
)]

mod common;

use std::time::{Duration, Instant};

use bytes::Bytes;
use common::{client_config, connect, soon, start, status_of, until};
use futures_util::{SinkExt, StreamExt};
use http_body_util::Empty;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::{Error, Message};

/// Reads raw bytes until the server closes; gives the code of the Close frame among them.
async fn close_code(stream: &mut (impl AsyncReadExt + Unpin)) -> Option<u16> {
    let mut bytes = Vec::new();
    let _ = soon(stream.read_to_end(&mut bytes)).await;
    let at = bytes
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .map_or(0, |at| at + 4);
    let frames = &bytes[at..];
    let close = frames
        .windows(4)
        .find(|window| window[0] == 0x88 && window[1] >= 2)?;
    Some(u16::from_be_bytes([close[2], close[3]]))
}

/// Opens `/echo` by hand and sends `frame` after the request.
async fn send_raw(server: &common::Running, frame: &[u8]) -> Option<u16> {
    let mut stream = server.tls(&[]).await;
    stream
        .write_all(common::handshake("/echo", "").as_bytes())
        .await
        .unwrap();
    stream.write_all(frame).await.unwrap();
    close_code(&mut stream).await
}

#[tokio::test]
async fn violations_end_with_their_close_code() {
    let server = start(&["--max-message-bytes", "1KiB", "--message-timeout", "300ms"]).await;
    let too_big = [0x82, 0xfe, 0x04, 0x01, 0, 0, 0, 0];
    let unmasked = [0x81, 0x01, b'a'];
    let not_utf8 = [0x81, 0x81, 0, 0, 0, 0, 0xff];
    let reserved = [0xc1, 0x81, 0, 0, 0, 0, b'a'];
    let unfinished = [0x01, 0x81, 0, 0, 0, 0, b'a'];
    for (name, code, frame) in [
        ("too big, on the header alone", 1009, &too_big[..]),
        ("unmasked", 1002, &unmasked),
        ("not UTF-8", 1007, &not_utf8),
        ("RSV1 without extension", 1002, &reserved),
        ("never finished", 1008, &unfinished),
    ] {
        assert_eq!(send_raw(&server, frame).await, Some(code), "{name}");
    }
    // The log's and the metrics' account is the same as the wire's.
    until(async || {
        let metrics = server.get("/metrics").await;
        [("1009", "1"), ("1002", "2"), ("1007", "1"), ("1008", "1")].iter().all(|(code, count)| {
            metrics.contains(&format!("wss_websocket_closed_total{{route=\"/echo\",code=\"{code}\",by=\"server\"}} {count}"))
        })
    })
    .await;
}

#[tokio::test]
async fn a_message_at_the_limit_passes() {
    let server = start(&["--max-message-bytes", "1KiB"]).await;
    let (mut client, _) = server.open("/echo", &[]).await;
    let message = Message::binary(vec![1; 1024]);
    soon(client.send(message.clone())).await.unwrap();
    assert_eq!(soon(client.next()).await.unwrap().unwrap(), message);
}

/// The answer to a GET over `protocol`; nothing if the connection was closed without one.
async fn answer(server: &common::Running, protocol: &str) -> Option<(u16, String)> {
    let config = client_config(&server.authority(), &[protocol]);
    let stream = soon(connect(server.address, config, "localhost"))
        .await
        .ok()?;
    let request = http::Request::get(format!(
        "https://localhost:{}/healthz",
        server.address.port()
    ));
    let request = request
        .header("host", "localhost")
        .body(Empty::<Bytes>::new())
        .unwrap();
    let io = TokioIo::new(stream);
    let response = if protocol == "h2" {
        let (mut sender, connection) = soon(hyper::client::conn::http2::handshake(
            TokioExecutor::new(),
            io,
        ))
        .await
        .ok()?;
        tokio::spawn(async move {
            let _: Result<(), _> = connection.await;
        });
        soon(sender.send_request(request)).await.ok()?
    } else {
        let (mut sender, connection) =
            soon(hyper::client::conn::http1::handshake(io)).await.ok()?;
        tokio::spawn(connection);
        soon(sender.send_request(request)).await.ok()?
    };
    let retry = response.headers().get("retry-after")?.to_str().unwrap();
    Some((response.status().as_u16(), retry.to_owned()))
}

#[tokio::test]
async fn r1_connections_beyond_a_limit_are_told_so_and_room_comes_back() {
    // R1, H17
    for (flags, status) in [
        (["--max-connections", "3"], 503),
        (["--max-connections-per-address", "3"], 429),
    ] {
        let server = start(&flags).await;
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(server.open("/echo", &[]).await.0);
        }
        for protocol in ["http/1.1", "h2"] {
            let answer = answer(&server, protocol).await;
            assert_eq!(answer, Some((status, "5".to_owned())), "{protocol}");
        }
        let refused = server.try_open("/echo", &[]).await;
        assert!(
            matches!(&refused, Err(Error::Http(response)) if response.status().as_u16() == status),
            "{refused:?}"
        );
        for client in &mut held {
            soon(client.send(Message::text("still"))).await.unwrap();
            assert!(soon(client.next()).await.unwrap().unwrap().is_text());
        }
        held.pop();
        until(async || server.try_open("/echo", &[]).await.is_ok()).await;
        drop(held);
        let metric = format!(
            "wss_tcp_refused_total{{limit=\"{}\"}}",
            if status == 503 { "total" } else { "address" }
        );
        until(async || server.get("/metrics").await.contains(&metric)).await;
    }
}

#[tokio::test]
async fn r1_no_more_than_the_places_for_refusals_are_told() {
    let server = start(&["--max-connections", "1", "--max-refusals", "2"]).await;
    let _held = server.open("/echo", &[]).await;
    // These two hold the permits by asking for nothing.
    let _asking = (server.tls(&[]).await, server.tls(&[]).await);
    let begun = Instant::now();
    let config = client_config(&server.authority(), &[]);
    let closed = soon(connect(server.address, config, "localhost")).await;
    assert!(closed.is_err());
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "closed unanswered"
    );
    // They are closed in their turn, and the next one gets a response again.
    until(async || answer(&server, "http/1.1").await.is_some()).await;
}

#[tokio::test]
async fn t7_handshakes_beyond_the_rate_are_closed() {
    let flags = ["--handshake-rate", "1", "--handshake-burst", "5"];
    let exempt = start(&flags).await;
    for _ in 0..20 {
        assert_eq!(status_of(&exempt.get("/healthz").await), 200);
    }
    let server = start(&[&flags[..], &["--handshake-rate-loopback", "on"]].concat()).await;
    let config = client_config(&server.authority(), &[]);
    let mut done = 0;
    for _ in 0..20 {
        let stream = soon(connect(server.address, config.clone(), "localhost")).await;
        done += u32::from(stream.is_ok());
    }
    assert!((5..10).contains(&done), "{done}");
    // The rate gives one a second.
    let metrics = async || {
        let stream = connect(server.address, config.clone(), "localhost").await;
        let mut stream = stream.ok()?;
        let request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request).await.ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await.ok()?;
        Some(text)
    };
    until(async || {
        let text = metrics().await.unwrap_or_default();
        let count = text
            .lines()
            .find_map(|line| line.strip_prefix("wss_tcp_refused_total{limit=\"rate\"} "));
        count.is_some_and(|count| count.parse::<u32>().unwrap() >= 10)
    })
    .await;
}

#[tokio::test]
async fn silence_is_pinged_and_then_ended() {
    // R9
    let server = start(&["--ping-interval", "100ms", "--pong-timeout", "200ms"]).await;
    let (mut answering, _) = server.open("/echo", &[]).await;
    let mut silent = server.tls(&[]).await;
    silent
        .write_all(common::handshake("/echo", "").as_bytes())
        .await
        .unwrap();
    let begun = Instant::now();
    let mut seen = Vec::new();
    let _ = soon(silent.read_to_end(&mut seen)).await;
    assert!(
        begun.elapsed() >= Duration::from_millis(250) && begun.elapsed() < Duration::from_secs(8),
        "{:?}",
        begun.elapsed()
    );
    // The client of the other connection answers pings while it is polled.
    let pinged = soon(answering.next()).await.unwrap().unwrap();
    assert!(pinged.is_ping(), "{pinged:?}");
    soon(answering.send(Message::text("alive"))).await.unwrap();
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_dropped() {
    // R7, R8
    let server = start(&["--write-timeout", "300ms", "--ping-interval", "off"]).await;
    let (client, _) = server.open("/echo", &[]).await;
    let (mut write, read) = client.split();
    let flood = tokio::spawn(async move {
        let message = Message::binary(vec![0; 256 * 1024]);
        while write.send(message.clone()).await.is_ok() {}
    });
    until(async || {
        let metrics = server.get("/metrics").await;
        metrics.contains("wss_websocket_slow_readers_total{route=\"/echo\"} 1")
    })
    .await;
    soon(flood).await.unwrap();
    drop(read);
}

#[tokio::test]
async fn r7_a_slow_reader_that_wakes_up_in_time_is_told_1013() {
    let server = start(&["--write-timeout", "4s", "--ping-interval", "off"]).await;
    let (client, _) = server.open("/echo", &[]).await;
    let (mut write, mut read) = client.split();
    let flood = tokio::spawn(async move {
        let message = Message::binary(vec![0; 256 * 1024]);
        while write.send(message.clone()).await.is_ok() {}
    });
    // Three quarters of the timeout later the Close waits after what is not read.
    until(async || {
        let metrics = server.get("/metrics").await;
        metrics.contains(
            "wss_websocket_messages_total{route=\"/echo\",direction=\"out\",kind=\"control\"} 1",
        )
    })
    .await;
    let close = soon(async {
        loop {
            match read.next().await {
                Some(Ok(Message::Close(frame))) => return frame,
                Some(Ok(_)) => {}
                ended => panic!("{ended:?} before a Close"),
            }
        }
    })
    .await
    .unwrap();
    assert_eq!(
        (u16::from(close.code), close.reason.as_str()),
        (1013, "slow consumer")
    );
    soon(flood).await.unwrap();
    until(async || {
        let metrics = server.get("/metrics").await;
        metrics
            .contains("wss_websocket_closed_total{route=\"/echo\",code=\"1013\",by=\"server\"} 1")
    })
    .await;
}

#[tokio::test]
async fn r4_unfinished_messages_share_one_bound() {
    const MIB: usize = 1 << 20;
    let flags = ["--max-buffered-bytes", "8MiB", "--ping-interval", "off"];
    let server = start(&flags).await;
    // Thirty connections send 99 % of a message each, in one frame or in many, and then nothing.
    let mut holding = Vec::new();
    for number in 0..30 {
        let mut stream = server.tls(&[]).await;
        let mut bytes = common::handshake("/echo", "").into_bytes();
        if number % 2 == 0 {
            bytes.extend([0x82, 0xff]);
            bytes.extend((MIB as u64).to_be_bytes());
            bytes.extend([0; 4]);
            bytes.extend(vec![b'x'; MIB / 100 * 99]);
        } else {
            for fragment in 0..253 {
                bytes.extend([
                    if fragment == 0 { 0x02 } else { 0x00 },
                    0xfe,
                    0x10,
                    0,
                    0,
                    0,
                    0,
                    0,
                ]);
                bytes.extend([b'x'; 4096]);
            }
        }
        // Those that are refused are closed while they send.
        let _ = stream.write_all(&bytes).await;
        let _ = stream.flush().await;
        holding.push(stream);
    }
    let refused = r#"wss_websocket_closed_total{route="/echo",code="1013",by="server"} "#;
    let count = async || {
        let metrics = server.get("/metrics").await;
        let count = metrics.lines().find_map(|line| line.strip_prefix(refused));
        count.map_or(0, |count| count.parse::<usize>().unwrap())
    };
    // 8 MiB are room for eight of them, or fewer where a buffer has grown beyond its content.
    until(async || count().await >= 22).await;
    assert!(count().await <= 26);
    // Short messages pass meanwhile; a long one does when the memory has come back.
    let (mut client, _) = server.open("/echo", &[]).await;
    let short = Message::text("short");
    soon(client.send(short.clone())).await.unwrap();
    assert_eq!(soon(client.next()).await.unwrap().unwrap(), short);
    drop(holding);
    until(async || {
        let metrics = server.get("/metrics").await;
        metrics.contains("wss_websocket_connections{route=\"/echo\",http=\"1.1\"} 1\n")
    })
    .await;
    let long = Message::binary(vec![1; MIB]);
    soon(client.send(long.clone())).await.unwrap();
    assert_eq!(soon(client.next()).await.unwrap().unwrap(), long);
}

#[tokio::test]
async fn r6_a_flood_of_pings_is_ended_and_an_honest_one_is_not() {
    let server = start(&["--control-burst", "20", "--control-per-second", "1"]).await;
    let (mut client, _) = server.open("/echo", &[]).await;
    for number in 0..20_u8 {
        client
            .feed(Message::Ping(vec![number].into()))
            .await
            .unwrap();
    }
    soon(client.flush()).await.unwrap();
    for number in 0..20_u8 {
        let pong = soon(client.next()).await.unwrap().unwrap();
        assert_eq!(pong, Message::Pong(vec![number].into()));
    }
    soon(client.send(Message::text("still here")))
        .await
        .unwrap();
    assert_eq!(
        soon(client.next()).await.unwrap().unwrap(),
        Message::text("still here")
    );
    for _ in 0..100 {
        client.feed(Message::Ping("flood".into())).await.unwrap();
    }
    soon(client.flush()).await.unwrap();
    let close = soon(async {
        loop {
            match client.next().await {
                Some(Ok(Message::Close(frame))) => return frame.unwrap(),
                Some(Ok(Message::Pong(_))) => {}
                ended => panic!("{ended:?} before a Close"),
            }
        }
    })
    .await;
    assert_eq!(u16::from(close.code), 1008);
    assert!(
        close.reason.contains("more than 20 Pings"),
        "{}",
        close.reason
    );
    until(async || {
        let metrics = server.get("/metrics").await;
        metrics
            .contains("wss_websocket_closed_total{route=\"/echo\",code=\"1008\",by=\"server\"} 1")
    })
    .await;
}
