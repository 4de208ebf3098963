//! Memory of a thread for one step of compression or inflation.

use std::cell::Cell;

thread_local! {
    static SCRATCH: Cell<Option<Box<[u8; SCRATCH_BYTES]>>> = const { Cell::new(None) };
}

/// Runs `use_it` with 16 KiB of memory whose content means nothing.
pub(super) fn with_scratch<R>(use_it: impl FnOnce(&mut [u8; SCRATCH_BYTES]) -> R) -> R {
    // While a thread is torn down it keeps nothing.
    let kept = SCRATCH.try_with(Cell::take).ok().flatten();
    let mut scratch = kept.unwrap_or_else(|| Box::new([0; SCRATCH_BYTES]));
    let result = use_it(&mut scratch);
    let _ = SCRATCH.try_with(|cell| cell.set(Some(scratch)));
    result
}

/// Bytes of one step of compression or inflation.
pub(super) const SCRATCH_BYTES: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_a_step_is_used_again() {
        std::thread::spawn(|| {
            with_scratch(|scratch| scratch[0] = 7);
            assert_eq!(with_scratch(|scratch| scratch[0]), 7, "the same memory");
            with_scratch(|_| with_scratch(|inner| assert_eq!(inner[0], 0, "it is in use")));
        })
        .join()
        .expect("the test holds");
    }
}
