//! The counters of rooms.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

use super::renderings::Rendering;

/// The counters of rooms on this node; cheap to clone, every clone counts the same.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Counts {
    /// Rooms with members on this node.
    pub rooms: Gauge,
    /// Members on this node.
    pub members: Gauge,
    /// Messages that were sent in, by what became of them.
    pub published: Family<ResultLabel, Counter>,
    /// Messages and other events handed to members.
    pub delivered: Counter,
    /// Times from an event's arrival on this node to its handing to a member.
    pub delivery: Latency,
    /// Events that were written in a form, by the form; once for all members that get it.
    pub rendered: Family<FormLabel, Counter>,
    /// Members that lagged too far, by the policy of their room.
    pub lagged: Family<PolicyLabel, Counter>,
    /// Events that lagging members did not get, by the policy of their room.
    pub dropped: Family<PolicyLabel, Counter>,
    /// Gaps reported to members, by reason.
    pub gaps: Family<ReasonLabel, Counter>,
    /// Requests that were refused, by reason.
    pub rejected: Family<ReasonLabel, Counter>,
    /// Messages that wait for the backplane.
    pub waiting: Gauge,
    /// Messages that waited for the backplane and were dropped since too many did.
    pub waiting_dropped: Counter,
    /// 1 while the backplane takes messages, else 0.
    pub backplane_up: Gauge,
    /// Times that the deliveries of the backplane were interrupted.
    pub interruptions: Counter,
    /// Times that the keys for tokens were read again, by result.
    pub key_reloads: Family<ResultLabel, Counter>,
    /// Times that keys for tokens were fetched from a URL, by result.
    pub key_fetches: Family<ResultLabel, Counter>,
}

/// A histogram of times in seconds.
#[derive(Clone, Debug)]
pub struct Latency(pub Histogram);

impl Default for Latency {
    fn default() -> Self {
        Self(Histogram::new(LATENCY_BUCKETS))
    }
}

/// Upper bounds of the buckets of times: from 10 µs to 10 s, two for each power of ten.
pub const LATENCY_BUCKETS: [f64; 13] = [
    0.000_01, 0.000_03, 0.000_1, 0.000_3, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0,
];

/// The result of a message, or of reading keys.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ResultLabel {
    /// `stored`, `duplicate`, `provisional` or `refused`; of keys `loaded`, `fetched` or `refused`.
    pub result: &'static str,
}

/// Label of a policy.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct PolicyLabel {
    /// As in the settings.
    pub policy: &'static str,
}

/// In which form.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct FormLabel {
    /// `text`, `json` or `grpc`.
    pub form: &'static str,
}

/// Label of a reason.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ReasonLabel {
    /// A word for it.
    pub reason: &'static str,
}

impl Counts {
    /// Counts a request that was refused.
    pub fn reject(&self, reason: &'static str) {
        self.rejected.get_or_create(&ReasonLabel { reason }).inc();
    }

    /// Counts that an event was written in a form.
    pub fn render(&self, rendering: Rendering) {
        let form = rendering.name();
        self.rendered.get_or_create(&FormLabel { form }).inc();
    }

    /// Counts what became of a message.
    pub(super) fn result(&self, result: &'static str) {
        self.published.get_or_create(&ResultLabel { result }).inc();
    }

    /// Counts that the keys for tokens were read again.
    pub fn key_reload(&self, result: &'static str) {
        let label = ResultLabel { result };
        self.key_reloads.get_or_create(&label).inc();
    }

    /// Counts that keys for tokens were fetched, or not.
    pub fn key_fetch(&self, result: &'static str) {
        let label = ResultLabel { result };
        self.key_fetches.get_or_create(&label).inc();
    }

    /// Counts a gap.
    pub(super) fn gap(&self, reason: &'static str) {
        self.gaps.get_or_create(&ReasonLabel { reason }).inc();
    }
}
