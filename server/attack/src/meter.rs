//! The spending of an attacker: bytes on the wire, connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts what the attackers of one row spend; clones count together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meter(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    bytes: AtomicU64,
    connections: AtomicU64,
}

impl Meter {
    /// Bytes that TCP has taken, TLS included.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }

    /// Connections that were begun.
    pub(crate) fn connections(&self) -> u64 {
        self.0.connections.load(Ordering::Relaxed)
    }

    /// One more connection.
    pub(crate) fn connected(&self) {
        self.0.connections.fetch_add(1, Ordering::Relaxed);
    }

    /// So many more bytes.
    pub(crate) fn sent(&self, bytes: usize) {
        self.0.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}
