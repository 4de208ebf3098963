//! State shared by all connections of a benchmark: the payload, the count, the end.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand::RngExt as _;
use tokio::time::Instant;
use tungstenite_deflate::tungstenite::Message;

use crate::args::LoadArgs;
use crate::file::read_named;
use crate::modes::Failure;
use crate::moment::after;

/// Caches, windows and schedulers settle within this.
const WARM_UP: Duration = Duration::from_millis(500);

/// Time to measure when neither a duration nor a count is given.
const DURATION: Duration = Duration::from_secs(5);

/// Stands for no end of its own when a count is given; what stops answering is noticed by the reply time-out.
const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// State shared by all connections.
pub(super) struct Work {
    pub(super) payload: Message,
    pub(super) in_flight: usize,
    /// Time between two messages of one connection, when a rate is set.
    pub(super) interval: Option<Duration>,
    pub(super) measure_from: Instant,
    pub(super) end: Instant,
    /// Longest wait for one reply.
    pub(super) patience: Duration,
    /// Measured messages that may still be sent, when a count is set.
    left: Option<AtomicU64>,
    /// Replies so far, those of the warm-up too.
    pub(super) done: AtomicU64,
}

impl Work {
    /// The work of `connections` connections that begin at `start`.
    pub(super) fn new(
        args: &LoadArgs,
        payload: Message,
        connections: usize,
        start: Instant,
        patience: Duration,
    ) -> Self {
        let measure_from = after(start, warm_up(args));
        Self {
            payload,
            in_flight: args.in_flight as usize,
            interval: args
                .rate
                .map(|rate| Duration::from_secs_f64(connections as f64 / rate as f64)),
            measure_from,
            end: after(measure_from, duration(args)),
            patience,
            left: args.count.map(AtomicU64::new),
            done: AtomicU64::new(0),
        }
    }

    /// Takes one message of the count, if one is set; `false` when all are taken.
    pub(super) fn take_turn(&self) -> bool {
        self.left.as_ref().is_none_or(|left| {
            left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            })
            .is_ok()
        })
    }

    /// Gives back a turn whose message was not sent.
    pub(super) fn give_back(&self) {
        if let Some(left) = &self.left {
            left.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Time at the start that is not measured.
pub(super) fn warm_up(args: &LoadArgs) -> Duration {
    args.warm_up.unwrap_or(if args.count.is_some() {
        Duration::ZERO
    } else {
        WARM_UP
    })
}

fn duration(args: &LoadArgs) -> Duration {
    args.duration.unwrap_or(if args.count.is_some() {
        FOR_EVER
    } else {
        DURATION
    })
}

/// The whole time that the benchmark may take, when that is known beforehand.
pub(super) fn whole(args: &LoadArgs) -> Option<Duration> {
    (args.count.is_none() || args.duration.is_some()).then(|| warm_up(args) + duration(args))
}

/// Most bytes of a payload that is read from a file.
const MAX_PAYLOAD_BYTES: u64 = 256 << 20;

/// The message that is sent again and again.
///
/// # Errors
/// The file cannot be read, or is no text.
pub(super) fn payload(args: &LoadArgs, binary: bool) -> Result<Message, Failure> {
    let bytes = match &args.payload {
        Some(path) => read_named(path, MAX_PAYLOAD_BYTES)
            .map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?,
        None if binary => {
            let mut bytes = vec![0; args.size];
            rand::rng().fill(&mut bytes[..]);
            bytes
        }
        None => json_like(args.size).into_bytes(),
    };
    if binary {
        return Ok(Message::binary(bytes));
    }
    let text = String::from_utf8(bytes)
        .map_err(|_| Failure::Usage("the payload is not UTF-8; send it with --binary".into()))?;
    Ok(Message::text(text))
}

/// Text as services send it: records with few keys and changing numbers, cut to `size` bytes.
fn json_like(size: usize) -> String {
    let mut text = String::with_capacity(size + 96);
    while text.len() < size {
        let (id, price) = (
            rand::random_range(0..1_000_000),
            rand::random_range(0..100_000),
        );
        let record = format!(
            "{{\"id\":{id},\"symbol\":\"ABC\",\"price\":{price},\"currency\":\"EUR\",\"ok\":true}},"
        );
        text.push_str(&record);
    }
    text.truncate(size);
    text
}
