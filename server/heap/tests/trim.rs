//! Freed memory goes back to the system, and nothing else does.
//!
//! By hand under `AddressSanitizer`, whose allocator takes the place of glibc's (so without the test of what goes back):
//!
//! ```sh
//! RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address \
//!     cargo test -p heap --target x86_64-unknown-linux-gnu --test trim threads
//! ```
//!
//! and over glibc's allocator with each freed byte overwritten, so that whoever still reads one sees it:
//!
//! ```sh
//! MALLOC_PERTURB_=165 cargo test -p heap --test trim
//! ```

#![cfg(all(target_os = "linux", target_env = "gnu"))]
#![allow(clippy::unwrap_used, reason = "it is a test: it may panic")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// One test at a time: what one has freed the other would give back.
static ALONE: Mutex<()> = Mutex::new(());

/// Bytes of this process that are resident.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.unwrap().trim().strip_suffix(" kB").unwrap();
    kibibytes.parse::<u64>().unwrap() << 10
}

#[test]
fn memory_of_a_burst_goes_back_though_some_of_it_lives_on() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut burst: Vec<Option<Vec<u8>>> = (0..BLOCKS).map(|_| Some(vec![7; BLOCK])).collect();
    // One of 64 lives on, so that no end of the heap comes free.
    for (number, block) in burst.iter_mut().enumerate() {
        if number % 64 != 63 {
            *block = None;
        }
    }
    let before = resident();
    assert_eq!(heap::trim(), Some(true));
    let after = resident();
    let freed = (BLOCKS * BLOCK) as u64;
    assert!(
        after + freed / 2 < before,
        "{before} bytes before, {after} after, {freed} freed"
    );
    for block in burst.iter().flatten() {
        assert!(block.iter().all(|byte| *byte == 7));
    }
}

#[test]
fn threads_that_allocate_meanwhile_keep_what_they_have() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let busy = (0..4_u8).map(|number| {
            let done = &done;
            scope.spawn(move || {
                let mut rounds = 0_usize;
                let mut held: Vec<Vec<u8>> = vec![Vec::new(); 64];
                while !done.load(Ordering::Relaxed) || rounds < held.len() {
                    let place = rounds % held.len();
                    let size = 1 + (rounds * 7919) % 20_000;
                    assert!(held[place].iter().all(|byte| *byte == number));
                    held[place] = vec![number; size];
                    rounds += 1;
                }
                for block in &held {
                    assert!(block.iter().all(|byte| *byte == number));
                }
            })
        });
        let busy: Vec<_> = busy.collect();
        for _ in 0..200 {
            assert!(heap::trim().is_some());
        }
        done.store(true, Ordering::Relaxed);
        for thread in busy {
            thread.join().unwrap();
        }
    });
}

/// Bytes of a block.
const BLOCK: usize = 1024;
/// Blocks of the burst, 64 MiB in all.
const BLOCKS: usize = 65_536;
