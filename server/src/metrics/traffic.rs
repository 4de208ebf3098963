//! The counters of one route's messages and bytes, looked up once per connection.

use prometheus_client::metrics::counter::Counter;
use tungstenite_deflate::tungstenite::Message;

use super::{DirectionLabels, MessageLabels, Metrics, RouteLabel};

/// Which way a message or a byte goes, seen from the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From the client.
    In,
    /// To the client.
    Out,
}

/// The counters of one route's messages and bytes.
#[derive(Clone, Debug)]
pub(crate) struct Traffic {
    incoming: Flow,
    outgoing: Flow,
    slow_readers: Counter,
}

/// One direction's counters.
#[derive(Clone, Debug)]
struct Flow {
    text: Counter,
    binary: Counter,
    control: Counter,
    message_bytes: Counter,
    wire_bytes: Counter,
}

impl Traffic {
    /// The counters of `route`.
    pub(crate) fn new(metrics: &Metrics, route: &'static str) -> Self {
        Self {
            incoming: Flow::new(metrics, route, "in"),
            outgoing: Flow::new(metrics, route, "out"),
            slow_readers: metrics
                .slow_readers
                .get_or_create_owned(&RouteLabel { route }),
        }
    }

    /// Counts a message.
    pub(crate) fn message(&self, direction: Direction, message: &Message) {
        let flow = match direction {
            Direction::In => &self.incoming,
            Direction::Out => &self.outgoing,
        };
        match message {
            Message::Text(_) => flow.text.inc(),
            Message::Binary(_) => flow.binary.inc(),
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => {
                flow.control.inc()
            }
        };
        flow.message_bytes.inc_by(message.len() as u64);
    }

    /// Counts bytes that came in.
    pub(crate) fn received_bytes(&self, bytes: usize) {
        self.incoming.wire_bytes.inc_by(bytes as u64);
    }

    /// Counts bytes that went out.
    pub(crate) fn sent_bytes(&self, bytes: usize) {
        self.outgoing.wire_bytes.inc_by(bytes as u64);
    }

    /// Counts a peer that did not read.
    pub(crate) fn slow_reader(&self) {
        self.slow_readers.inc();
    }
}

impl Flow {
    /// One direction's counters of `route`.
    fn new(metrics: &Metrics, route: &'static str, direction: &'static str) -> Self {
        let messages = |kind| {
            metrics.messages.get_or_create_owned(&MessageLabels {
                route,
                direction,
                kind,
            })
        };
        let labels = DirectionLabels { route, direction };
        Self {
            text: messages("text"),
            binary: messages("binary"),
            control: messages("control"),
            message_bytes: metrics.message_bytes.get_or_create_owned(&labels),
            wire_bytes: metrics.wire_bytes.get_or_create_owned(&labels),
        }
    }
}
