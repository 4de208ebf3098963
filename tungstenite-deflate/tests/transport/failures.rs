//! Reads, writes and flushes that fail: who is told, and how often.

use std::io::ErrorKind;

use futures_core::stream::FusedStream;
use futures_util::{SinkExt, StreamExt};
use tungstenite_deflate::tungstenite::Message;
use tungstenite_deflate::tungstenite::protocol::WebSocketConfig;
use tungstenite_deflate::{Compression, Initiator, Options, PreparedMessage};

use super::{ROLES, Wire, Writes, frame, kind_of};

/// Whatever a transport fails with, the sender is told each time, and the receiver once.
#[tokio::test(start_paused = true)]
async fn a_failed_write_is_told_to_sender_and_receiver() {
    for role in ROLES {
        for (kind, by_flush, length) in [
            (ErrorKind::BrokenPipe, false, 3),
            (ErrorKind::BrokenPipe, true, 3),
            // Written together with its header, as a list of slices.
            (ErrorKind::BrokenPipe, false, 20_000),
            (ErrorKind::WriteZero, false, 3),
            (ErrorKind::Other, false, 3),
        ] {
            let wire = Wire::default();
            if by_flush {
                wire.state().flush = Some(kind);
            } else {
                wire.set_writes(Writes::Fail(kind));
            }
            let mut socket = wire.socket(role, Options::default());
            let result = socket.send(Message::binary(vec![1; length])).await;
            assert_eq!(kind_of(&result.unwrap_err()), kind);
            assert_eq!(
                socket.outgoing_bytes(),
                0,
                "what cannot be written is dropped"
            );
            let result = socket.feed(Message::text("two")).await;
            assert_eq!(kind_of(&result.unwrap_err()), kind);
            let result = socket.flush().await;
            assert_eq!(kind_of(&result.unwrap_err()), kind);
            let result = SinkExt::close(&mut socket).await;
            assert_eq!(kind_of(&result.unwrap_err()), kind);
            assert!(!socket.is_terminated());
            let error = socket.next().await.unwrap().unwrap_err();
            assert_eq!(kind_of(&error), kind);
            assert!(socket.next().await.is_none());
            assert!(socket.is_terminated());
            assert_eq!(socket.closed().unwrap().by, Initiator::Transport);
        }
    }
}

/// The write that fails may be that of the receiver, or of a message that was only fed.
#[tokio::test(start_paused = true)]
async fn a_failed_write_is_told_later_where_nobody_waited_for_it() {
    let kind = ErrorKind::BrokenPipe;
    for role in ROLES {
        let wire = Wire::with_writes(Writes::Fail(kind));
        let mut socket = wire.socket(role, Options::default());
        socket.feed(Message::text("small")).await.unwrap();
        wire.gives(&frame(role, 0x81, b"before"));
        let message = socket.next().await.unwrap().unwrap();
        assert_eq!(message, Message::text("before"), "what came is delivered");
        let error = socket.next().await.unwrap().unwrap_err();
        assert_eq!(kind_of(&error), kind);
        assert!(socket.next().await.is_none());

        let eager = WebSocketConfig::default().write_buffer_size(0);
        let options = Options::default().websocket(eager);
        let mut socket = wire.socket(role, options);
        socket.feed(Message::text("written at once")).await.unwrap();
        let result = socket.flush().await;
        assert_eq!(kind_of(&result.unwrap_err()), kind);
    }
}

/// The peer has said its Close and may be gone: that our answer cannot be written is no error.
#[tokio::test(start_paused = true)]
async fn the_answer_to_a_close_may_fail() {
    for role in ROLES {
        // The answer fails as it is written by the receiver, and as it is written by the sender.
        for first in [Writes::Fail(ErrorKind::BrokenPipe), Writes::Room(0)] {
            let wire = Wire::with_writes(first);
            let mut socket = wire.socket(role, Options::default());
            wire.gives(&frame(role, 0x88, &1000_u16.to_be_bytes()));
            assert!(socket.next().await.unwrap().unwrap().is_close());
            wire.set_writes(Writes::Fail(ErrorKind::BrokenPipe));
            for _ in 0..2 {
                socket.flush().await.unwrap();
            }
            wire.state().incoming.push_back(Ok(Vec::new()));
            assert!(socket.next().await.is_none(), "ended without an error");
            assert_eq!(u16::from(socket.closed().unwrap().code()), 1000);
        }
    }
}

/// A task that waits for free space is woken with an error if there will be none, whatever is to be fed.
#[tokio::test(start_paused = true)]
async fn a_write_that_fails_while_a_sender_waits_is_told_to_it() {
    let kind = ErrorKind::ConnectionReset;
    let config = WebSocketConfig::default().write_buffer_size(100);
    let prepared = PreparedMessage::text("for many");
    for role in ROLES {
        for way in 0..3 {
            let wire = Wire::with_writes(Writes::Room(0));
            let mut socket = wire.socket(role, Options::default().websocket(config));
            socket.feed(Message::binary(vec![1; 200])).await.unwrap();
            wire.set_writes(Writes::Fail(kind));
            let message = Message::text("waits");
            let result = match way {
                0 => socket.feed(message).await,
                1 => socket.feed_with(message, Compression::Never).await,
                _ => socket.feed_prepared(&prepared).await,
            };
            assert_eq!(kind_of(&result.unwrap_err()), kind);
        }
    }
}

/// A failure that is not known to be the end is told, and the transport is closed all the same.
#[tokio::test(start_paused = true)]
async fn a_read_that_fails_ends_the_stream() {
    let cases = [
        (ErrorKind::Other, 1),
        (ErrorKind::InvalidData, 1),
        (ErrorKind::BrokenPipe, 0),
        (ErrorKind::ConnectionAborted, 0),
        (ErrorKind::ConnectionReset, 0),
        (ErrorKind::NotConnected, 0),
    ];
    for role in ROLES {
        for (kind, shutdowns) in cases {
            let wire = Wire::default();
            wire.state().incoming.extend([Err(kind), Ok(Vec::new())]);
            let mut socket = wire.socket(role, Options::default());
            let error = socket.next().await.unwrap().unwrap_err();
            assert_eq!(kind_of(&error), kind);
            assert!(socket.next().await.is_none());
            assert_eq!(wire.state().shutdowns, shutdowns, "{kind}");
        }
    }
}
