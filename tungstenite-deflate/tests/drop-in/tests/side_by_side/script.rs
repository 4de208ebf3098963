// Included once for each `library`.

use std::fmt::Debug;
use std::io::ErrorKind;

use futures_util::stream::FusedStream;
use futures_util::{FutureExt, SinkExt, StreamExt};
use library::WebSocketStream;
use library::tungstenite::Message;
use library::tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};
use library::tungstenite::protocol::frame::{Frame, FrameHeader};
use library::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};

use crate::Call;
use crate::wire::{Wire, frame};

/// One connection, and what its calls returned.
struct Script<'a> {
    name: &'static str,
    wire: Wire,
    socket: WebSocketStream<Wire>,
    calls: &'a mut Vec<Call>,
}

/// The result of a call; it is given up if it waits.
fn shown<T: Debug>(future: impl Future<Output = T>) -> String {
    let text = future.now_or_never().map_or("waits".to_owned(), |result| format!("{result:?}"));
    let text = text.replace('|', "/");
    if text.len() > 100 {
        format!("{}…", text.chars().take(70).collect::<String>())
    } else {
        text
    }
}

impl Script<'_> {
    fn note(&mut self, call: impl Into<String>, result: String) {
        self.calls.push((self.name, call.into(), result));
    }

    fn next(&mut self) {
        let result = shown(self.socket.next());
        self.note("next", result);
    }

    fn send(&mut self, name: &str, message: Message) {
        let result = shown(self.socket.send(message));
        self.note(format!("send {name}"), result);
    }

    fn text(&mut self) {
        self.send("text", Message::text("x"));
    }

    fn feed(&mut self) {
        let result = shown(self.socket.feed(Message::text("fed")));
        self.note("feed", result);
    }

    fn flush(&mut self) {
        let result = shown(self.socket.flush());
        self.note("flush", result);
    }

    fn close(&mut self, frame: Option<CloseFrame>) {
        let result = shown(self.socket.close(frame));
        self.note("close", result);
    }

    fn close_sink(&mut self) {
        let result = shown(SinkExt::close(&mut self.socket));
        self.note("SinkExt::close", result);
    }

    fn wrote(&mut self) {
        let frames = self.wire.wrote();
        self.note("wrote", frames);
    }

    fn terminated(&mut self) {
        let result = self.socket.is_terminated().to_string();
        self.note("is_terminated", result);
    }

    /// All that can be asked of it behind its end.
    fn after(&mut self) {
        self.next();
        self.terminated();
        self.text();
        self.feed();
        self.send("Ping", Message::Ping("p".into()));
        self.flush();
        self.close(code(1000, ""));
        self.close_sink();
        self.wrote();
    }
}

fn code(code: u16, reason: &str) -> Option<CloseFrame> {
    Some(CloseFrame {
        code: CloseCode::from(code),
        reason: reason.into(),
    })
}

fn made(opcode: OpCode, fin: bool, payload: &'static [u8]) -> Message {
    let header = FrameHeader {
        is_final: fin,
        opcode,
        ..FrameHeader::default()
    };
    Message::Frame(Frame::from_payload(header, payload.into()))
}

/// All scripts of `role`.
pub(crate) fn run(role: Role) -> Vec<Call> {
    let mut calls = Vec::new();
    for (name, config, script) in SCRIPTS.iter().chain(FURTHER) {
        let wire = Wire::default();
        let config = config();
        let socket = WebSocketStream::from_raw_socket(wire.clone(), role, config);
        let socket = socket.now_or_never().unwrap();
        script(
            role,
            &mut Script {
                name,
                wire,
                socket,
                calls: &mut calls,
            },
        );
    }
    early(role, &mut calls);
    split(role, &mut calls);
    taken_back(role, &mut calls);
    calls
}

