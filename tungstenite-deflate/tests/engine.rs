//! The engine's bounds to the byte, its getters and its queue, seen from outside; what arrives is in vectors.rs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use tungstenite_deflate::deflate::budget;
use tungstenite_deflate::tungstenite::Message;
use tungstenite_deflate::tungstenite::protocol::frame::coding::CloseCode;
use tungstenite_deflate::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tungstenite_deflate::{
    Agreed, Compression, Connection, DeflateConfig, Event, HeadLimits, Keepalive, Limits, Options,
    PreparedMessage, ProtocolError, SendError, UnfinishedMemory,
};

const AGREED: Agreed = Agreed {
    server_no_context_takeover: true,
    client_no_context_takeover: true,
    server_max_window_bits: 15,
    client_max_window_bits: 15,
};
const SECOND: Duration = Duration::from_secs(1);

fn engine(role: Role, options: Options, agreed: Option<Agreed>, now: Instant) -> Connection {
    Connection::new(role, Arc::new(options), agreed, now)
}

/// All that waits to be written, as the transport takes it.
fn written(engine: &mut Connection) -> Vec<u8> {
    let mut bytes = Vec::new();
    while engine.outgoing().has_remaining() {
        let outgoing = engine.outgoing();
        bytes.extend_from_slice(&outgoing.copy_to_bytes(outgoing.remaining()));
    }
    bytes
}

/// First bytes and payloads of a server's frames.
fn frames(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let (first, short) = (bytes[0], usize::from(bytes[1]));
        bytes.advance(2);
        let length = match short {
            126 => usize::from(bytes.get_u16()),
            127 => usize::try_from(bytes.get_u64()).expect("a length"),
            short => short,
        };
        frames.push((first, bytes[..length].to_vec()));
        bytes.advance(length);
    }
    frames
}

fn receive(
    engine: &mut Connection,
    bytes: &[u8],
    now: Instant,
) -> Result<Option<Event>, ProtocolError> {
    engine.receive(&mut BytesMut::from(bytes), now)
}

#[test]
fn what_was_chosen_and_agreed_can_be_asked() {
    let now = Instant::now();
    let options = || Options::default().fragment_bytes(Some(7));
    for agreed in [None, Some(AGREED)] {
        let engine = engine(Role::Server, options(), agreed, now);
        assert_eq!(engine.options().fragment_bytes, Some(7));
        assert_eq!(engine.agreed(), agreed);
        assert_eq!(engine.statistics().is_some(), agreed.is_some());
        assert_eq!(engine.role(), Role::Server);
    }
    assert_eq!(UnfinishedMemory::new(12_345).limit(), 12_345);
}

#[test]
fn the_transport_is_closed_when_all_is_written_and_by_the_server_first() {
    let now = Instant::now();
    for (role, close) in [
        (Role::Server, &b"\x88\x80\0\0\0\0"[..]),
        (Role::Client, b"\x88\x00"),
    ] {
        let mut engine = engine(role, Options::default(), None, now);
        assert!(!engine.should_close_transport());
        receive(&mut engine, close, now).unwrap();
        assert!(!engine.should_close_transport(), "the answer waits");
        assert!(!written(&mut engine).is_empty());
        assert_eq!(engine.should_close_transport(), role == Role::Server);
        assert!(engine.receive_eof(), "a clean end");
        assert!(engine.should_close_transport());
    }
    let mut failed = engine(Role::Client, Options::default(), None, now);
    let mut buffer = BytesMut::from(&b"\xff\x00 and more"[..]);
    failed.receive(&mut buffer, now).unwrap_err();
    assert!(buffer.is_empty(), "what follows is discarded");
    assert!(!failed.should_close_transport());
    assert!(!failed.receive_eof());
    failed.transmit_failed();
    assert_eq!(failed.outgoing_bytes(), 0);
    assert!(failed.should_close_transport());
    let mut cut = engine(Role::Client, Options::default(), None, now);
    assert!(!cut.receive_eof());
}

#[test]
fn a_frame_that_is_not_whole_says_what_it_wants() {
    let now = Instant::now();
    let mut engine = engine(Role::Client, Options::default(), None, now);
    let mut buffer = BytesMut::from(&b"\x82\x64"[..]);
    assert_eq!(engine.bytes_wanted(&buffer), 0);
    for arrived in 0..100 {
        assert_eq!(engine.receive(&mut buffer, now), Ok(None));
        assert_eq!(engine.bytes_wanted(&buffer), 100 - arrived);
        buffer.extend_from_slice(b"x");
    }
    assert!(engine.receive(&mut buffer, now).unwrap().is_some());
    assert_eq!(engine.bytes_wanted(&buffer), 0);
}

