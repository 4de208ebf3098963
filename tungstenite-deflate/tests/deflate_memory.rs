//! Memory of compression contexts that many connections share (D16): who gives way, and that nobody notices.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use tungstenite_deflate::deflate::{ContextMemory, Level, WindowBits, negotiate};
use tungstenite_deflate::tungstenite::Message;
use tungstenite_deflate::tungstenite::protocol::Role;
use tungstenite_deflate::{Agreed, Connection, DeflateConfig, MemoryBudget, Options};

/// Both ends of a connection, with what browsers offer; the client inflates with no more than the windows agreed on.
struct Pair {
    server: Connection,
    client: Connection,
    agreed: Agreed,
}

impl Pair {
    fn open(config: &DeflateConfig, now: Instant) -> Self {
        let offer = "permessage-deflate; server_max_window_bits=11; client_max_window_bits";
        let (agreed, _) = negotiate::accept_offers([offer], config).expect("an offer");
        let open = |role, config: &DeflateConfig| {
            let options = Options::default().deflate(Some(config.clone()));
            Connection::new(role, Arc::new(options), Some(agreed), now)
        };
        let elsewhere = MemoryBudget::new(usize::MAX);
        Self {
            server: open(Role::Server, config),
            client: open(Role::Client, &DeflateConfig::default().memory(elsewhere)),
            agreed,
        }
    }

    /// Sends a message down, and returns its bytes on the wire.
    fn down(&mut self, text: &str, now: Instant) -> usize {
        pass(&mut self.server, &mut self.client, text, now)
    }

    fn up(&mut self, text: &str, now: Instant) -> usize {
        pass(&mut self.client, &mut self.server, text, now)
    }
}

fn pass(from: &mut Connection, to: &mut Connection, text: &str, now: Instant) -> usize {
    from.send(Message::text(text), now)
        .expect("an open connection");
    let outgoing = from.outgoing();
    let mut wire = BytesMut::from(&outgoing.copy_to_bytes(outgoing.remaining())[..]);
    let bytes = wire.len();
    let received = to.receive(&mut wire, now).expect("a valid message");
    assert_eq!(received, Some(Message::text(text)));
    bytes
}

/// Numbers that look random.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).expect("below a usize")
    }
}

/// A message of a feed of prices.
fn price(random: &mut Random, product: usize) -> String {
    format!(
        r#"{{"type":"ticker","sequence":{},"product_id":"P{product}-USD","price":"{}.{:02}","side":"{}","last_size":"0.{:06}"}}"#,
        40_000_000 + random.below(1_000_000),
        1_000 + random.below(900),
        random.below(100),
        ["buy", "sell"][random.below(2)],
        random.below(1_000_000),
    )
}

fn memory(bytes: usize) -> ContextMemory {
    ContextMemory::new(MemoryBudget::new(bytes), Some(Duration::from_secs(60)))
}

/// Runs the deadlines of a connection that is silent until `end`.
fn rest(connection: &mut Connection, end: Instant) {
    while let Some(at) = connection.next_timeout().filter(|at| *at <= end) {
        connection.handle_timeout(at).expect("nothing is overdue");
    }
}

#[test]
fn d16_idle_contexts_are_released_and_taken_up_again() {
    for level in [1, 6] {
        let memory = memory(1 << 20);
        let config = DeflateConfig::default()
            .level(Level::new(level).unwrap())
            .memory(memory.clone());
        let mut now = Instant::now();
        let mut pair = Pair::open(&config, now);
        let mut quiet = Pair::open(&config, now);
        let mut random = Random(7);
        for _ in 0..3 {
            for _ in 0..60 {
                let text = price(&mut random, 3);
                quiet.down(&text, now);
                pair.down(&text, now);
                pair.up(&text, now);
            }
            let busy = pair.server.statistics().unwrap();
            assert_eq!(busy.contexts, 2);
            assert!(memory.budget().used() >= busy.context_bytes);
            now += Duration::from_secs(80);
            rest(&mut pair.server, now);
            rest(&mut quiet.server, now);
            let idle = pair.server.statistics().unwrap();
            assert_eq!(idle.contexts, 1, "the peer's window: {idle:?}");
            assert!(idle.context_bytes <= 900, "{idle:?}");
            assert_eq!(quiet.server.statistics().unwrap().contexts, 0);
            assert_eq!(memory.budget().used(), idle.context_bytes);
        }
        assert_eq!(memory.forgotten(), 6);
        drop((pair, quiet));
        assert_eq!(memory.budget().used(), 0);
    }
}

#[test]
fn d16_contexts_in_use_stay_when_others_are_idle() {
    let memory = memory(1 << 20);
    let config = DeflateConfig::default().memory(memory.clone());
    let start = Instant::now();
    let mut pairs: Vec<_> = (0..3).map(|_| Pair::open(&config, start)).collect();
    let mut random = Random(3);
    for pair in &mut pairs {
        pair.down(&price(&mut random, 1), start);
    }
    for second in 0..200 {
        let now = start + Duration::from_secs(second);
        pairs[0].down(&price(&mut random, 1), now);
        rest(&mut pairs[0].server, now);
    }
    let contexts = pairs
        .iter()
        .map(|pair| pair.server.statistics().unwrap().contexts);
    assert_eq!(contexts.collect::<Vec<_>>(), [1, 0, 0]);
}

