//! The figures of a benchmark.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hdrhistogram::Histogram;
use serde::Serialize;
use tokio::time::Instant;
use tungstenite_deflate::tungstenite::Message;

use super::open_links::{OpenLinks, histogram};
use super::worker::Measured;
use crate::args::LoadArgs;
use crate::exit::ExitStatus;
use crate::tally::{Compression, counted, percent};

/// Stands for the figures of a measurement without a reply and without an error.
pub(super) const NOTHING: &str = "no reply came: nothing was measured";

/// Percentiles shown.
const PERCENTILES: [f64; 6] = [50.0, 75.0, 90.0, 99.0, 99.9, 100.0];

/// Latencies in milliseconds.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Latency {
    pub(super) mean: f64,
    /// Percentile and milliseconds.
    pub(super) percentiles: Vec<(f64, f64)>,
}

/// The figures of a benchmark.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) url: String,
    /// Protocol that carries the messages.
    pub(super) protocol: &'static str,
    pub(super) compression: String,
    pub(super) payload: &'static str,
    pub(super) payload_bytes: usize,
    pub(super) connections: usize,
    pub(super) in_flight: u32,
    pub(super) rate: Option<u64>,
    pub(super) seconds: f64,
    pub(super) messages: u64,
    pub(super) messages_per_second: f64,
    pub(super) payload_bytes_per_second: f64,
    pub(super) wire_bytes_sent: u64,
    pub(super) wire_bytes_received: u64,
    /// Bytes on the wire for each byte of payload, both directions.
    pub(super) wire_ratio: f64,
    /// Share of the bytes on the wire that compression saved, both directions.
    pub(super) saved: f64,
    pub(super) connect_ms: Latency,
    pub(super) message_ms: Latency,
    /// Messages in each second.
    pub(super) per_second: Vec<u64>,
    pub(super) errors: BTreeMap<String, u64>,
    #[serde(skip)]
    pub(super) latency: Histogram<u64>,
    #[serde(skip)]
    received_payload: u64,
    #[serde(skip)]
    sums: Compression,
    #[serde(skip)]
    last: Option<Instant>,
}

impl Report {
    pub(super) fn new(args: &LoadArgs, payload: &Message, opened: &OpenLinks) -> Self {
        Self {
            url: opened.url.clone(),
            protocol: opened.protocol,
            compression: opened.compression.clone(),
            payload: if payload.is_binary() {
                "binary"
            } else {
                "text"
            },
            payload_bytes: payload.len(),
            connections: opened.links.len(),
            in_flight: args.in_flight,
            rate: args.rate,
            seconds: 0.0,
            messages: 0,
            messages_per_second: 0.0,
            payload_bytes_per_second: 0.0,
            wire_bytes_sent: 0,
            wire_bytes_received: 0,
            wire_ratio: 0.0,
            saved: 0.0,
            connect_ms: latency(&opened.latency),
            message_ms: Latency::default(),
            per_second: Vec::new(),
            errors: opened.errors.clone(),
            latency: histogram(),
            received_payload: 0,
            sums: Compression::default(),
            last: None,
        }
    }

    /// Nothing measured is a failure, and so is a connection that was refused or lost.
    pub(super) fn status(&self) -> ExitStatus {
        if self.messages == 0 || !self.errors.is_empty() {
            ExitStatus::RepliesMissing
        } else {
            ExitStatus::Normal
        }
    }

    /// Reports whether no reply came and no error says why.
    pub(super) fn has_nothing_to_tell(&self) -> bool {
        self.messages == 0 && self.errors.is_empty()
    }

    /// Bytes on the wire for one message, sent and received.
    pub(super) fn wire_bytes_per_message(&self) -> (f64, f64) {
        let messages = self.messages.max(1) as f64;
        (
            self.wire_bytes_sent as f64 / messages,
            self.wire_bytes_received as f64 / messages,
        )
    }

    pub(super) fn add(&mut self, measured: Measured) {
        // Both have the same bounds or grow to them.
        let _ = self.latency.add(&measured.latency);
        self.messages += measured.messages;
        self.received_payload += measured.received_payload;
        self.wire_bytes_sent += measured.wire.0;
        self.wire_bytes_received += measured.wire.1;
        self.sums += measured.compression;
        self.last = self.last.max(measured.last);
        if self.per_second.len() < measured.seconds.len() {
            self.per_second.resize(measured.seconds.len(), 0);
        }
        for (sum, count) in self.per_second.iter_mut().zip(measured.seconds) {
            *sum += count;
        }
        if let Some(error) = measured.error {
            self.count_error(&error);
        }
    }

