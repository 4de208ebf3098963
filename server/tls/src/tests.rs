//! The states of this stream alone; what every TLS stream does is tested in `tests/reference.rs`.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{ErrorKind, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker, ready};

use rustls::crypto::cipher::{MessageEncrypter, OutboundChunks, OutboundPlainMessage};
use rustls::server::UnbufferedServerConnection;
use rustls::{
    AlertDescription, ClientConnection, ConnectionTrafficSecrets, ContentType, Error,
    ProtocolVersion,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::TlsStream;
use crate::scratch::SEAL_AT_ONCE;

#[path = "../tests/support/mod.rs"]
#[expect(
    dead_code,
    unreachable_pub,
    reason = "shared with the tests over the reference"
)]
mod support;

use support::{Connected, Outcome, Peer, Setup, VERSIONS, Wire, poll};

fn tls13() -> Setup {
    Setup::new(&[&rustls::version::TLS13])
}

impl Setup {
    /// Both sides before their handshake.
    fn fresh(&self) -> Connected<TlsStream<Wire>> {
        let (wire, client) = (Wire::new(), self.client());
        let stream = TlsStream::new(&self.server, wire.clone()).unwrap();
        let peer = Peer { wire, client };
        Connected { stream, peer }
    }

    /// Both sides when `text` has arrived with the client's last flight.
    fn after_last_flight(&self, text: &[u8]) -> Connected<TlsStream<Wire>> {
        let mut pair = self.fresh();
        pair.peer.send();
        assert!(pair.handshake().is_pending());
        pair.peer.receive().unwrap();
        let flight = pair.peer.sealed(text);
        pair.arrive(&flight);
        assert!(matches!(pair.handshake(), Poll::Ready(Ok(()))));
        pair
    }
}

impl Connected<TlsStream<Wire>> {
    /// Polls a handshake that is dropped then.
    fn handshake(&mut self) -> Poll<std::io::Result<()>> {
        poll(pin!(self.stream.handshake()))
    }

    fn holds_nothing(&self) -> bool {
        let stream = &self.stream;
        stream.received.is_empty() && stream.plaintext.is_empty() && stream.sealed.is_empty()
    }
}

fn data(bytes: &[u8]) -> Outcome {
    Outcome::Data(bytes.to_vec())
}

#[test]
fn a_handshake_goes_through_whatever_the_steps() {
    for version in VERSIONS {
        let setup = Setup::new(&[version]);
        for step in [1, 2, 3, 5, 17, 100, 1000] {
            let mut pair = setup.fresh();
            let mut flight = VecDeque::new();
            while pair.stream.session.is_handshaking() || pair.peer.client.is_handshaking() {
                flight.extend(pair.peer.records());
                let part: Vec<u8> = flight.drain(..step.min(flight.len())).collect();
                pair.arrive(&part);
                pair.peer.wire.ends().window = step;
                if let Poll::Ready(done) = pair.handshake() {
                    done.unwrap();
                    // Its last flight may go out with the first wait for data.
                    assert_eq!(pair.read(100), Outcome::Pending);
                }
                pair.peer.receive().unwrap();
            }
            pair.peer.wire.ends().window = usize::MAX;
            flight.extend(pair.peer.sealed(b"ping"));
            pair.arrive(flight.make_contiguous());
            assert_eq!(pair.read(100), data(b"ping"));
            assert_eq!(pair.stream.take_server_name().as_deref(), Some("localhost"));
            pair.send(b"pong");
            assert_eq!(pair.peer.receive(), Ok(b"pong".to_vec()));
            assert!(pair.holds_nothing());
        }
    }
}

#[test]
fn a_record_cut_at_any_byte_is_read_when_it_is_whole() {
    for version in VERSIONS {
        let setup = Setup::new(&[version]);
        let length = setup.ours().peer.sealed(b"first").len();
        let mut pair = setup.ours();
        for cut in 0..=length {
            let mut records = pair.peer.sealed(b"first");
            pair.arrive(&records[..cut]);
            if cut < length {
                assert_eq!(pair.read(100), Outcome::Pending, "cut at {cut}");
            }
            records.extend(pair.peer.sealed(b" second"));
            pair.arrive(&records[cut..]);
            assert_eq!(pair.read(100), data(b"first second"), "cut at {cut}");
            assert!(pair.holds_nothing());
        }
    }
}

#[test]
fn records_of_one_byte_fill_readers_of_any_size() {
    let setup = tls13();
    for length in [1, 7, 1000, 100_000] {
        let mut pair = setup.ours();
        let text: Vec<u8> = (0..3000_u32).map(|i| i.to_le_bytes()[0]).collect();
        for byte in &text {
            let record = pair.peer.sealed(&[*byte]);
            pair.arrive(&record);
        }
        let (mut received, mut reads) = (Vec::new(), 0);
        while let Outcome::Data(part) = pair.read(length) {
            received.extend(part);
            reads += 1;
        }
        assert_eq!(received, text);
        let limit = 3000_usize.div_ceil(length) + 4;
        assert!(reads <= limit, "{reads} reads of {length}");
        assert!(pair.holds_nothing());
    }
}

