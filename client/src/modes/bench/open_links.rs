//! The open connections of a benchmark, and how latencies are kept.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::waiting::Waiting;

/// The connections of a benchmark.
pub(super) struct OpenLinks {
    pub(super) url: String,
    pub(super) protocol: &'static str,
    pub(super) compression: String,
    pub(super) links: Vec<Waiting>,
    pub(super) latency: Histogram<u64>,
    pub(super) errors: BTreeMap<String, u64>,
}

/// Latencies up to a minute, in microseconds, with three digits.
pub(super) fn histogram() -> Histogram<u64> {
    let mut histogram =
        Histogram::new_with_bounds(1, 60_000_000, 3).expect("these bounds are valid");
    histogram.auto(true);
    histogram
}

/// Microseconds, at least 1.
pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros())
        .unwrap_or(u64::MAX)
        .max(1)
}
