//! A fuzzer of one second: targets on their committed seeds and on mutations of each, the same in every run.
//!
//! `FUZZ_ROUNDS` sets how many inputs are made of a seed; scripts/fuzz runs the real fuzzer.

mod random;

use std::fs;
use std::path::{Path, PathBuf};

use self::random::Random;

/// Takes any bytes; panics when a promise does not hold.
pub type Target = fn(&[u8]);

/// Runs each target on the seeds in the directory of its name below `seeds`.
///
/// # Panics
/// A promise of a target does not hold, or it has no seeds. The message has the input.
pub fn run(seeds: &Path, targets: &[(&str, Target)]) {
    let rounds =
        std::env::var("FUZZ_ROUNDS").map_or(300, |rounds| rounds.parse().expect("a number"));
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for (name, target) in targets {
        let seeds = read(&seeds.join(name));
        assert!(!seeds.is_empty(), "no seeds for {name}");
        for (path, seed) in seeds {
            for round in 0..rounds {
                let input = if round == 0 {
                    seed.clone()
                } else {
                    mutate(&seed, &mut random)
                };
                assert!(
                    std::panic::catch_unwind(|| target(&input)).is_ok(),
                    "{name} on mutation {round} of {}: {input:02x?}",
                    path.display()
                );
            }
        }
    }
}

fn read(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut paths: Vec<PathBuf> = fs::read_dir(directory)
        .expect("seeds")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    paths
        .into_iter()
        .map(|path| (path.clone(), fs::read(path).expect("a seed")))
        .collect()
}

/// One to four changes: a flipped bit, another byte, a cut, a repeated piece.
fn mutate(seed: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len());
        match random.below(5) {
            _ if bytes.is_empty() => bytes.push(0x81),
            0 => bytes[at] ^= 1 << random.below(8),
            1 => {
                bytes[at] =
                    [0, 1, 0x7d, 0x7e, 0x7f, 0x80, 0xff, b',', b';', b'='][random.below(10)];
            }
            2 => bytes.truncate(at),
            3 => bytes.insert(at, u8::try_from(random.below(256)).expect("a byte")),
            _ => {
                let piece = bytes[at..]
                    .iter()
                    .take(1 + random.below(20))
                    .copied()
                    .collect::<Vec<_>>();
                bytes.splice(at..at, piece);
            }
        }
    }
    bytes
}
