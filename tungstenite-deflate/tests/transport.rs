//! The stream over a transport that fails, stands still or is asked for, for both roles.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use bytes::BytesMut;
use futures_core::stream::FusedStream;
use futures_util::{FutureExt, Sink, SinkExt, Stream, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tungstenite_deflate::tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite_deflate::tungstenite::{Error, Message};
use tungstenite_deflate::{
    Agreed, Compression, Initiator, Limits, Options, UnfinishedMemory, WebSocketStream,
};

const ROLES: [Role; 2] = [Role::Server, Role::Client];

/// A transport whose answers the test chooses; clones are the same one.
#[derive(Clone, Default)]
struct Wire(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// What can be read; then there is a wait.
    incoming: VecDeque<Result<Vec<u8>, ErrorKind>>,
    /// What was written.
    outgoing: Vec<u8>,
    writes: Writes,
    /// A shutdown waits.
    stays: bool,
    /// Shutdowns that were asked for.
    shutdowns: usize,
    writer: Option<Waker>,
}

/// What becomes of bytes that are written.
#[derive(Clone, Copy, Default)]
enum Writes {
    #[default]
    Taken,
    /// So many are taken, then there is a wait.
    Room(usize),
    Fail(ErrorKind),
}

impl Wire {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test panics with the lock")
    }

    fn with_writes(writes: Writes) -> Self {
        let wire = Self::default();
        wire.state().writes = writes;
        wire
    }

    /// Bytes come in.
    fn gives(&self, bytes: &[u8]) {
        self.state().incoming.push_back(Ok(bytes.to_vec()));
    }

    /// Writes go on like this from now on, and who waits for it is woken.
    fn set_writes(&self, writes: Writes) {
        let mut state = self.state();
        state.writes = writes;
        if let Some(waker) = state.writer.take() {
            waker.wake();
        }
    }

    fn socket(&self, role: Role, options: Options) -> WebSocketStream<Self> {
        WebSocketStream::with_options(self.clone(), BytesMut::new(), role, options, None)
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.state().incoming.pop_front() {
            Some(Ok(bytes)) => {
                buffer.put_slice(&bytes);
                Poll::Ready(Ok(()))
            }
            Some(Err(kind)) => Poll::Ready(Err(kind.into())),
            None => Poll::Pending,
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.state();
        let taken = match state.writes {
            Writes::Taken => bytes.len(),
            Writes::Room(0) => {
                state.writer = Some(cx.waker().clone());
                return Poll::Pending;
            }
            Writes::Room(room) => {
                let taken = room.min(bytes.len());
                state.writes = Writes::Room(room - taken);
                taken
            }
            // As a transport does that takes nothing without saying why.
            Writes::Fail(ErrorKind::WriteZero) => 0,
            Writes::Fail(kind) => return Poll::Ready(Err(kind.into())),
        };
        state.outgoing.extend_from_slice(&bytes[..taken]);
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.state();
        state.shutdowns += 1;
        if state.stays {
            Poll::Pending
        } else {
            Poll::Ready(Ok(()))
        }
    }
}

/// A frame as the other side of `role` sends it; a key of zeros masks nothing.
fn frame(role: Role, first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).expect("a short frame");
    match role {
        Role::Server => [&[first, 0x80 | length, 0, 0, 0, 0], payload].concat(),
        Role::Client => [&[first, length], payload].concat(),
    }
}

fn kind_of(error: &Error) -> ErrorKind {
    match error {
        Error::Io(error) => error.kind(),
        other => panic!("{other}"),
    }
}

/// The code of the Close that `role` wrote last; its frames have no payload of more than 125 bytes here.
fn last_close_code(role: Role, written: &[u8]) -> u16 {
    let (mut at, mut code) = (0, None);
    while at < written.len() {
        let length = usize::from(written[at + 1] & 0x7f);
        let (key, begin) = match role {
            Role::Server => ([0; 4], at + 2),
            Role::Client => (written[at + 2..at + 6].try_into().expect("4 bytes"), at + 6),
        };
        if written[at] == 0x88 {
            let [high, low] = [0, 1].map(|place| written[begin + place] ^ key[place]);
            code = Some(u16::from_be_bytes([high, low]));
        }
        at = begin + length;
    }
    code.expect("a Close with a code")
}

