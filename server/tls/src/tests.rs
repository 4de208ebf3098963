//! The stream against a plain rustls client, by hand: every byte is delivered when the test says so.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, IoSlice, Read, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker, ready};

use futures_util::FutureExt;
use rustls::crypto::cipher::{MessageEncrypter, OutboundChunks, OutboundPlainMessage};
use rustls::server::UnbufferedServerConnection;
use rustls::{
    AlertDescription, ClientConfig, ClientConnection, ConnectionTrafficSecrets, ContentType, Error,
    ProtocolVersion, ServerConfig, SupportedProtocolVersion,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

use crate::TlsStream;
use crate::scratch::{SEAL_AT_ONCE, SEAL_EXTRA};

/// A byte stream whose other end is the test.
#[derive(Default)]
struct Wire {
    arriving: VecDeque<u8>,
    /// Nothing comes after what arrives.
    over: bool,
    departed: Vec<u8>,
    /// Bytes that may still be written.
    window: usize,
    /// Calls of write that took something.
    writes: usize,
    /// Nothing works any more.
    broken: bool,
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.broken {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if self.arriving.is_empty() && !self.over {
            return Poll::Pending;
        }
        let length = buffer.remaining().min(self.arriving.len());
        buffer.put_slice(&self.arriving.drain(..length).collect::<Vec<_>>());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.broken {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if self.window == 0 {
            return Poll::Pending;
        }
        self.writes += 1;
        let length = bytes.len().min(self.window);
        self.window -= length;
        self.departed.extend_from_slice(&bytes[..length]);
        Poll::Ready(Ok(length))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// What both sides are made of.
struct Setup {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

const BOTH: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12, &rustls::version::TLS13];

impl Setup {
    /// Client of one `version`.
    fn new(version: &'static SupportedProtocolVersion) -> Self {
        let directory = tempfile::tempdir().unwrap();
        certs::ensure(directory.path(), &certs::Request::default()).unwrap();
        let file = |name: &str| directory.path().join(name);
        let (chain, key) = certs::load_pair(&file("server.crt"), &file("server.key")).unwrap();
        let roots = certs::load_roots(&file("ca.crt")).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        server.send_tls13_tickets = 1;
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        client.enable_secret_extraction = true;
        Self {
            server: Arc::new(server),
            client: Arc::new(client),
        }
    }

    /// Both sides before their handshake.
    fn pair(&self) -> Pair {
        let wire = Wire {
            window: usize::MAX,
            ..Wire::default()
        };
        let name = "localhost".try_into().unwrap();
        Pair {
            server: TlsStream::new(&self.server, wire).unwrap(),
            client: ClientConnection::new(Arc::clone(&self.client), name).unwrap(),
        }
    }

    /// Both sides when the client's last flight is all that is missing.
    fn before_last_flight(&self) -> Pair {
        let mut pair = self.pair();
        let hello = pair.take_from_client();
        pair.arrive(&hello);
        let mut context = Context::from_waker(Waker::noop());
        assert!(pair.server.poll_handshake(&mut context).is_pending());
        pair.give_to_client().unwrap();
        pair
    }

    /// Both sides after it.
    fn connected(&self) -> Pair {
        let mut pair = self.pair();
        pair.handshake();
        pair
    }
}

struct Pair {
    server: TlsStream<Wire>,
    client: ClientConnection,
}

impl Pair {
    fn handshake(&mut self) {
        let mut context = Context::from_waker(Waker::noop());
        loop {
            let bytes = self.take_from_client();
            self.server.stream.arriving.extend(bytes);
            let done = self.server.poll_handshake(&mut context);
            self.give_to_client().unwrap();
            if let Poll::Ready(done) = done {
                done.unwrap();
                break;
            }
        }
        self.server.flush().now_or_never().unwrap().unwrap();
        self.give_to_client().unwrap();
    }

    /// What the client has to send.
    fn take_from_client(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while self.client.wants_write() {
            self.client.write_tls(&mut bytes).unwrap();
        }
        bytes
    }

    /// Seals `text` at the client.
    fn sealed(&mut self, text: &[u8]) -> Vec<u8> {
        self.client.writer().write_all(text).unwrap();
        self.take_from_client()
    }

    fn arrive(&mut self, bytes: &[u8]) {
        self.server.stream.arriving.extend(bytes);
    }

    /// Gives the client what the server has sent.
    fn give_to_client(&mut self) -> Result<(), Error> {
        let departed = std::mem::take(&mut self.server.stream.departed);
        let mut departed = &departed[..];
        while !departed.is_empty() {
            self.client.read_tls(&mut departed).unwrap();
            self.client.process_new_packets()?;
        }
        Ok(())
    }

    /// What the client has received.
    fn read_at_client(&mut self) -> Vec<u8> {
        let departed = std::mem::take(&mut self.server.stream.departed);
        let (mut departed, mut text) = (&departed[..], Vec::new());
        while !departed.is_empty() {
            self.client.read_tls(&mut departed).unwrap();
            self.client.process_new_packets().unwrap();
            if let Err(error) = self.client.reader().read_to_end(&mut text) {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
            }
        }
        text
    }

    /// Reads once at the server, at most `most` bytes; `None` if there is nothing yet.
    fn read(&mut self, most: usize) -> Option<io::Result<Vec<u8>>> {
        let mut buffer = vec![0; most];
        let read = self.server.read(&mut buffer).now_or_never()?;
        Some(read.map(|read| buffer[..read].to_vec()))
    }

    fn holds_nothing(&self) -> bool {
        let server = &self.server;
        server.received.is_empty() && server.plaintext.is_empty() && server.sealed.is_empty()
    }
}

#[test]
fn a_handshake_goes_through_whatever_the_steps() {
    for version in BOTH {
        let setup = Setup::new(version);
        for step in [1, 2, 3, 5, 17, 100, 1000] {
            let mut pair = setup.pair();
            pair.server.stream.window = 0;
            let mut context = Context::from_waker(Waker::noop());
            let mut flight = VecDeque::new();
            while pair.server.session.is_handshaking() || pair.client.is_handshaking() {
                flight.extend(pair.take_from_client());
                let part = flight.drain(..step.min(flight.len())).collect::<Vec<_>>();
                pair.arrive(&part);
                pair.server.stream.window = step;
                match pair.server.poll_handshake(&mut context) {
                    Poll::Ready(done) => done.unwrap(),
                    Poll::Pending => {}
                }
                // Its last flight may go out with the first wait for data.
                if !pair.server.session.is_handshaking() {
                    assert!(pair.read(100).is_none());
                }
                pair.give_to_client().unwrap();
            }
            pair.server.stream.window = usize::MAX;
            let ping = pair.sealed(b"ping");
            let bytes: Vec<u8> = flight.drain(..).chain(ping).collect();
            pair.arrive(&bytes);
            assert_eq!(pair.read(100).unwrap().unwrap(), b"ping");
            assert_eq!(pair.server.take_server_name().as_deref(), Some("localhost"));
            pair.server
                .write_all(b"pong")
                .now_or_never()
                .unwrap()
                .unwrap();
            assert_eq!(pair.read_at_client(), b"pong");
            assert!(pair.holds_nothing());
        }
    }
}

#[test]
fn a_record_cut_at_any_byte_is_read_when_it_is_whole() {
    for version in BOTH {
        let mut pair = Setup::new(version).connected();
        let length = pair.sealed(b"first").len();
        let mut pair = Setup::new(version).connected();
        for cut in 0..=length {
            let record = pair.sealed(b"first");
            pair.arrive(&record[..cut]);
            if cut < length {
                assert!(pair.read(100).is_none(), "cut at {cut}");
            }
            pair.arrive(&record[cut..]);
            let another = pair.sealed(b" second");
            pair.arrive(&another);
            assert_eq!(
                pair.read(100).unwrap().unwrap(),
                b"first second",
                "cut at {cut}"
            );
            assert!(pair.holds_nothing());
        }
    }
}

#[test]
fn records_of_one_byte_fill_readers_of_any_size() {
    let setup = Setup::new(&rustls::version::TLS13);
    for most in [1, 7, 1000, 100_000] {
        let mut pair = setup.connected();
        let text: Vec<u8> = (0..3000_u32).map(|i| i.to_le_bytes()[0]).collect();
        for byte in &text {
            let record = pair.sealed(&[*byte]);
            pair.arrive(&record);
        }
        let mut received = Vec::new();
        let mut reads = 0;
        while let Some(read) = pair.read(most) {
            received.extend(read.unwrap());
            reads += 1;
        }
        assert_eq!(received, text);
        assert!(
            reads <= 3000_usize.div_ceil(most) + 4,
            "{reads} reads of {most}"
        );
        assert!(pair.holds_nothing());
    }
}

#[test]
fn a_large_record_is_given_in_parts() {
    let mut pair = Setup::new(&rustls::version::TLS13).connected();
    let text: Vec<u8> = (0..50_000_u32).map(|i| i.to_le_bytes()[1]).collect();
    let records = pair.sealed(&text);
    pair.arrive(&records);
    let mut received = Vec::new();
    while let Some(read) = pair.read(999) {
        received.extend(read.unwrap());
        // An answer may go out while a part of what came in waits.
        pair.server
            .write_all(b"more")
            .now_or_never()
            .unwrap()
            .unwrap();
    }
    assert_eq!(received, text);
    assert!(pair.read_at_client().starts_with(b"moremore"));
    assert!(pair.holds_nothing());
}

#[test]
fn a_writer_waits_for_a_peer_that_does_not_read() {
    for version in BOTH {
        let mut pair = Setup::new(version).connected();
        pair.server.flush().now_or_never().unwrap().unwrap();
        let text: Vec<u8> = (0..1_000_000_u32).map(|i| i.to_le_bytes()[1]).collect();
        pair.server.stream.window = 0;
        let (mut written, mut received) = (0, Vec::new());
        while received.len() < text.len() {
            while written < text.len()
                && let Some(step) = pair.server.write(&text[written..]).now_or_never()
            {
                written += step.unwrap();
            }
            assert!(
                pair.server.sealed.len() <= SEAL_AT_ONCE + SEAL_EXTRA,
                "what waits is bounded"
            );
            pair.server.stream.window = 7777;
            let _ = pair.server.flush().now_or_never();
            received.extend(pair.read_at_client());
        }
        assert!(received == text);
        assert!(pair.holds_nothing());
    }
}

#[test]
fn slices_are_written_together() {
    let mut pair = Setup::new(&rustls::version::TLS13).connected();
    pair.server.flush().now_or_never().unwrap().unwrap();
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
        assert!(pair.server.is_write_vectored());
        let written = pair.server.write_vectored(&slices).now_or_never().unwrap();
        assert_eq!(written.unwrap(), taken);
        let departed = pair.server.stream.departed.clone();
        let mut sent = &departed[..];
        let mut seen = 0;
        while let [_, _, _, high, low, rest @ ..] = sent {
            sent = &rest[usize::from(u16::from_be_bytes([*high, *low]))..];
            seen += 1;
        }
        assert_eq!(seen, records);
        let text = pair.read_at_client();
        assert_eq!(text.len(), taken);
        assert!(text[..10] == header && text[10..].iter().all(|byte| *byte == 8));
    }
    let nothing = [IoSlice::new(&[])];
    let nothing = pair.server.write_vectored(&nothing).now_or_never();
    assert_eq!(nothing.unwrap().unwrap(), 0);
}

#[test]
fn data_behind_the_last_flight_are_not_lost() {
    let mut pair = Setup::new(&rustls::version::TLS13).before_last_flight();
    let mut context = Context::from_waker(Waker::noop());
    let finished_and_data = pair.sealed(b"at once");
    pair.arrive(&finished_and_data);
    assert!(matches!(
        pair.server.poll_handshake(&mut context),
        Poll::Ready(Ok(()))
    ));
    // Nothing was written since, so the tickets still wait for a reason to go.
    assert!(pair.server.stream.departed.is_empty());
    assert_eq!(pair.read(100).unwrap().unwrap(), b"at once");
    // The first time that there is nothing to read is not one: an answer may follow.
    assert!(pair.read(100).is_none());
    assert!(pair.server.stream.departed.is_empty());
    assert!(pair.read(100).is_none());
    pair.give_to_client().unwrap();
    assert_eq!(pair.client.tls13_tickets_received(), 1);
}

#[test]
fn a_ticket_goes_out_with_the_first_answer() {
    let mut pair = Setup::new(&rustls::version::TLS13).before_last_flight();
    let finished_and_request = pair.sealed(b"request");
    pair.arrive(&finished_and_request);
    let mut context = Context::from_waker(Waker::noop());
    assert!(pair.server.poll_handshake(&mut context).is_ready());
    assert_eq!(pair.read(100).unwrap().unwrap(), b"request");
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let mut buffer = [0; 100];
    let mut reader = ReadBuf::new(&mut buffer);
    let read = Pin::new(&mut pair.server).poll_read(&mut Context::from_waker(&waker), &mut reader);
    assert!(
        read.is_pending() && woken.0.load(Ordering::Relaxed),
        "else a ticket may never go"
    );
    let writes = pair.server.stream.writes;
    pair.server
        .write_all(b"answer")
        .now_or_never()
        .unwrap()
        .unwrap();
    assert_eq!(pair.server.stream.writes, writes + 1);
    assert_eq!(pair.read_at_client(), b"answer");
    assert_eq!(pair.client.tls13_tickets_received(), 1);
}

#[test]
fn a_stream_that_has_failed_is_left_alone() {
    for version in BOTH {
        let mut pair = Setup::new(version).connected();
        pair.server.stream.broken = true;
        assert!(pair.read(100).unwrap().is_err());
        let writes = pair.server.stream.writes;
        pair.server.shutdown().now_or_never().unwrap().unwrap();
        assert_eq!(pair.server.stream.writes, writes);
        assert!(pair.server.write(b"late").now_or_never().unwrap().is_err());
    }
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
fn the_end_is_told_from_a_cut() {
    for version in BOTH {
        let setup = Setup::new(version);
        let mut cut = setup.connected();
        let record = cut.sealed(b"half");
        cut.arrive(&record[..record.len() / 2]);
        cut.server.stream.over = true;
        let error = cut.read(100).unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);

        let mut ended = setup.connected();
        ended.client.writer().write_all(b"last").unwrap();
        ended.client.send_close_notify();
        let bytes = ended.take_from_client();
        ended.arrive(&bytes);
        ended.arrive(b"not TLS at all");
        assert_eq!(ended.read(100).unwrap().unwrap(), b"last");
        assert_eq!(ended.read(100).unwrap().unwrap(), b"");
        // The other direction goes on until it is ended as well.
        ended
            .server
            .write_all(b"bye")
            .now_or_never()
            .unwrap()
            .unwrap();
        ended.server.shutdown().now_or_never().unwrap().unwrap();
        ended.give_to_client().unwrap();
        let mut text = Vec::new();
        ended.client.reader().read_to_end(&mut text).unwrap();
        assert_eq!(text, b"bye");
        let late = ended.server.write(b"late").now_or_never().unwrap();
        assert_eq!(late.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}

#[test]
fn a_broken_record_is_answered_by_an_alert_after_what_came_before_it() {
    let mut pair = Setup::new(&rustls::version::TLS13).connected();
    let good = pair.sealed(b"good");
    let mut bad = pair.sealed(b"bad");
    *bad.last_mut().unwrap() ^= 1;
    pair.arrive(&good);
    pair.arrive(&bad);
    assert_eq!(pair.read(100).unwrap().unwrap(), b"good");
    for _ in 0..2 {
        let error = pair.read(100).unwrap().unwrap_err();
        let error = error.get_ref().unwrap().downcast_ref::<Error>();
        assert_eq!(error, Some(&Error::DecryptError));
    }
    assert!(pair.server.write(b"x").now_or_never().unwrap().is_err());
    assert_eq!(
        pair.give_to_client(),
        Err(Error::AlertReceived(AlertDescription::BadRecordMac))
    );
    assert!(pair.server.shutdown().now_or_never().unwrap().is_ok());
}

#[test]
fn a_refused_handshake_is_answered_by_an_alert() {
    let mut pair = Setup::new(&rustls::version::TLS13).pair();
    pair.arrive(b"GET / HTTP/1.1\r\n\r\n");
    let mut context = Context::from_waker(Waker::noop());
    let Poll::Ready(Err(error)) = pair.server.poll_handshake(&mut context) else {
        panic!("that is no handshake");
    };
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    // A fatal alert: decode_error.
    assert_eq!(pair.server.stream.departed, [21, 3, 3, 0, 2, 2, 50]);
}

#[test]
fn keys_are_renewed_on_both_sides() {
    let mut pair = Setup::new(&rustls::version::TLS13).connected();
    for round in 0..5_u8 {
        pair.client.refresh_traffic_keys().unwrap();
        let record = pair.sealed(&[round]);
        pair.arrive(&record);
        assert_eq!(pair.read(100).unwrap().unwrap(), [round]);
        pair.server
            .write_all(&[round])
            .now_or_never()
            .unwrap()
            .unwrap();
        assert_eq!(pair.read_at_client(), [round]);
    }
    assert!(pair.holds_nothing());
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
    let setup = Setup::new(&rustls::version::TLS13);
    for cut in 1..KEY_UPDATE.len() {
        let Pair { mut server, client } = setup.connected();
        let mut client = Sealer::new(client);
        let mut buffer = [0; 100];
        let (begin, end) = KEY_UPDATE.split_at(cut);
        server
            .stream
            .arriving
            .extend(client.seal(ContentType::Handshake, begin));
        assert!(server.read(&mut buffer).now_or_never().is_none());
        server
            .write_all(b"meanwhile")
            .now_or_never()
            .unwrap()
            .unwrap();
        assert!(!server.received.is_empty());
        server
            .stream
            .arriving
            .extend(client.seal(ContentType::Handshake, end));
        assert!(server.read(&mut buffer).now_or_never().is_none());
        assert!(server.failure.is_none() && server.received.is_empty());
    }
    // Data in the middle of it are an error (RFC 8446 §5.1), and so is its end in the stream's.
    let Pair { mut server, client } = setup.connected();
    let mut client = Sealer::new(client);
    let mut bytes = client.seal(ContentType::Handshake, &KEY_UPDATE[..2]);
    bytes.extend(client.seal(ContentType::ApplicationData, b"data"));
    server.stream.arriving.extend(bytes);
    let mut buffer = [0; 100];
    assert!(server.read(&mut buffer).now_or_never().unwrap().is_err());
    assert!(server.shutdown().now_or_never().unwrap().is_ok());
}

#[test]
fn a_connection_that_waits_holds_its_session_alone() {
    let rest = size_of::<TlsStream<()>>() - size_of::<UnbufferedServerConnection>();
    assert!(rest <= 128, "{rest} bytes beside rustls'");
}

/// The turns that a task takes to read `bytes` which are all there, `most` at a time.
fn turns_to_read(bytes: usize, most: usize) -> usize {
    let mut pair = Setup::new(&rustls::version::TLS13).connected();
    pair.client.set_buffer_limit(None);
    let records = pair.sealed(&vec![7; bytes]);
    pair.arrive(&records);
    let (mut room, mut read, mut turns) = (vec![0; most], 0, 0);
    let reading = poll_fn(|context| {
        turns += 1;
        while read < bytes {
            let mut buffer = ReadBuf::new(&mut room);
            ready!(Pin::new(&mut pair.server).poll_read(context, &mut buffer)).unwrap();
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
    for most in [1 << 10, 16 << 10, 64 << 10] {
        let turns = turns_to_read(1 << 20, most);
        assert!(turns >= 8, "{turns} turns with reads of {most}");
        assert_eq!(turns_to_read(60 << 10, most.max(16 << 10)), 1);
    }
}
