//! A member that reads steadily, but more slowly than its room talks.
//!
//! Two places can hold old messages for such a member, and each alone fails the test: the system's send buffer, which
//! grows to megabytes; the connection's queue (`--max-queue-bytes`); the room's own queue.

use std::time::Duration;

use futures_util::SinkExt;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::TcpSocket;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_tungstenite::tungstenite::Message;

use super::slow::join_over;
use super::{Member, common, line_member, next_text};
use crate::common::{Running, soon};

/// Joins as somebody who reads `PACE` bytes a second and whose system takes next to nothing ahead.
async fn join_paced(server: &Running, path: &str) -> Member<DuplexStream> {
    let socket = TcpSocket::new_v4().unwrap();
    // Loopback's own segments of 64 KiB are larger than the buffer.
    SockRef::from(&socket).set_tcp_mss(1400).unwrap();
    socket.set_recv_buffer_size(4 << 10).unwrap();
    let stream = soon(socket.connect(server.address)).await.unwrap();
    let (near, far) = tokio::io::duplex(PACE / 10);
    let (mut from, mut to) = stream.into_split();
    let (mut back, mut forth) = tokio::io::split(far);
    tokio::spawn(async move { tokio::io::copy(&mut back, &mut to).await });
    tokio::spawn(async move {
        let mut piece = vec![0; PACE / 10];
        let mut beats = interval(Duration::from_millis(100));
        loop {
            beats.tick().await;
            let read = from.read(&mut piece).await.unwrap_or(0);
            if read == 0 || forth.write_all(&piece[..read]).await.is_err() {
                return;
            }
        }
    });
    join_over(server, path, near).await
}

#[tokio::test]
async fn a_member_of_latest_at_40_kb_a_second_lives_and_hears_news() {
    let server = common::start(&["--rooms-kind", "live-*=latest"]).await;
    let mut reader = join_paced(&server, "/chat/live-1?name=slow").await;
    let mut sender = line_member(&server, "/chat/live-1?name=fast").await;
    let begun = Instant::now();
    let sending = tokio::spawn(async move {
        let mut beats = interval(Duration::from_millis(20));
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while begun.elapsed() < TIME {
            beats.tick().await;
            let text = format!("{}:{}", begun.elapsed().as_millis(), "x".repeat(4000));
            sender.send(Message::text(text)).await.unwrap();
            // It is a member too.
            next_text(&mut sender).await;
        }
        sender
    });
    let (mut heard, mut oldest) = (0, 0);
    // The last tenth of the messages may be passed over by those that follow.
    while begun.elapsed() < TIME * 9 / 10 {
        let event = reader.next_of("message").await;
        let text = event["text"].as_str().unwrap();
        let said: u128 = text.split(':').next().unwrap().parse().unwrap();
        oldest = oldest.max(begun.elapsed().as_millis() - said);
        heard += 1;
    }
    assert!(heard > 20, "{heard} messages at a pace of ten a second");
    assert!(oldest < OLDEST, "a message was {oldest} ms old, of {heard}");
    drop((reader, soon(sending).await));
    server.stop().await;
}

/// Bytes a second that the member reads.
const PACE: usize = 40_000;
/// Time for which the room talks; a queue that is too long has shown by then.
const TIME: Duration = Duration::from_secs(10);
/// Age in milliseconds that no message reaches. On an idle machine they are at most 1 s old; this one may be busy.
const OLDEST: u128 = 2000;
