//! Every message against two inflaters: zlib-rs, and a strict one that knows the window and what may be referred to.

use bytes::BytesMut;

use super::{Random, Reader, feed, length, message};
use crate::deflate::distances::StrictInflater;
use crate::deflate::encoder::{Context, Demand, Encoder};

/// Messages of the test. `ENCODER_MESSAGES` and `ENCODER_SEED` choose others for a longer run.
const MESSAGES: usize = 4_000;

/// The maximum that a message may take: stored blocks, and the empty block at the end.
fn stored_bound(length: usize) -> usize {
    length + 5 * length.div_ceil(60 * 1024) + 1
}

/// Both inflaters of one connection.
struct Peer {
    zlib: Reader,
    strict: StrictInflater,
}

impl Peer {
    fn new(window_bits: u8) -> Self {
        Self {
            zlib: Reader::new(),
            strict: StrictInflater::new(window_bits),
        }
    }

    /// Checks that both read `message` from `wire`, and that it refers to just `reach` bytes before it, if that is given.
    fn check(&mut self, wire: &[u8], message: &[u8], reach: Option<usize>) {
        assert!(self.zlib.read(wire, message.len()) == message, "by zlib-rs");
        assert!(self.strict.message(wire) == message, "strictly");
        assert!(
            reach.is_none_or(|reach| reach == self.strict.reach),
            "{reach:?}, not {}",
            self.strict.reach
        );
        let bound = stored_bound(message.len());
        assert!(wire.len() <= bound, "{} bytes of {bound}", wire.len());
    }
}

/// A message like an earlier one of the connection, or another one.
fn next(random: &mut Random, earlier: &mut Vec<Vec<u8>>) -> Vec<u8> {
    let similar = earlier.get(random.below(2 * earlier.len().max(1))).cloned();
    let message = match similar {
        Some(mut message) => {
            for _ in 0..random.below(4) {
                let at = random.below(message.len().max(1));
                if let Some(byte) = message.get_mut(at) {
                    *byte = random.byte();
                }
            }
            message.truncate(random.below(2 * message.len() + 1));
            message
        }
        None if random.below(2) == 0 => {
            let length = random.below(400);
            feed(random, length)
        }
        None => {
            let length = length(random);
            message(random, length)
        }
    };
    if earlier.len() < 8 {
        earlier.push(message.clone());
    } else {
        let at = random.below(8);
        earlier[at].clone_from(&message);
    }
    message
}

/// One connection of up to 60 messages, with every event that a context knows; returns their number.
fn connection(random: &mut Random, encoder: &mut Encoder) -> usize {
    let bits = 8 + random.below(8).to_le_bytes()[0];
    let mut context = Context::new(bits, 8 + random.below(6).to_le_bytes()[0]);
    let mut peer = Peer::new(bits);
    let mut earlier = Vec::new();
    let demand = [Demand::Always, Demand::WhenItPays][random.below(2)];
    let count = 1 + random.below(60);
    for _ in 0..count {
        let message = next(random, &mut earlier);
        let mut wire = BytesMut::new();
        match random.below(12) {
            0 => {
                // Compressed by itself, and never referred to.
                encoder.encode(&message, bits, &mut wire);
                context.skip(message.len());
                peer.check(&wire, &message, Some(0));
                peer.strict.hide();
            }
            1 => {
                context.forget();
                peer.zlib = Reader::new();
                peer.strict.forget();
            }
            _ => {
                wire.extend_from_slice(b"before");
                let reach = encoder.encode_in(&mut context, &message, demand, &mut wire);
                match reach {
                    Some(reach) => peer.check(&wire[6..], &message, Some(reach)),
                    None => assert_eq!(wire[..], b"before"[..], "it goes uncompressed"),
                }
                assert!(reach.is_some() || demand == Demand::WhenItPays);
            }
        }
    }
    count
}

/// The number in an environment variable, or `default`.
fn setting(name: &str, default: u64) -> u64 {
    let value = std::env::var(name).ok();
    value.map_or(default, |value| value.parse().expect("a number"))
}

#[test]
fn every_message_inflates_to_itself() {
    let count = setting("ENCODER_MESSAGES", MESSAGES as u64);
    let seed = setting("ENCODER_SEED", 0x2545_f491_4f6c_dd1d);
    let mut random = Random(seed);
    let mut encoder = Encoder::default();
    let mut done = 0;
    while done < count {
        let before = random.0;
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            connection(&mut random, &mut encoder)
        }));
        let Ok(messages) = result else {
            panic!("the connection of ENCODER_SEED={before}");
        };
        done += messages as u64;
    }
}

#[test]
fn every_length_inflates_to_itself_at_every_window() {
    let mut random = Random(23);
    let mut encoder = Encoder::default();
    let edges = [
        1_280,
        2_560,
        10_240,
        32 << 10,
        60 << 10,
        (64 << 10) - 1,
        92 << 10,
        300_000,
    ];
    let around = edges.into_iter().flat_map(|edge| edge - 1..=edge + 1);
    let lengths: Vec<usize> = (0..=600).chain(around).collect();
    for bits in 8..=15 {
        let mut context = Context::new(bits, 11);
        let [mut kept, mut alone] = [Peer::new(bits), Peer::new(bits)];
        for &length in &lengths {
            let message = feed(&mut random, length);
            let mut wire = BytesMut::new();
            let reach = encoder.encode_in(&mut context, &message, Demand::Always, &mut wire);
            kept.check(&wire, &message, reach);
            wire.clear();
            encoder.encode(&message, bits, &mut wire);
            alone.strict.forget();
            alone.check(&wire, &message, Some(0));
        }
    }
}
