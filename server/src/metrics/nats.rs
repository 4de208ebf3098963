//! The series of the connection to NATS.

use prometheus_client::registry::Registry;

use rooms::backplane::NatsCounts;

/// Registers everything that is counted of the connection to NATS.
pub(super) fn register(registry: &mut Registry) -> NatsCounts {
    let counts = NatsCounts::default();
    let nats = registry.sub_registry_with_prefix("nats");
    nats.register(
        "connections",
        "Connections to NATS that were made",
        counts.connections.clone(),
    );
    nats.register(
        "failures",
        "Connections to NATS that were lost, and attempts that failed",
        counts.failures.clone(),
    );
    nats.register(
        "ignored",
        "Messages in NATS that are none of ours, by what is wrong with them",
        counts.ignored.clone(),
    );
    counts
}
