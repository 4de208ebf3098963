//! Pings whose Pongs cannot come before the peer has read what is in front of them.

use bytes::BytesMut;
use futures_util::{SinkExt, StreamExt};
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tungstenite_deflate::tungstenite::Message;
use tungstenite_deflate::{Keepalive, Options, WebSocketStream};

use super::{ROLES, pair, seconds, seconds_since};

fn options() -> Options {
    let keepalive = Keepalive::default()
        .ping_interval(seconds(1))
        .pong_timeout(seconds(2));
    Options::default().keepalive(Some(keepalive))
}

#[tokio::test(start_paused = true)]
async fn a_ping_after_30_megabytes_waits_for_a_reader_at_5_megabytes_a_second() {
    for role in ROLES {
        for fragment_bytes in [None, Some(100_000)] {
            let options = options().fragment_bytes(fragment_bytes);
            let (mut socket, mut peer) = pair(role, options, None, 5_000_000);
            let reading = tokio::spawn(async move {
                let mut bytes = 0;
                while bytes < 30_000_000 {
                    bytes += peer.next().await.unwrap().unwrap().len();
                }
                (Instant::now(), peer.for_each(|_| async {}).await)
            });
            let begun = Instant::now();
            for _ in 0..30 {
                socket
                    .start_send_unpin(Message::binary(vec![7; 1_000_000]))
                    .unwrap();
            }
            // Pongs alone come, and nothing fails.
            while let Ok(item) = timeout_at(begun + seconds(20), socket.next()).await {
                let pong = item.unwrap().unwrap();
                assert!(pong.is_pong(), "{pong}");
            }
            drop(socket);
            let (read, ()) = reading.await.unwrap();
            assert!((5..=8).contains(&(read - begun).as_secs()));
        }
    }
}

/// At 40 kB/s with everything ever queued, for five minutes.
#[tokio::test(start_paused = true)]
async fn a_slow_reader_lives_while_it_reads() {
    for role in ROLES {
        let (socket, peer) = pair(role, options(), None, 40_000);
        let (mut sink, mut stream) = socket.split();
        let receiving = tokio::spawn(async move {
            loop {
                match stream.next().await.unwrap() {
                    Ok(Message::Pong(_)) => {}
                    other => return other,
                }
            }
        });
        let reading = tokio::spawn(peer.for_each(|_| async {}));
        let begun = Instant::now();
        while seconds_since(begun) < 300 {
            sink.send(Message::binary(vec![7; 100_000])).await.unwrap();
        }
        assert!(!receiving.is_finished());
        receiving.abort();
        reading.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_stalls_is_given_up() {
    for role in ROLES {
        let (mut socket, mut peer) = pair(role, options(), None, 5_000_000);
        // Reads for three seconds, then no more.
        let reading = tokio::spawn(async move {
            let _ = timeout(seconds(3), async { while peer.next().await.is_some() {} }).await;
            sleep(seconds(3600)).await;
            drop(peer);
        });
        let begun = Instant::now();
        socket
            .start_send_unpin(Message::binary(vec![7; 30_000_000]))
            .unwrap();
        let error = socket.next().await.unwrap().unwrap_err();
        assert!(error.to_string().contains("pong_timeout"), "{error}");
        assert!(
            (4..=6).contains(&seconds_since(begun)),
            "{}",
            seconds_since(begun)
        );
        reading.abort();
    }
}

/// A buffer takes what is sent to a peer that is gone; that it does is no sign of life.
#[tokio::test(start_paused = true)]
async fn a_buffer_that_takes_everything_hides_no_dead_peer() {
    for role in ROLES {
        let (near, mut far) = tokio::io::duplex(100_000_000);
        let socket = WebSocketStream::with_options(near, BytesMut::new(), role, options(), None);
        let (mut sink, mut stream) = socket.split();
        let sending = tokio::spawn(async move {
            while sink.send(Message::binary(vec![7; 5000])).await.is_ok() {
                sleep(std::time::Duration::from_millis(100)).await;
            }
        });
        let begun = Instant::now();
        let error = stream.next().await.unwrap().unwrap_err();
        assert!(error.to_string().contains("pong_timeout"), "{error}");
        assert_eq!(seconds_since(begun), 3);
        far.shutdown().await.unwrap();
        while stream.next().await.is_some() {}
        sending.await.unwrap();
    }
}