/// A call without new bytes is no sign of life; a byte is.
#[test]
fn only_what_arrives_puts_off_the_ping() {
    let begun = Instant::now();
    let keepalive = Keepalive::default().ping_interval(10 * SECOND);
    let options = Options::default().keepalive(Some(keepalive));
    let mut engine = engine(Role::Client, options, None, begun);
    assert_eq!(engine.next_timeout(), Some(begun + 10 * SECOND));
    let mut buffer = BytesMut::from(&b"\x82\x64"[..]);
    engine.receive(&mut buffer, begun + SECOND).unwrap();
    assert_eq!(engine.next_timeout(), Some(begun + 11 * SECOND));
    engine.receive(&mut buffer, begun + 2 * SECOND).unwrap();
    assert_eq!(engine.next_timeout(), Some(begun + 11 * SECOND));
    buffer.extend_from_slice(b"x");
    engine.receive(&mut buffer, begun + 3 * SECOND).unwrap();
    assert_eq!(engine.next_timeout(), Some(begun + 13 * SECOND));
    engine.receive(&mut buffer, begun + 4 * SECOND).unwrap();
    assert_eq!(engine.next_timeout(), Some(begun + 13 * SECOND));
    engine.handle_timeout(begun + 12 * SECOND).unwrap();
    assert_eq!(engine.outgoing_bytes(), 0);
    engine.handle_timeout(begun + 13 * SECOND).unwrap();
    assert_eq!(
        frames(&unmasked(&written(&mut engine))),
        [(0x89, Vec::new())]
    );
    assert_eq!(
        engine.next_timeout(),
        Some(begun + 23 * SECOND),
        "for the Pong"
    );
}

/// A client's frames without payload, as a server would write them.
fn unmasked(bytes: &[u8]) -> Vec<u8> {
    bytes
        .chunks(6)
        .flat_map(|frame| [frame[0], frame[1] & 0x7f])
        .collect()
}

#[test]
fn r4_fragments_and_what_is_buffered_count_as_held() {
    let now = Instant::now();
    let memory = UnfinishedMemory::new(20_000);
    let options =
        Options::default().limits(Limits::default().unfinished_memory(Some(memory.clone())));
    let mut engine = engine(Role::Client, options, None, now);
    let mut fragment = vec![0x02, 126];
    fragment.extend(10_000_u16.to_be_bytes());
    fragment.extend(vec![7; 10_000]);
    receive(&mut engine, &fragment, now).unwrap();
    engine.hold(100).unwrap();
    let used = memory.used();
    assert!((10_100..15_000).contains(&used), "{used}");
    engine.hold(5_000).unwrap();
    assert_eq!(memory.used(), used + 4_900);
    let error = engine.hold(20_000).unwrap_err();
    assert_eq!(error, ProtocolError::UnfinishedMemory { allowed: 20_000 });
    assert_eq!(memory.used(), 0, "given back");
    let close = &written(&mut engine)[2..];
    assert_eq!(close.len(), 4 + 2 + error.to_string().len());
}

#[test]
fn the_reason_of_a_close_is_the_violations_text() {
    let now = Instant::now();
    let mut engine = engine(Role::Server, Options::default(), None, now);
    let error = receive(&mut engine, b"\x81\x00", now).unwrap_err();
    let mut payload = 1002_u16.to_be_bytes().to_vec();
    payload.extend(error.to_string().bytes());
    assert_eq!(frames(&written(&mut engine)), [(0x88, payload)]);
}

