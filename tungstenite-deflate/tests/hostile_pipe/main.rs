//! Two engines back to back over a pipe that splits, delays, cuts, drops and flips; the clock is an argument.
//!
//! Every run follows from its seed but for the masking keys, which change no length. `HOSTILE_SEED=n` runs one seed.

#[expect(unreachable_pub, reason = "shared with the fuzz targets")]
#[path = "../mutations/random.rs"]
mod random;
#[expect(unreachable_pub, reason = "shared with the fuzz targets")]
#[path = "../targets/wire.rs"]
mod wire;

mod choices;
mod end;
mod pipe;
mod run;
mod verdict;

use std::ops::Add;

use run::Run;
use verdict::Tally;

const SEEDS: u64 = 10_000;
/// Seeds are shared among so many threads.
const THREADS: usize = 2;

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
