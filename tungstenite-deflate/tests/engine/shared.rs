//! Frames of a shared context for each receiver, and the effect of other messages on them.

use std::time::Instant;

use tungstenite_deflate::deflate::{ContextMemory, Level, WindowBits};
use tungstenite_deflate::tungstenite::Message;
use tungstenite_deflate::tungstenite::protocol::Role;
use tungstenite_deflate::{
    Agreed, Compression, Connection, DeflateConfig, MemoryBudget, Options, PreparedMessage,
    SharedContext,
};

use super::{AGREED, engine, frames, receive, written};

const TAKEOVER: Agreed = Agreed {
    server_no_context_takeover: false,
    client_no_context_takeover: false,
    ..AGREED
};

fn server(agreed: impl Into<Option<Agreed>>) -> Connection {
    engine(
        Role::Server,
        Options::default(),
        agreed.into(),
        Instant::now(),
    )
}

/// A chat line of 195 bytes.
fn line(number: usize) -> String {
    let text = [
        "the quick brown fox jumps over the lazy dog, then rests",
        "pack my box with five dozen liquor jugs and leave early",
        "how vexingly quick daft zebras jump across the old road",
    ][number % 3];
    let line = format!(
        r#"{{"type":"message","from":"member{}","id":"{:016x}","text":"{text}","offset":{number:08},"time":{}}}"#,
        number % 5,
        number.wrapping_mul(0x9e37_79b9_7f4a_7c15),
        1_760_000_000_000 + 7919 * number
    );
    format!("{line:<195}")
}

/// First byte and payload of the frame that `prepared` becomes.
fn sent(server: &mut Connection, prepared: &PreparedMessage) -> (u8, Vec<u8>) {
    server.send_prepared(prepared, Instant::now()).unwrap();
    frames(&written(server)).remove(0)
}

fn direct(server: &mut Connection, text: &str, compression: Compression) -> bool {
    let message = Message::text(text.to_owned());
    server
        .send_with(message, compression, Instant::now())
        .unwrap();
    frames(&written(server)).remove(0).0 == COMPRESSED
}

/// Reports if a receiver gets the same frame as one that followed the stream from its beginning.
fn shares(
    receiver: &mut Connection,
    resident: &mut Connection,
    prepared: &PreparedMessage,
) -> bool {
    sent(receiver, prepared) == sent(resident, prepared)
}

#[test]
fn a_newcomer_gets_frames_without_history_until_its_window_holds_enough() {
    let stream = SharedContext::new(&DeflateConfig::default());
    let (mut resident, mut newcomer) = (server(TAKEOVER), server(TAKEOVER));
    for number in 0..50 {
        sent(&mut resident, &stream.text(line(number)));
    }
    let shared: Vec<_> = (50..100)
        .map(|number| shares(&mut newcomer, &mut resident, &stream.text(line(number))))
        .collect();
    assert!(
        !shared[0] && shared[20..].iter().all(|&shared| shared),
        "{shared:?}"
    );
}

/// Frames for each kind of receiver after 50 messages of a stream: the first byte, and if that is everybody's.
#[test]
fn d18_every_kind_of_receiver_has_its_frame() {
    let narrow = |bits| Agreed {
        server_max_window_bits: bits,
        ..TAKEOVER
    };
    let zlib = DeflateConfig::default().level(Level::new(6).unwrap());
    let zlib = Options::default().deflate(Some(zlib));
    let pieces = Options::default().fragment_bytes(Some(20));
    let now = Instant::now();
    let table = [
        ("takeover", server(TAKEOVER), COMPRESSED, true),
        ("window of 4 KiB", server(narrow(12)), COMPRESSED, true),
        ("window of 256 bytes", server(narrow(8)), COMPRESSED, false),
        ("no takeover", server(AGREED), COMPRESSED, false),
        ("declined", server(None), TEXT, false),
        (
            "zlib",
            engine(Role::Server, zlib, Some(TAKEOVER), now),
            COMPRESSED,
            true,
        ),
        (
            "fragments",
            engine(Role::Server, pieces, Some(TAKEOVER), now),
            COMPRESSED & !FIN,
            false,
        ),
    ];
    for (kind, mut receiver, first, shared) in table {
        let stream = SharedContext::new(&DeflateConfig::default());
        let mut resident = server(TAKEOVER);
        for number in 0..50 {
            let prepared = stream.text(line(number));
            sent(&mut resident, &prepared);
            sent(&mut receiver, &prepared);
        }
        let prepared = stream.text(line(50));
        let (got, everybodys) = (
            sent(&mut receiver, &prepared),
            sent(&mut resident, &prepared),
        );
        assert_eq!((got.0, got == everybodys), (first, shared), "{kind}");
        assert!(everybodys.1.len() < 80, "{} bytes", everybodys.1.len());
    }
}

