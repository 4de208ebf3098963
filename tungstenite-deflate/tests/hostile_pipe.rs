//! Two engines back to back over a pipe that splits, delays, cuts, drops and flips; the clock is an argument.
//!
//! Every run follows from its seed but for the masking keys, which change no length. `HOSTILE_SEED=n` runs one seed.

#[expect(unreachable_pub, reason = "shared with the fuzz targets")]
#[path = "mutations/random.rs"]
mod random;
#[expect(unreachable_pub, reason = "shared with the fuzz targets")]
#[path = "targets/wire.rs"]
mod wire;

use std::collections::VecDeque;
use std::ops::Add;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use tungstenite_deflate::tungstenite::Message;
use tungstenite_deflate::tungstenite::protocol::frame::coding::CloseCode;
use tungstenite_deflate::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tungstenite_deflate::{
    Agreed, Closed, Connection, DeflateConfig, Event, Initiator, Keepalive, Limits, Options,
    ProtocolError, SendError,
};

use random::Random;

const SEEDS: u64 = 10_000;
/// Seeds are shared among so many threads.
const THREADS: usize = 2;
/// Steps after which a run has not ended and never will.
const MAX_STEPS: usize = 20_000;
const MAX_FRAME: usize = 32 * 1024;
const MAX_QUEUED: usize = 96 * 1024;
/// Beside messages: Pongs, a Ping, a Close, and what headers and stored DEFLATE blocks add to a message.
const OWN_QUEUED: usize = 64 * 160;

/// What the pipe does beside splitting and delaying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Harm {
    None,
    /// From this byte of one direction on, nothing arrives in either.
    Cut,
    /// Some bytes of one direction never arrive.
    Drop,
    /// Some bits of one direction arrive flipped.
    Flip,
}

/// One direction of the pipe.
struct Direction {
    harm: Harm,
    /// Offset of the next byte that is harmed.
    at: usize,
    /// The first offset that was harmed, once one was.
    harmed_from: Option<usize>,
    offset: usize,
    /// Pieces on their way, with the instant of their arrival.
    pieces: VecDeque<(Instant, Vec<u8>)>,
    /// Everything that its writer wrote.
    written: Vec<u8>,
    ended: bool,
}

impl Direction {
    fn new(harm: Harm, at: usize) -> Self {
        Self {
            harm,
            at,
            harmed_from: None,
            offset: 0,
            pieces: VecDeque::new(),
            written: Vec::new(),
            ended: false,
        }
    }

    fn reached(&self) -> bool {
        self.harm != Harm::None && self.offset > self.at
    }

    /// Everything before this offset arrives as it was written.
    fn first_harm(&self) -> usize {
        self.harmed_from.unwrap_or(usize::MAX)
    }

    fn write(&mut self, bytes: &[u8], arrival: Instant, random: &mut Random) {
        self.written.extend_from_slice(bytes);
        let start = self.offset;
        self.offset += bytes.len();
        let mut piece = bytes.to_vec();
        if self.reached() {
            let first = self.at.saturating_sub(start);
            self.harmed_from.get_or_insert(self.at);
            match self.harm {
                Harm::None => {}
                Harm::Cut => piece.truncate(first),
                Harm::Drop => {
                    let end = (first + 1 + random.below(9)).min(piece.len());
                    piece.drain(first..end);
                }
                Harm::Flip => piece[first] ^= 1 << random.below(8),
            }
            // Harm strikes again further on, but for a cut, which is for good.
            if self.harm != Harm::Cut {
                self.at = self.offset + random.below(4000);
            }
        }
        // Pieces arrive in order, whatever their delay.
        let arrival = self
            .pieces
            .back()
            .map_or(arrival, |(last, _)| arrival.max(*last));
        if !piece.is_empty() {
            self.pieces.push_back((arrival, piece));
        }
    }
}

/// One engine and what a program would hold beside it.
struct End {
    connection: Connection,
    buffer: BytesMut,
    to_send: VecDeque<Message>,
    sent: Vec<Message>,
    /// For each message sent, the offset in the written stream at which it is whole; exact without fragmentation.
    whole_at: Vec<usize>,
    received: Vec<Message>,
    error: Option<ProtocolError>,
    clean: Option<bool>,
}

impl End {
    fn new(role: Role, options: &Arc<Options>, agreed: Option<Agreed>, now: Instant) -> Self {
        Self {
            connection: Connection::new(role, Arc::clone(options), agreed, now),
            buffer: BytesMut::new(),
            to_send: VecDeque::new(),
            sent: Vec::new(),
            whole_at: Vec::new(),
            received: Vec::new(),
            error: None,
            clean: None,
        }
    }

