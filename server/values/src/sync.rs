//! Locks that are taken whatever happened to their last holder.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks `mutex`, although a holder may have panicked.
///
/// For plain values, each of whose states makes sense by itself: what a holder left half done is no worse than what it
/// never began.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