#[test]
fn answers_go_out_while_a_part_of_what_came_in_waits() {
    let mut pair = tls13().ours();
    let text: Vec<u8> = (0..50_000_u32).map(|i| i.to_le_bytes()[1]).collect();
    let records = pair.peer.sealed(&text);
    pair.arrive(&records);
    let mut received = Vec::new();
    while let Outcome::Data(part) = pair.read(999) {
        received.extend(part);
        pair.send(b"more");
    }
    assert_eq!(received, text);
    assert!(pair.peer.receive().unwrap().starts_with(b"moremore"));
    assert!(pair.holds_nothing());
}

#[test]
fn slices_are_written_together() {
    let mut pair = tls13().ours();
    let (header, large) = ([7; 10], vec![8; 100_000]);
    for (bodies, taken, records) in [
        (vec![&large[..9000]], 9010, 1),
        (vec![&large[..1 << 14]], 10 + (1 << 14), 2),
        // The header's record, and three whole ones with what is left of a fourth.
        (vec![&large[..60_000], &large[..]], SEAL_AT_ONCE, 1 + 4 + 1),
        (vec![&large[..0]; 100], 10, 1),
    ] {
        let mut slices = vec![IoSlice::new(&header)];
        slices.extend(bodies.iter().map(|body| IoSlice::new(body)));
        assert!(pair.stream.is_write_vectored());
        assert_eq!(pair.write_vectored(&slices), taken);
        let departed = pair.peer.wire.ends().departed.clone();
        let (mut sent, mut seen) = (&departed[..], 0);
        while let [_, _, _, high, low, rest @ ..] = sent {
            sent = &rest[usize::from(u16::from_be_bytes([*high, *low]))..];
            seen += 1;
        }
        assert_eq!(seen, records);
        let text = pair.peer.receive().unwrap();
        assert_eq!(text.len(), taken);
        assert!(text[..10] == header && text[10..].iter().all(|byte| *byte == 8));
    }
    assert_eq!(pair.write_vectored(&[IoSlice::new(&[])]), 0);
}

#[test]
fn tickets_go_out_when_there_is_nothing_to_read_for_the_second_time() {
    let mut pair = tls13().after_last_flight(b"at once");
    assert_eq!(pair.peer.receive(), Ok(Vec::new()));
    assert_eq!(pair.read(100), data(b"at once"));
    // The first time is no reason: an answer may follow.
    assert_eq!(pair.read(100), Outcome::Pending);
    assert!(pair.peer.wire.ends().departed.is_empty());
    assert_eq!(pair.read(100), Outcome::Pending);
    pair.peer.receive().unwrap();
    assert_eq!(pair.peer.client.tls13_tickets_received(), 2);
}

#[test]
fn tickets_go_out_with_the_first_answer() {
    let mut pair = tls13().after_last_flight(b"request");
    assert_eq!(pair.read(100), data(b"request"));
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let mut buffer = [0; 100];
    let mut reader = ReadBuf::new(&mut buffer);
    let read = Pin::new(&mut pair.stream).poll_read(&mut Context::from_waker(&waker), &mut reader);
    assert!(read.is_pending());
    assert!(
        woken.0.load(Ordering::Relaxed),
        "else a ticket may never go"
    );
    let writes = pair.peer.wire.ends().writes;
    pair.send(b"answer");
    assert_eq!(pair.peer.wire.ends().writes, writes + 1);
    assert_eq!(pair.peer.receive(), Ok(b"answer".to_vec()));
    assert_eq!(pair.peer.client.tls13_tickets_received(), 2);
}

/// Remembers that it was woken.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_stream_that_has_failed_is_left_alone() {
    for version in VERSIONS {
        let mut pair = Setup::new(&[version]).ours();
        pair.peer.wire.ends().broken = true;
        assert_eq!(pair.read(100), Outcome::Failed(ErrorKind::ConnectionReset));
        let writes = pair.peer.wire.ends().writes;
        assert_eq!(pair.shutdown(), Poll::Ready(Ok(())));
        assert!(matches!(pair.write(b"late"), Poll::Ready(Err(_))));
        assert_eq!(pair.peer.wire.ends().writes, writes);
    }
}

#[test]
fn nothing_counts_after_the_end_of_either_side() {
    for version in VERSIONS {
        let mut pair = Setup::new(&[version]).ours();
        pair.peer.client.send_close_notify();
        pair.peer.send();
        pair.arrive(b"not TLS at all");
        assert_eq!(
            (pair.read(100), pair.read(100)),
            (Outcome::End, Outcome::End)
        );
        assert_eq!(pair.shutdown(), Poll::Ready(Ok(())));
        let late = Poll::Ready(Err(ErrorKind::BrokenPipe));
        assert_eq!(pair.write(b"late"), late);
    }
}