    fn send_next(&mut self, written: usize, now: Instant) {
        let Some(message) = self.to_send.pop_front() else {
            return;
        };
        match self.connection.send(message.clone(), now) {
            Ok(()) => {
                if message.is_text() || message.is_binary() {
                    self.sent.push(message);
                    self.whole_at
                        .push(written + self.connection.outgoing_bytes());
                }
            }
            Err(SendError::QueueFull(message)) => self.to_send.push_front(*message),
            Err(SendError::AfterClose | SendError::Closed) => {
                assert!(!self.connection.is_open());
                self.to_send.clear();
            }
            Err(other) => panic!("{other}"),
        }
    }

    fn receive(&mut self, bytes: &[u8], now: Instant) {
        self.buffer.extend_from_slice(bytes);
        loop {
            match self.connection.receive(&mut self.buffer, now) {
                Ok(Some(Event::Message(message))) => {
                    assert!(self.error.is_none(), "a message after {:?}", self.error);
                    if message.is_text() || message.is_binary() {
                        self.received.push(message);
                    }
                }
                Ok(Some(other)) => panic!("unknown event {other:?}"),
                Ok(None) => break,
                Err(error) => self.failed(error),
            }
        }
        assert!(
            self.buffer.len() <= MAX_FRAME + 14,
            "{} bytes held of one frame",
            self.buffer.len()
        );
    }

    fn failed(&mut self, error: ProtocolError) {
        assert!(self.error.is_none(), "{error:?} after {:?}", self.error);
        assert!(self.connection.is_receiving_over());
        self.error = Some(error);
    }

    fn eof(&mut self) {
        if self.clean.is_none() {
            self.clean = Some(self.connection.receive_eof());
            self.connection.transmit_failed();
        }
    }
}

