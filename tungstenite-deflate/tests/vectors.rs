//! Vectors of RFC 6455 §5.7 and RFC 7692 §7.2.3, and the rules of threats C3 and C4, against the engine alone.
//!
//! Each case runs whole, byte by byte, and cut in two at every position, for both roles where it exists for both.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use tungstenite_deflate::tungstenite::Message;
use tungstenite_deflate::tungstenite::protocol::Role;
use tungstenite_deflate::tungstenite::protocol::frame::Frame;
use tungstenite_deflate::{
    Agreed, Connection, ControlRate, Keepalive, Limits, Options, ProtocolError,
};

const AGREED: Agreed = Agreed {
    server_no_context_takeover: false,
    client_no_context_takeover: false,
    server_max_window_bits: 15,
    client_max_window_bits: 15,
};

const SECOND: Duration = Duration::from_secs(1);

/// Result of an engine for some bytes.
#[derive(Debug, PartialEq)]
struct Outcome {
    messages: Vec<Message>,
    violation: Option<ProtocolError>,
    /// Its output.
    written: Vec<u8>,
}

fn engine(role: Role, agreed: Option<Agreed>) -> Connection {
    Connection::new(role, Arc::new(Options::default()), agreed, Instant::now())
}

/// Feeds the pieces one after the other.
fn run<'a>(
    role: Role,
    agreed: Option<Agreed>,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Outcome {
    let mut engine = engine(role, agreed);
    let mut outcome = Outcome {
        messages: Vec::new(),
        violation: None,
        written: Vec::new(),
    };
    let mut buffer = BytesMut::new();
    let now = Instant::now();
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match engine.receive(&mut buffer, now) {
                Ok(Some(message)) => outcome.messages.push(message),
                Ok(None) => break,
                Err(violation) => outcome.violation = Some(violation),
            }
        }
        if let Err(violation) = engine.handle_wait(&mut buffer) {
            outcome.violation = Some(violation);
        }
    }
    let waiting = engine.outgoing();
    outcome.written = waiting.copy_to_bytes(waiting.remaining()).to_vec();
    outcome
}

/// Runs every way of cutting `bytes`; all must give the same.
fn check(name: &str, role: Role, agreed: Option<Agreed>, bytes: &[u8]) -> Outcome {
    let whole = run(role, agreed, [bytes]);
    // A client masks what it answers with keys that differ each time.
    let comparable = |outcome: &Outcome| match role {
        Role::Server => outcome.written.clone(),
        Role::Client => vec![0; outcome.written.len()],
    };
    let mut ways = vec![bytes.chunks(1).collect::<Vec<_>>()];
    if bytes.len() < 2000 {
        ways.extend((0..=bytes.len()).map(|cut| vec![&bytes[..cut], &bytes[cut..]]));
    }
    for way in ways {
        let cut = way[0].len();
        let outcome = run(role, agreed, way);
        assert_eq!(
            outcome.messages, whole.messages,
            "{name}, {role:?}, cut at {cut}"
        );
        assert_eq!(
            outcome.violation, whole.violation,
            "{name}, {role:?}, cut at {cut}"
        );
        assert_eq!(
            comparable(&outcome),
            comparable(&whole),
            "{name}, {role:?}, cut at {cut}"
        );
    }
    whole
}

/// The same frames as a client sends them: each masked with the key of the RFC's examples.
fn masked(frames: &[&[u8]]) -> Vec<u8> {
    const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut bytes = Vec::new();
    for frame in frames {
        let header = match frame[1] & 0x7f {
            126 => 4,
            127 => 10,
            _ => 2,
        };
        bytes.push(frame[0]);
        bytes.push(frame[1] | 0x80);
        bytes.extend_from_slice(&frame[2..header]);
        bytes.extend_from_slice(&KEY);
        bytes.extend(
            frame[header..]
                .iter()
                .enumerate()
                .map(|(i, byte)| byte ^ KEY[i % 4]),
        );
    }
    bytes
}

fn unmasked(frames: &[&[u8]]) -> Vec<u8> {
    frames.concat()
}

/// Runs frames in both directions.
fn both(name: &str, agreed: Option<Agreed>, frames: &[&[u8]]) -> [Outcome; 2] {
    [
        check(name, Role::Server, agreed, &masked(frames)),
        check(name, Role::Client, agreed, &unmasked(frames)),
    ]
}

fn text(text: &str) -> Message {
    Message::text(text)
}

