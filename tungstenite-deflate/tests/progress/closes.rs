//! Closes that cannot be answered before the peer has read what is in front of them.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::time::{Instant, sleep};
use tungstenite_deflate::Options;
use tungstenite_deflate::tungstenite::Message;
use tungstenite_deflate::tungstenite::protocol::CloseFrame;
use tungstenite_deflate::tungstenite::protocol::frame::coding::CloseCode;

use super::{ROLES, pair, seconds_since};

const TIMEOUT: Duration = Duration::from_secs(5);

fn options() -> Options {
    Options::default().close_timeout(Some(TIMEOUT))
}

fn close() -> Message {
    Message::Close(Some(CloseFrame {
        code: CloseCode::Normal,
        reason: "".into(),
    }))
}

/// 30 MB at 3 MB/s take twice as long as a Close may.
#[tokio::test(start_paused = true)]
async fn a_close_after_queued_output_waits_for_a_steady_reader() {
    for role in ROLES {
        let (mut socket, mut peer) = pair(role, options(), None, 3_000_000);
        let reading = tokio::spawn(async move {
            let mut last = None;
            while let Some(Ok(message)) = peer.next().await {
                last = Some(message);
            }
            last
        });
        let begun = Instant::now();
        for _ in 0..30 {
            socket
                .start_send_unpin(Message::binary(vec![7; 1_000_000]))
                .unwrap();
        }
        socket.start_send_unpin(close()).unwrap();
        let answer = socket.next().await.unwrap().unwrap();
        assert_eq!(answer, close());
        assert!(socket.next().await.is_none());
        assert!(seconds_since(begun) >= 9);
        drop(socket);
        assert_eq!(reading.await.unwrap(), Some(close()));
    }
}

/// Our answer goes out after 30 MB, to a peer that has said its Close first.
#[tokio::test(start_paused = true)]
async fn an_answer_after_queued_output_waits_for_a_steady_reader() {
    for role in ROLES {
        let (mut socket, mut peer) = pair(role, options(), None, 3_000_000);
        let reading = tokio::spawn(async move {
            peer.feed(close()).await.unwrap();
            let mut last = None;
            while let Some(Ok(message)) = peer.next().await {
                last = Some(message);
            }
            last
        });
        for _ in 0..30 {
            socket
                .start_send_unpin(Message::binary(vec![7; 1_000_000]))
                .unwrap();
        }
        let answer = socket.next().await.unwrap().unwrap();
        assert_eq!(answer, close());
        assert!(socket.next().await.is_none());
        drop(socket);
        assert_eq!(reading.await.unwrap(), Some(close()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_stalls_is_not_waited_for() {
    for role in ROLES {
        for answers in [false, true] {
            let (mut socket, mut peer) = pair(role, options(), None, 3_000_000);
            let stalling = tokio::spawn(async move {
                if answers {
                    peer.send(close()).await.unwrap();
                }
                let _ = tokio::time::timeout(Duration::from_secs(2), async {
                    while peer.next().await.is_some() {}
                })
                .await;
                sleep(Duration::from_secs(3600)).await;
                drop(peer);
            });
            let begun = Instant::now();
            socket
                .start_send_unpin(Message::binary(vec![7; 30_000_000]))
                .unwrap();
            let item = if answers {
                assert!(socket.next().await.unwrap().unwrap().is_close());
                socket.next().await
            } else {
                socket.start_send_unpin(close()).unwrap();
                socket.next().await
            };
            assert_eq!(item.is_none(), answers, "{item:?}");
            assert!(
                (6..=9).contains(&seconds_since(begun)),
                "{}",
                seconds_since(begun)
            );
            stalling.abort();
        }
    }
}