struct Run {
    random: Random,
    now: Instant,
    /// The server, then the client.
    ends: [End; 2],
    /// From the server, then from the client.
    pipe: [Direction; 2],
    harm: Harm,
    fragments: bool,
    deflate: bool,
    longest_delay: Duration,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut random = Random((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        for _ in 0..4 {
            random.below(1);
        }
        let now = Instant::now();
        let harm = [
            Harm::None,
            Harm::None,
            Harm::Cut,
            Harm::Drop,
            Harm::Flip,
            Harm::Flip,
        ][random.below(6)];
        let agreed = (random.below(3) != 0).then(|| Agreed {
            server_no_context_takeover: random.below(2) == 0,
            client_no_context_takeover: random.below(2) == 0,
            server_max_window_bits: u8::try_from(9 + random.below(7)).expect("at most 15"),
            client_max_window_bits: u8::try_from(9 + random.below(7)).expect("at most 15"),
        });
        let fragments = random.below(3) == 0;
        let options = options(&mut random, harm, fragments);
        let mut ends =
            [Role::Server, Role::Client].map(|role| End::new(role, &options, agreed, now));
        for end in &mut ends {
            let count = random.below(12);
            end.to_send = (0..count).map(|_| message(&mut random)).collect();
        }
        let harmed = random.below(2);
        let reach = [60, 600, 6000][random.below(3)];
        let at = random.below(reach);
        let pipe =
            [0, 1].map(|side| Direction::new(if side == harmed { harm } else { Harm::None }, at));
        let longest_delay = Duration::from_millis([0, 5, 400][random.below(3)]);
        Self {
            random,
            now,
            ends,
            pipe,
            harm,
            fragments,
            deflate: agreed.is_some(),
            longest_delay,
        }
    }

    fn run(&mut self) -> Tally {
        for _ in 0..MAX_STEPS {
            self.step();
            self.check();
            if self.ends.iter().all(|end| end.clean.is_some()) {
                return self.verdict();
            }
        }
        panic!("does not end");
    }

    fn step(&mut self) {
        let side = self.random.below(2);
        match self.random.below(8) {
            0 => {
                let written = self.pipe[side].offset;
                self.ends[side].send_next(written, self.now);
            }
            1..=3 => self.write(side),
            4..=6 => self.deliver(side),
            _ => self.idle(side),
        }
        self.close_transport(side);
    }

    /// The transport of one end takes some bytes.
    fn write(&mut self, side: usize) {
        let most = [1, 3, 100, 1500, 100_000][self.random.below(5)];
        let end = &mut self.ends[side];
        let outgoing = end.connection.outgoing();
        let taken = outgoing.chunk().len().min(most);
        let bytes = outgoing.chunk()[..taken].to_vec();
        outgoing.advance(taken);
        let hundredths = u32::try_from(self.random.below(100)).expect("below 100");
        let delay = self.longest_delay * hundredths / 100;
        if !bytes.is_empty() && !self.pipe[side].ended {
            self.pipe[side].write(&bytes, self.now + delay, &mut self.random);
        }
    }

    /// One end reads what has arrived, cut anew.
    fn deliver(&mut self, side: usize) {
        let direction = &mut self.pipe[1 - side];
        let Some((arrival, piece)) = direction.pieces.front_mut() else {
            if direction.ended || (direction.harm == Harm::Cut && direction.reached()) {
                direction.ended = true;
                self.ends[side].eof();
            }
            return;
        };
        if *arrival > self.now {
            self.now = *arrival;
        }
        let most = [1, 2, 7, 200, 4096, 100_000][self.random.below(6)];
        let bytes: Vec<u8> = piece.drain(..most.min(piece.len())).collect();
        if piece.is_empty() {
            direction.pieces.pop_front();
        }
        if self.ends[side].clean.is_none() {
            self.ends[side].receive(&bytes, self.now);
        }
    }

    /// Nothing to do for one end: it closes when it has sent all; when nobody has anything to do, time passes.
    fn idle(&mut self, side: usize) {
        let done = self.ends.iter().all(|end| end.to_send.is_empty()) || self.random.below(30) == 0;
        let end = &mut self.ends[side];
        if done && end.to_send.is_empty() && self.random.below(4) == 0 {
            let frame = CloseFrame {
                code: CloseCode::Normal,
                reason: "done".into(),
            };
            end.connection
                .close(Some(frame), self.now)
                .expect("a valid Close");
        }
        let busy = self
            .pipe
            .iter()
            .any(|direction| !direction.pieces.is_empty() || direction.ended)
            || self.ends.iter().any(|end| {
                let connection = &end.connection;
                end.clean.is_none()
                    && (connection.outgoing_bytes() > 0 || connection.should_close_transport())
            });
        if busy {
            return;
        }
        let due = self
            .ends
            .iter()
            .filter_map(|end| {
                end.connection
                    .next_timeout()
                    .filter(|_| end.clean.is_none())
            })
            .min();
        if let Some(due) = due {
            self.now = self.now.max(due);
            for end in self.ends.iter_mut().filter(|end| end.clean.is_none()) {
                if let Err(error) = end.connection.handle_timeout(self.now) {
                    end.failed(error);
                }
            }
        }
    }

    /// An end that is done closes its transport: the other reads the end behind what is on its way.
    fn close_transport(&mut self, side: usize) {
        let end = &mut self.ends[side];
        if end.clean.is_some() || end.connection.should_close_transport() {
            end.eof();
            self.pipe[side].ended = true;
        }
    }

    fn check(&self) {
        for end in &self.ends {
            let queued = end.connection.outgoing_bytes();
            assert!(queued <= MAX_QUEUED + OWN_QUEUED, "{queued} bytes queued");
        }
    }

    fn verdict(&self) -> Tally {
        for side in [0, 1] {
            let (own, other) = (&self.ends[side], &self.ends[1 - side]);
            let (incoming, outgoing) = (&self.pipe[1 - side], &self.pipe[side]);
            self.check_received(own, other, incoming);
            let frames = wire::frames(&outgoing.written, side == 1, self.deflate);
            let closed = frames.last().and_then(wire::Frame::close_code);
            if let Some(error) = own.error.as_ref().filter(|_| {
                own.connection
                    .closed()
                    .is_some_and(|closed| closed.by == Initiator::Us)
            }) {
                // Only where the transport was gone may the Close be missing, and never is it another one.
                let unsent =
                    closed.is_none() && (outgoing.harm == Harm::Cut || other.clean.is_some());
                let expected = Some(error.close_code_number());
                assert!(
                    closed == expected || closed == Some(1000) || unsent,
                    "{closed:?} for {error:?}"
                );
            }
            if self.harm == Harm::None {
                assert_eq!(own.error, None);
                assert_eq!(own.clean, Some(true));
                let code = own.connection.closed().map(Closed::code);
                assert_eq!(code, Some(CloseCode::Normal));
            }
            if self.harm == Harm::Cut {
                let violation = own.error.as_ref().filter(|error| {
                    error.close_code() != CloseCode::Away && error.close_code() != CloseCode::Policy
                });
                assert_eq!(violation, None, "a cut is no violation");
            }
        }
        Tally {
            messages: self.ends.iter().map(|end| end.received.len()).sum(),
            clean: usize::from(self.ends.iter().all(|end| end.clean == Some(true))),
            cut: usize::from(
                self.ends
                    .iter()
                    .any(|end| end.clean == Some(false) && end.error.is_none()),
            ),
            violations: self
                .ends
                .iter()
                .filter(|end| end.error.as_ref().is_some_and(|error| !is_timeout(error)))
                .count(),
            timeouts: self
                .ends
                .iter()
                .filter(|end| end.error.as_ref().is_some_and(is_timeout))
                .count(),
        }
    }

    /// What arrived before any harm is what was sent, in order.
    fn check_received(&self, own: &End, other: &End, incoming: &Direction) {
        let intact = match incoming.harm {
            Harm::Drop | Harm::Flip if self.fragments => return,
            Harm::Drop | Harm::Flip => other
                .whole_at
                .iter()
                .filter(|end| **end <= incoming.first_harm())
                .count(),
            Harm::None | Harm::Cut => own.received.len(),
        };
        let common = intact.min(own.received.len());
        assert_eq!(
            own.received[..common],
            other.sent[..common],
            "messages arrive intact, in order"
        );
        if self.harm == Harm::None {
            assert_eq!(own.received.len(), other.sent.len(), "all messages arrive");
        }
    }
}

fn options(random: &mut Random, harm: Harm, fragments: bool) -> Arc<Options> {
    let mut websocket = WebSocketConfig::default();
    websocket.max_message_size = Some(MAX_FRAME);
    websocket.max_frame_size = Some(MAX_FRAME);
    websocket.write_buffer_size = 1024;
    websocket.max_write_buffer_size = MAX_QUEUED;
    let threshold = [0, 200][random.below(2)];
    let level = 1 + u8::try_from(random.below(6)).expect("below 6");
    let deflate = DeflateConfig::default()
        .threshold(threshold)
        .level(level)
        .expect("a valid level");
    // Longer than any delay of the pipe, so that only harm can make them pass.
    let keepalive = (random.below(2) == 0).then(|| {
        Keepalive::default()
            .ping_interval(Duration::from_secs(3600))
            .pong_timeout(Duration::from_secs(3600))
    });
    let unfinished = Duration::from_secs(if harm == Harm::None { 36_000 } else { 3600 });
    let options = Options::from(websocket)
        .deflate(Some(deflate))
        .keepalive(keepalive)
        .close_timeout(Some(Duration::from_secs(3600)))
        .limits(Limits::default().unfinished_message_timeout(Some(unfinished)))
        .fragment_bytes(fragments.then(|| 64 + random.below(2000)));
    Arc::new(options)
}

fn message(random: &mut Random) -> Message {
    let length = match random.below(10) {
        0 => 0,
        1..=5 => random.below(200),
        6..=8 => random.below(3000),
        _ => random.below(20_000),
    };
    match random.below(12) {
        0 => Message::Ping(Bytes::from(vec![7; length.min(125)])),
        1 => Message::Pong(Bytes::from(vec![8; length.min(125)])),
        2..=6 => {
            let words = [
                "Olá, ",
                "servidor ",
                "WebSocket! ",
                "日本 ",
                "🦀 ",
                "Retorno ",
            ];
            let mut text = String::new();
            while text.len() < length {
                text.push_str(words[random.below(words.len())]);
            }
            Message::text(text)
        }
        7..=9 => Message::binary(vec![u8::try_from(length % 256).expect("a byte"); length]),
        _ => Message::binary(
            (0..length)
                .map(|_| u8::try_from(random.below(256)).expect("a byte"))
                .collect::<Vec<_>>(),
        ),
    }
}

/// What happened in how many runs, so that a pipe that has lost its teeth is noticed.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    messages: usize,
    clean: usize,
    cut: usize,
    violations: usize,
    timeouts: usize,
}