#[test]
fn a_broken_record_is_answered_by_an_alert_after_what_came_before_it() {
    let mut pair = tls13().ours();
    let mut records = pair.peer.sealed(b"good");
    records.extend(pair.peer.sealed(b"bad"));
    *records.last_mut().unwrap() ^= 1;
    pair.arrive(&records);
    assert_eq!(pair.read(100), data(b"good"));
    for _ in 0..2 {
        assert_eq!(pair.read(100), Outcome::Failed(ErrorKind::InvalidData));
        assert_eq!(pair.stream.failure.as_deref(), Some(&Error::DecryptError));
    }
    assert!(matches!(pair.write(b"x"), Poll::Ready(Err(_))));
    let alert = Error::AlertReceived(AlertDescription::BadRecordMac);
    assert_eq!(pair.peer.receive(), Err(alert));
    assert_eq!(pair.shutdown(), Poll::Ready(Ok(())));
}

/// Seals records of any kind as the client would.
struct Sealer {
    encrypter: Box<dyn MessageEncrypter>,
    sequence: u64,
}

impl Sealer {
    fn new(client: ClientConnection) -> Self {
        let suite = client.negotiated_cipher_suite().unwrap().tls13().unwrap();
        let (sequence, secrets) = client.dangerous_extract_secrets().unwrap().tx;
        let (ConnectionTrafficSecrets::Aes128Gcm { key, iv }
        | ConnectionTrafficSecrets::Aes256Gcm { key, iv }
        | ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv }) = secrets
        else {
            panic!("a suite that nobody asked for");
        };
        Self {
            encrypter: suite.aead_alg.encrypter(key, iv),
            sequence,
        }
    }

    fn seal(&mut self, typ: ContentType, payload: &[u8]) -> Vec<u8> {
        let message = OutboundPlainMessage {
            typ,
            version: ProtocolVersion::TLSv1_2,
            payload: OutboundChunks::from(payload),
        };
        let record = self.encrypter.encrypt(message, self.sequence).unwrap();
        self.sequence += 1;
        record.encode()
    }
}

/// rustls remembers where in our bytes such a message begins, and panics if it is not there.
#[test]
fn a_handshake_message_in_two_records_survives_what_happens_between_them() {
    const KEY_UPDATE: [u8; 5] = [24, 0, 0, 1, 0];
    let mut setup = tls13();
    setup.client.enable_secret_extraction = true;
    let connected = || {
        let Connected { stream, peer } = setup.ours();
        let sealer = Sealer::new(peer.client);
        // The test is the client from now on.
        let peer = Peer {
            wire: peer.wire,
            client: setup.client(),
        };
        (Connected { stream, peer }, sealer)
    };
    for cut in 1..KEY_UPDATE.len() {
        let (mut pair, mut client) = connected();
        let (begin, end) = KEY_UPDATE.split_at(cut);
        pair.arrive(&client.seal(ContentType::Handshake, begin));
        assert_eq!(pair.read(100), Outcome::Pending);
        pair.send(b"meanwhile");
        assert!(!pair.stream.received.is_empty());
        pair.arrive(&client.seal(ContentType::Handshake, end));
        assert_eq!(pair.read(100), Outcome::Pending);
        assert!(pair.stream.failure.is_none() && pair.stream.received.is_empty());
    }
    // Data in the middle of it are an error (RFC 8446 §5.1), and so is its end in the stream's.
    let (mut pair, mut client) = connected();
    pair.arrive(&client.seal(ContentType::Handshake, &KEY_UPDATE[..2]));
    pair.arrive(&client.seal(ContentType::ApplicationData, b"data"));
    assert_eq!(pair.read(100), Outcome::Failed(ErrorKind::InvalidData));
    assert_eq!(pair.shutdown(), Poll::Ready(Ok(())));
}

#[test]
fn a_connection_that_waits_holds_its_session_alone() {
    let rest = size_of::<TlsStream<()>>() - size_of::<UnbufferedServerConnection>();
    assert!(rest <= 128, "{rest} bytes beside rustls'");
}

/// The turns that a task takes to read `bytes` which are all there, `length` at a time.
fn turns_to_read(bytes: usize, length: usize) -> usize {
    let mut pair = tls13().ours();
    pair.peer.client.set_buffer_limit(None);
    let records = pair.peer.sealed(&vec![7; bytes]);
    pair.arrive(&records);
    let (mut space, mut read, mut turns) = (vec![0; length], 0, 0);
    let reading = poll_fn(|context| {
        turns += 1;
        while read < bytes {
            let mut buffer = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut pair.stream).poll_read(context, &mut buffer)).unwrap();
            read += buffer.filled().len();
        }
        Poll::Ready(())
    });
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(reading);
    turns
}

/// The kind: work that a peer causes within one turn of its task. By the size of its reads, few large or many small.
#[test]
fn r4_a_peer_that_sends_without_a_pause_gives_others_their_turn() {
    for length in [1 << 10, 16 << 10, 64 << 10] {
        let turns = turns_to_read(1 << 20, length);
        assert!(turns >= 8, "{turns} turns with reads of {length}");
        assert_eq!(turns_to_read(60 << 10, length.max(16 << 10)), 1);
    }
}
