//! Sequences of frames: right ones, with something changed.

use std::sync::Arc;
use std::time::Instant;

use bytes::{Buf, BytesMut};
use flate2::{Compress, Compression, FlushCompress};
use tungstenite_deflate::tungstenite::Message;
use tungstenite_deflate::tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite_deflate::{Agreed, Connection, Limits, Options, ProtocolError};

use super::model::{End, MOST_BYTES, MOST_FRAGMENTS, Rules, Seen, Verdict, judge};
use super::random::Random;

/// A frame with everything that can be wrong about it.
#[derive(Clone)]
struct Frame {
    fin: bool,
    rsv: u8,
    opcode: u8,
    key: Option<[u8; 4]>,
    payload: Vec<u8>,
    /// Bytes of length behind the first seven bits; none for the shortest form.
    form: Option<usize>,
    /// The length that is written, if it is not the payload's.
    says: Option<u64>,
}

impl Frame {
    fn bytes(&self) -> Vec<u8> {
        let length = self.says.unwrap_or(self.payload.len() as u64);
        let shortest = match length {
            0..=125 => 0,
            126..=65_535 => 2,
            _ => 8,
        };
        let form = self.form.unwrap_or(shortest);
        let short = match form {
            0 => length.to_le_bytes()[0] & 0x7f,
            2 => 126,
            _ => 127,
        };
        let mut bytes = vec![
            u8::from(self.fin) << 7 | self.rsv << 4 | self.opcode,
            u8::from(self.key.is_some()) << 7 | short,
        ];
        bytes.extend(&length.to_be_bytes()[8 - form..]);
        match self.key {
            Some(key) => {
                bytes.extend(key);
                bytes.extend(
                    self.payload
                        .iter()
                        .zip(key.iter().cycle())
                        .map(|(byte, key)| byte ^ key),
                );
            }
            None => bytes.extend(&self.payload),
        }
        bytes
    }
}

/// A sender that follows the rules.
struct Sender<'a> {
    random: &'a mut Random,
    rules: Rules,
    compress: Compress,
}

const WORDS: [&str; 8] = [
    "",
    "a",
    "hello ",
    "Olá, mundo! ",
    "\u{1f680}",
    "\u{20ac}uro ",
    "\0\u{7f}",
    "drone 7 hovers at 120 m; ",
];