#[test]
fn clients_send_messages_of_a_stream_as_any_other() {
    let now = Instant::now();
    let stream = SharedContext::new(&DeflateConfig::default());
    let mut client = engine(Role::Client, Options::default(), Some(TAKEOVER), now);
    let mut server = server(TAKEOVER);
    for number in 0..5 {
        client
            .send_prepared(&stream.text(line(number)), now)
            .unwrap();
        let bytes = written(&mut client);
        let message = Some(Message::text(line(number)));
        assert_eq!(receive(&mut server, &bytes, now), Ok(message));
    }
}

/// Effect of a message for one receiver alone: if it goes compressed, and if the receiver shares the next frame.
#[test]
fn other_messages_go_so_that_they_end_no_run() {
    let long = "x y z ".repeat(500);
    let table = [
        (
            "an answer",
            "ack ack ack ack ack ack ack",
            Compression::Auto,
            false,
            true,
        ),
        ("a secret", "token", Compression::Never, false, true),
        (
            "more than the stream brought",
            &long,
            Compression::Auto,
            true,
            false,
        ),
        ("isolated", &long, Compression::Isolated, true, false),
        ("always", "ack", Compression::Always, true, false),
    ];
    for (kind, text, compression, compressed, shared) in table {
        let stream = SharedContext::new(&DeflateConfig::default());
        let (mut resident, mut other) = (server(TAKEOVER), server(TAKEOVER));
        for number in 0..50 {
            shares(&mut other, &mut resident, &stream.text(line(number)));
        }
        assert_eq!(direct(&mut other, text, compression), compressed, "{kind}");
        let next = stream.text(line(50));
        assert_eq!(shares(&mut other, &mut resident, &next), shared, "{kind}");
    }
}

/// Whoever gets more by itself than of the stream has a context of its own.
#[test]
fn the_stream_yields_where_it_is_the_smaller_part() {
    let stream = SharedContext::new(&DeflateConfig::default());
    let mut other = server(TAKEOVER);
    let mut compressed = 0;
    for number in 0..200 {
        if number % 20 == 0 {
            sent(&mut other, &stream.text(line(number)));
        }
        compressed += usize::from(direct(&mut other, &line(number), Compression::Auto));
    }
    assert!(compressed > 150, "{compressed} of 200");
}

#[test]
fn a_prepared_message_is_compressed_once_for_connections_with_takeover() {
    let prepared = PreparedMessage::text(line(1));
    let (mut one, mut two) = (server(TAKEOVER), server(TAKEOVER));
    for number in 0..20 {
        assert!(direct(&mut two, &line(number), Compression::Auto) || number == 0);
    }
    let first = sent(&mut one, &prepared);
    assert_eq!(first.0, COMPRESSED);
    assert_eq!(sent(&mut two, &prepared), first);
    let counted = two.statistics().unwrap().sent;
    assert!(counted.bytes >= 195 * 20, "{counted:?}");
}

#[test]
fn a_context_counts_against_its_memory_and_may_give_way() {
    let budget = MemoryBudget::new(64 << 10);
    let memory = ContextMemory::new(budget.clone(), None);
    let config = DeflateConfig::default().memory(memory);
    let stream = SharedContext::new(&config);
    let mut member = server(TAKEOVER);
    for number in 0..50 {
        sent(&mut member, &stream.text(line(number)));
    }
    assert!(
        (8_000..=15_000).contains(&budget.used()),
        "{}",
        budget.used()
    );
    drop(stream);
    assert_eq!(budget.used(), 0);
    // No memory at all: messages go without history, and none fails.
    let config = DeflateConfig::default().memory(MemoryBudget::new(0));
    let stream = SharedContext::new(&config);
    for number in 0..50 {
        assert!(sent(&mut member, &stream.text(line(number))).1.len() > 100);
    }
}

/// The issue's figure: at most 0.30 of the bytes for 100 members that stay, with chat lines of 195 bytes.
#[test]
fn a_room_of_a_hundred_gets_a_third_of_the_bytes() {
    let stream = SharedContext::new(
        &DeflateConfig::default().encoder_window_bits(WindowBits::new(11).unwrap()),
    );
    let mut members: Vec<_> = (0..100).map(|_| server(TAKEOVER)).collect();
    let (mut bytes, mut wire) = (0, 0);
    for number in 0..200 {
        let prepared = stream.text(line(number));
        for member in &mut members {
            wire += sent(member, &prepared).1.len();
            bytes += prepared.message().len();
        }
    }
    assert!(wire * 100 <= bytes * 30, "{wire} of {bytes}");
}

/// First bytes of a text message in one frame, uncompressed or compressed.
const TEXT: u8 = 0x81;
const COMPRESSED: u8 = 0xc1;
const FIN: u8 = 0x80;
