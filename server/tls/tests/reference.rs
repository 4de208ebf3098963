//! This stream and `tokio_rustls::server::TlsStream` look the same to an application, a peer and a transport.
//!
//! Each test runs a scenario over both, step by step, compares what was seen and checks it against what is right.
//! One difference is wanted, and tested as such: the alert for versions before TLS 1.2.

#![allow(clippy::unwrap_used, reason = "it is a test: it may panic")]

#[expect(
    dead_code,
    unreachable_pub,
    reason = "shared with the stream's own tests"
)]
mod support;

use std::fmt::Debug;
use std::io::{ErrorKind, IoSlice};
use std::task::Poll;

use rustls::{AlertDescription, Error};
use support::{Connected, Outcome, Server, Setup, Stream, VERSIONS, Wire, poll};

/// Runs `scenario` over both servers and returns what was seen of each, which is the same.
#[track_caller]
fn same<T: Debug + PartialEq>(scenario: impl Fn(Server) -> T) -> T {
    let (ours, reference) = (scenario(Server::Ours), scenario(Server::Reference));
    assert_eq!(ours, reference, "ours and the reference differ");
    ours
}

/// Runs `scenario` over a connection of each version of TLS to both servers; returns what was seen of each version.
#[track_caller]
fn same_by_version<T: Debug + PartialEq>(
    scenario: impl Fn(&mut Connected<Box<dyn Stream>>) -> T,
) -> Vec<T> {
    let setups = VERSIONS.map(|version| Setup::new(&[version]));
    same(|server| {
        let seen = setups
            .iter()
            .map(|setup| scenario(&mut setup.connected(server)));
        seen.collect()
    })
}

/// The outcome of a handshake in words.
fn outcome(done: Poll<std::io::Result<Box<dyn Stream>>>) -> String {
    match done {
        Poll::Pending => "pending".to_owned(),
        Poll::Ready(Ok(_)) => "done".to_owned(),
        Poll::Ready(Err(error)) => format!("{:?}", error.kind()),
    }
}

fn text(length: usize) -> Vec<u8> {
    (0_u32..).map(|i| i.to_le_bytes()[1]).take(length).collect()
}

#[test]
fn handshake_waits_at_every_byte_of_the_first_flight_and_fails_where_it_ends() {
    for version in VERSIONS {
        let setup = Setup::new(&[version]);
        let mut client = setup.client();
        let mut hello = Vec::new();
        client.write_tls(&mut hello).unwrap();
        for cut in 0..hello.len() {
            let seen = same(|server| {
                let wire = Wire::new();
                let mut accepting = setup.accept(server, wire.clone());
                wire.ends().arriving.extend(&hello[..cut]);
                let waiting = outcome(poll(accepting.as_mut()));
                wire.ends().over = true;
                (
                    waiting,
                    outcome(poll(accepting.as_mut())),
                    wire.ends().departed.clone(),
                )
            });
            let expected = ("pending".to_owned(), "UnexpectedEof".to_owned(), vec![]);
            assert_eq!(seen, expected, "cut at {cut} of {}", hello.len());
        }
    }
}

#[test]
fn handshake_waits_at_every_byte_of_the_last_flight_and_fails_where_it_ends() {
    for version in VERSIONS {
        let setup = Setup::new(&[version]);
        for over in [false, true] {
            for cut in 0.. {
                let seen = same(|server| {
                    let wire = Wire::new();
                    let mut accepting = setup.accept(server, wire.clone());
                    let client = setup.client();
                    let mut peer = support::Peer { wire, client };
                    peer.send();
                    assert!(poll(accepting.as_mut()).is_pending());
                    peer.receive().unwrap();
                    let flight = peer.records();
                    let cut = cut.min(flight.len());
                    peer.wire.ends().arriving.extend(&flight[..cut]);
                    let first = outcome(poll(accepting.as_mut()));
                    if first == "done" {
                        return (cut == flight.len(), first);
                    }
                    peer.wire.ends().over = over;
                    if !over {
                        peer.wire.ends().arriving.extend(&flight[cut..]);
                    }
                    (false, outcome(poll(accepting.as_mut())))
                });
                let expected = if over { "UnexpectedEof" } else { "done" };
                if seen.0 {
                    break;
                }
                assert_eq!(seen.1, expected, "cut at {cut}");
            }
        }
    }
}