impl Sender<'_> {
    fn key(&mut self) -> Option<[u8; 4]> {
        let key = if self.random.once_in(8) {
            [0; 4]
        } else {
            self.random.next().to_le_bytes()[..4].try_into().unwrap()
        };
        self.rules.server.then_some(key)
    }

    fn frame(&mut self, fin: bool, opcode: u8, payload: Vec<u8>) -> Frame {
        let key = self.key();
        Frame {
            fin,
            rsv: 0,
            opcode,
            key,
            payload,
            form: None,
            says: None,
        }
    }

    fn control(&mut self) -> Frame {
        let (opcode, count) = (
            self.random.pick(&[9, 10]),
            self.random.pick(&[0, 0, 1, 5, 124, 125]),
        );
        let payload = self.random.bytes(count);
        self.frame(true, opcode, payload)
    }

    fn close(&mut self) -> Frame {
        let code = match self.random.below(4) {
            0 => self
                .random
                .pick(&[0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535]),
            1 => self.random.next().to_le_bytes()[0].into(),
            _ => self
                .random
                .pick(&[1000, 1001, 1002, 1003, 1007, 1011, 1014, 3000, 4999]),
        };
        let mut payload = u16::to_be_bytes(code).to_vec();
        match self.random.below(6) {
            0 => payload.clear(),
            1 => payload.truncate(1),
            2 => payload.extend("até logo".as_bytes()),
            3 => payload.extend(b"\xff\xfe"),
            _ => {}
        }
        self.frame(true, 8, payload)
    }

    fn payload(&mut self, text: bool) -> Vec<u8> {
        let size = self
            .random
            .pick(&[0, 1, 3, 20, 20, 100, 126, 700, 4_096, 4_097]);
        let mut payload = Vec::new();
        while payload.len() < size {
            if text {
                payload.extend(self.random.pick(&WORDS).as_bytes());
            } else {
                payload.push(self.random.byte() & 0x3f);
            }
        }
        if text && self.random.once_in(6) && !payload.is_empty() {
            // Half a character, a surrogate, a byte that is none, a character in too many bytes.
            let bad: &[u8] = self.random.pick(&[
                b"\xe2\x82",
                b"\xed\xa0\x80",
                b"\xff",
                b"\xc0\x80",
                b"\xf4\x90\x80\x80",
            ]);
            let at = self.random.below(payload.len() + 1);
            payload.splice(at..at, bad.iter().copied());
        }
        payload
    }

    /// A message, in fragments with control frames between.
    fn message(&mut self) -> Vec<Frame> {
        let text = self.random.once_in(2);
        let mut payload = self.payload(text);
        let compressed = self.rules.deflate.is_some() && !self.random.once_in(3);
        if compressed {
            payload = self.compressed(&payload);
        }
        let pieces = match self.random.below(12) {
            0..6 => 1,
            11 => self.random.pick(&[8, 9, 10]),
            pieces => pieces - 4,
        };
        let mut frames = Vec::new();
        for piece in 0..pieces {
            let (start, end) = (
                payload.len() * piece / pieces,
                payload.len() * (piece + 1) / pieces,
            );
            let opcode = if piece > 0 { 0 } else { 2 - u8::from(text) };
            let mut frame = self.frame(piece + 1 == pieces, opcode, payload[start..end].to_vec());
            frame.rsv = if compressed && piece == 0 { 4 } else { 0 };
            frames.push(frame);
            if self.random.once_in(5) {
                frames.push(self.control());
            }
        }
        frames
    }

    fn compressed(&mut self, payload: &[u8]) -> Vec<u8> {
        if payload.is_empty() {
            // RFC 7692 §7.2.3.6.
            return vec![0];
        }
        if self.rules.deflate == Some(false) {
            self.compress.reset();
        }
        let mut out = Vec::with_capacity(payload.len() + 1000);
        self.compress
            .compress_vec(payload, &mut out, FlushCompress::Sync)
            .unwrap();
        // RFC 7692 §7.2.1.
        assert!(out.ends_with(&[0, 0, 0xff, 0xff]));
        out.truncate(out.len() - 4);
        if self.random.once_in(5) && !out.is_empty() {
            let at = self.random.below(out.len());
            out[at] ^= 1 << self.random.below(8);
        }
        out
    }
}

/// Changes one frame.
fn change(frame: &mut Frame, random: &mut Random) {
    match random.below(13) {
        0 => frame.fin = !frame.fin,
        1 => frame.rsv ^= 1 << random.below(3),
        2 => frame.opcode = random.byte() & 15,
        3 => {
            frame.key = if frame.key.is_some() {
                None
            } else {
                Some([1, 2, 3, 4])
            }
        }
        4 => frame.form = Some(2),
        5 => frame.form = Some(8),
        6 => {
            frame.form = Some(8);
            frame.says = Some(random.pick(&[1 << 63, u64::MAX, 1 << 62, 1 << 32, 65_536, 4_097]));
        }
        7 => frame.says = Some(random.below(200) as u64),
        8 => frame.payload.truncate(frame.payload.len() / 2),
        9 => frame.payload.extend([0xff; 130]),
        10 => frame.payload = random.bytes(20),
        11 => frame.rsv ^= 4,
        _ => frame.opcode = random.pick(&[0, 1, 2, 8, 9, 10]),
    }
}