#[test]
fn the_queue_is_bounded_to_the_byte() {
    let now = Instant::now();
    // A header is counted with its largest size, 14 bytes, until it is written.
    let config = WebSocketConfig::default()
        .write_buffer_size(0)
        .max_write_buffer_size(114);
    let options = || Options::default().websocket(config);
    for (bytes, fits) in [(100, true), (101, false)] {
        let mut engine = engine(Role::Server, options(), None, now);
        let message = Message::binary(vec![0; bytes]);
        match engine.send(message.clone(), now) {
            Ok(()) => assert!(fits, "{bytes}"),
            Err(SendError::QueueFull(back)) => assert!(!fits && *back == message, "{bytes}"),
            Err(other) => panic!("{other}"),
        }
    }
    // A message made beforehand has its header already: two bytes.
    for (bytes, fits) in [(112, true), (113, false)] {
        let mut engine = engine(Role::Server, options(), None, now);
        let prepared = PreparedMessage::binary(vec![0; bytes]);
        let result = engine.send_prepared(&prepared, now);
        assert_eq!(result.is_ok(), fits, "{bytes}");
        assert_eq!(written(&mut engine).len(), if fits { bytes + 2 } else { 0 });
    }
}

#[test]
fn prepared_messages_are_shared_where_the_bytes_are_the_same_for_all() {
    let now = Instant::now();
    let text = "much ado ".repeat(100);
    let prepared = PreparedMessage::text(text.clone());
    let takeover = Agreed {
        server_no_context_takeover: false,
        ..AGREED
    };
    let fragments = || Options::default().fragment_bytes(Some(400));
    for (role, options, agreed) in [
        (Role::Server, Options::default(), None),
        (Role::Server, Options::default(), Some(AGREED)),
        (Role::Server, Options::default(), Some(takeover)),
        (Role::Server, fragments(), None),
        (Role::Client, Options::default(), None),
        (Role::Client, Options::default(), Some(AGREED)),
    ] {
        let mut sender = engine(role, options.clone(), agreed, now);
        let other = match role {
            Role::Server => Role::Client,
            Role::Client => Role::Server,
        };
        let mut receiver = engine(other, Options::default(), agreed, now);
        let mut sizes = Vec::new();
        for _ in 0..2 {
            sender.send_prepared(&prepared, now).unwrap();
            let bytes = written(&mut sender);
            sizes.push(bytes.len());
            let message = receive(&mut receiver, &bytes, now);
            assert_eq!(
                message,
                Ok(Some(Event::Message(Message::text(text.clone()))))
            );
        }
        let shrinks = agreed.is_some_and(|agreed| !agreed.server_no_context_takeover);
        assert_eq!(
            sizes[1] < sizes[0],
            shrinks,
            "{role:?} {agreed:?} {sizes:?}"
        );
        let header = if role == Role::Client { 8 } else { 4 };
        match (agreed, options.fragment_bytes) {
            (None, None) => assert_eq!(sizes[0], text.len() + header),
            (None, Some(_)) => assert_eq!(sizes[0], text.len() + 4 + 4 + 2),
            (Some(_), _) => assert!(sizes[0] < 100, "{sizes:?}"),
        }
    }
    let mut closed = engine(Role::Server, Options::default(), None, now);
    closed.close(None, now).unwrap();
    let refused = closed.send_prepared(&prepared, now);
    assert!(matches!(refused, Err(SendError::AfterClose)), "{refused:?}");
    assert_eq!(frames(&written(&mut closed)), [(0x88, Vec::new())]);
}

#[test]
fn nothing_follows_a_close_but_another_is_no_error() {
    let now = Instant::now();
    let close = |code: u16| CloseFrame {
        code: CloseCode::from(code),
        reason: "".into(),
    };
    let mut engine = engine(Role::Server, Options::default(), None, now);
    engine.close(Some(close(4000)), now).unwrap();
    engine.close(Some(close(4001)), now).unwrap();
    engine.send(Message::Close(Some(close(4002))), now).unwrap();
    let refused = engine.send(Message::text("late"), now);
    assert!(matches!(refused, Err(SendError::AfterClose)), "{refused:?}");
    assert_eq!(
        frames(&written(&mut engine)),
        [(0x88, 4000_u16.to_be_bytes().to_vec())]
    );
}

#[test]
fn control_frames_carry_125_bytes_and_close_reasons_123() {
    let now = Instant::now();
    for (bytes, fits) in [(125, true), (126, false)] {
        for control in [Message::Ping, Message::Pong] {
            let mut engine = engine(Role::Server, Options::default(), None, now);
            let result = engine.send(control(Bytes::from(vec![7; bytes])), now);
            assert_eq!(result.is_ok(), fits, "{bytes}");
            assert_eq!(frames(&written(&mut engine)).len(), usize::from(fits));
        }
        let frame = CloseFrame {
            code: CloseCode::Normal,
            reason: "r".repeat(bytes - 2).into(),
        };
        let mut engine = engine(Role::Server, Options::default(), None, now);
        assert_eq!(engine.close(Some(frame), now).is_ok(), fits, "{bytes}");
    }
}