#[test]
fn data_and_their_end_are_read_and_the_other_direction_goes_on() {
    let seen = same_by_version(|connected| {
        let last = connected.peer.sealed(b"last");
        connected.arrive(&last);
        connected.peer.client.send_close_notify();
        connected.peer.send();
        let read = (connected.read(100), connected.read(100));
        connected.send(b"bye");
        let received = connected.peer.receive();
        let shut = connected.shutdown();
        let closed = connected.peer.receive().map(|_| connected.peer.is_closed());
        (
            read,
            received,
            shut,
            closed,
            connected.peer.wire.ends().shut,
        )
    });
    for seen in seen {
        let read = (Outcome::Data(b"last".to_vec()), Outcome::End);
        let ended = Poll::Ready(Ok(()));
        assert_eq!(seen, (read, Ok(b"bye".to_vec()), ended, Ok(true), true));
    }
}

#[test]
fn end_without_close_notify_is_an_error_wherever_it_falls() {
    for version in VERSIONS {
        let setup = Setup::new(&[version]);
        let whole = setup.connected(Server::Ours).peer.sealed(b"data").len();
        for cut in 0..=whole {
            let seen = same(|server| {
                let mut connected = setup.connected(server);
                let record = connected.peer.sealed(b"data");
                connected.arrive(&record[..cut]);
                connected.peer.wire.ends().over = true;
                (connected.read_all(100), connected.read(100))
            });
            let data = if cut == whole { &b"data"[..] } else { b"" };
            let end = || Outcome::Failed(ErrorKind::UnexpectedEof);
            assert_eq!(seen, ((data.to_vec(), end()), end()), "cut at {cut}");
        }
    }
}

#[test]
fn large_writes_arrive_whole_at_a_slow_reader() {
    let text = text(500_000);
    for window in [1000, 7777, 100_000] {
        same_by_version(|connected| {
            connected.peer.wire.ends().window = 0;
            let (mut written, mut received) = (0, Vec::new());
            while received.len() < text.len() {
                while written < text.len()
                    && let Poll::Ready(part) = connected.write(&text[written..])
                {
                    written += part.unwrap();
                }
                // What a server takes ahead of its peer is bounded.
                assert!(written - received.len() <= 200_000);
                connected.peer.wire.ends().window = window;
                assert!(connected.flush() != Poll::Ready(Err(ErrorKind::Other)));
                received.extend(connected.peer.receive().unwrap());
            }
            assert!(received == text);
        });
    }
}

#[test]
fn large_reads_come_whole_to_readers_of_any_size() {
    let text = text(60_000);
    for length in [1, 999, 16_384, 100_000] {
        let seen = same_by_version(|connected| {
            let records = connected.peer.sealed(&text);
            connected.arrive(&records);
            connected.read_all(length)
        });
        for (received, end) in seen {
            assert!(received == text && end == Outcome::Pending);
        }
    }
}

#[test]
fn reading_goes_on_after_our_end() {
    let seen = same_by_version(|connected| {
        let shut = connected.shutdown();
        let closed = connected.peer.receive().map(|_| connected.peer.is_closed());
        let late = connected.peer.sealed(b"late");
        connected.arrive(&late);
        (shut, closed, connected.read_all(100))
    });
    for seen in seen {
        let read = (b"late".to_vec(), Outcome::Pending);
        assert_eq!(seen, (Poll::Ready(Ok(())), Ok(true), read));
    }
}

/// The alert in the one plain record that `bytes` are.
fn alert(bytes: &[u8]) -> Option<AlertDescription> {
    match bytes {
        [21, 3, _, 0, 2, 2, description] => Some(AlertDescription::from(*description)),
        _ => None,
    }
}

