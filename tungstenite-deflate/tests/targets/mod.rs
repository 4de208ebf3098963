//! Functions for the fuzzer: each takes any bytes and panics when a promise of the crate does not hold.
//!
//! Shared by the targets in `fuzz/`, which look for new inputs, and by `fuzz_corpus.rs`, which runs the committed ones
//! in `cargo test`. Everything goes through the public API.

pub mod differential;
pub mod encoder;
pub mod engine;
pub mod frames;
pub mod handshake;
pub mod inflate;
pub mod negotiation;
pub mod wire;

/// Takes any bytes; panics when a promise does not hold.
pub type Target = fn(&[u8]);

/// Name and function of every target, as `fuzz/fuzz_targets` and `fuzz/seeds` name them.
pub const TARGETS: &[(&str, Target)] = &[
    ("frames", frames::frames),
    ("engine_server", engine::server),
    ("engine_client", engine::client),
    ("inflate", inflate::inflate),
    ("encoder", encoder::encoder),
    ("offers", negotiation::offers),
    ("responses", negotiation::responses),
    ("handshake_request", handshake::request),
    ("handshake_response", handshake::response),
    ("differential", differential::differential),
];

/// Numbers and slices taken from the front of an input; zeros and nothing when it is used up.
pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or_default()
    }

    /// The next two bytes as a number.
    pub fn number(&mut self) -> usize {
        usize::from(self.byte()) << 8 | usize::from(self.byte())
    }

    /// The next `count` bytes, or what is left.
    pub fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }
}