#[test]
fn rfc6455_section_5_7() {
    let hello = check("unmasked text", Role::Client, None, b"\x81\x05Hello");
    assert_eq!(hello.messages, [text("Hello")]);
    let bytes = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
    let hello = check("masked text", Role::Server, None, bytes);
    assert_eq!(hello.messages, [text("Hello")]);
    for outcome in both("fragmented text", None, &[b"\x01\x03Hel", b"\x80\x02lo"]) {
        assert_eq!(outcome.messages, [text("Hello")]);
    }
    for outcome in both("ping", None, &[b"\x89\x05Hello"]) {
        assert_eq!(outcome.messages, [Message::Ping("Hello".into())]);
        assert_eq!(outcome.written[0], 0x8a);
    }
    let ping = check("ping", Role::Server, None, &masked(&[b"\x89\x05Hello"]));
    assert_eq!(ping.written, b"\x8a\x05Hello", "the Pong of the RFC");
    for size in [256usize, 65_536] {
        let mut frame = match size {
            256 => vec![0x82, 0x7e, 1, 0],
            _ => vec![0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0],
        };
        frame.extend(vec![0xab; size]);
        for outcome in both("binary", None, &[&frame]) {
            assert_eq!(outcome.messages, [Message::binary(vec![0xab; size])]);
        }
    }
}

