//! The stream over a transport that waits, fails and ends at random, driven as a program does, whole or split.
//!
//! Three properties hold after every step:
//! - A task that waits is woken: it has left its waker in the transport or in a timer.
//! - No wake-up is lost: a task that waits and was not woken, polled all the same, goes on waiting.
//! - A stream whose transport is over ends: it gives its error, then `None`, without waiting for a timer, and what is
//!   sent then fails as with tokio-tungstenite.
//!
//! The steps vary: the role, [`Options::drop_in`](tungstenite_deflate::Options::drop_in), the default and all
//! deadlines; whole or split; compression; fragments; end, reset or any other failure of reading; failure of writing,
//! flushing or shutting down, or a write of nothing; valid frames, violations, Closes; cancelled futures; the order of
//! all of them.
//!
//! `RANDOM_TRANSPORT_STEPS=n` chooses the number of steps, `RANDOM_TRANSPORT_SEED=n` runs one scenario.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[expect(unreachable_pub, reason = "shared with the fuzz targets")]
#[path = "../mutations/random.rs"]
mod random;

mod choices;
mod scenario;
mod task;
mod transport;

use scenario::Scenario;

const STEPS: usize = 200_000;

fn number(name: &str) -> Option<usize> {
    std::env::var(name)
        .ok()
        .map(|value| value.parse().expect("a number"))
}

#[expect(clippy::print_stdout, reason = "which seed fails")]
fn run(seed: usize) -> usize {
    let scenario = move || {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap()
            .block_on(Scenario::new(seed as u64).run())
    };
    std::panic::catch_unwind(scenario).unwrap_or_else(|panic| {
        println!("RANDOM_TRANSPORT_SEED={seed} fails");
        std::panic::resume_unwind(panic)
    })
}

#[test]
fn nobody_waits_without_a_waker_and_what_is_over_ends() {
    if let Some(seed) = number("RANDOM_TRANSPORT_SEED") {
        run(seed);
        return;
    }
    let steps = number("RANDOM_TRANSPORT_STEPS").unwrap_or(STEPS);
    let (mut done, mut seed) = (0, 0);
    while done < steps {
        seed += 1;
        done += run(seed);
    }
}
