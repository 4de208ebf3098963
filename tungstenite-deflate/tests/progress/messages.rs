//! Messages that arrive slowly, stall or drip.

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncWriteExt, DuplexStream};
use tokio::time::{Instant, sleep};
use tungstenite_deflate::tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite_deflate::tungstenite::{Error, Message};
use tungstenite_deflate::{Limits, Options, WebSocketStream};

use super::{AGREED, ROLES, pair, seconds, seconds_since};

/// Bytes that do not compress.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn fifteen_megabytes_at_250_kilobytes_a_second_arrive() {
    let message = Message::binary(noise(15_000_000));
    for role in ROLES {
        for agreed in [None, Some(AGREED)] {
            let (mut socket, mut peer) = pair(role, Options::default(), agreed, 250_000);
            let begun = Instant::now();
            let sent = message.clone();
            let sending = tokio::spawn(async move { peer.send(sent).await.map(|()| peer) });
            let received = socket.next().await.unwrap().unwrap();
            assert!(received == message, "{role:?} {agreed:?}");
            assert!((58..=62).contains(&seconds_since(begun)), "{begun:?}");
            sending.await.unwrap().unwrap();
        }
    }
}

/// The raw bytes of a peer, and the connection that receives them.
fn raw(role: Role, options: Options) -> (DuplexStream, WebSocketStream<DuplexStream>) {
    let (near, far) = tokio::io::duplex(64);
    let buffer = bytes::BytesMut::new();
    let socket = WebSocketStream::with_options(near, buffer, role, options, None);
    (far, socket)
}

/// The header of a frame of `length` bytes, as the other side of `role` sends it; a key of zeros masks nothing.
fn header(role: Role, first: u8, length: u32) -> Vec<u8> {
    let masked = if role == Role::Server { 0x80 } else { 0 };
    let mut header = vec![first];
    match length {
        0..126 => header.push(masked | u8::try_from(length).unwrap()),
        126..65_536 => {
            header.push(masked | 0x7e);
            header.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        _ => {
            header.push(masked | 0x7f);
            header.extend(u64::from(length).to_be_bytes());
        }
    }
    if role == Role::Server {
        header.extend([0; 4]);
    }
    header
}

/// The error of the message that is unfinished, and the seconds until it came.
async fn fails(socket: &mut WebSocketStream<DuplexStream>) -> u64 {
    let begun = Instant::now();
    let error = loop {
        match socket.next().await.unwrap() {
            Ok(Message::Ping(_) | Message::Frame(_)) => {}
            Ok(other) => panic!("{other}"),
            Err(error) => break error,
        }
    };
    assert!(matches!(&error, Error::Io(error) if error.kind() == std::io::ErrorKind::TimedOut));
    let text = error.to_string();
    assert!(text.contains("unfinished_message_timeout"), "{text}");
    seconds_since(begun)
}

/// `bytes` of a message each `pause` seconds, until the connection ends.
fn drip(mut peer: DuplexStream, bytes: Vec<u8>, pause: u64) {
    tokio::spawn(async move {
        while peer.write_all(&bytes).await.is_ok() {
            sleep(seconds(pause)).await;
        }
    });
}

/// The least rate lives, whatever the length; a byte less does not, nor does anything that is no payload.
#[tokio::test(start_paused = true)]
async fn progress_is_a_number_of_bytes_in_a_time() {
    let limits = Limits::default()
        .unfinished_message_timeout(Some(seconds(10)))
        .min_progress_bytes(100);
    let options = Options::default().limits(limits);
    for role in ROLES {
        // 100 bytes in nine seconds, 1,000 in all.
        let (mut peer, mut socket) = raw(role, options.clone());
        tokio::spawn(async move {
            peer.write_all(&header(role, 0x82, 1000)).await.unwrap();
            for _ in 0..10 {
                sleep(seconds(9)).await;
                peer.write_all(&[7; 100]).await.unwrap();
            }
            sleep(seconds(100)).await;
        });
        let message = socket.next().await.unwrap().unwrap();
        assert_eq!(message, Message::binary(vec![7; 1000]));

        let ping = [header(role, 0x89, 100), vec![7; 100]].concat();
        let empty = header(role, 0x00, 0);
        for (begin, bytes, pause, name) in [
            (header(role, 0x82, 100_000), vec![7; 99], 10, "99 bytes"),
            (
                header(role, 0x82, 100_000),
                vec![7; 1],
                1,
                "a byte each second",
            ),
            (header(role, 0x02, 0), ping, 1, "Pings"),
            (header(role, 0x02, 0), empty, 1, "empty fragments"),
        ] {
            let (mut peer, mut socket) = raw(role, options.clone());
            peer.write_all(&begin).await.unwrap();
            drip(peer, bytes, pause);
            let after = fails(&mut socket).await;
            assert!((10..=20).contains(&after), "{name} after {after} s");
        }
    }
}

/// Whatever came before, a message that stalls ends as long after its last progress.
#[tokio::test(start_paused = true)]
async fn a_message_that_stalls_fails() {
    for role in ROLES {
        for pieces in [false, true] {
            for before in [0, 1, 1023, 1024, 5000, 300_000] {
                let options = Options::default().pieces(pieces);
                let (mut peer, mut socket) = raw(role, options);
                let sending = tokio::spawn(async move {
                    peer.write_all(&header(role, 0x82, 1_000_000))
                        .await
                        .unwrap();
                    sleep(seconds(20)).await;
                    peer.write_all(&vec![7; before]).await.unwrap();
                    peer
                });
                let after = fails(&mut socket).await;
                let expected = if before < 1024 { 30 } else { 50 };
                assert_eq!(after, expected, "{role:?} {before} {pieces}");
                drop(sending.await.unwrap());
            }
        }
    }
}

/// Ten minutes of one message at 2 kB/s, to a program that takes it as it comes and to one that is slow itself.
#[tokio::test(start_paused = true)]
async fn a_message_without_end_lives_in_pieces() {
    let unlimited = WebSocketConfig::default()
        .max_message_size(None)
        .max_frame_size(None);
    for role in ROLES {
        for (fragments, pause) in [(false, 0), (true, 0), (false, 40), (true, 40)] {
            let options = Options::default().websocket(unlimited).pieces(true);
            let (mut peer, mut socket) = raw(role, options);
            let sending = tokio::spawn(async move {
                let mut first = 0x02;
                if !fragments {
                    let whole = header(role, first, u32::MAX);
                    peer.write_all(&whole).await.unwrap();
                }
                for _ in 0..600 {
                    if fragments {
                        let fragment = header(role, first, 1 << 16);
                        peer.write_all(&fragment).await.unwrap();
                        first = 0x00;
                        for _ in 0..32 {
                            if peer.write_all(&[7; 2048]).await.is_err() {
                                return;
                            }
                            sleep(seconds(1)).await;
                        }
                    } else if peer.write_all(&[7; 2048]).await.is_err() {
                        return;
                    }
                    sleep(seconds(1)).await;
                }
            });
            let begun = Instant::now();
            while seconds_since(begun) < 590 {
                let piece = socket.next().await.unwrap().unwrap();
                assert!(matches!(piece, Message::Frame(_)));
                sleep(seconds(pause)).await;
            }
            drop(socket);
            sending.await.unwrap();
        }
    }
}
