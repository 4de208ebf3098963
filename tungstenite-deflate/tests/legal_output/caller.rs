//! A caller that mixes everything, and keeps what was accepted.

use std::sync::Arc;
use std::time::Instant;

use bytes::{Buf, Bytes, BytesMut};
use tungstenite_deflate::tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};
use tungstenite_deflate::tungstenite::protocol::frame::{Frame, FrameHeader};
use tungstenite_deflate::tungstenite::protocol::{CloseFrame, Role};
use tungstenite_deflate::tungstenite::{Message, Utf8Bytes};
use tungstenite_deflate::{Agreed, Compression, Connection, Options, PreparedMessage};

use super::random::Random;
use super::reader::{self, Read, Rules};

pub(super) struct Caller {
    random: Random,
    rules: Rules,
    engine: Connection,
    now: Instant,
    written: Vec<u8>,
    /// Messages that were accepted whole.
    accepted: Vec<Read>,
    /// The accepted part of a message in frames.
    begun: Option<Read>,
    refused: usize,
}

impl Caller {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let role = [Role::Server, Role::Client][random.below(2)];
        let takeover = random.below(2) == 0;
        let agreed = (random.below(3) > 0).then_some(Agreed {
            server_no_context_takeover: !takeover,
            client_no_context_takeover: !takeover,
            server_max_window_bits: 15,
            client_max_window_bits: 15,
        });
        let fragment_bytes = [None, None, Some(20), Some(100), Some(5000)][random.below(5)];
        let options = Options::drop_in(None).fragment_bytes(fragment_bytes);
        let now = Instant::now();
        Self {
            random,
            rules: Rules {
                masked: role == Role::Client,
                deflate: agreed.map(|_| takeover),
                fragment_bytes,
            },
            engine: Connection::new(role, Arc::new(options), agreed, now),
            now,
            written: Vec::new(),
            accepted: Vec::new(),
            begun: None,
            refused: 0,
        }
    }

    /// The number of messages, of refused calls and of Closes.
    pub(super) fn run(mut self) -> [usize; 3] {
        for _ in 0..self.random.below(60) {
            match self.random.below(10) {
                0..4 => self.send_frame(),
                4..6 => self.send_message(),
                6 => self.send_prepared(),
                7 => self.receive(),
                8 if self.random.below(4) == 0 => self.close(),
                _ => {
                    let most = self.random.below(20_000);
                    self.write(most);
                }
            }
        }
        self.write(usize::MAX);
        let (messages, close) = reader::read(&self.written, &self.rules);
        let cut = self.engine.closed().is_some();
        if cut {
            // A violation of the peer may cut the queue; what is there is what was accepted first.
            assert!(messages.len() <= self.accepted.len());
            self.accepted.truncate(messages.len());
        }
        assert!(messages == self.accepted, "other messages than accepted");
        assert_eq!(close.is_some(), cut, "a Close is written when one is due");
        [messages.len(), self.refused, usize::from(cut)]
    }

    /// The transport takes so many bytes at most.
    fn write(&mut self, most: usize) {
        let mut left = most;
        loop {
            let outgoing = self.engine.outgoing();
            let count = outgoing.remaining().min(left);
            if count == 0 {
                return;
            }
            self.written.extend(outgoing.copy_to_bytes(count));
            left -= count;
        }
    }

    fn payload(&mut self) -> Bytes {
        let length = [0, 1, 50, 125, 126, 300, 9000, 300, 20, 70_000][self.random.below(10)];
        let mut payload = "Olá, mundo! ".repeat(length / 13 + 1).into_bytes();
        payload.truncate(length);
        if self.random.below(20) == 0 {
            payload.push(0xff);
        }
        payload.into()
    }

    fn send_message(&mut self) {
        let payload = self.payload();
        let text = std::str::from_utf8(&payload).ok().map(Utf8Bytes::from);
        let (message, text) = match (self.random.below(6), text) {
            (0, _) => (Message::Ping(payload.clone()), None),
            (1, _) => (Message::Pong(payload.clone()), None),
            (2..4, Some(text)) => (Message::Text(text), Some(true)),
            _ => (Message::Binary(payload.clone()), Some(false)),
        };
        let compression = [
            Compression::Auto,
            Compression::Always,
            Compression::Never,
            Compression::Isolated,
        ][self.random.below(4)];
        let sent = self.engine.send_with(message, compression, self.now);
        self.note(sent.is_ok(), text.map(|text| (text, payload, true, true)));
    }

    fn send_prepared(&mut self) {
        let payload = self.payload();
        let prepared = PreparedMessage::binary(payload.clone());
        let sent = self.engine.send_prepared(&prepared, self.now);
        self.note(sent.is_ok(), Some((false, payload, true, true)));
    }

    /// A frame of any kind, legal or not.
    fn send_frame(&mut self) {
        let payload = self.payload();
        let opcode = match self.random.below(16) {
            0..4 => OpCode::Data(Data::Text),
            4..7 => OpCode::Data(Data::Binary),
            7..12 => OpCode::Data(Data::Continue),
            12 => OpCode::Control(Control::Ping),
            13 => OpCode::Control(Control::Pong),
            14 if self.random.below(4) == 0 => OpCode::Control(Control::Close),
            14 => OpCode::Control(Control::Reserved(11)),
            _ => OpCode::Data(Data::Reserved(3)),
        };
        let header = FrameHeader {
            is_final: self.random.below(2) == 0,
            rsv1: self.random.below(20) == 0,
            rsv2: self.random.below(20) == 0,
            rsv3: self.random.below(20) == 0,
            opcode,
            mask: (self.random.below(4) == 0).then_some([1, 2, 3, 4]),
        };
        let fin = header.is_final;
        let frame = Frame::from_payload(header, payload.clone());
        let sent = self.engine.send(Message::Frame(frame), self.now);
        let data = match opcode {
            OpCode::Data(Data::Continue) => Some((false, payload, false, fin)),
            OpCode::Data(data) => Some((data == Data::Text, payload, true, fin)),
            OpCode::Control(_) => None,
        };
        self.note(sent.is_ok(), data);
    }

    /// Notes what became of data: (text, payload, first frame, last frame).
    fn note(&mut self, accepted: bool, data: Option<(bool, Bytes, bool, bool)>) {
        if !accepted {
            self.refused += 1;
            return;
        }
        let Some((text, payload, first, fin)) = data else {
            return;
        };
        assert_eq!(first, self.begun.is_none(), "an illegal call was accepted");
        let message = self.begun.get_or_insert(Read {
            text,
            payload: Vec::new(),
        });
        message.payload.extend(payload);
        if fin {
            self.accepted.extend(self.begun.take());
        }
    }

    fn close(&mut self) {
        let code = [1000, 1005, 1006, 1015, 3000, 999][self.random.below(6)];
        let frame = (self.random.below(3) > 0).then(|| CloseFrame {
            code: CloseCode::from(code),
            reason: "x".repeat([0, 3, 123, 124][self.random.below(4)]).into(),
        });
        let closed = if self.random.below(2) == 0 {
            self.engine.close(frame, self.now)
        } else {
            self.engine.send(Message::Close(frame), self.now)
        };
        self.note(closed.is_ok(), None);
    }

    /// The peer pings, closes, or breaks a rule.
    fn receive(&mut self) {
        let first = match self.random.below(20) {
            0 => 0x88,
            1 => 0x8b,
            _ => 0x89,
        };
        let frame: &[u8] = if self.rules.masked {
            &[first, 2, 0x03, 0xe8]
        } else {
            &[first, 0x82, 0, 0, 0, 0, 0x03, 0xe8]
        };
        let _ = self.engine.receive(&mut BytesMut::from(frame), self.now);
    }
}
