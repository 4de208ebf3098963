//! Every delivery of shared contexts through a strict inflater of its receiver.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Buf;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::distances::StrictInflater;
use super::{Agreed, Compression, ContextMemory, DeflateConfig, Level, SharedContext, WindowBits};
use crate::connection::Connection;
use crate::memory::MemoryBudget;
use crate::options::Options;
use crate::prepared::PreparedMessage;
use crate::tungstenite::Message;
use crate::tungstenite::protocol::Role;

/// Deliveries of the test. `SHARED_DELIVERIES` and `SHARED_SEED` choose others for a longer run, such as
/// `SHARED_DELIVERIES=1000000 cargo test --release -p tungstenite-deflate --lib d18_every`.
const DELIVERIES: u64 = 8_000;

/// A connection and what its client makes of the bytes.
struct Receiver {
    server: Connection,
    /// Of a client with permessage-deflate.
    inflater: Option<StrictInflater>,
    takeover: bool,
}

/// Compressed and uncompressed payload bytes of one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Frame {
    compressed: bool,
    wire_bytes: usize,
    reach: usize,
}

impl Receiver {
    fn new(agreed: Option<Agreed>, config: DeflateConfig) -> Self {
        let options = Arc::new(Options::default().deflate(Some(config)));
        Self {
            server: Connection::new(Role::Server, options, agreed, Instant::now()),
            inflater: agreed.map(|agreed| StrictInflater::new(agreed.server_max_window_bits)),
            takeover: agreed.is_some_and(|agreed| !agreed.server_no_context_takeover),
        }
    }

    /// A receiver with random parameters.
    fn random(random: &mut StdRng, memory: &ContextMemory) -> Self {
        let mut config = DeflateConfig::default().memory(memory.clone());
        if random.random_ratio(1, 10) {
            config = config.level(Level::new(6).expect("a level"));
        }
        let agreed = Agreed {
            server_no_context_takeover: random.random_ratio(1, 6),
            client_no_context_takeover: true,
            server_max_window_bits: if random.random() {
                15
            } else {
                random.random_range(8..=15)
            },
            client_max_window_bits: 15,
        };
        Self::new(random.random_ratio(7, 8).then_some(agreed), config)
    }

    fn prepared(&mut self, prepared: &PreparedMessage) -> Frame {
        let sent = self.server.send_prepared(prepared, Instant::now());
        sent.expect("the queue is empty");
        self.check(&prepared.message().clone().into_data())
    }

    fn direct(&mut self, payload: &[u8], compression: Compression) -> Frame {
        let message = Message::binary(payload.to_vec());
        let sent = self.server.send_with(message, compression, Instant::now());
        sent.expect("the queue is empty");
        self.check(payload)
    }

    /// Reads the one frame that waits as its client does, and compares.
    fn check(&mut self, expected: &[u8]) -> Frame {
        let outgoing = self.server.outgoing();
        let mut frame = outgoing.copy_to_bytes(outgoing.remaining());
        let (first, length) = (frame.get_u8(), frame.get_u8());
        let length = match length {
            126 => usize::from(frame.get_u16()),
            127 => usize::try_from(frame.get_u64()).expect("a length"),
            length => length.into(),
        };
        assert_eq!(frame.len(), length, "one frame");
        let compressed = first & 0x40 != 0;
        let mut reach = 0;
        if compressed {
            let inflater = self.inflater.as_mut().expect("an agreed extension");
            assert!(inflater.message(&frame) == expected, "inflated");
            reach = inflater.reach;
            if !self.takeover {
                inflater.forget();
            }
        } else {
            assert!(frame == expected, "uncompressed");
        }
        Frame {
            compressed,
            wire_bytes: length,
            reach,
        }
    }
}

/// A message like those of a feed: short ones mostly, sometimes noise, empty or long.
fn message(random: &mut StdRng, number: u64) -> Vec<u8> {
    let length = match random.random_range(0..100) {
        0 => return Vec::new(),
        1..4 => random.random_range(1..300),
        4 => random.random_range(2_000..12_000),
        5 if random.random_ratio(1, 10) => random.random_range(30_000..90_000),
        _ => {
            let price = random.random_range(10_000..99_999);
            let side = ["buy", "sell"][random.random_range(0..2)];
            return format!(
                r#"{{"type":"match","trade_id":{number},"side":"{side}","price":"{price}.17","product":"BTC-{}"}}"#,
                price % 7
            )
            .into();
        }
    };
    if random.random() {
        return (0..length).map(|_| random.random()).collect();
    }
    let letters = random.random_range(2..30);
    (0..length)
        .map(|_| b'a' + random.random_range(0..letters))
        .collect()
}