type Run = fn(Role, &mut Script<'_>);
type Config = fn() -> Option<WebSocketConfig>;

fn small() -> Option<WebSocketConfig> {
    let config = WebSocketConfig::default().max_message_size(Some(10));
    Some(config.max_frame_size(Some(8)))
}

fn tight() -> Option<WebSocketConfig> {
    let config = WebSocketConfig::default().write_buffer_size(0);
    Some(config.max_write_buffer_size(50))
}

const SCRIPTS: &[(&str, Config, Run)] = &[
    ("messages", || None, messages),
    ("close", || None, closes),
    ("closed by the peer", || None, closed_by_peer),
    ("sink closed", || None, sink_closed),
    ("both close", || None, both_close),
    ("data after our Close", || None, data_after_our_close),
    ("data after the peer's Close", || None, data_after_their_close),
    ("end without Close", || None, |_, script| ends(script, Ok(()))),
    ("reset", || None, |_, script| ends(script, Err(ErrorKind::ConnectionReset))),
    ("read fails", || None, |_, script| ends(script, Err(ErrorKind::Other))),
    ("reset after Close", || None, reset_after_close),
    ("write fails", || None, |_, script| write_fails(script, ErrorKind::BrokenPipe)),
    ("write of nothing", || None, |_, script| write_fails(script, ErrorKind::WriteZero)),
    ("write fails then Close", || None, write_fails_then_close),
    ("cancelled", || None, cancelled),
    ("blocked answer", || None, blocked_answer),
    ("odd codes sent", || None, odd_codes),
    ("long control frames sent", || None, long_control),
    ("frames sent", || None, frames_sent),
    ("Pings", || None, pings),
    ("limits", small, limits),
    ("frame limit", small, frame_limit),
    ("sum of fragments", small, sum_of_fragments),
    ("full queue", tight, full_queue),
    ("reserved opcode", || None, |role, script| violation(script, &frame(role, 0x83, b""))),
    ("reserved control opcode", || None, |role, script| violation(script, &frame(role, 0x8b, b""))),
    ("reserved bit", || None, |role, script| violation(script, &frame(role, 0xc1, b""))),
    ("fragmented Ping", || None, |role, script| violation(script, &frame(role, 0x09, b""))),
    ("long Ping", || None, |role, script| violation(script, &frame(role, 0x89, &[7; 126]))),
    ("continuation of nothing", || None, |role, script| violation(script, &frame(role, 0x80, b""))),
    ("text amid a message", || None, |role, script| {
        violation(script, &[frame(role, 0x01, b"a"), frame(role, 0x81, b"b")].concat());
    }),
    ("invalid text", || None, |role, script| violation(script, &frame(role, 0x81, b"\xff"))),
    ("invalid text unfinished", || None, |role, script| violation(script, &frame(role, 0x01, b"\xff"))),
    ("Close of one byte", || None, |role, script| violation(script, &frame(role, 0x88, b"\x03"))),
    ("Close with 1005", || None, |role, script| received_code(role, script, 1005)),
    ("Close with 1014", || None, |role, script| received_code(role, script, 1014)),
    ("Close with 999", || None, |role, script| received_code(role, script, 999)),
    ("Close with 2999", || None, |role, script| received_code(role, script, 2999)),
    ("Close with 4999", || None, |role, script| received_code(role, script, 4999)),
    ("Close with invalid text", || None, |role, script| {
        violation(script, &frame(role, 0x88, b"\x03\xe8\xff"));
    }),
    ("wrong masking", || None, |role, script| {
        let other = if role == Role::Server { Role::Client } else { Role::Server };
        violation(script, &frame(other, 0x81, b"x"));
    }),
    ("long form of a length", || None, |role, script| {
        let masked = if role == Role::Server { 0x80 } else { 0 };
        let key: &[u8] = if role == Role::Server { &[0; 4] } else { &[] };
        violation(script, &[&[0x81, masked | 0x7e, 0, 1][..], key, b"x"].concat());
    }),
    ("message then violation", || None, |role, script| {
        violation(script, &[frame(role, 0x81, b"first"), frame(role, 0x83, b"")].concat());
    }),
];

fn messages(role: Role, script: &mut Script<'_>) {
    let config = format!("{:?}", script.socket.get_config());
    script.note("get_config", config.chars().take(60).collect());
    script.text();
    script.send("binary", Message::binary(vec![7; 70_000]));
    script.send("empty", Message::text(""));
    script.send("Ping", Message::Ping("ping".into()));
    script.send("Pong", Message::Pong("pong".into()));
    script.wrote();
    script.feed();
    script.wrote();
    script.feed();
    script.flush();
    script.wrote();
    script.next();
    for (first, payload) in [(0x81, &b"one"[..]), (0x82, b"two"), (0x89, b"ping"), (0x8a, b"pong"), (0x81, b"")] {
        script.wire.gives(&frame(role, first, payload));
        script.next();
    }
    script.wrote();
    for part in [frame(role, 0x01, b"a"), frame(role, 0x89, b"amid"), frame(role, 0x00, b"b"), frame(role, 0x80, b"c")] {
        script.wire.gives(&part);
    }
    script.next();
    script.next();
    script.wrote();
    script.terminated();
}

fn closes(role: Role, script: &mut Script<'_>) {
    script.close(code(1000, "bye"));
    script.close(code(1001, "again"));
    script.text();
    script.feed();
    script.flush();
    script.close_sink();
    script.wrote();
    script.next();
    script.wire.gives(&frame(role, 0x88, b"\x03\xe8bye"));
    script.next();
    script.text();
    script.wire.state().end = Some(Ok(()));
    script.after();
}

fn closed_by_peer(role: Role, script: &mut Script<'_>) {
    script.wire.gives(&frame(role, 0x88, b"\x03\xe9going"));
    script.next();
    script.text();
    script.close(None);
    script.flush();
    script.wrote();
    script.wire.state().end = Some(Ok(()));
    script.next();
    script.after();
}

fn sink_closed(role: Role, script: &mut Script<'_>) {
    script.feed();
    script.close_sink();
    script.wrote();
    script.close_sink();
    script.text();
    script.wire.gives(&frame(role, 0x88, b""));
    script.next();
    script.wire.state().end = Some(Ok(()));
    script.after();
}

fn both_close(role: Role, script: &mut Script<'_>) {
    script.wire.gives(&frame(role, 0x88, b"\x0f\xa0"));
    script.close(code(4001, ""));
    script.next();
    script.wrote();
    script.wire.state().end = Some(Ok(()));
    script.after();
}

fn data_after_our_close(role: Role, script: &mut Script<'_>) {
    script.close(None);
    for (first, payload) in [(0x81, &b"late"[..]), (0x89, b"ping"), (0x88, b"")] {
        script.wire.gives(&frame(role, first, payload));
    }
    for _ in 0..3 {
        script.next();
    }
    script.wrote();
}

fn data_after_their_close(role: Role, script: &mut Script<'_>) {
    script.wire.gives(&[frame(role, 0x88, b""), frame(role, 0x81, b"late")].concat());
    script.next();
    script.next();
    script.after();
}

fn ends(script: &mut Script<'_>, end: Result<(), ErrorKind>) {
    script.feed();
    script.wire.state().end = Some(end);
    script.next();
    script.after();
}

fn reset_after_close(role: Role, script: &mut Script<'_>) {
    script.wire.gives(&frame(role, 0x88, b""));
    script.wire.state().end = Some(Err(ErrorKind::ConnectionReset));
    script.next();
    script.next();
    script.after();
}

fn write_fails(script: &mut Script<'_>, kind: ErrorKind) {
    script.wire.state().blocked = Some(Err(kind));
    script.text();
    script.text();
    script.feed();
    script.flush();
    script.next();
    script.close(None);
    script.close_sink();
}

fn write_fails_then_close(role: Role, script: &mut Script<'_>) {
    script.wire.state().blocked = Some(Err(ErrorKind::BrokenPipe));
    script.text();
    script.wire.gives(&frame(role, 0x88, b""));
    script.next();
    script.next();
    script.next();
}

fn cancelled(role: Role, script: &mut Script<'_>) {
    script.wire.state().blocked = Some(Ok(()));
    script.text();
    script.feed();
    script.flush();
    script.next();
    script.wire.gives(&frame(role, 0x81, b"one"));
    script.next();
    script.wire.state().blocked = None;
    script.flush();
    script.wrote();
    script.wire.gives(&frame(role, 0x81, b"two")[..3]);
    script.next();
    script.wire.gives(&frame(role, 0x81, b"two")[3..]);
    script.next();
}

fn blocked_answer(role: Role, script: &mut Script<'_>) {
    script.wire.state().blocked = Some(Ok(()));
    script.wire.gives(&frame(role, 0x88, b""));
    script.next();
    script.next();
    script.flush();
    script.wire.state().blocked = None;
    script.next();
    script.wire.state().end = Some(Ok(()));
    script.next();
    script.wrote();
}

fn odd_codes(_: Role, script: &mut Script<'_>) {
    for number in [0, 999, 1004, 1005, 1006, 1014, 1015, 1016, 2999, 3000, 4999, 5000] {
        let wire = Wire::default();
        let socket = WebSocketStream::from_raw_socket(wire.clone(), Role::Server, None);
        let mut socket = socket.now_or_never().unwrap();
        let result = shown(socket.close(code(number, "why")));
        script.note(format!("close {number}"), result);
        script.note(format!("wrote {number}"), wire.wrote());
    }
}

fn long_control(_: Role, script: &mut Script<'_>) {
    script.send("Ping of 125", Message::Ping(vec![7; 125].into()));
    script.send("Ping of 126", Message::Ping(vec![7; 126].into()));
    script.send("Pong of 126", Message::Pong(vec![7; 126].into()));
    script.wrote();
    script.close(code(1000, &"x".repeat(124)));
    script.wrote();
}

fn frames_sent(_: Role, script: &mut Script<'_>) {
    let [text, binary, more] = [Data::Text, Data::Binary, Data::Continue].map(OpCode::Data);
    script.send("first frame", made(text, false, b"a"));
    script.send("Ping amid", Message::Ping("p".into()));
    script.send("next frame", made(more, false, b"b"));
    script.send("last frame", made(more, true, b"c"));
    script.wrote();
    script.send("continuation of nothing", made(more, true, b"c"));
    script.send("reserved opcode", made(OpCode::Data(Data::Reserved(3)), true, b""));
    script.send("invalid text", made(text, true, b"\xff"));
    script.wrote();
    script.send("unfinished", made(binary, false, b"d"));
    script.text();
    script.wrote();
}

fn pings(role: Role, script: &mut Script<'_>) {
    script.wire.gives(&[frame(role, 0x89, b"1"), frame(role, 0x89, b"2"), frame(role, 0x89, b"3")].concat());
    script.next();
    script.wrote();
    script.next();
    script.next();
    script.wrote();
    script.next();
    script.wrote();
}

fn limits(role: Role, script: &mut Script<'_>) {
    script.wire.gives(&frame(role, 0x82, &[7; 8]));
    script.next();
    script.wire.gives(&[frame(role, 0x02, &[7; 8]), frame(role, 0x80, &[7; 2])].concat());
    script.next();
    script.send("longer than received", Message::binary(vec![7; 20]));
}

fn frame_limit(role: Role, script: &mut Script<'_>) {
    violation(script, &frame(role, 0x82, &[7; 9]));
}

fn sum_of_fragments(role: Role, script: &mut Script<'_>) {
    violation(script, &[frame(role, 0x02, &[7; 8]), frame(role, 0x80, &[7; 3])].concat());
}

fn full_queue(_: Role, script: &mut Script<'_>) {
    script.wire.state().blocked = Some(Ok(()));
    script.feed();
    script.send("long", Message::binary(vec![7; 60]));
    script.wire.state().blocked = None;
    script.send("long", Message::binary(vec![7; 60]));
    script.text();
    script.wrote();
}

fn violation(script: &mut Script<'_>, bytes: &[u8]) {
    script.wire.gives(bytes);
    script.next();
    script.next();
    script.wrote();
    script.text();
}

fn received_code(role: Role, script: &mut Script<'_>, code: u16) {
    violation(script, &frame(role, 0x88, &code.to_be_bytes()));
}

/// Bytes that were read before, and the transport taken back.
fn early(role: Role, calls: &mut Vec<Call>) {
    let wire = Wire::default();
    let part = frame(role, 0x81, b"early");
    let socket = WebSocketStream::from_partially_read(wire.clone(), part, role, None);
    let mut socket = socket.now_or_never().unwrap();
    calls.push(("early bytes", "next".into(), shown(socket.next())));
    calls.push(("early bytes", "send".into(), shown(socket.send(Message::text("x")))));
    let back = socket.into_inner();
    calls.push(("early bytes", "into_inner".into(), back.wrote()));
}

/// Halves.
fn split(role: Role, calls: &mut Vec<Call>) {
    let wire = Wire::default();
    let socket = WebSocketStream::from_raw_socket(wire.clone(), role, None);
    let (mut sink, mut stream) = socket.now_or_never().unwrap().split();
    calls.push(("halves", "next".into(), shown(stream.next())));
    calls.push(("halves", "send".into(), shown(sink.send(Message::text("x")))));
    wire.gives(&frame(role, 0x89, b"ping"));
    calls.push(("halves", "next".into(), shown(stream.next())));
    calls.push(("halves", "flush".into(), shown(sink.flush())));
    calls.push(("halves", "wrote".into(), wire.wrote()));
    wire.gives(&frame(role, 0x88, b""));
    calls.push(("halves", "next".into(), shown(stream.next())));
    calls.push(("halves", "send".into(), shown(sink.send(Message::text("x")))));
    calls.push(("halves", "close".into(), shown(sink.close())));
    let mut socket = sink.reunite(stream).unwrap();
    wire.state().end = Some(Ok(()));
    calls.push(("halves", "next".into(), shown(socket.next())));
    calls.push(("halves", "wrote".into(), wire.wrote()));
}