#[test]
fn messages_are_cut_into_fragments_and_every_byte_is_counted() {
    let now = Instant::now();
    let options = || Options::default().fragment_bytes(Some(10));
    for (bytes, expected) in [
        (10, &[(0x82, 10)][..]),
        (11, &[(0x02, 10), (0x80, 1)]),
        (20, &[(0x02, 10), (0x80, 10)]),
        (21, &[(0x02, 10), (0x00, 10), (0x80, 1)]),
    ] {
        let mut engine = engine(Role::Server, options(), None, now);
        engine.send(Message::binary(vec![7; bytes]), now).unwrap();
        let frames = frames(&written(&mut engine));
        let shape: Vec<(u8, usize)> = frames.iter().map(|(f, p)| (*f, p.len())).collect();
        assert_eq!(shape, expected);
        assert_eq!(engine.outgoing_bytes(), 0);
    }
    // A Ping goes between the fragments, a Close behind the messages; a header is counted with 14 bytes until it is framed.
    let mut engine = engine(Role::Server, options(), None, now);
    engine.send(Message::binary(vec![7; 25]), now).unwrap();
    assert_eq!(engine.outgoing_bytes(), 25 + 14);
    engine.send(Message::text("behind"), now).unwrap();
    assert_eq!(engine.outgoing_bytes(), 25 + 14 + 6 + 14);
    engine.send(Message::Ping(Bytes::new()), now).unwrap();
    assert_eq!(engine.outgoing_bytes(), 25 + 14 + 6 + 14 + 2);
    engine.close(None, now).unwrap();
    let order: Vec<u8> = frames(&written(&mut engine))
        .iter()
        .map(|(f, _)| *f)
        .collect();
    assert_eq!(order, [0x89, 0x02, 0x00, 0x80, 0x81, 0x88]);
    assert_eq!(engine.outgoing_bytes(), 0);
}

/// No more is framed ahead than the transport is likely to take, so that a Ping need not wait for all of a message.
#[test]
fn fragments_are_framed_16_kib_ahead() {
    let now = Instant::now();
    let options = Options::default().fragment_bytes(Some(1020));
    let mut engine = engine(Role::Server, options, None, now);
    engine.send(Message::binary(vec![7; 100_000]), now).unwrap();
    // Each fragment takes 1,024 bytes with its header.
    assert_eq!(engine.outgoing().remaining(), 16 * 1024);
    let whole = engine.outgoing_bytes();
    assert_eq!(whole, 16 * 1024 + 100_000 - 16 * 1020 + 14);
    engine.outgoing().advance(16 * 1024);
    assert_eq!(engine.outgoing_bytes(), whole - 16 * 1024);
}

#[test]
fn what_is_left_of_several_messages_is_counted() {
    let now = Instant::now();
    let options = Options::default().fragment_bytes(Some(10_000));
    let mut engine = engine(Role::Server, options, None, now);
    engine.send(Message::binary(vec![7; 10]), now).unwrap();
    assert_eq!(engine.outgoing_bytes(), 12, "framed at once");
    for bytes in [15_000, 50_000] {
        engine.send(Message::binary(vec![7; bytes]), now).unwrap();
    }
    // Both fragments of the first, and one of the second.
    assert_eq!(engine.outgoing().remaining(), 12 + 15_008 + 10_004);
    assert_eq!(engine.outgoing_bytes(), 12 + 15_008 + 10_004 + 40_014);
}

