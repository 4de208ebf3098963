//! The series of memory that peers make the server hold.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};
use tungstenite_deflate::MemoryBudget;

use crate::ledger::Part;

/// The ledger's counters; cheap to clone, every clone counts the same.
#[derive(Clone, Debug)]
pub(crate) struct LedgerCounts {
    /// Bytes held by each part, by its number.
    pub(crate) parts: [MemoryBudget; Part::ALL.len()],
    /// Refusals.
    pub(crate) refused: Family<PartLabel, Counter>,
    /// Transfers given up.
    pub(crate) stalled: Family<PartLabel, Counter>,
}

/// The label of a part.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct PartLabel {
    /// [`Part::name`].
    pub(crate) part: &'static str,
}

/// Shows what each part takes when it is asked.
#[derive(Debug)]
struct Parts([MemoryBudget; Part::ALL.len()]);

impl Collector for Parts {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut family = encoder.encode_descriptor(
            "buffered",
            "Bytes that peers make the server hold, by what they are",
            Some(&Unit::Bytes),
            MetricType::Gauge,
        )?;
        for part in Part::ALL {
            let used = i64::try_from(self.0[part as usize].used()).unwrap_or(i64::MAX);
            let labels = [("part", part.name())];
            ConstGauge::new(used).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

/// Registers everything that is counted of it.
pub(super) fn register(registry: &mut Registry) -> LedgerCounts {
    let counts = LedgerCounts {
        parts: Part::ALL.map(|_| MemoryBudget::new(usize::MAX)),
        refused: Family::default(),
        stalled: Family::default(),
    };
    registry.register_collector(Box::new(Parts(counts.parts.clone())));
    registry.register(
        "buffered_refused",
        "Requests, responses and connections refused because the budget of memory is spent, by what it was for",
        counts.refused.clone(),
    );
    registry.register(
        "buffered_stalled",
        "Requests, responses and connections given up because the peer made no progress, by what it was",
        counts.stalled.clone(),
    );
    counts
}