fn bits(random: &mut StdRng) -> WindowBits {
    WindowBits::new(random.random_range(9..=15)).expect("a window")
}

fn context(random: &mut StdRng, memory: &ContextMemory) -> SharedContext {
    let mut config = DeflateConfig::default().memory(memory.clone());
    if random.random_ratio(1, 3) {
        config = config.server_max_window_bits(bits(random));
    }
    if random.random_ratio(1, 3) {
        config = config.encoder_window_bits(bits(random));
    }
    if random.random_ratio(1, 4) {
        config = config.threshold(random.random_range(0..100));
    }
    SharedContext::new(&config)
}

fn number(name: &str, default: u64) -> u64 {
    let value = std::env::var(name).ok();
    value.map_or(default, |value| value.parse().expect("a number"))
}

/// Two streams, some twenty receivers of every kind that come and go, miss messages and get others, and memory that is
/// short at times.
#[test]
fn d18_every_receiver_reads_every_delivery() {
    let deliveries = number("SHARED_DELIVERIES", DELIVERIES);
    let mut random = StdRng::seed_from_u64(number("SHARED_SEED", 19));
    let budget = MemoryBudget::new(40_000);
    let memory = ContextMemory::new(budget.clone(), Some(Duration::from_secs(60)));
    let mut clock = Instant::now();
    let mut streams = [(); 2].map(|()| context(&mut random, &memory));
    let mut receivers = Vec::new();
    let (mut delivered, mut referring, mut compressed) = (0, 0, 0);
    let mut made = 0;
    while delivered < deliveries {
        match random.random_range(0..100) {
            0 => streams[random.random_range(0..2)] = context(&mut random, &memory),
            1..3 => {
                clock += Duration::from_secs(200);
                memory.release_idle(clock);
                clock += Duration::from_secs(200);
                memory.release_idle(clock);
            }
            3..8 if !receivers.is_empty() => {
                let leaves = random.random_range(0..receivers.len());
                receivers.swap_remove(leaves);
            }
            _ => {}
        }
        if receivers.len() < 20 {
            receivers.push(Receiver::random(&mut random, &memory));
        }
        made += 1;
        let payload = message(&mut random, made);
        let prepared = match random.random_range(0..50) {
            0 => PreparedMessage::binary(payload),
            1..8 => streams[1].binary(payload),
            _ => streams[0].binary(payload),
        };
        for receiver in &mut receivers {
            if random.random_ratio(1, 60) {
                let choices = [
                    Compression::Auto,
                    Compression::Always,
                    Compression::Never,
                    Compression::Isolated,
                ];
                let payload = message(&mut random, made);
                receiver.direct(&payload, choices[random.random_range(0..4)]);
            }
            if random.random_ratio(1, 100) {
                continue;
            }
            let frame = receiver.prepared(&prepared);
            delivered += 1;
            compressed += u64::from(frame.compressed);
            referring += u64::from(frame.reach > 0);
        }
    }
    println!("{delivered} deliveries, {compressed} compressed, {referring} with history");
    assert!(referring > delivered / 10, "{referring} of {delivered}");
    assert!(compressed - referring > delivered / 10, "without history");
    drop((receivers, streams));
    assert_eq!(budget.used(), 0, "all memory is returned");
}

/// Messages are made by whichever thread comes first.
#[test]
fn d18_threads_deliver_at_once() {
    let mut random = StdRng::seed_from_u64(7);
    let stream = SharedContext::new(&DeflateConfig::default());
    let made: Vec<_> = (0..600)
        .map(|number| stream.binary(message(&mut random, number)))
        .collect();
    let counts: Vec<usize> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut receivers =
                        [(); 3].map(|()| Receiver::new(Some(TAKEOVER), DeflateConfig::default()));
                    let mut referring = 0;
                    for prepared in &made {
                        for receiver in &mut receivers {
                            referring += usize::from(receiver.prepared(prepared).reach > 0);
                        }
                    }
                    referring
                })
            })
            .collect();
        let joined = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
        joined
            .map(|count| count.expect("every delivery is read"))
            .collect()
    });
    assert!(counts.iter().all(|&count| count > 1_300), "{counts:?}");
    assert!(
        counts.windows(2).all(|pair| pair[0] == pair[1]),
        "{counts:?}"
    );
}

const TAKEOVER: Agreed = Agreed {
    server_no_context_takeover: false,
    client_no_context_takeover: false,
    server_max_window_bits: 15,
    client_max_window_bits: 15,
};