#[tokio::test(start_paused = true)]
async fn the_transport_and_the_choices_can_be_asked_for_and_taken_back() {
    for role in ROLES {
        let wire = Wire::default();
        let config = WebSocketConfig::default().max_message_size(Some(77));
        let read_before = frame(role, 0x81, b"early");
        let mut socket =
            WebSocketStream::from_partially_read(wire.clone(), read_before, role, Some(config))
                .await;
        assert_eq!(socket.get_config().max_message_size, Some(77));
        assert!(Arc::ptr_eq(&socket.get_ref().0, &wire.0));
        assert!(Arc::ptr_eq(&socket.get_mut().0, &wire.0));
        let message = socket.next().await.unwrap().unwrap();
        assert_eq!(message, Message::text("early"));
        // Two messages in one read: one is delivered, the other is given back as bytes.
        let second = frame(role, 0x82, b"second");
        wire.gives(&[frame(role, 0x82, b"first"), second.clone()].concat());
        let message = socket.next().await.unwrap().unwrap();
        assert_eq!(message, Message::binary(&b"first"[..]));
        let (back, rest) = socket.into_parts();
        assert!(Arc::ptr_eq(&back.0, &wire.0));
        assert_eq!(rest, second);
        let back = wire.socket(role, Options::default()).into_inner();
        assert!(Arc::ptr_eq(&back.0, &wire.0));
    }
}

#[tokio::test(start_paused = true)]
async fn one_message_may_be_compressed_against_the_rule() {
    let agreed = Agreed {
        server_no_context_takeover: true,
        client_no_context_takeover: true,
        server_max_window_bits: 15,
        client_max_window_bits: 15,
    };
    let (short, long) = ("short".to_owned(), "long ".repeat(100));
    for role in ROLES {
        for (text, choice, compressed) in [
            (&short, Compression::Auto, false),
            (&short, Compression::Always, true),
            (&long, Compression::Auto, true),
            (&long, Compression::Never, false),
        ] {
            let wire = Wire::default();
            let mut socket = WebSocketStream::with_options(
                wire.clone(),
                BytesMut::new(),
                role,
                Options::default(),
                Some(agreed),
            );
            let message = Message::text(text.as_str());
            socket.feed_with(message.clone(), choice).await.unwrap();
            assert!(wire.state().outgoing.is_empty(), "fed, not flushed");
            socket.flush().await.unwrap();
            let sent = wire.state().outgoing.clone();
            assert_eq!(sent[0], if compressed { 0xc1 } else { 0x81 }, "{choice:?}");
            let other = match role {
                Role::Server => Role::Client,
                Role::Client => Role::Server,
            };
            let mut receiver = WebSocketStream::with_options(
                Wire::default(),
                BytesMut::from(&sent[..]),
                other,
                Options::default(),
                Some(agreed),
            );
            assert_eq!(receiver.next().await.unwrap().unwrap(), message);
        }
    }
}

