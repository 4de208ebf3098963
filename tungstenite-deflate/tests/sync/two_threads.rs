//! Full duplex: one thread reads while another one writes.

use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use tungstenite_deflate::Compression;
use tungstenite_deflate::sync::halves::{Duplex, Halves, OwnedWriteHalf};
use tungstenite_deflate::sync::{Error, Message, WebSocket};
use tungstenite_deflate::tungstenite::protocol::Role;

use crate::tcp_pair;

/// Bytes that do not compress.
fn noise(seed: u32, length: u32) -> Vec<u8> {
    let mut state = seed | 1;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..length).map(next).collect()
}

/// A message of a length by its number; all are more than sockets hold.
fn message(number: u32) -> Message {
    Message::binary(noise(number, (number % 7) * 40_000 + number))
}

const MESSAGES: u32 = 150;

/// A side that writes on one thread and reads on another.
struct Side<W> {
    writing: JoinHandle<OwnedWriteHalf<W>>,
    reading: JoinHandle<()>,
    /// Told when every message is there.
    complete: mpsc::Receiver<()>,
}

fn flood<S>((mut reader, mut writer): Halves<S>) -> Side<S::Writer>
where
    S: Duplex<Reader: Send + 'static, Writer: Send + 'static>,
{
    let (all_there, complete) = mpsc::channel();
    let writing = thread::spawn(move || {
        for number in 0..MESSAGES {
            writer
                .send_with(message(number), Compression::Never)
                .unwrap();
            let ping = number.to_be_bytes().to_vec();
            writer.send(Message::Ping(ping.into())).unwrap();
        }
        writer
    });
    let reading = thread::spawn(move || {
        let (mut messages, mut pings, mut has_pong) = (0, 0, false);
        let end = loop {
            match reader.read() {
                Ok(Message::Binary(payload)) => {
                    assert_eq!(Message::Binary(payload), message(messages));
                    messages += 1;
                }
                Ok(Message::Ping(_)) => pings += 1,
                Ok(Message::Pong(payload)) => {
                    // Of many Pings at once the last one alone may be answered.
                    has_pong |= payload[..] == (MESSAGES - 1).to_be_bytes();
                }
                Ok(Message::Close(_)) => {}
                Ok(other) => panic!("{other:?}"),
                Err(end) => break end,
            }
            if has_pong && (messages, pings) == (MESSAGES, MESSAGES) {
                // Again and again until the other thread has gone.
                let _ = all_there.send(());
            }
        };
        assert!(matches!(end, Error::ConnectionClosed), "{end:?}");
        assert!(matches!(reader.read(), Err(Error::AlreadyClosed)));
    });
    Side {
        writing,
        reading,
        complete,
    }
}

/// More than the sockets hold is on its way in both directions at once: one thread a side would wait for ever.
pub(crate) fn floods_both_ways<C, S>(client: WebSocket<C>, server: WebSocket<S>)
where
    C: Duplex<Reader: Send + 'static, Writer: Send + 'static>,
    S: Duplex<Reader: Send + 'static, Writer: Send + 'static>,
{
    let client = flood::<C>(client.split_owned().unwrap());
    let server = flood::<S>(server.split_owned().unwrap());
    client.complete.recv().unwrap();
    server.complete.recv().unwrap();
    let mut closer = client.writing.join().unwrap();
    // It lives on: the end of the connection does not wait for it.
    let kept = server.writing.join().unwrap();
    closer.close(None).unwrap();
    let late = closer.send(message(1)).unwrap_err();
    assert!(
        matches!(late, Error::Protocol(_) | Error::AlreadyClosed),
        "{late:?}"
    );
    client.reading.join().unwrap();
    server.reading.join().unwrap();
    assert!(!kept.can_write());
}

#[test]
fn tcp_floods_both_ways() {
    let (client, server) = tcp_pair();
    floods_both_ways(client, server);
}

#[cfg(unix)]
#[test]
fn unix_sockets_flood_both_ways() {
    let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
    floods_both_ways(
        WebSocket::from_raw_socket(near, Role::Client, None),
        WebSocket::from_raw_socket(far, Role::Server, None),
    );
}

/// A reader goes on while its writer waits for a peer that does not read, and the writer takes the reader's Pong along.
#[test]
fn a_writer_that_waits_does_not_stop_the_reader() {
    let (client, mut server) = tcp_pair();
    let (mut reader, mut writer) = client.split_owned().unwrap();
    // Far more than the buffers of two sockets.
    let message = Message::binary(noise(1, 15_000_000));
    let writing = thread::spawn(move || {
        writer.send_with(message, Compression::Never).unwrap();
        writer
    });
    assert_eq!(server.get_ref().peek(&mut [0]).unwrap(), 1, "it has begun");
    for number in 0..100_u32 {
        let payload = number.to_be_bytes().to_vec();
        server.send(Message::Ping(payload.clone().into())).unwrap();
        assert_eq!(reader.read().unwrap(), Message::Ping(payload.into()));
    }
    assert!(!writing.is_finished());
    assert_eq!(server.read().unwrap().len(), 15_000_000);
    let mut pong = server.read().unwrap();
    while pong != Message::Pong(99_u32.to_be_bytes().to_vec().into()) {
        assert!(pong.is_pong());
        pong = server.read().unwrap();
    }
    writing.join().unwrap();
}

/// Pings are answered though nobody writes.
#[test]
fn an_idle_writer_leaves_the_answers_to_the_reader() {
    let (client, mut server) = tcp_pair();
    let (mut reader, writer) = client.split_owned().unwrap();
    server.send(Message::Ping(b"?".as_ref().into())).unwrap();
    assert!(reader.read().unwrap().is_ping());
    assert_eq!(server.read().unwrap(), Message::Pong(b"?".as_ref().into()));
    server.close(None).unwrap();
    assert!(reader.read().unwrap().is_close());
    assert!(server.read().unwrap().is_close());
    assert!(matches!(server.read(), Err(Error::ConnectionClosed)));
    drop(server);
    assert!(matches!(reader.read(), Err(Error::ConnectionClosed)));
    drop(writer);
}

#[test]
fn a_violation_is_reported_though_nobody_writes() {
    let (client, mut server) = tcp_pair();
    let (mut reader, _writer) = client.split_owned().unwrap();
    std::io::Write::write_all(server.get_mut(), &[0x83, 0]).unwrap();
    assert!(matches!(reader.read(), Err(Error::Protocol(_))));
    assert!(matches!(reader.read(), Err(Error::AlreadyClosed)));
    let Message::Close(Some(frame)) = server.read().unwrap() else {
        panic!("no Close");
    };
    assert_eq!(u16::from(frame.code), 1002);
}