#[test]
fn refused_handshakes_are_answered_by_the_same_alert() {
    let both = Setup::new(&VERSIONS);
    let mut good = Vec::new();
    both.client().write_tls(&mut good).unwrap();
    let mut overlong = good;
    (overlong[3], overlong[4]) = (0xff, 0xff);
    #[rustfmt::skip]
    let cases = [
        ("HTTP", &b"GET / HTTP/1.1\r\n\r\n".to_vec(), AlertDescription::DecodeError),
        ("a record that is too long", &overlong, AlertDescription::DecodeError),
        ("zeros", &vec![0; 64], AlertDescription::DecodeError),
        ("an alert in place of a hello", &vec![23, 3, 3, 0, 1, 0], AlertDescription::UnexpectedMessage),
    ];
    for (what, bytes, expected) in cases {
        let (kind, sent) = same(|server| {
            let wire = Wire::new();
            let mut accepting = both.accept(server, wire.clone());
            wire.ends().arriving.extend(bytes);
            (
                outcome(poll(accepting.as_mut())),
                wire.ends().departed.clone(),
            )
        });
        assert_eq!(
            (kind.as_str(), alert(&sent)),
            ("InvalidData", Some(expected)),
            "{what}"
        );
    }
}

/// The alert comes in a record that is encrypted already, after the server's hello.
#[test]
fn clients_whose_protocols_nobody_speaks_are_told_so() {
    for version in VERSIONS {
        let mut setup = Setup::new(&[version]);
        setup.client.alpn_protocols = vec![b"spdy/3".to_vec()];
        let seen = same(|server| {
            let wire = Wire::new();
            let mut accepting = setup.accept(server, wire.clone());
            let client = setup.client();
            let mut peer = support::Peer { wire, client };
            peer.send();
            (outcome(poll(accepting.as_mut())), peer.receive())
        });
        let alert = Error::AlertReceived(AlertDescription::NoApplicationProtocol);
        assert_eq!(seen, ("InvalidData".to_owned(), Err(alert)));
    }
}

#[test]
fn records_that_were_tampered_with_end_both_directions() {
    for at in [0, 3, 5, 10] {
        let seen = same_by_version(|connected| {
            let good = connected.peer.sealed(b"good");
            connected.arrive(&good);
            let good = connected.read(100);
            let mut bad = connected.peer.sealed(b"bad");
            bad[at] ^= 0x40;
            connected.arrive(&bad);
            // One whose length has grown waits for the rest.
            let more = connected.peer.sealed(&vec![0; 20_000]);
            connected.arrive(&more);
            let first = connected.read(100);
            (good, first, connected.peer.receive())
        });
        for (good, failed, at_client) in seen {
            assert_eq!(good, Outcome::Data(b"good".to_vec()));
            assert_eq!(failed, Outcome::Failed(ErrorKind::InvalidData), "byte {at}");
            assert!(
                matches!(at_client, Err(Error::AlertReceived(_))),
                "byte {at}: {at_client:?}"
            );
        }
    }
}

#[test]
fn keys_are_renewed_while_data_flow() {
    let setup = Setup::new(&[&rustls::version::TLS13]);
    let seen = same(|server| {
        let mut connected = setup.connected(server);
        let mut seen = Vec::new();
        for round in 0..5_u8 {
            connected.peer.client.refresh_traffic_keys().unwrap();
            let record = connected.peer.sealed(&[round]);
            connected.arrive(&record);
            seen.push(connected.read(100));
            connected.send(&[round, round]);
            seen.push(Outcome::Data(connected.peer.receive().unwrap()));
        }
        seen
    });
    let expected = (0..5).flat_map(|round| [vec![round], vec![round, round]].map(Outcome::Data));
    assert_eq!(seen, expected.collect::<Vec<_>>());
}

#[test]
fn slices_arrive_in_order_and_once() {
    let body = text(50_000);
    let parts: [&[&[u8]]; 5] = [
        &[b"header", b"", b"payload"],
        &[&body[..16_380], b"12345678"],
        &[b"", &body, b"end"],
        &[&body, &body, &body],
        &[&b"x"[..]; 300],
    ];
    for parts in parts {
        let whole = parts.concat();
        same_by_version(|connected| {
            let mut slices: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
            let mut left = &mut slices[..];
            let mut received = Vec::new();
            while !left.is_empty() {
                let written = connected.write_vectored(left);
                IoSlice::advance_slices(&mut left, written);
                assert_eq!(connected.flush(), Poll::Ready(Ok(())));
                received.extend(connected.peer.receive().unwrap());
            }
            assert!(received == whole);
        });
    }
}

