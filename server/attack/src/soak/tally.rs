//! Findings of the members.

use hdrhistogram::Histogram;

/// Counts of all members together.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    /// Messages that were acknowledged.
    pub(super) published: u64,
    /// Messages that should have arrived and did not.
    pub(super) lost: u64,
    /// Messages that arrived twice.
    pub(super) doubled: u64,
    /// Gaps that the server reported.
    pub(super) gaps: u64,
    /// Connections that ended without having been cut by us.
    pub(super) unexpected: u64,
    /// Connections that were made anew.
    pub(super) reconnected: u64,
    /// Time from sending to arrival, in microseconds.
    pub(super) microseconds: Histogram<u64>,
    /// Deliveries, by sending or by history.
    pub(super) delivered: u64,
    /// The first things that went wrong.
    pub(super) notes: Vec<String>,
}

impl Tally {
    /// Nothing yet.
    pub(super) fn new() -> Self {
        Self {
            published: 0,
            lost: 0,
            doubled: 0,
            gaps: 0,
            unexpected: 0,
            reconnected: 0,
            microseconds: Histogram::new_with_bounds(1, 600_000_000, 2)
                .expect("the bounds are in order"),
            delivered: 0,
            notes: Vec::new(),
        }
    }

    /// Notes what went wrong, the first few times.
    pub(super) fn note(&mut self, text: String) {
        if self.notes.len() < 8 {
            self.notes.push(text);
        }
    }

    /// Deliveries as a number to calculate with.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    pub(super) fn deliveries(&self) -> f64 {
        self.delivered as f64
    }

    /// One line about `seconds` of work.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    pub(super) fn sentence(&self, seconds: f64) -> String {
        let milliseconds = |quantile| self.microseconds.value_at_quantile(quantile) as f64 / 1e3;
        format!(
            "{} messages acknowledged, {} delivered ({:.0} a second), {} lost, {} doubled, {} gaps; {} connections made anew, \
             {} lost unexpectedly; delivery p50 {:.1} ms, p99 {:.1} ms",
            self.published,
            self.delivered,
            self.deliveries() / seconds,
            self.lost,
            self.doubled,
            self.gaps,
            self.reconnected,
            self.unexpected,
            milliseconds(0.5),
            milliseconds(0.99)
        )
    }
}
