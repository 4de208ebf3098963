//! Bad inputs by the thousand, each judged twice: by the library, and by a model of the RFCs that is slow, obvious and
//! shares no code with it.
//!
//! Inputs come from a generator with a fixed seed: what is right, and then changed. `BAD_INPUTS=2000000 cargo test -p
//! tungstenite-deflate --test bad_inputs` makes that many frame sequences, and a tenth of heads and offers;
//! `BAD_INPUTS_SEED` makes others. `scripts/bad-inputs` adds up what the tests print.
#![cfg(feature = "handshake")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    unreachable_pub,
    reason = "it is a test"
)]

mod frames;
mod heads;
mod inflate;
mod model;
mod offers;
mod random;

/// Returns the number of inputs to make, of which most are bad.
fn wanted() -> u64 {
    let wanted = std::env::var("BAD_INPUTS").ok();
    wanted.map_or(20_000, |wanted| wanted.parse().unwrap())
}

/// Returns the seed of the generators.
fn seed() -> u64 {
    let seed = std::env::var("BAD_INPUTS_SEED").ok();
    seed.map_or(6455, |seed| seed.parse().unwrap())
}