/// Large payloads are pieces of the buffer and of the message; small ones are copied, so that they keep neither alive.
#[test]
fn payloads_of_8_kib_are_shared_rather_than_copied() {
    let now = Instant::now();
    for (bytes, shared) in [(8191, false), (8192, true)] {
        let payload = Bytes::from(vec![7; bytes]);
        let place = payload.as_ptr();
        let kept = payload.clone();
        let mut sender = engine(Role::Server, Options::default(), None, now);
        sender.send(Message::binary(payload), now).unwrap();
        sender.outgoing().advance(4);
        assert_eq!(sender.outgoing_bytes(), bytes);
        assert_eq!(
            sender.outgoing().chunk().as_ptr() == place,
            shared,
            "{bytes}"
        );
        drop(kept);
        let prepared = PreparedMessage::binary(vec![7; bytes - 4]);
        let mut senders = [0, 1].map(|_| engine(Role::Server, Options::default(), None, now));
        for sender in &mut senders {
            sender.send_prepared(&prepared, now).unwrap();
        }
        let places = senders
            .each_mut()
            .map(|sender| sender.outgoing().chunk().as_ptr());
        assert_eq!(places[0] == places[1], shared, "{bytes}");
        // A client masks a message in place where nobody else holds it.
        let payload = vec![7; bytes];
        let place = payload.as_ptr();
        let mut sender = engine(Role::Client, Options::default(), None, now);
        sender.send(Message::binary(payload), now).unwrap();
        sender.outgoing().advance(8);
        assert_eq!(
            sender.outgoing().chunk().as_ptr() == place,
            shared,
            "{bytes}"
        );
    }
    for (bytes, shared) in [(8192_u16, false), (8193, true)] {
        let mut receiver = engine(Role::Client, Options::default(), None, now);
        let mut buffer = BytesMut::from(&b"\x82\x7e"[..]);
        buffer.extend_from_slice(&bytes.to_be_bytes());
        buffer.resize(4 + usize::from(bytes), 7);
        let place = buffer[4..].as_ptr();
        let event = receiver.receive(&mut buffer, now).unwrap();
        let Some(Event::Message(message)) = event else {
            panic!("{event:?}");
        };
        assert_eq!(message.into_data().as_ptr() == place, shared, "{bytes}");
    }
}

#[test]
fn prepared_messages_are_compressed_as_they_are_told() {
    let now = Instant::now();
    let text = "much ado ".repeat(100);
    for (threshold, compressed) in [(900, true), (901, false)] {
        let config = DeflateConfig::default().threshold(threshold);
        let prepared = PreparedMessage::text(text.clone()).deflate(config);
        let mut sender = engine(Role::Server, Options::default(), Some(AGREED), now);
        sender.send_prepared(&prepared, now).unwrap();
        let frames = frames(&written(&mut sender));
        assert_eq!(frames[0].0 == 0xc1, compressed, "{threshold}");
        assert_eq!(frames[0].1.len() < text.len(), compressed, "{threshold}");
    }
}

/// Marsaglia's xorshift.
fn random() -> impl FnMut(usize) -> usize {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from((state >> 33) % below as u64).expect("below a usize")
    }
}

/// A message is sent compressed if that makes it shorter, by one byte at least, and never else.
#[test]
fn compressed_messages_are_shorter() {
    let now = Instant::now();
    let mut random = random();
    for level in [1, 2, 6] {
        let config = DeflateConfig::default().threshold(0);
        let options = Options::default().deflate(Some(config.level(level).unwrap()));
        let mut sender = engine(Role::Server, options, Some(AGREED), now);
        let mut by_one = 0;
        for number in 0..2000 {
            let mut payload = vec![7; number % 20];
            payload.extend((0..number % 50).map(|_| u8::try_from(random(256)).unwrap()));
            sender.send(Message::binary(payload.clone()), now).unwrap();
            let (first, sent) = frames(&written(&mut sender)).remove(0);
            if first == 0xc2 {
                assert!(sent.len() < payload.len(), "level {level}");
                by_one += usize::from(sent.len() + 1 == payload.len());
            } else {
                assert_eq!(sent, payload);
            }
        }
        assert!(by_one > 0, "level {level}: none at the bound");
    }
}

#[test]
fn statistics_count_every_byte_on_both_sides() {
    let now = Instant::now();
    let mut random = random();
    let letters = (0..30_000).map(|_| char::from(b'a' + u8::try_from(random(26)).unwrap()));
    let text: String = letters.collect();
    let options = Options::default().fragment_bytes(Some(500));
    let mut sender = engine(Role::Server, options, Some(AGREED), now);
    let mut receiver = engine(Role::Client, Options::default(), Some(AGREED), now);
    sender.send(Message::text(text.clone()), now).unwrap();
    let bytes = written(&mut sender);
    let payloads: usize = frames(&bytes)
        .iter()
        .map(|(_, payload)| payload.len())
        .sum();
    let message = Message::text(text.clone());
    assert_eq!(
        receive(&mut receiver, &bytes, now),
        Ok(Some(Event::Message(message)))
    );
    let counted = receiver.statistics().unwrap().received;
    assert_eq!(counted, sender.statistics().unwrap().sent);
    assert_eq!((counted.messages, counted.bytes), (1, text.len() as u64));
    assert_eq!(counted.wire_bytes, payloads as u64);
}