    pub(super) fn count_error(&mut self, error: &str) {
        *self.errors.entry(error.to_owned()).or_default() += 1;
    }

    /// Computes what follows from the sums. `seconds` becomes the time that the messages really took.
    pub(super) fn finish(&mut self, measure_from: Instant) {
        if let Some(last) = self.last {
            self.seconds = (last - measure_from).as_secs_f64().max(0.001);
        }
        let payload_bytes = self.messages * self.payload_bytes as u64 + self.received_payload;
        if self.seconds > 0.0 {
            self.messages_per_second = self.messages as f64 / self.seconds;
            self.payload_bytes_per_second = payload_bytes as f64 / self.seconds;
        }
        if payload_bytes > 0 {
            self.wire_ratio =
                (self.wire_bytes_sent + self.wire_bytes_received) as f64 / payload_bytes as f64;
        }
        self.saved = self
            .sums
            .saved(self.wire_bytes_sent + self.wire_bytes_received);
        self.message_ms = latency(&self.latency);
    }

    /// The figures as a table for people.
    pub(super) fn table(&self) -> String {
        let mut text = String::new();
        let rate = self.rate.map_or_else(
            || "as fast as answered".to_owned(),
            |rate| format!("{}/s", counted(rate, "message")),
        );
        let _ = writeln!(
            text,
            "{} over {}, {}",
            self.url, self.protocol, self.compression
        );
        let _ = writeln!(
            text,
            "{}, {} in flight, {} {} B, {rate}, {:.1} s\n",
            counted(self.connections as u64, "connection"),
            self.in_flight,
            self.payload,
            self.payload_bytes,
            self.seconds
        );
        let _ = writeln!(
            text,
            "messages        {:>12} ({:.0}/s)",
            self.messages, self.messages_per_second
        );
        let _ = writeln!(
            text,
            "payload         {:>12.2} MB/s, both directions",
            self.payload_bytes_per_second / 1e6
        );
        let _ = writeln!(
            text,
            "on the wire     {:>12} B sent, {} B received ({:.1} % of the payload, {} saved)",
            self.wire_bytes_sent,
            self.wire_bytes_received,
            self.wire_ratio * 100.0,
            percent(self.saved)
        );
        let _ = write!(text, "\nlatency in ms   {:>9}", "mean");
        for percentile in PERCENTILES {
            let _ = write!(text, " {:>9}", percentile_name(percentile));
        }
        for (name, latency) in [("connect", &self.connect_ms), ("message", &self.message_ms)] {
            let _ = write!(text, "\n{name:<15} {:>9.3}", latency.mean);
            for (_, milliseconds) in &latency.percentiles {
                let _ = write!(text, " {milliseconds:>9.3}");
            }
        }
        text.push('\n');
        if self.rate.is_some() {
            text.push_str("a message that found no room counts from when it was due (corrected for coordinated omission)\n");
        }
        if self.has_nothing_to_tell() {
            let _ = writeln!(text, "\n{NOTHING}");
        } else if self.errors.is_empty() {
            text.push_str("\nno errors\n");
        } else {
            let failures = counted(self.errors.values().sum(), "failure");
            let _ = writeln!(text, "\n{failures}");
            for (error, count) in &self.errors {
                let _ = writeln!(text, "{count:>8}  {error}");
            }
        }
        text
    }
}

fn percentile_name(percentile: f64) -> String {
    if percentile >= 100.0 {
        "max".into()
    } else {
        format!("p{percentile}")
    }
}

fn latency(histogram: &Histogram<u64>) -> Latency {
    let milliseconds = |micros: u64| micros as f64 / 1000.0;
    Latency {
        mean: histogram.mean() / 1000.0,
        percentiles: PERCENTILES
            .iter()
            .map(|&percentile| {
                (
                    percentile,
                    milliseconds(histogram.value_at_percentile(percentile)),
                )
            })
            .collect(),
    }
}