#[test]
fn polls_that_were_given_up_lose_nothing() {
    let text = text(100_000);
    same_by_version(|connected| {
        // Reads, writes, flushes and shutdowns are each asked for once and dropped, one byte of progress at a time.
        let records = connected.peer.sealed(b"cut anywhere");
        let mut read = Vec::new();
        for byte in records {
            connected.arrive(&[byte]);
            connected.peer.wire.ends().window = 100;
            read.extend(connected.read_all(5).0);
            let _ = connected.flush();
        }
        assert_eq!(read, b"cut anywhere");
        let (mut written, mut received) = (0, connected.peer.receive().unwrap());
        while written < text.len() {
            connected.peer.wire.ends().window = 1;
            if let Poll::Ready(part) = connected.write(&text[written..]) {
                written += part.unwrap();
            }
            connected.peer.wire.ends().window = 999;
            let _ = connected.flush();
            received.extend(connected.peer.receive().unwrap());
        }
        while connected.shutdown().is_pending() {
            connected.peer.wire.ends().window = 7;
            received.extend(connected.peer.receive().unwrap());
        }
        received.extend(connected.peer.receive().unwrap());
        assert!(received == text && connected.peer.is_closed());
    });
}

#[test]
fn failures_of_the_transport_come_through() {
    let seen = same_by_version(|connected| {
        connected.peer.wire.ends().broken = true;
        let read = connected.read(100);
        let sent = match connected.write(b"x") {
            Poll::Ready(Err(kind)) => Poll::Ready(Err(kind)),
            _ => connected.flush(),
        };
        (read, sent)
    });
    for (read, sent) in seen {
        assert_eq!(read, Outcome::Failed(ErrorKind::ConnectionReset));
        assert_eq!(sent, Poll::Ready(Err(ErrorKind::BrokenPipe)));
    }
}

/// Versions before TLS 1.2 are told so (RFC 5246 §E.1); rustls says `handshake_failure`.
#[test]
fn old_versions_are_told_of_the_version() {
    // TLS 1.0: a version, a random, no session, one suite, no compression, no extensions.
    let body = [&[3, 1][..], &[7; 32], &[0, 0, 2, 0, 0x2f, 1, 0]].concat();
    let length = u8::try_from(body.len()).unwrap();
    let record = [&[22, 3, 1, 0, length + 4, 1, 0, 0, length][..], &body].concat();
    let setup = Setup::new(&VERSIONS);
    let sent = |server| {
        let wire = Wire::new();
        let mut accepting = setup.accept(server, wire.clone());
        wire.ends().arriving.extend(&record);
        let failed = outcome(poll(accepting.as_mut()));
        assert_eq!(failed, "InvalidData");
        alert(&wire.ends().departed)
    };
    assert_eq!(sent(Server::Ours), Some(AlertDescription::ProtocolVersion));
    assert_eq!(
        sent(Server::Reference),
        Some(AlertDescription::HandshakeFailure)
    );
}

/// A first message that cannot be read gets an alert (RFC 8446 §6.2), also where rustls sends none: the first row.
#[test]
fn unreadable_first_messages_are_answered_by_an_alert() {
    let records: [&[u8]; 7] = [
        // A ClientHello that announces 16 MiB.
        &[22, 3, 1, 0, 4, 1, 0xff, 0xff, 0xff],
        // One of a single byte.
        &[22, 3, 1, 0, 5, 1, 0, 0, 1, 0],
        // A ServerHello, an unknown message, an empty record.
        &[22, 3, 3, 0, 4, 2, 0, 0, 0],
        &[22, 3, 3, 0, 4, 99, 0, 0, 0],
        &[22, 3, 1, 0, 0],
        // Application data, and a record longer than any may be.
        &[23, 3, 3, 0, 1, 0],
        &[22, 3, 1, 0x48, 0x01, 1],
    ];
    let setup = Setup::new(&VERSIONS);
    for record in records {
        let sent = |server| {
            let wire = Wire::new();
            let mut accepting = setup.accept(server, wire.clone());
            wire.ends().arriving.extend(record);
            let failed = outcome(poll(accepting.as_mut()));
            assert_eq!(failed, "InvalidData", "{record:02x?}");
            alert(&wire.ends().departed)
        };
        let ours = sent(Server::Ours).unwrap_or_else(|| panic!("no alert for {record:02x?}"));
        let reference = sent(Server::Reference).unwrap_or(AlertDescription::DecodeError);
        assert_eq!(ours, reference, "{record:02x?}");
    }
}