impl Add for Tally {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            messages: self.messages + other.messages,
            clean: self.clean + other.clean,
            cut: self.cut + other.cut,
            violations: self.violations + other.violations,
            timeouts: self.timeouts + other.timeouts,
        }
    }
}

fn is_timeout(error: &ProtocolError) -> bool {
    matches!(
        error,
        ProtocolError::UnfinishedMessage { .. }
            | ProtocolError::PongOverdue { .. }
            | ProtocolError::CloseUnanswered { .. }
    )
}

#[expect(clippy::print_stdout, reason = "which seed fails")]
fn seed(number: u64) -> Tally {
    std::panic::catch_unwind(|| Run::new(number).run()).unwrap_or_else(|panic| {
        println!("HOSTILE_SEED={number} fails");
        std::panic::resume_unwind(panic)
    })
}

#[test]
fn two_engines_hold_over_a_hostile_pipe() {
    if let Ok(number) = std::env::var("HOSTILE_SEED") {
        println!("{:?}", seed(number.parse().expect("a number")));
        return;
    }
    let share = |first| {
        (first..SEEDS)
            .step_by(THREADS)
            .map(seed)
            .fold(Tally::default(), Tally::add)
    };
    let tally = std::thread::scope(|scope| {
        let threads = [0, 1].map(|first| scope.spawn(move || share(first)));
        threads
            .map(|thread| thread.join().expect("every seed holds"))
            .into_iter()
            .fold(Tally::default(), Tally::add)
    });
    println!("{SEEDS} seeds: {tally:?}");
    assert!(
        tally.messages > 50_000 && tally.clean > 3000 && tally.cut > 1000,
        "{tally:?}"
    );
    assert!(tally.violations > 1000 && tally.timeouts > 10, "{tally:?}");
}