/// Bytes for a receiver of `rules`.
fn sequence(random: &mut Random, rules: Rules) -> Vec<u8> {
    let compress = Compress::new(Compression::fast(), false);
    let mut sender = Sender {
        random,
        rules,
        compress,
    };
    let mut frames = Vec::new();
    for _ in 0..=sender.random.below(3) {
        let more = sender.message();
        frames.extend(more);
    }
    if sender.random.once_in(4) {
        frames.push(sender.close());
    }
    for _ in 0..sender.random.pick(&[0, 1, 1, 1, 2]) {
        let at = sender.random.below(frames.len());
        match sender.random.below(8) {
            0 => frames.insert(at, frames[at].clone()),
            1 => drop(frames.remove(at)),
            2 => frames.swap(0, at),
            _ => change(&mut frames[at], sender.random),
        }
        if frames.is_empty() {
            break;
        }
    }
    let mut bytes: Vec<u8> = frames.iter().flat_map(Frame::bytes).collect();
    if bytes.is_empty() {
        return bytes;
    }
    let at = random.below(bytes.len());
    match random.below(8) {
        0 => bytes.truncate(at),
        1 => bytes[at] ^= 1 << random.below(8),
        2 => drop(bytes.remove(at)),
        3 => bytes.insert(at, random.byte()),
        _ => {}
    }
    bytes
}

/// Messages that the engine gave, the code that it failed with, and its output.
struct Outcome {
    seen: Vec<Seen>,
    failed: Option<u16>,
    written: Vec<u8>,
}

impl Outcome {
    fn fail(&mut self, error: &ProtocolError) {
        assert_eq!(self.failed, None, "it fails once");
        self.failed = Some(error.close_code_number());
    }
}

fn run(bytes: &[u8], rules: Rules, options: &Arc<Options>, random: &mut Random) -> Outcome {
    let role = if rules.server {
        Role::Server
    } else {
        Role::Client
    };
    let agreed = rules.deflate.map(|takeover| Agreed {
        server_no_context_takeover: !takeover,
        client_no_context_takeover: !takeover,
        server_max_window_bits: 15,
        client_max_window_bits: 15,
    });
    let now = Instant::now();
    let mut engine = Connection::new(role, Arc::clone(options), agreed, now);
    let mut outcome = Outcome {
        seen: Vec::new(),
        failed: None,
        written: Vec::new(),
    };
    let (mut buffer, mut rest) = (BytesMut::new(), bytes);
    let largest = random.pick(&[1, 3, 40, 100_000]);
    while !rest.is_empty() {
        let (piece, more) = rest.split_at(rest.len().min(1 + random.below(largest)));
        rest = more;
        buffer.extend_from_slice(piece);
        loop {
            match engine.receive(&mut buffer, now) {
                Ok(Some(message)) => {
                    assert!(outcome.failed.is_none(), "a message behind a failure");
                    outcome.seen.push(seen(message));
                }
                Ok(None) => break,
                Err(error) => outcome.fail(&error),
            }
        }
        if let Err(error) = engine.handle_wait(&mut buffer) {
            outcome.fail(&error);
        }
    }
    let waiting = engine.outgoing();
    outcome.written = waiting.copy_to_bytes(waiting.remaining()).to_vec();
    outcome
}

fn seen(message: Message) -> Seen {
    match message {
        Message::Text(text) => Seen::Text(text.as_str().to_owned()),
        Message::Binary(bytes) => Seen::Binary(bytes.to_vec()),
        Message::Ping(bytes) => Seen::Ping(bytes.to_vec()),
        Message::Pong(bytes) => Seen::Pong(bytes.to_vec()),
        Message::Close(frame) => {
            Seen::Close(frame.map(|frame| (frame.code.into(), frame.reason.as_str().to_owned())))
        }
        Message::Frame(frame) => panic!("{frame:?}"),
    }
}

/// The code of the Close that ends what was written: none without a Close, 1005 for one without a code.
fn close_code(written: &[u8]) -> Option<u16> {
    let mut rest = written;
    let mut code = None;
    while let [first, second, more @ ..] = rest {
        assert_eq!(code, None, "nothing follows a Close");
        let (masked, length) = (second & 0x80 != 0, usize::from(second & 0x7f));
        assert!(length < 126, "only control frames are written");
        let (key, more) = if masked {
            more.split_at(4)
        } else {
            (&[0; 4][..], more)
        };
        let (payload, more) = more.split_at(length);
        let payload: Vec<u8> = payload
            .iter()
            .zip(key.iter().cycle())
            .map(|(byte, key)| byte ^ key)
            .collect();
        match first {
            0x8a => {}
            0x88 if payload.is_empty() => code = Some(1005),
            0x88 => code = Some(u16::from_be_bytes([payload[0], payload[1]])),
            _ => panic!("{first:#x} was written"),
        }
        rest = more;
    }
    code
}

