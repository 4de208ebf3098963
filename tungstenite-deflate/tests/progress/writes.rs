//! A program that only sends, to a peer that reads slowly, or no more.

use futures_util::{SinkExt, StreamExt};
use tokio::time::{Instant, sleep, timeout};
use tungstenite_deflate::tungstenite::{Error, Message};
use tungstenite_deflate::{Options, PreparedMessage};

use super::{ROLES, pair, seconds, seconds_since};

/// 3 MB at 10 kB/s, with nobody receiving.
#[tokio::test(start_paused = true)]
async fn sending_to_a_slow_reader_ends_when_it_has_read() {
    for role in ROLES {
        let (mut socket, peer) = pair(role, Options::default(), None, 10_000);
        let reading = tokio::spawn(peer.for_each(|_| async {}));
        let begun = Instant::now();
        socket
            .send(Message::binary(vec![7; 3_000_000]))
            .await
            .unwrap();
        assert!(seconds_since(begun) > 290);
        reading.abort();
    }
}

/// The error comes 30 s after the last progress, whatever the program waits for; what it does then does not wait.
#[tokio::test(start_paused = true)]
async fn sending_to_a_stalled_reader_fails() {
    for role in ROLES {
        for way in 0..4 {
            let (mut socket, mut peer) = pair(role, Options::default(), None, 1_000_000);
            let stalling = tokio::spawn(async move {
                let _ = timeout(seconds(2), async { while peer.next().await.is_some() {} }).await;
                sleep(seconds(3600)).await;
                drop(peer);
            });
            let begun = Instant::now();
            socket
                .feed(Message::binary(vec![7; 5_000_000]))
                .await
                .unwrap();
            let result = match way {
                0 => socket.flush().await,
                1 => socket.send(Message::text("waits")).await,
                2 => SinkExt::close(&mut socket).await,
                _ => socket.feed_prepared(&PreparedMessage::text("waits")).await,
            };
            match result.unwrap_err() {
                Error::Io(error) => assert_eq!(error.kind(), std::io::ErrorKind::TimedOut),
                other => panic!("{way}: {other}"),
            }
            let after = seconds_since(begun);
            let expected = if way == 2 { 5 } else { 30 };
            assert!(
                (expected..expected + 4).contains(&after),
                "{way}: {after} s"
            );
            socket.send(Message::text("late")).await.unwrap_err();
            let _ = SinkExt::close(&mut socket).await;
            socket.next().await.unwrap().unwrap_err();
            assert!(socket.next().await.is_none());
            assert!(seconds_since(begun) <= after + 1);
            stalling.abort();
        }
    }
}

/// Whichever half finds out, both end.
#[tokio::test(start_paused = true)]
async fn both_halves_end_when_a_reader_stalls() {
    for role in ROLES {
        let (socket, mut peer) = pair(role, Options::default(), None, 1_000_000);
        let stalling = tokio::spawn(async move {
            let _ = timeout(seconds(2), async { while peer.next().await.is_some() {} }).await;
            sleep(seconds(3600)).await;
            drop(peer);
        });
        let (mut sink, mut stream) = socket.split();
        let begun = Instant::now();
        let sending =
            tokio::spawn(async move { sink.send(Message::binary(vec![7; 5_000_000])).await });
        let error = stream.next().await.unwrap().unwrap_err();
        assert!(error.to_string().contains("write_timeout"), "{error}");
        assert!(stream.next().await.is_none());
        sending.await.unwrap().unwrap_err();
        assert!((32..=34).contains(&seconds_since(begun)));
        stalling.abort();
    }
}
