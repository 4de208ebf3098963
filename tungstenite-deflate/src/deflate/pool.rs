//! Compressors and decompressors that the connections of a thread share.

use std::cell::RefCell;

use bytes::BytesMut;
use flate2::Compress;

use super::deflater::Deflater;
use super::encoder::Encoder;
use super::inflater::Inflater;
use super::ranges::WindowBits;

/// Contexts and buffers that a thread keeps for the next message.
#[expect(
    clippy::vec_box,
    reason = "a pointer goes in and out for each message, not the object"
)]
#[derive(Default)]
struct Pool {
    /// Idle compressors, the last used at the end.
    deflaters: Vec<Box<Deflater<Compress>>>,
    /// Idle decompressors.
    inflaters: Vec<Box<Inflater>>,
    /// The compressor for small messages.
    encoder: Option<Box<Encoder>>,
}

thread_local! {
    static POOL: RefCell<Pool> = RefCell::default();
}

/// Runs `use_it` with a compressor of its own for one message, in the state after a reset.
pub(super) fn with_deflater<R>(
    level: u8,
    window_bits: u8,
    use_it: impl FnOnce(&mut Deflater<Compress>) -> R,
) -> R {
    let kept = with_pool(|pool| {
        let index = pool
            .deflaters
            .iter()
            .rposition(|deflater| deflater.is(level, window_bits))?;
        Some(pool.deflaters.remove(index))
    });
    let mut deflater = kept
        .flatten()
        .unwrap_or_else(|| Box::new(Deflater::shared(level, window_bits)));
    let result = use_it(&mut deflater);
    deflater.reset();
    with_pool(|pool| {
        if pool.deflaters.len() == MAX_DEFLATERS {
            pool.deflaters.remove(0);
        }
        pool.deflaters.push(deflater);
    });
    result
}

/// Appends the compressed form of a message without a context to `out`, by zlib's `level` or our own compressor; or
/// leaves `out` as it was and returns false if that would not be shorter than `bound` bytes, or cannot keep to the window.
pub(crate) fn deflate_alone(
    level: Option<u8>,
    window_bits: u8,
    payload: &[u8],
    bound: usize,
    out: &mut BytesMut,
) -> bool {
    let smallest = smallest_window(level);
    // No distance exceeds the window in a message that is not longer.
    if window_bits < smallest && payload.len() > 1 << window_bits {
        return false;
    }
    let window_bits = window_bits.max(smallest);
    let Some(level) = level else {
        let start = out.len();
        with_encoder(|encoder| encoder.encode(payload, window_bits, out));
        let fits = out.len() - start < bound;
        if !fits {
            out.truncate(start);
        }
        return fits;
    };
    with_deflater(level, window_bits, |deflater| {
        deflater.message(payload, bound, out)
    })
}

/// Returns the smallest window that a compressor keeps to: zlib's is 9, RFC 7692 allows 8.
pub(super) fn smallest_window(level: Option<u8>) -> u8 {
    level.map_or(8, |_| WindowBits::MIN.get())
}

/// Runs `use_it` with the thread's compressor for small messages.
pub(super) fn with_encoder<R>(use_it: impl FnOnce(&mut Encoder) -> R) -> R {
    let kept = with_pool(|pool| pool.encoder.take()).flatten();
    let mut encoder = kept.unwrap_or_default();
    let result = use_it(&mut encoder);
    with_pool(|pool| pool.encoder = Some(encoder));
    result
}

/// A decompressor in the state after a reset; give it back with [`return_inflater`] if the message ended well.
pub(super) fn take_inflater() -> Box<Inflater> {
    with_pool(|pool| pool.inflaters.pop())
        .flatten()
        .unwrap_or_default()
}

/// Keeps `inflater` for this thread's next message, or drops it if enough are kept.
pub(super) fn return_inflater(mut inflater: Box<Inflater>) {
    inflater.reset();
    with_pool(|pool| {
        if pool.inflaters.len() < MAX_INFLATERS {
            pool.inflaters.push(inflater);
        }
    });
}

/// The thread's pool, or `None` while the thread is being torn down.
fn with_pool<R>(use_it: impl FnOnce(&mut Pool) -> R) -> Option<R> {
    POOL.try_with(|pool| use_it(&mut pool.borrow_mut())).ok()
}

/// Compressors kept per thread, of different levels or windows (up to 380 KB each).
const MAX_DEFLATERS: usize = 4;
/// Decompressors kept per thread (48 KB each).
const MAX_INFLATERS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a test on a thread of its own, whose pool is empty.
    fn on_a_new_thread(test: fn()) {
        std::thread::spawn(test).join().expect("the test holds");
    }

    /// Returns true if the idle compressors are those of these levels and windows, the last used at the end.
    fn keeps(expected: &[(u8, u8)]) -> bool {
        with_pool(|pool| {
            let mut kept = pool.deflaters.iter().zip(expected);
            pool.deflaters.len() == expected.len()
                && kept.all(|(deflater, (level, bits))| deflater.is(*level, *bits))
        })
        .expect("the thread lives")
    }

    #[test]
    fn compressors_are_used_again_and_four_are_kept() {
        on_a_new_thread(|| {
            let used = |level, bits| {
                with_deflater(level, bits, |deflater| assert!(deflater.is(level, bits)));
            };
            used(6, 9);
            used(6, 9);
            assert!(keeps(&[(6, 9)]), "one served both messages");
            used(6, 10);
            used(7, 9);
            used(7, 10);
            used(6, 9);
            assert!(keeps(&[(6, 10), (7, 9), (7, 10), (6, 9)]));
            used(1, 15);
            assert!(
                keeps(&[(7, 9), (7, 10), (6, 9), (1, 15)]),
                "the one that was idle longest went"
            );
        });
    }

    #[test]
    fn decompressors_are_used_again_and_eight_are_kept() {
        on_a_new_thread(|| {
            let kept = || with_pool(|pool| pool.inflaters.len()).expect("the thread lives");
            let taken: Vec<_> = (0..=MAX_INFLATERS).map(|_| take_inflater()).collect();
            assert_eq!(kept(), 0);
            for (count, inflater) in taken.into_iter().enumerate() {
                assert_eq!(kept(), count);
                return_inflater(inflater);
            }
            assert_eq!(kept(), MAX_INFLATERS, "one was too many");
            drop(take_inflater());
            assert_eq!(kept(), MAX_INFLATERS - 1);
        });
    }

    #[test]
    fn the_small_compressor_is_kept() {
        on_a_new_thread(|| {
            let is_kept = || with_pool(|pool| pool.encoder.is_some()).expect("the thread lives");
            assert!(!is_kept());
            with_encoder(|_| assert!(!is_kept(), "it is in use"));
            assert!(is_kept());
        });
    }
}
