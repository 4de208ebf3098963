//! Room that is waited for, by whom and for how long.

use std::io::ErrorKind;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};

use futures_util::{FutureExt, Sink, SinkExt, Stream};
use tungstenite_deflate::Options;
use tungstenite_deflate::tungstenite::protocol::WebSocketConfig;
use tungstenite_deflate::tungstenite::{Error, Message};

use super::{ROLES, Wire, Writes};

#[tokio::test(start_paused = true)]
async fn a_sender_waits_while_the_queue_is_over_its_size() {
    let config = WebSocketConfig::default().write_buffer_size(100);
    for (role, length) in ROLES
        .into_iter()
        .flat_map(|role| [(role, 200), (role, 20_000)])
    {
        let wire = Wire::with_writes(Writes::Room(0));
        let mut socket = wire.socket(role, Options::default().websocket(config));
        socket.feed(Message::binary(vec![1; length])).await.unwrap();
        let queued = socket.outgoing_bytes();
        let feed = socket.feed(Message::text("waits"));
        assert!(feed.now_or_never().is_none(), "over by {}", queued - 100);
        assert_eq!(socket.outgoing_bytes(), queued, "nothing was taken");
        // Room for so much that 100 bytes are left: what is queued is not all written, but few enough.
        wire.set_writes(Writes::Room(queued - 101));
        let feed = socket.feed(Message::text("waits"));
        assert!(feed.now_or_never().is_none(), "101 bytes are one too many");
        wire.set_writes(Writes::Room(1));
        let feed = socket.feed(Message::text("waits"));
        feed.now_or_never().expect("100 are not").unwrap();
        wire.set_writes(Writes::Taken);
        socket.flush().await.unwrap();
        assert_eq!(socket.outgoing_bytes(), 0);
        assert!(wire.state().outgoing.len() > queued);
    }
}

/// A Close needs space in the queue like any message.
#[tokio::test(start_paused = true)]
async fn closing_the_sink_fails_while_the_queue_is_full() {
    let config = WebSocketConfig::default()
        .write_buffer_size(50)
        .max_write_buffer_size(100);
    for role in ROLES {
        let wire = Wire::with_writes(Writes::Room(0));
        let mut socket = wire.socket(role, Options::default().websocket(config));
        socket.feed(Message::binary(vec![1; 86])).await.unwrap();
        match SinkExt::close(&mut socket).await.unwrap_err() {
            Error::WriteBufferFull(message) => assert_eq!(*message, Message::Close(None)),
            other => panic!("{other}"),
        }
        wire.set_writes(Writes::Taken);
        socket.flush().await.unwrap();
        SinkExt::close(&mut socket).await.unwrap();
        assert_eq!(socket.closed().unwrap().sent, Some(None));
    }
}

/// Counts how often it is woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn count_of(count: &Count) -> usize {
    count.0.load(Ordering::Relaxed)
}

/// A message that is written eagerly, and does not fit, wakes whoever waits once there is room.
#[tokio::test(start_paused = true)]
async fn room_for_an_eager_write_wakes_all_who_wait() {
    let config = WebSocketConfig::default().write_buffer_size(100);
    for role in ROLES {
        for (receiver_waits, sender_waits) in
            [(false, false), (false, true), (true, false), (true, true)]
        {
            let wire = Wire::with_writes(Writes::Room(0));
            let mut socket = wire.socket(role, Options::default().websocket(config));
            let [receiver, sender] = [(); 2].map(|()| Arc::new(Count::default()));
            socket.feed(Message::text("small")).await.unwrap();
            if receiver_waits {
                let waker = Waker::from(receiver.clone());
                let next = Pin::new(&mut socket).poll_next(&mut Context::from_waker(&waker));
                assert!(next.is_pending());
            }
            if sender_waits {
                let waker = Waker::from(sender.clone());
                let flush = Pin::new(&mut socket).poll_flush(&mut Context::from_waker(&waker));
                assert!(flush.is_pending());
            }
            // The flush is given up; what it waited for still wakes its task.
            Pin::new(&mut socket)
                .start_send(Message::binary(vec![1; 200]))
                .unwrap();
            assert_eq!(count_of(&receiver), 0);
            assert_eq!(count_of(&sender), 0);
            wire.set_writes(Writes::Taken);
            let woken = [&receiver, &sender].map(|count| count_of(count) > 0);
            assert_eq!(woken, [receiver_waits, sender_waits]);
        }
    }
}

/// A receiving task has a deadline to keep once a Close is queued; a message changes nothing for it.
#[tokio::test(start_paused = true)]
async fn a_close_wakes_who_receives() {
    for role in ROLES {
        for (message, woken) in [(Message::text("no"), 0), (Message::Close(None), 1)] {
            let wire = Wire::default();
            let mut socket = wire.socket(role, Options::default());
            let receiver = Arc::new(Count::default());
            let waker = Waker::from(receiver.clone());
            let next = Pin::new(&mut socket).poll_next(&mut Context::from_waker(&waker));
            assert!(next.is_pending());
            socket.feed(message).await.unwrap();
            assert_eq!(count_of(&receiver), woken);
        }
    }
}

/// A task that waits for its message to be written is woken when the receiver has written it, or has failed to.
#[tokio::test(start_paused = true)]
async fn a_receiver_that_writes_wakes_who_sends() {
    for role in ROLES {
        for (writes, woken) in [
            (Writes::Room(0), 0),
            (Writes::Taken, 1),
            (Writes::Fail(ErrorKind::BrokenPipe), 1),
        ] {
            let wire = Wire::with_writes(Writes::Room(0));
            let mut socket = wire.socket(role, Options::default());
            let [receiver, sender] = [(); 2].map(|()| Arc::new(Count::default()));
            socket.feed(Message::text("waits")).await.unwrap();
            let waker = Waker::from(sender.clone());
            let flush = Pin::new(&mut socket).poll_flush(&mut Context::from_waker(&waker));
            assert!(flush.is_pending());
            // The transport itself tells nobody.
            wire.state().writes = writes;
            let waker = Waker::from(receiver.clone());
            let next = Pin::new(&mut socket).poll_next(&mut Context::from_waker(&waker));
            assert_eq!(next.is_ready(), matches!(writes, Writes::Fail(_)));
            assert_eq!(count_of(&sender), woken);
        }
    }
}
