//! The series of memory that was given back to the system.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::{Registry, Unit};

/// Counters of returned memory; cheap to clone, every clone counts the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct MemoryCounts {
    /// Times free memory was given back.
    pub(crate) trims: Counter,
    /// Bytes that were resident before and no longer after it.
    pub(crate) given_back: Counter,
}

/// Registers everything that is counted of it.
pub(super) fn register(registry: &mut Registry) -> MemoryCounts {
    let counts = MemoryCounts::default();
    registry.register(
        "memory_trims",
        "Times free memory was given back to the system",
        counts.trims.clone(),
    );
    registry.register_with_unit(
        "memory_given_back",
        "Bytes that were resident before free memory was given back, and no longer behind it",
        Unit::Bytes,
        counts.given_back.clone(),
    );
    counts
}