/// A compressor of zlib's that is kept for a connection is counted with what it takes, by its window.
#[test]
fn d16_zlibs_contexts_are_counted_and_as_good_as_their_level() {
    let now = Instant::now();
    let mut random = random();
    let words: Vec<String> = (0..200).map(|_| random(65_536).to_string()).collect();
    let text: String = (0..8000).map(|_| &words[random(200)][..]).collect();
    let sent = |level: u8, bits: u8| {
        let config = DeflateConfig::default().level(level).unwrap();
        let agreed = Agreed {
            server_no_context_takeover: false,
            server_max_window_bits: bits,
            ..AGREED
        };
        let options = Options::default().deflate(Some(config));
        let mut sender = engine(Role::Server, options, Some(agreed), now);
        sender.send(Message::text(text.clone()), now).unwrap();
        let statistics = sender.statistics().unwrap();
        assert_eq!(statistics.contexts, 1);
        (written(&mut sender).len(), statistics.context_bytes)
    };
    let [(fast, small), (good, large)] = [sent(2, 15), sent(9, 15)];
    assert!(good < fast, "{good} and {fast} bytes");
    assert_eq!(small, large, "of the same window");
    assert!(large > 149_000, "{large}");
    assert_eq!(large - sent(2, 9).1, (4 << 15) - (4 << 9));
}

/// What a peer may refer back to is kept with as much room again, and with its whole window from a fourth of it on.
#[test]
fn d16_peers_context_grows_with_what_was_sent() {
    let now = Instant::now();
    let agreed = Agreed {
        server_no_context_takeover: false,
        ..AGREED
    };
    for (bytes, context) in [(0, 0), (1000, 2000), (8192, 16_384), (8193, 32_768)] {
        let mut sender = engine(Role::Server, Options::default(), Some(agreed), now);
        let mut receiver = engine(Role::Client, Options::default(), Some(agreed), now);
        sender
            .send_with(Message::binary(vec![7; bytes]), Compression::Always, now)
            .unwrap();
        receive(&mut receiver, &written(&mut sender), now).unwrap();
        let statistics = receiver.statistics().unwrap();
        assert_eq!(statistics.context_bytes, context, "{bytes}");
        assert!(budget::used() >= context);
    }
}

#[test]
fn contexts_are_shown_by_name() {
    let now = Instant::now();
    let agreed = Agreed {
        server_no_context_takeover: false,
        client_no_context_takeover: false,
        ..AGREED
    };
    let config = DeflateConfig::default().level(6).unwrap();
    let options = Options::default().deflate(Some(config));
    let mut engine = engine(Role::Server, options, Some(agreed), now);
    engine
        .send(Message::text("long ".repeat(100)), now)
        .unwrap();
    assert!(format!("{engine:?}").contains("Deflater"), "{engine:?}");
    // The beginning of a message in a stored block, too long to wait for its end.
    let mut begun = [
        &[0x42, 0xfe, 0x50, 0x05, 0, 0, 0, 0][..],
        &[0, 0, 0x50, 0xff, 0xaf],
    ]
    .concat();
    begun.resize(8 + 0x5005, 7);
    receive(&mut engine, &begun, now).unwrap();
    assert!(format!("{engine:?}").contains("Inflater"), "{engine:?}");
}

