//! Owned halves, and Pongs left to the program.
#![cfg(feature = "handshake")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{DuplexStream, duplex};
use tungstenite_deflate::tungstenite::Message;
use tungstenite_deflate::tungstenite::error::{Error, ProtocolError};
use tungstenite_deflate::tungstenite::protocol::Role;
use tungstenite_deflate::{Options, PreparedMessage, WebSocketStream};

fn pair(options: &Options, capacity: usize) -> [WebSocketStream<DuplexStream>; 2] {
    let (ours, theirs) = duplex(capacity);
    [(ours, Role::Server), (theirs, Role::Client)].map(|(stream, role)| {
        WebSocketStream::with_options(stream, BytesMut::new(), role, options.clone(), None)
    })
}

#[tokio::test]
async fn halves_in_two_tasks_need_no_traits() {
    for flip in [false, true] {
        let mut ends = pair(&Options::default(), 256);
        if flip {
            ends.reverse();
        }
        let [ours, theirs] = ends;
        let (mut reader, mut writer) = ours.split_owned();
        // Far more than fits into the transport: both directions must go on at once.
        let echo = tokio::spawn(async move {
            let (mut reader, mut writer) = theirs.split_owned();
            while let Some(Ok(message)) = reader.next().await {
                if message.is_text() {
                    writer.send(message).await.unwrap();
                }
            }
            assert!(reader.closed().is_some());
        });
        let sending = tokio::spawn(async move {
            for number in 0..200 {
                let text = format!("{number} {}", "x".repeat(500));
                writer.feed(Message::text(text)).await.unwrap();
            }
            let prepared = PreparedMessage::text("prepared");
            writer.feed_prepared(&prepared).await.unwrap();
            writer.flush().await.unwrap();
            assert_eq!(writer.outgoing_bytes(), 0);
            assert!(writer.written_bytes() > 100_000);
            writer
        });
        for number in 0..200 {
            let text = reader.next().await.unwrap().unwrap().into_text().unwrap();
            assert!(text.starts_with(&format!("{number} x")), "{text}");
        }
        assert_eq!(
            reader.next().await.unwrap().unwrap(),
            Message::text("prepared")
        );
        let mut writer = sending.await.unwrap();
        writer.close(None).await.unwrap();
        while let Some(message) = reader.next().await {
            assert!(message.unwrap().is_close());
        }
        echo.await.unwrap();
        let refused = writer.send("late".into()).await;
        assert!(
            matches!(refused, Err(Error::AlreadyClosed | Error::ConnectionClosed)),
            "{refused:?}"
        );
        let whole = reader.reunite(writer).unwrap();
        assert!(whole.closed().is_some());
    }
}

#[tokio::test]
async fn reading_half_answers_while_the_writing_half_is_idle() {
    let [ours, mut theirs] = pair(&Options::default(), 1024);
    let (mut reader, writer) = ours.split_owned();
    let reading = tokio::spawn(async move {
        while let Some(message) = reader.next().await {
            message.unwrap();
        }
        reader
    });
    theirs
        .send(Message::Ping("are you there".into()))
        .await
        .unwrap();
    let pong = theirs.next().await.unwrap().unwrap();
    assert_eq!(pong, Message::Pong("are you there".into()));
    theirs.close(None).await.unwrap();
    assert!(theirs.next().await.unwrap().unwrap().is_close());
    assert!(theirs.next().await.is_none());
    let reader = reading.await.unwrap();
    let [other, _] = pair(&Options::default(), 16);
    let (other_reader, other_writer) = other.split_owned();
    let (reader, _) = reader.reunite(other_writer).unwrap_err();
    drop(other_reader);
    assert!(reader.reunite(writer).is_ok());
}

#[tokio::test]
async fn backlog_is_visible_while_the_peer_does_not_read() {
    let [ours, mut theirs] = pair(&Options::default(), 16);
    let (_reader, mut writer) = ours.split_owned();
    assert_eq!(writer.outgoing_bytes(), 0);
    writer.feed(Message::binary(vec![7; 1000])).await.unwrap();
    let queued = writer.outgoing_bytes();
    assert!((1000..1020).contains(&queued), "{queued}");
    let (flushed, received) = tokio::join!(writer.flush(), theirs.next());
    flushed.unwrap();
    assert_eq!(received.unwrap().unwrap().len(), 1000);
    assert_eq!(writer.outgoing_bytes(), 0);
}

#[tokio::test]
async fn pongs_are_left_to_the_program_by_choice() {
    for auto in [true, false] {
        let options = Options::default().auto_pong(auto);
        for flip in [false, true] {
            let mut ends = pair(&options, 1024);
            if flip {
                ends.reverse();
            }
            let [mut ours, mut theirs] = ends;
            for payload in ["a", "b"] {
                theirs.send(Message::Ping(payload.into())).await.unwrap();
                let ping = ours.next().await.unwrap().unwrap();
                assert_eq!(ping, Message::Ping(payload.into()));
            }
            ours.send(Message::Pong(Bytes::from_static(b"own")))
                .await
                .unwrap();
            let expected: &[&str] = if auto { &["a", "b", "own"] } else { &["own"] };
            for payload in expected {
                let pong = theirs.next().await.unwrap().unwrap();
                assert_eq!(
                    pong,
                    Message::Pong(Bytes::copy_from_slice(payload.as_bytes()))
                );
            }
            // A Close is answered all the same.
            let closing = async {
                theirs.close(None).await.unwrap();
                assert!(theirs.next().await.unwrap().unwrap().is_close());
                assert!(theirs.next().await.is_none());
            };
            let answering = async {
                assert!(ours.next().await.unwrap().unwrap().is_close());
                assert!(ours.next().await.is_none());
            };
            tokio::join!(closing, answering);
            let late = theirs.send("late".into()).await;
            assert!(matches!(
                late,
                Err(Error::Protocol(ProtocolError::SendAfterClosing)
                    | Error::AlreadyClosed
                    | Error::ConnectionClosed)
            ));
        }
    }
}