/// Whatever a transport fails with, the sender is told each time, and the receiver once.
#[tokio::test(start_paused = true)]
async fn a_failed_write_is_told_to_sender_and_receiver() {
    for role in ROLES {
        for kind in [
            ErrorKind::BrokenPipe,
            ErrorKind::WriteZero,
            ErrorKind::Other,
        ] {
            let mut socket = Wire::with_writes(Writes::Fail(kind)).socket(role, Options::default());
            let result = socket.send(Message::text("one")).await;
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

#[tokio::test(start_paused = true)]
async fn a_sender_waits_while_the_queue_is_over_its_size() {
    let config = WebSocketConfig::default().write_buffer_size(100);
    for role in ROLES {
        let wire = Wire::with_writes(Writes::Room(0));
        let mut socket = wire.socket(role, Options::default().websocket(config));
        socket.feed(Message::binary(vec![1; 200])).await.unwrap();
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

#[tokio::test(start_paused = true)]
async fn closing_the_sink_sends_one_close() {
    for role in ROLES {
        let wire = Wire::default();
        let mut socket = wire.socket(role, Options::default());
        socket.feed(Message::text("last")).await.unwrap();
        for _ in 0..2 {
            SinkExt::close(&mut socket).await.unwrap();
        }
        let header = if role == Role::Server { 2 } else { 6 };
        let sent = wire.state().outgoing.clone();
        assert_eq!(sent.len(), header + b"last".len() + header);
        assert_eq!((sent[0], sent[header + 4]), (0x81, 0x88));
        assert_eq!(socket.closed().unwrap().sent, Some(None));
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

/// What arrived of a message is judged before there is a wait for the rest of it.
#[tokio::test(start_paused = true)]
async fn an_unfinished_message_fails_at_once() {
    let limits = Limits::default().unfinished_memory(Some(UnfinishedMemory::new(5000)));
    let options = Options::default().limits(limits);
    for role in ROLES {
        let whole = frame(role, 0x81, b"\xc3\x28 and more");
        let header: &[u8] = match role {
            Role::Server => &[0x82, 0xfe, 0xff, 0xff, 0, 0, 0, 0],
            Role::Client => &[0x82, 0x7e, 0xff, 0xff],
        };
        let long = [header, &[7; 6000]].concat();
        for (unfinished, code) in [(&whole[..whole.len() - 1], 1007), (&long[..], 1013)] {
            let wire = Wire::default();
            for part in unfinished.chunks(4000) {
                wire.gives(part);
            }
            let mut socket = wire.socket(role, options.clone());
            assert!(
                socket.next().now_or_never().is_none(),
                "the peer may answer"
            );
            assert_eq!(last_close_code(role, &wire.state().outgoing), code);
            wire.gives(b"");
            assert!(socket.next().await.unwrap().is_err());
            assert!(socket.next().await.is_none());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_transport_that_does_not_shut_down_is_waited_for_as_long_as_a_close() {
    let timeout = Duration::from_secs(9);
    for stays in [false, true] {
        let wire = Wire::default();
        wire.state().stays = true;
        let options = Options::default().close_timeout(Some(timeout));
        let mut socket = wire.socket(Role::Server, options);
        wire.gives(&frame(Role::Server, 0x88, b""));
        assert!(socket.next().await.unwrap().unwrap().is_close());
        assert!(socket.next().now_or_never().is_none());
        assert_eq!(wire.state().shutdowns, 1);
        wire.state().stays = stays;
        let start = tokio::time::Instant::now();
        assert!(socket.next().await.is_none());
        assert_eq!(start.elapsed().as_secs(), if stays { 9 } else { 0 });
    }
}

/// The peer is told of its violation if it takes that within a second.
#[tokio::test(start_paused = true)]
async fn a_close_waits_for_room_and_not_for_ever() {
    for role in ROLES {
        for room in [false, true] {
            let wire = Wire::with_writes(Writes::Room(0));
            let mut socket = wire.socket(role, Options::default());
            wire.gives(&frame(role, 0x83, b""));
            assert!(socket.next().now_or_never().is_none());
            assert_eq!(wire.state().shutdowns, 0, "the Close goes before the end");
            if room {
                wire.set_writes(Writes::Taken);
                wire.gives(b"");
            }
            let start = tokio::time::Instant::now();
            assert!(socket.next().await.unwrap().is_err());
            assert_eq!(start.elapsed().as_secs(), u64::from(!room));
            let sent = wire.state().outgoing.clone();
            assert_eq!(sent.is_empty(), !room);
            if room {
                assert_eq!(last_close_code(role, &sent), 1002);
            }
        }
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
            assert_eq!(receiver.0.load(Ordering::Relaxed), 0);
            assert_eq!(sender.0.load(Ordering::Relaxed), 0);
            wire.set_writes(Writes::Taken);
            let woken = [&receiver, &sender].map(|count| count.0.load(Ordering::Relaxed) > 0);
            assert_eq!(woken, [receiver_waits, sender_waits]);
        }
    }
}