/// Connections whose activity follows Zipf's law, with 1,000 bytes each on average: the benefit of a context is that
/// over none.
#[test]
#[expect(
    clippy::cast_precision_loss,
    reason = "counts far below 2^53, of which a ratio is made"
)]
fn d16_a_small_budget_gives_most_of_the_benefit() {
    const CONNECTIONS: usize = 2_000;
    const MESSAGES: usize = 100_000;
    let mut harmonic = 0.0;
    let ranks: Vec<f64> = (1..=CONNECTIONS)
        .map(|rank| {
            harmonic += 1.0 / rank as f64;
            harmonic
        })
        .collect();
    let sent = |config: &DeflateConfig| {
        let now = Instant::now();
        let mut pairs: Vec<_> = (0..CONNECTIONS).map(|_| Pair::open(config, now)).collect();
        let mut random = Random(11);
        let mut bytes = 0;
        for _ in 0..MESSAGES {
            let at = random.below(1 << 30) as f64 / f64::from(1 << 30) * harmonic;
            let rank = ranks.partition_point(|sum| *sum <= at);
            let text = price(&mut random, rank);
            bytes += pairs[rank].down(&text, now);
        }
        bytes as f64
    };
    let memory = memory(CONNECTIONS * 1_000);
    let [none, ample, shared] = [
        sent(&DeflateConfig::default().server_no_context_takeover(true)),
        sent(&DeflateConfig::default().memory(MemoryBudget::new(usize::MAX))),
        sent(&DeflateConfig::default().memory(memory.clone())),
    ];
    let benefit = (none - shared) / (none - ample);
    println!("bytes {none}, {ample} with contexts, {shared} with a small budget: {benefit:.3}");
    assert!(benefit >= 0.8, "{benefit}");
    assert_eq!(memory.budget().used(), 0);
    assert!(memory.forgotten() > 100);
}

/// More connections than there is memory for, in both directions and on several threads: every message is right, the
/// limit holds, and what handshakes promised is kept.
#[test]
fn d16_promises_are_kept_under_pressure() {
    for level in [1, 6] {
        let limit = if level == 1 { 40_000 } else { 700_000 };
        let memory = memory(limit);
        let config = DeflateConfig::default()
            .level(Level::new(level).unwrap())
            .memory(memory.clone());
        std::thread::scope(|scope| {
            for seed in 1..=4 {
                let (memory, config) = (&memory, &config);
                scope.spawn(move || {
                    let mut random = Random(seed);
                    let mut now = Instant::now();
                    let mut pairs: Vec<_> = (0..10).map(|_| Pair::open(config, now)).collect();
                    for round in 0..if level == 1 { 4_000 } else { 400 } {
                        let at = random.below(pairs.len());
                        let text = price(&mut random, at).repeat(1 + random.below(3));
                        if round % 2 == 0 {
                            pairs[at].down(&text, now);
                        } else {
                            pairs[at].up(&text, now);
                        }
                        if round % 50 == 0 {
                            pairs[at] = Pair::open(config, now);
                            now += Duration::from_secs(1);
                        }
                        // Threads take what was promised to theirs at the same time.
                        assert!(memory.budget().used() <= limit + 4 * 2_048);
                    }
                });
            }
        });
        assert_eq!(memory.budget().used(), 0);
        assert!(memory.forgotten() > 0);
    }
}

#[test]
fn d16_handshakes_promise_no_more_than_there_is() {
    let memory = memory(10 * 2_048);
    let config = DeflateConfig::default().memory(memory.clone());
    let now = Instant::now();
    let mut pairs: Vec<_> = (0..20).map(|_| Pair::open(&config, now)).collect();
    for (number, pair) in pairs.iter().enumerate() {
        assert_eq!(pair.agreed.client_no_context_takeover, number >= 10);
        assert_eq!(
            pair.agreed.client_max_window_bits,
            if number < 10 { 11 } else { 15 }
        );
        // Our own direction needs no word: a compressor may forget whenever it likes.
        assert!(!pair.agreed.server_no_context_takeover);
    }
    let mut random = Random(5);
    for round in 0..40 {
        for pair in &mut pairs {
            let text = price(&mut random, round);
            pair.up(&text, now);
            pair.down(&text, now);
        }
        assert!(memory.budget().used() <= 10 * 2_048);
    }
    pairs.truncate(3);
    let again = Pair::open(&config, now);
    assert!(!again.agreed.client_no_context_takeover);
    drop((pairs, again));
    assert_eq!(memory.budget().used(), 0);
}

/// A window that the peer was promised is larger than what is left: it counts past the limit, and nothing fails.
#[test]
fn d16_a_promise_made_before_others_took_the_rest_is_kept() {
    let config = DeflateConfig::default()
        .client_max_window_bits(WindowBits::MAX)
        .memory(memory(40_000));
    let now = Instant::now();
    // Both handshakes are answered before either connection begins.
    let [mut one, mut other] = [(); 2].map(|()| {
        let agreed = Agreed {
            server_no_context_takeover: false,
            client_no_context_takeover: false,
            server_max_window_bits: 15,
            client_max_window_bits: 15,
        };
        let open = |role, config: &DeflateConfig| {
            let options = Options::default().deflate(Some(config.clone()));
            Connection::new(role, Arc::new(options), Some(agreed), now)
        };
        Pair {
            server: open(Role::Server, &config),
            client: open(Role::Client, &DeflateConfig::default()),
            agreed,
        }
    });
    let mut random = Random(9);
    for _ in 0..600 {
        one.up(&price(&mut random, 1), now);
        other.up(&price(&mut random, 2), now);
    }
}
