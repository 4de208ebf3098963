//! Histograms of times.

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::labels::RouteLabel;

/// The times of TLS handshakes, registered.
pub(super) fn handshakes(registry: &mut Registry) -> Histogram {
    let handshakes = histogram();
    registry.register_with_unit(
        "tls_handshake",
        "Time of TLS handshakes that succeeded, from the accepted connection on, with what the client took",
        Unit::Seconds,
        handshakes.clone(),
    );
    handshakes
}

/// The times that handlers take for a message, registered.
pub(super) fn handling(registry: &mut Registry) -> Family<RouteLabel, Histogram> {
    let handling = Family::new_with_constructor(histogram as fn() -> Histogram);
    registry.register_with_unit(
        "websocket_handling",
        "Time that handlers took for a message with its answers, waits for a slow peer included; of a connection the first is measured and one in 64",
        Unit::Seconds,
        handling.clone(),
    );
    handling
}

/// A histogram with buckets from 10 µs to 10 s, two for each power of ten.
fn histogram() -> Histogram {
    Histogram::new(rooms::counts::LATENCY_BUCKETS)
}
