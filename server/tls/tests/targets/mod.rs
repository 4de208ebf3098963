//! The fuzzer's entry: records of a client that are arbitrary, or valid and then mangled.
//!
//! Shared by `fuzz/fuzz_targets/tls_records.rs` and by `fuzz_corpus.rs`.

use std::sync::OnceLock;
use std::task::Poll;

use super::support::{Outcome, Server, Setup, Wire, poll};

/// Takes any bytes; panics when the stream does, when it spins, or when plaintext appears that nobody sent.
///
/// The first byte says what the others are: the client's records, in pieces of its value; or changes to a valid session.
pub fn tls_records(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else {
        return;
    };
    if first & 1 == 0 {
        arbitrary(usize::from(first >> 1) + 1, rest);
    } else {
        mangled(usize::from(first >> 1), rest);
    }
}

/// The certificate and both configurations, made once.
fn setup() -> &'static Setup {
    static SETUP: OnceLock<Setup> = OnceLock::new();
    SETUP.get_or_init(|| Setup::new(&[&rustls::version::TLS13]))
}

/// Sends something instead of a handshake, in pieces of `step` bytes: the handshake goes on or fails, and is never done.
fn arbitrary(step: usize, bytes: &[u8]) {
    let wire = Wire::new();
    let mut accepting = setup().accept(Server::Ours, wire.clone());
    for piece in bytes.chunks(step) {
        wire.ends().arriving.extend(piece);
        match poll(accepting.as_mut()) {
            Poll::Pending => assert!(wire.ends().arriving.is_empty(), "bytes are left unread"),
            Poll::Ready(done) => return assert!(done.is_err(), "a handshake without a client"),
        }
    }
    wire.ends().over = true;
    let Poll::Ready(done) = poll(accepting.as_mut()) else {
        panic!("the end is not seen");
    };
    assert!(done.is_err(), "a handshake without a client");
}

/// A session whose records are changed: `skip` of them go through, then two bytes each say where and how.
fn mangled(skip: usize, changes: &[u8]) {
    const TEXT: &[u8] = b"plaintext that was sent";
    let mut connected = setup().connected(Server::Ours);
    let mut sent = 0;
    let mut changes = changes.chunks_exact(2);
    for _ in 0..skip.min(8) {
        let record = connected.peer.sealed(TEXT);
        connected.arrive(&record);
        sent += 1;
    }
    for change in changes.by_ref().take(64) {
        let (at, how) = (usize::from(change[0]), change[1]);
        let mut record = connected.peer.sealed(TEXT);
        let at = at % record.len();
        match how % 8 {
            0 => record.truncate(at),
            1 => record.extend_from_within(at..),
            2 => record.clear(),
            3 => connected.peer.client.refresh_traffic_keys().unwrap(),
            4 => connected.peer.client.send_close_notify(),
            _ => record[at] ^= how,
        }
        connected.arrive(&record);
        connected.peer.send();
        sent += 1;
        let (text, end) = connected.read_all(1 + usize::from(how));
        assert!(text.len() <= sent * TEXT.len());
        assert!(
            TEXT.repeat(sent).starts_with(&text),
            "plaintext that nobody sent"
        );
        let _ = connected.write(b"answer");
        if let Outcome::Failed(_) | Outcome::End = end {
            // What has failed or ended stays so.
            assert_ne!(connected.read(10), Outcome::Pending);
            break;
        }
        sent -= text.len() / TEXT.len();
    }
    let _ = (connected.flush(), connected.shutdown());
}
