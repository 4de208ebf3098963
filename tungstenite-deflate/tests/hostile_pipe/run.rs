//! Both ends and the pipe between them, one step after the other.

use std::time::{Duration, Instant};

use bytes::Buf;
use tungstenite_deflate::Agreed;
use tungstenite_deflate::tungstenite::protocol::frame::coding::CloseCode;
use tungstenite_deflate::tungstenite::protocol::{CloseFrame, Role};

use super::choices::{MAX_QUEUED, message, options};
use super::end::End;
use super::pipe::{Direction, Harm};
use super::random::Random;
use super::verdict::Tally;

/// Steps after which a run has not ended and never will.
const MAX_STEPS: usize = 20_000;

/// Beside messages: Pongs, a Ping, a Close, and what headers and stored DEFLATE blocks add to a message.
const OWN_QUEUED: usize = 64 * 160;

/// Two ends, and what lies between them.
pub(super) struct Run {
    pub(super) random: Random,
    pub(super) now: Instant,
    /// The server, then the client.
    pub(super) ends: [End; 2],
    /// From the server, then from the client.
    pub(super) pipe: [Direction; 2],
    pub(super) harm: Harm,
    pub(super) fragments: bool,
    pub(super) deflate: bool,
    longest_delay: Duration,
}

impl Run {
    pub(super) fn new(seed: u64) -> Self {
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

    pub(super) fn run(&mut self) -> Tally {
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
    pub(super) fn write(&mut self, side: usize) {
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
}