/// The pieces of a message are counted together, and the parts of a frame are one fragment.
#[test]
fn pieces_are_held_to_the_limits_of_their_message() {
    let now = Instant::now();
    let receiver = || {
        let config = WebSocketConfig::default().max_message_size(Some(100));
        let limits = Limits::default().max_fragments(Some(2));
        let options = Options::default().websocket(config).limits(limits);
        engine(Role::Client, options.pieces(true), None, now)
    };
    let (mut one, mut buffer) = (receiver(), BytesMut::from(&b"\x02\x3c"[..]));
    for _ in 0..60 {
        buffer.extend_from_slice(b"x");
        assert!(one.receive(&mut buffer, now).unwrap().is_some());
    }
    buffer.extend_from_slice(b"\x80\x28");
    assert_eq!(one.receive(&mut buffer, now), Ok(None), "60 and 40 are 100");
    let (mut two, mut buffer) = (receiver(), BytesMut::from(&b"\x02\x3c"[..]));
    buffer.resize(62, b'x');
    assert!(two.receive(&mut buffer, now).unwrap().is_some());
    buffer.extend_from_slice(b"\x80\x29");
    let (bytes, allowed) = (101, 100);
    let expected = ProtocolError::MessageTooLong { bytes, allowed };
    assert_eq!(two.receive(&mut buffer, now), Err(expected));
    let mut amid = BytesMut::from(&b"\x81\x02a\xc3"[..]);
    let result = receiver().receive(&mut amid, now);
    assert_eq!(
        result,
        Err(ProtocolError::InvalidUtf8),
        "text ends amid a character"
    );
    let (mut three, mut buffer) = (
        receiver(),
        BytesMut::from(&b"\x02\x01a\x00\x01b\x80\x01c"[..]),
    );
    for _ in 0..2 {
        assert!(three.receive(&mut buffer, now).unwrap().is_some());
    }
    let expected = ProtocolError::TooManyFragments { allowed: 2 };
    assert_eq!(three.receive(&mut buffer, now), Err(expected));
}

#[test]
fn a_message_that_ends_takes_its_deadline_with_it() {
    let now = Instant::now();
    let mut receiver = engine(Role::Client, Options::default(), None, now);
    let mut buffer = BytesMut::from(&b"\x82\x02a"[..]);
    assert_eq!(receiver.receive(&mut buffer, now), Ok(None));
    assert_eq!(receiver.next_timeout(), Some(now + 30 * SECOND));
    buffer.extend_from_slice(b"b");
    assert!(receiver.receive(&mut buffer, now).unwrap().is_some());
    assert_eq!(receiver.receive(&mut buffer, now), Ok(None));
    assert_eq!(receiver.next_timeout(), None);
    receiver.handle_timeout(now + 60 * SECOND).unwrap();
    assert!(receiver.is_open());
    receiver.close(None, now).unwrap();
    assert!(!receiver.is_open());
}

#[test]
fn choices_are_kept_and_those_of_tokio_tungstenite_need_no_timer() {
    let config = WebSocketConfig::default().max_message_size(Some(7));
    let options = Options::drop_in(Some(config));
    assert_eq!(options.websocket.max_message_size, Some(7));
    assert_eq!(options.limits.unfinished_message_timeout, None);
    assert_eq!(options.limits.control_rate, None);
    assert_eq!((options.close_timeout, options.keepalive), (None, None));
    assert!(options.deflate.is_some());
    let deflate = DeflateConfig::default().threshold(7);
    for options in [Options::from(deflate.clone()), Some(deflate).into()] {
        assert_eq!(options.deflate.unwrap().get_threshold(), 7);
    }
    let head = HeadLimits::default().max_bytes(7);
    let head = head.max_fields(8).max_target_bytes(9);
    let limits = Limits::default().unfinished_message_timeout(Some(SECOND));
    let limits = limits.head(head);
    assert_eq!(limits.unfinished_message_timeout, Some(SECOND));
    let head = limits.head;
    assert_eq!(
        (head.max_bytes, head.max_fields, head.max_target_bytes),
        (7, 8, 9)
    );
}

/// Threats R3: a sixty-fourth of the largest message, and never less than 1,024.
#[test]
fn r3_fragments_are_bounded_by_the_largest_message() {
    let now = Instant::now();
    for (limit, allowed) in [(1000, 1024), (640_000, 10_000)] {
        let config = WebSocketConfig::default().max_message_size(Some(limit));
        let mut receiver = engine(
            Role::Client,
            Options::default().websocket(config),
            None,
            now,
        );
        let mut buffer = BytesMut::from(&b"\x02\x00"[..]);
        buffer.extend_from_slice(&b"\x00\x00"[..].repeat(allowed - 1));
        assert_eq!(receiver.receive(&mut buffer, now), Ok(None), "{limit}");
        buffer.extend_from_slice(b"\x00\x00");
        let expected = ProtocolError::TooManyFragments { allowed };
        assert_eq!(receiver.receive(&mut buffer, now), Err(expected));
    }
}