#[test]
fn rfc7692_section_7_2_3() {
    let hello: &[&[&[u8]]] = &[
        &[b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"],
        &[b"\x41\x03\xf2\x48\xcd", b"\x80\x04\xc9\xc9\x07\x00"],
        // §7.2.3.3: no compression; §7.2.3.4: BFINAL set; §7.2.3.5: two blocks.
        &[b"\xc1\x0b\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"],
        &[b"\xc1\x08\xf3\x48\xcd\xc9\xc9\x07\x00\x00"],
        &[b"\xc1\x0d\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"],
    ];
    for frames in hello {
        for outcome in both("compressed", Some(AGREED), frames) {
            assert_eq!(outcome.messages, [text("Hello")], "{outcome:?}");
        }
    }
    // §7.2.3.2: the second message refers to the first.
    let twice: &[&[u8]] = &[
        b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00",
        b"\xc1\x05\xf2\x00\x11\x00\x00",
    ];
    for outcome in both("context takeover", Some(AGREED), twice) {
        assert_eq!(outcome.messages, [text("Hello"), text("Hello")]);
    }
    // D12, D13, D14: after a final block, empty messages, an uncompressed one between.
    let frames: &[&[u8]] = &[
        b"\xc1\x08\xf3\x48\xcd\xc9\xc9\x07\x00\x00",
        b"\xc1\x01\x00",
        b"\x81\x02no",
        b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00",
    ];
    for outcome in both("D12 to D14", Some(AGREED), frames) {
        assert_eq!(
            outcome.messages,
            [text("Hello"), text(""), text("no"), text("Hello")]
        );
    }
}

/// Threats F1 to F11, F14, F15, D7, D10 with the close code that answers them.
#[test]
fn violations_are_answered_with_their_code() {
    let cases: &[(&str, u16, &[&[u8]])] = &[
        ("F1 RSV1 not agreed", 1002, &[b"\xc1\x01a"]),
        ("F1 RSV2", 1002, &[b"\xa1\x01a"]),
        ("F1 RSV3", 1002, &[b"\x92\x01a"]),
        ("F1 RSV1 on a Ping", 1002, &[b"\xc9\x00"]),
        ("F2 opcode 3", 1002, &[b"\x83\x00"]),
        ("F2 opcode 15", 1002, &[b"\x8f\x00"]),
        ("F3 Ping of 126 bytes", 1002, &[b"\x89\x7e\x00\x7e"]),
        ("F4 fragmented Ping", 1002, &[b"\x09\x00"]),
        ("F6 length not minimal", 1002, &[b"\x82\x7e\x00\x01a"]),
        (
            "F7 length with the high bit",
            1002,
            &[b"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff"],
        ),
        (
            "F7 length beyond the limit",
            1009,
            &[b"\x82\x7f\x00\x00\x00\x01\x00\x00\x00\x00"],
        ),
        ("F8 continuation first", 1002, &[b"\x80\x01a"]),
        (
            "F8 new frame amid a message",
            1002,
            &[b"\x01\x01a", b"\x81\x01b"],
        ),
        (
            "F8 continuation after the end",
            1002,
            &[b"\x01\x01a", b"\x80\x01b", b"\x80\x01c"],
        ),
        ("F11 Close of one byte", 1002, &[b"\x88\x01\x03"]),
        ("F12 Close with 1005", 1002, &[b"\x88\x02\x03\xed"]),
        (
            "F14 Close reason not UTF-8",
            1007,
            &[b"\x88\x03\x03\xe8\xff"],
        ),
        ("F15 text not UTF-8", 1007, &[b"\x81\x02\xc3\x28"]),
        ("F15 text ends amid a character", 1007, &[b"\x81\x01\xc3"]),
        (
            "F15 second fragment not UTF-8",
            1007,
            &[b"\x01\x01\xc3", b"\x00\x01\x28"],
        ),
    ];
    for (name, code, frames) in cases {
        for outcome in both(name, None, frames) {
            assert_eq!(close_code(&outcome), *code, "{name}: {outcome:?}");
        }
    }
    let deflate: &[(&str, u16, &[&[u8]])] = &[
        (
            "D7 RSV1 on a continuation",
            1002,
            &[b"\x41\x01\x00", b"\xc0\x01\x00"],
        ),
        ("D7 RSV1 on a Ping", 1002, &[b"\xc9\x00"]),
        ("D10 reserved block type", 1007, &[b"\xc1\x02\x07\x00"]),
        (
            "D12 distance to before a final block",
            1007,
            &[
                b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00",
                b"\xc1\x08\xf3\x48\xcd\xc9\xc9\x07\x00\x00",
                b"\xc1\x05\xf2\x00\x11\x00\x00",
            ],
        ),
        (
            "D15 inflated text not UTF-8",
            1007,
            &[b"\xc1\x04\xfa\xf7\x1f\x00"],
        ),
    ];
    for (name, code, frames) in deflate {
        for outcome in both(name, Some(AGREED), frames) {
            assert_eq!(close_code(&outcome), *code, "{name}: {outcome:?}");
        }
    }
    let unmasked = check("F5", Role::Server, None, b"\x81\x01a");
    assert_eq!(unmasked.violation, Some(ProtocolError::UnmaskedFrame));
    let masked = check("F5", Role::Client, None, b"\x81\x81\x00\x00\x00\x00a");
    assert_eq!(masked.violation, Some(ProtocolError::MaskedFrame));
}

/// The code of the Close frame that is written last.
fn close_code(outcome: &Outcome) -> u16 {
    let error = outcome.violation.as_ref().expect("a violation");
    let server = outcome.written[1] & 0x80 == 0;
    if server {
        let payload = &outcome.written[outcome.written.len() - usize::from(outcome.written[1])..];
        assert_eq!(
            u16::from_be_bytes([payload[0], payload[1]]),
            error.close_code_number()
        );
    }
    error.close_code_number()
}

/// Threats F15: the first invalid byte ends it, in a frame that has not arrived whole.
#[test]
fn f15_text_fails_at_the_first_invalid_byte() {
    let mut engine = engine(Role::Client, None);
    let mut buffer = BytesMut::from(&b"\x81\x0aabc\xf4\x90"[..]);
    assert_eq!(engine.receive(&mut buffer, Instant::now()), Ok(None));
    let error = engine.handle_wait(&mut buffer).unwrap_err();
    assert_eq!(error, ProtocolError::InvalidUtf8);
}

/// Threats F9: control frames between fragments are answered at once.
#[test]
fn f9_control_frames_between_fragments() {
    let frames: &[&[u8]] = &[
        b"\x01\x01a",
        b"\x89\x01p",
        b"\x00\x01b",
        b"\x8a\x00",
        b"\x89\x00",
        b"\x80\x01c",
    ];
    for outcome in both("F9", None, frames) {
        let expected = [
            Message::Ping("p".into()),
            Message::Pong(Bytes::new()),
            Message::Ping(Bytes::new()),
            text("abc"),
        ];
        assert_eq!(outcome.messages, expected);
    }
    let close = check(
        "7.1.5",
        Role::Server,
        None,
        &masked(&[b"\x01\x01a", b"\x88\x02\x0b\xb8"]),
    );
    assert_eq!(
        close.written, b"\x88\x02\x0b\xb8",
        "the peer's code comes back"
    );
}

/// Threats F10, F16: empty frames are legal; what follows a Close is discarded.
#[test]
fn f10_empty_frames_and_f16_data_after_close() {
    let frames: &[&[u8]] = &[b"\x02\x00", b"\x00\x00", b"\x80\x00", b"\x81\x00"];
    for outcome in both("F10", None, frames) {
        assert_eq!(outcome.messages, [Message::binary(Bytes::new()), text("")]);
    }
    for outcome in both("F16", None, &[b"\x88\x00", b"\x81\x01a", b"\xff\x00"]) {
        assert_eq!(outcome.messages, [Message::Close(None)]);
        assert_eq!(outcome.violation, None);
    }
}

/// Threats D9: the limit counts inflated bytes, to the byte.
#[test]
fn d9_limit_counts_inflated_bytes() {
    use tungstenite_deflate::tungstenite::protocol::WebSocketConfig;
    let sent = {
        let mut sender = engine(Role::Server, Some(AGREED));
        sender
            .send(Message::binary(vec![7; 10_000]), Instant::now())
            .unwrap();
        let outgoing = sender.outgoing();
        outgoing.copy_to_bytes(outgoing.remaining())
    };
    assert!(sent.len() < 100);
    for (limit, fits) in [(9_999, false), (10_000, true), (10_001, true)] {
        let config = WebSocketConfig::default().max_message_size(Some(limit));
        let options = Options::default().websocket(config);
        let mut engine = Connection::new(
            Role::Client,
            Arc::new(options),
            Some(AGREED),
            Instant::now(),
        );
        let result = engine.receive(&mut BytesMut::from(&sent[..]), Instant::now());
        match result {
            Ok(event) => assert!(fits && event.is_some(), "{limit}"),
            Err(error) => {
                assert!(!fits);
                assert_eq!(error.close_code_number(), 1009);
            }
        }
    }
}

/// Threats R3: fragments are bounded by number.
#[test]
fn r3_fragments_are_bounded() {
    let options = Options::default().limits(Limits::default().max_fragments(Some(3)));
    let mut engine = Connection::new(Role::Client, Arc::new(options), None, Instant::now());
    let mut buffer = BytesMut::from(&b"\x01\x00\x00\x00\x00\x00\x00\x00"[..]);
    let error = engine.receive(&mut buffer, Instant::now()).unwrap_err();
    assert_eq!(error, ProtocolError::TooManyFragments { allowed: 3 });
    assert_eq!(error.close_code_number(), 1008);
}

/// A flood of Pings while nothing is written queues a bounded number of Pongs, the last one among them.
#[test]
fn r6_pongs_do_not_pile_up() {
    let options = Options::default().limits(Limits::default().control_rate(None));
    let mut engine = Connection::new(Role::Server, Arc::new(options), None, Instant::now());
    let mut buffer = BytesMut::new();
    for i in 0..100_000u32 {
        let payload = i.to_be_bytes();
        buffer.extend_from_slice(&[0x89, 0x84, 0, 0, 0, 0]);
        buffer.extend_from_slice(&payload);
        engine.receive(&mut buffer, Instant::now()).unwrap();
    }
    assert!(engine.outgoing_bytes() < 1000);
    let mut last = Bytes::new();
    while engine.outgoing().has_remaining() {
        let outgoing = engine.outgoing();
        last = outgoing.copy_to_bytes(outgoing.remaining());
    }
    assert!(last.ends_with(&99_999u32.to_be_bytes()));
}

/// Threats R6: so many Pings, or Pongs that nobody asked for, are taken at once; one more fails the connection.
#[test]
fn r6_control_frames_are_bounded() {
    let bound = ControlRate::default().burst as usize;
    for frame in [&b"\x89\x00"[..], b"\x8a\x00"] {
        let frames = vec![frame; bound + 1];
        for role in [Role::Server, Role::Client] {
            let bytes = |frames| match role {
                Role::Server => masked(frames),
                Role::Client => unmasked(frames),
            };
            let outcome = run(role, None, [&bytes(&frames[..bound])[..]]);
            assert_eq!((outcome.messages.len(), outcome.violation), (bound, None));
            let outcome = run(role, None, [&bytes(&frames)[..]]);
            assert_eq!(outcome.messages.len(), bound);
            let violation = outcome.violation.expect("a violation");
            assert_eq!(violation.close_code_number(), 1008);
            let is_close = |frame: &[u8]| frame[0] == 0x88 && frame[2..] == [3, 0xf0];
            let close = outcome.written.windows(4).position(is_close);
            assert_eq!(close.is_some(), role == Role::Server, "a client masks it");
        }
    }
}

/// Threats R6: Pongs that answer Pings of ours, however sent, are no flood.
#[test]
fn r6_pongs_that_were_asked_for_are_free() {
    let now = Instant::now();
    let options = Options::default()
        .limits(Limits::default().control_rate(Some(ControlRate::default().burst(1).per_second(1))))
        .keepalive(Some(
            Keepalive::default()
                .ping_interval(SECOND)
                .pong_timeout(SECOND),
        ));
    let mut engine = Connection::new(Role::Client, Arc::new(options), None, now);
    engine.send(Message::Ping(Bytes::new()), now).unwrap();
    engine
        .send(Message::Frame(Frame::ping(Bytes::new())), now)
        .unwrap();
    engine.handle_timeout(now + SECOND).unwrap();
    let mut buffer = BytesMut::from(&b"\x8a\x00"[..].repeat(5)[..]);
    for _ in 0..4 {
        assert!(engine.receive(&mut buffer, now + SECOND).unwrap().is_some());
    }
    let error = engine.receive(&mut buffer, now + SECOND).unwrap_err();
    assert_eq!(
        error,
        ProtocolError::TooManyControlFrames {
            burst: 1,
            per_second: 1
        }
    );
}
