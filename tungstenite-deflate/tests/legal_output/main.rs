//! Whatever a caller mixes, the bytes written are a legal sequence of RFC 6455 and RFC 7692, and what was accepted is in it.
//!
//! The caller's calls are random: messages, frames made by hand (with any opcode, bits, lengths and FIN), prepared
//! messages, closes, Pings and what the peer does meanwhile, in both roles, with and without compression, context
//! takeover and `fragment_bytes`. [`reader`] reads the bytes back and shares no code with the library.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[expect(unreachable_pub, reason = "shared with the fuzz targets")]
#[path = "../mutations/random.rs"]
mod random;

mod caller;
mod reader;

use caller::Caller;

const SEEDS: u64 = 600;

#[test]
fn what_is_written_is_legal_whatever_is_mixed() {
    let mut tally = [0; 3];
    for seed in 1..=SEEDS {
        let counts = std::panic::catch_unwind(|| Caller::new(seed).run());
        let counts = counts.unwrap_or_else(|panic| {
            println!("seed {seed} fails");
            std::panic::resume_unwind(panic)
        });
        for (sum, count) in tally.iter_mut().zip(counts) {
            *sum += count;
        }
    }
    let [messages, refused, closed] = tally;
    println!("{messages} messages, {refused} calls refused, {closed} connections closed");
    assert!(messages > 1000 && refused > 2000 && closed > 100);
}
