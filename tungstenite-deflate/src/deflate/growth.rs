//! Growth of the memory of contexts.

/// Returns the bytes to allocate where `needed` are used: half as much again, and all of `capacity` from a fourth of it on.
///
/// A large allocation that is given back leaves a hole between those of other connections.
pub(super) fn grown(needed: usize, capacity: usize) -> usize {
    if needed > capacity / 4 {
        capacity
    } else {
        needed + needed / 2
    }
}