/// Compares the engine's outcome with the model's verdict; returns the outcome if it differs.
fn agrees(verdict: &Verdict, outcome: &Outcome) -> Result<(), String> {
    let told = close_code(&outcome.written);
    let differs = |what: &str| {
        Err(format!(
            "{what}: failed {:?}, closed {told:?}, saw {:?}",
            outcome.failed, outcome.seen
        ))
    };
    if outcome.failed.is_some() && outcome.failed != told {
        return differs("another code is sent than that of the failure");
    }
    let as_seen = outcome.seen == verdict.seen;
    match &verdict.end {
        End::Unsure => {
            if outcome.seen.starts_with(&verdict.seen) {
                Ok(())
            } else {
                differs("something else before that")
            }
        }
        _ if !as_seen => differs("something else was seen"),
        End::Open { .. } if outcome.failed.is_none() && told.is_none() => Ok(()),
        End::Closed if outcome.failed.is_none() => {
            let Some(Seen::Close(close)) = outcome.seen.last() else {
                return differs("no Close was seen");
            };
            let expected = close.as_ref().map_or(1005, |(code, _)| *code);
            if told == Some(expected) {
                Ok(())
            } else {
                differs("the Close is not echoed")
            }
        }
        End::Fails(codes) if outcome.failed.is_some_and(|code| codes.contains(&code)) => Ok(()),
        End::MayFail(codes) if outcome.failed.is_none_or(|code| codes.contains(&code)) => Ok(()),
        _ => differs("another end"),
    }
}

#[test]
fn frames_are_judged_as_by_the_model() {
    let websocket = WebSocketConfig::default()
        .max_message_size(Some(MOST_BYTES))
        .max_frame_size(Some(MOST_BYTES));
    let limits = Limits::default().max_fragments(Some(MOST_FRAGMENTS));
    let options = Arc::new(Options::default().websocket(websocket).limits(limits));
    let modes: Vec<Rules> = [true, false]
        .into_iter()
        .flat_map(|server| [None, Some(true), Some(false)].map(|deflate| Rules { server, deflate }))
        .collect();
    let (mut bad, mut good, mut unsure, mut wrong) = (0_u64, 0_u64, 0_u64, 0_u64);
    let mut codes = std::collections::BTreeMap::<u16, u64>::new();
    let mut number = super::seed() << 32;
    while bad < super::wanted() {
        number += 1;
        let mut random = Random(number);
        let rules = modes[random.below(modes.len())];
        let bytes = sequence(&mut random, rules);
        let verdict = judge(&bytes, rules);
        let outcome = run(&bytes, rules, &options, &mut random);
        if let Err(error) = agrees(&verdict, &outcome) {
            wrong += 1;
            println!(
                "seed {number}, {rules:?}, {} bytes {:02x?}\n  {verdict:?}\n  {error}",
                bytes.len(),
                &bytes[..bytes.len().min(200)]
            );
            assert!(wrong < 20, "{wrong} wrong of {bad} bad and {good} good");
        }
        match verdict.end {
            End::Unsure => unsure += 1,
            End::Open { unfinished: false } | End::Closed => good += 1,
            End::Open { unfinished: true } | End::Fails(_) | End::MayFail(_) => bad += 1,
        }
        *codes.entry(outcome.failed.unwrap_or_default()).or_default() += 1;
    }
    println!(
        "{bad} bad inputs: sequences of frames, {wrong} wrong; beside them {good} good ones, {unsure} of which the model has no opinion; by code {codes:?}"
    );
    assert_eq!(wrong, 0);
    for code in [1002, 1007, 1008, 1009] {
        assert!(codes.contains_key(&code), "{code} never came up");
    }
}