/// Threats D9: the error tells how much it was at least, and how much is allowed.
#[test]
fn d9_a_message_that_inflates_too_far_says_so() {
    let now = Instant::now();
    let mut sender = engine(Role::Server, Options::default(), Some(AGREED), now);
    sender.send(Message::binary(vec![7; 10_000]), now).unwrap();
    let bytes = written(&mut sender);
    let config = WebSocketConfig::default().max_message_size(Some(9_000));
    let options = Options::default().websocket(config);
    let mut receiver = engine(Role::Client, options, Some(AGREED), now);
    let (least, allowed) = (9_001, 9_000);
    let expected = ProtocolError::MessageTooLong {
        bytes: least,
        allowed,
    };
    assert_eq!(receive(&mut receiver, &bytes, now), Err(expected));
}

#[test]
fn r6_thirty_two_pongs_wait_and_the_last() {
    let now = Instant::now();
    let mut engine = engine(Role::Server, Options::default(), None, now);
    for number in 0..40_u8 {
        let ping = [0x89, 0x81, 0, 0, 0, 0, number];
        receive(&mut engine, &ping, now).unwrap();
        // Looking at what waits writes nothing.
        assert!(engine.outgoing().has_remaining());
        assert_eq!(engine.outgoing_bytes(), 3 * usize::from(number + 1).min(32));
    }
    let pongs: Vec<u8> = frames(&written(&mut engine))
        .iter()
        .map(|(_, p)| p[0])
        .collect();
    assert_eq!(pongs, (0..32).chain([39]).collect::<Vec<u8>>());
}

#[test]
fn unmasked_frames_are_accepted_by_a_server_that_is_told_to() {
    let now = Instant::now();
    let config = WebSocketConfig::default().accept_unmasked_frames(true);
    let mut engine = engine(
        Role::Server,
        Options::default().websocket(config),
        None,
        now,
    );
    let hello = Ok(Some(Event::Message(Message::text("Hello"))));
    assert_eq!(receive(&mut engine, b"\x81\x05Hello", now), hello);
    assert_eq!(
        receive(
            &mut engine,
            b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
            now
        ),
        hello
    );
}

/// Threats D9: a compressed message may take what stored blocks add to the limit, in one frame and in many.
#[test]
fn d9_compressed_bytes_are_limited_too() {
    const LIMIT: usize = 10_000;
    // An eleventh of a thousandth, and 64.
    const ALLOWED: usize = LIMIT + LIMIT / 1024 + 64;
    let now = Instant::now();
    let config = WebSocketConfig::default()
        .max_message_size(Some(LIMIT))
        .max_frame_size(None);
    let header = |first: u8, length: usize| {
        let length = u16::try_from(length).expect("a short length");
        [&[first, 126], &length.to_be_bytes()[..]].concat()
    };
    let fails = |bytes: &[u8]| {
        let options = Options::default().websocket(config);
        let mut engine = engine(Role::Client, options, Some(AGREED), now);
        let mut buffer = BytesMut::from(bytes);
        loop {
            match engine.receive(&mut buffer, now) {
                Ok(Some(_)) => {}
                Ok(None) => return false,
                Err(ProtocolError::MessageTooLong { .. }) => return true,
                Err(other) => panic!("{other}"),
            }
        }
    };
    assert!(!fails(&header(0xc2, ALLOWED)));
    assert!(fails(&header(0xc2, ALLOWED + 1)));
    assert!(!fails(&header(0x82, LIMIT)));
    assert!(fails(&header(0x82, LIMIT + 1)));
    // Empty stored blocks: five bytes that inflate to nothing.
    let nothing = [0, 0, 0, 0xff, 0xff].repeat(200);
    let begun = [&header(0x42, 1000)[..], &nothing].concat();
    let more = |length| {
        [
            &begun[..],
            &header(0x00, 1000),
            &nothing,
            &header(0x80, length),
        ]
        .concat()
    };
    assert!(!fails(&more(ALLOWED - 2000)));
    assert!(fails(&more(ALLOWED - 1999)));
    let plain = [&header(0x02, 1000)[..], &[7; 1000]].concat();
    let more = |length| {
        [
            &plain[..],
            &header(0x00, 1000),
            &[7; 1000],
            &header(0x80, length),
        ]
        .concat()
    };
    assert!(!fails(&more(LIMIT - 2000)));
    assert!(fails(&more(LIMIT - 1999)));
}
