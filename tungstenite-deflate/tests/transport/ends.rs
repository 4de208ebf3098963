//! The end: a Close that waits for its turn, a shutdown that does not come, a message that is wrong before it is whole.

use std::time::Duration;

use futures_core::stream::FusedStream;
use futures_util::{FutureExt, SinkExt, StreamExt};
use tungstenite_deflate::tungstenite::Message;
use tungstenite_deflate::tungstenite::protocol::Role;
use tungstenite_deflate::{Limits, MemoryBudget, Options};

use super::{ROLES, Wire, Writes, frame};

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
            let [high, low] = [0, 1].map(|byte| written[begin + byte] ^ key[byte]);
            code = Some(u16::from_be_bytes([high, low]));
        }
        at = begin + length;
    }
    code.expect("a Close with a code")
}

/// `None` waits for ever for a peer in good standing, and not at all for one that broke the rules.
#[tokio::test(start_paused = true)]
async fn without_a_close_timeout_only_a_peer_in_good_standing_is_waited_for() {
    let options = Options::default().close_timeout(None);
    for role in ROLES {
        let wire = Wire::with_writes(Writes::Room(0));
        let mut socket = wire.socket(role, options.clone());
        wire.gives(&frame(role, 0x83, b""));
        assert!(socket.next().now_or_never().unwrap().unwrap().is_err());
        assert!(socket.next().await.is_none());

        let wire = Wire::with_writes(Writes::Room(0));
        let mut socket = wire.socket(role, options.clone());
        wire.gives(&frame(role, 0x88, b""));
        assert!(socket.next().await.unwrap().unwrap().is_close());
        let year = Duration::from_secs(365 * 24 * 3600);
        assert!(tokio::time::timeout(year, socket.next()).await.is_err());
        wire.set_writes(Writes::Taken);
        wire.gives(b"");
        assert!(socket.next().await.is_none());
        assert_eq!(wire.state().outgoing[0], 0x88, "the answer was written");
    }
}

#[tokio::test(start_paused = true)]
async fn closing_the_sink_behind_the_end_is_no_error() {
    for role in ROLES {
        for last in [frame(role, 0x83, b""), frame(role, 0x88, b""), Vec::new()] {
            let wire = Wire::default();
            let mut socket = wire.socket(role, Options::default());
            wire.gives(&last);
            wire.gives(b"");
            while socket.next().await.is_some() {}
            assert!(socket.is_terminated());
            let written = wire.state().outgoing.len();
            SinkExt::close(&mut socket).await.unwrap();
            assert_eq!(wire.state().outgoing.len(), written, "nothing follows");
        }
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

/// The part of a message that has arrived is judged before the wait for the rest of it.
#[tokio::test(start_paused = true)]
async fn an_unfinished_message_fails_at_once() {
    let limits = Limits::default().unfinished_memory(Some(MemoryBudget::new(5000)));
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
            let first = socket.next().now_or_never().expect("an error at once");
            assert!(first.unwrap().is_err());
            assert_eq!(last_close_code(role, &wire.state().outgoing), code);
            let end = socket.next();
            assert!(end.now_or_never().is_none(), "the peer may answer");
            wire.gives(b"");
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

/// Both sides end the transport, which is a `close_notify` of TLS: the server first, the client when it sees the end.
#[tokio::test(start_paused = true)]
async fn both_roles_shut_the_transport_down() {
    for role in ROLES {
        for options in [Options::default(), Options::drop_in(None)] {
            let wire = Wire::default();
            let mut socket = wire.socket(role, options);
            socket.send(Message::Close(None)).await.unwrap();
            wire.gives(&frame(role, 0x88, b""));
            assert!(socket.next().await.unwrap().unwrap().is_close());
            let ended = socket.next().now_or_never();
            let first = usize::from(role == Role::Server);
            assert_eq!(
                (ended.is_some(), wire.state().shutdowns),
                (first == 1, first)
            );
            wire.gives(b"");
            assert!(socket.next().await.is_none());
            assert_eq!(wire.state().shutdowns, 1);
        }
    }
}

/// A server that does not end the byte stream is not waited for longer than its Close, and is left in order.
#[tokio::test(start_paused = true)]
async fn a_client_that_has_waited_shuts_the_transport_down() {
    let wire = Wire::default();
    let mut socket = wire.socket(Role::Client, Options::default());
    wire.gives(&frame(Role::Client, 0x88, b""));
    assert!(socket.next().await.unwrap().unwrap().is_close());
    assert!(socket.next().await.is_none());
    assert_eq!(wire.state().shutdowns, 1);
}

/// The program is told of a violation at once, the peer if it takes that within a second.
#[tokio::test(start_paused = true)]
async fn a_close_waits_for_room_and_not_for_ever() {
    for role in ROLES {
        for room in [false, true] {
            let wire = Wire::with_writes(Writes::Room(0));
            let mut socket = wire.socket(role, Options::default());
            // The peer says no more, but may still read.
            wire.gives(&frame(role, 0x83, b""));
            wire.gives(b"");
            let first = socket.next().now_or_never().expect("an error at once");
            assert!(first.unwrap().is_err());
            assert!(socket.next().now_or_never().is_none());
            assert_eq!(wire.state().shutdowns, 0, "the Close goes before the end");
            assert!(!socket.is_terminated(), "it is still to be written");
            if room {
                wire.set_writes(Writes::Taken);
            }
            let start = tokio::time::Instant::now();
            assert!(socket.next().await.is_none());
            assert_eq!(start.elapsed().as_secs(), u64::from(!room));
            let sent = wire.state().outgoing.clone();
            assert_eq!(sent.is_empty(), !room);
            if room {
                assert_eq!(last_close_code(role, &sent), 1002);
            }
        }
    }
}
