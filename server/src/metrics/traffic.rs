//! The counters of one route's connections, messages and bytes, looked up once.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use serde::Serialize;
use tungstenite_deflate::deflate::CompressedMessages;
use tungstenite_deflate::tungstenite::Message;

use super::labels::{DirectionLabels, MessageLabels, OpenLabels, RouteLabel, RouteLabels};

/// Sums over all WebSocket routes; connections are those held now, all others only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Totals {
    /// WebSocket connections held.
    pub(crate) connections: u64,
    /// Those of them held over HTTP/2.
    pub(crate) http2: u64,
    /// WebSocket connections opened.
    pub(crate) opened: u64,
    /// Text and binary messages from clients.
    pub(crate) messages_in: u64,
    /// Text and binary messages to clients.
    pub(crate) messages_out: u64,
    /// Bytes of messages both ways, before compression.
    pub(crate) message_bytes: u64,
    /// Bytes of frames both ways, inside TLS.
    pub(crate) wire_bytes: u64,
    /// The same if nothing had been compressed.
    pub(crate) uncompressed_bytes: u64,
}

/// Direction of a message or a byte, seen from the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From the client.
    In,
    /// To the client.
    Out,
}

/// The series of WebSocket routes.
#[derive(Clone, Debug)]
pub(super) struct TrafficSeries {
    /// WebSocket connections held.
    pub(super) websockets: Family<RouteLabels, Gauge>,
    /// WebSocket connections opened.
    pub(super) opened: Family<OpenLabels, Counter>,
    /// Messages.
    pub(super) messages: Family<MessageLabels, Counter>,
    /// Bytes of messages, uncompressed.
    pub(super) message_bytes: Family<DirectionLabels, Counter>,
    /// Bytes of frames, as they go through TLS.
    pub(super) wire_bytes: Family<DirectionLabels, Counter>,
    /// Bytes of compressed messages, before compression.
    pub(super) compressed_message_bytes: Family<DirectionLabels, Counter>,
    /// Bytes of the same messages, after compression.
    pub(super) compressed_wire_bytes: Family<DirectionLabels, Counter>,
    /// Times that handlers take for a message.
    pub(super) handling: Family<RouteLabel, Histogram>,
    /// Connections dropped because the peer did not read.
    pub(super) slow_readers: Family<RouteLabel, Counter>,
}

/// The counters of one route's connections, messages and bytes; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Traffic(Arc<Flows>);

/// The HTTP version that carries a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carrier {
    /// HTTP/1.1 Upgrade.
    Http1,
    /// HTTP/2 extended CONNECT (RFC 8441).
    Http2,
}

/// Connections over each HTTP version, and both directions.
#[derive(Debug)]
struct Flows {
    http1: Connections,
    http2: Connections,
    incoming: Flow,
    outgoing: Flow,
    handling: Histogram,
    slow_readers: Counter,
}

/// The connections over one HTTP version.
#[derive(Debug)]
struct Connections {
    held: Gauge,
    opened: Counter,
    opened_with_deflate: Counter,
}

/// One direction's counters.
#[derive(Debug)]
struct Flow {
    text: Counter,
    binary: Counter,
    control: Counter,
    message_bytes: Counter,
    wire_bytes: Counter,
    compressed_message_bytes: Counter,
    compressed_wire_bytes: Counter,
}

/// A message as it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    kind: Kind,
    bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Binary,
    Control,
}

impl From<&Message> for Counted {
    fn from(message: &Message) -> Self {
        let kind = match message {
            Message::Text(_) => Kind::Text,
            Message::Binary(_) => Kind::Binary,
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => {
                Kind::Control
            }
        };
        Self {
            kind,
            bytes: message.len() as u64,
        }
    }
}

impl Counted {
    /// Reports if it is a text or binary message.
    pub(crate) fn is_data(self) -> bool {
        self.kind != Kind::Control
    }

    /// Bytes of the message.
    pub(crate) fn bytes(self) -> u64 {
        self.bytes
    }
}

/// Messages counted but not yet in the counters, which all connections share: those of one wake-up are added at once.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    incoming: Sums,
    outgoing: Sums,
}

/// One direction's messages and bytes.
#[derive(Debug, Default)]
struct Sums {
    text: u32,
    binary: u32,
    control: u32,
    bytes: u64,
}

impl Tally {
    /// Counts a message.
    pub(crate) fn message(&mut self, direction: Direction, counted: Counted) {
        let sums = match direction {
            Direction::In => &mut self.incoming,
            Direction::Out => &mut self.outgoing,
        };
        let messages = match counted.kind {
            Kind::Text => &mut sums.text,
            Kind::Binary => &mut sums.binary,
            Kind::Control => &mut sums.control,
        };
        *messages = messages.saturating_add(1);
        sums.bytes += counted.bytes;
    }

    /// Adds everything to the counters and starts anew.
    pub(crate) fn settle(&mut self, traffic: &Traffic) {
        self.incoming.settle(&traffic.0.incoming);
        self.outgoing.settle(&traffic.0.outgoing);
    }
}

/// Compressed messages of a connection that are in the counters already.
#[derive(Debug, Default)]
pub(crate) struct Compressed {
    incoming: CompressedMessages,
    outgoing: CompressedMessages,
}

impl Compressed {
    /// Adds what came since the last time to the counters; the arguments are the connection's sums.
    pub(crate) fn settle(
        &mut self,
        traffic: &Traffic,
        received: CompressedMessages,
        sent: CompressedMessages,
    ) {
        for (flow, last, now) in [
            (&traffic.0.incoming, &mut self.incoming, received),
            (&traffic.0.outgoing, &mut self.outgoing, sent),
        ] {
            if *last != now {
                let (before, after) = (now.bytes - last.bytes, now.wire_bytes - last.wire_bytes);
                flow.compressed_message_bytes.inc_by(before);
                flow.compressed_wire_bytes.inc_by(after);
                *last = now;
            }
        }
    }
}

impl Sums {
    fn settle(&mut self, flow: &Flow) {
        let sums = std::mem::take(self);
        for (counter, messages) in [
            (&flow.text, sums.text),
            (&flow.binary, sums.binary),
            (&flow.control, sums.control),
        ] {
            if messages > 0 {
                counter.inc_by(messages.into());
            }
        }
        if sums.bytes > 0 {
            flow.message_bytes.inc_by(sums.bytes);
        }
    }
}

impl Carrier {
    /// The version as metrics and logs name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Http1 => "1.1",
            Self::Http2 => "2",
        }
    }
}

impl Traffic {
    /// The counters of `route`; [`Metrics::traffic`](super::Metrics::traffic) keeps them.
    pub(super) fn new(series: &TrafficSeries, route: &'static str) -> Self {
        Self(Arc::new(Flows {
            http1: Connections::new(series, route, Carrier::Http1),
            http2: Connections::new(series, route, Carrier::Http2),
            incoming: Flow::new(series, route, "in"),
            outgoing: Flow::new(series, route, "out"),
            handling: series.handling.get_or_create_owned(&RouteLabel { route }),
            slow_readers: series
                .slow_readers
                .get_or_create_owned(&RouteLabel { route }),
        }))
    }

    /// Counts a connection that is opened.
    pub(crate) fn opened(&self, carrier: Carrier, has_deflate: bool) {
        let connections = self.connections(carrier);
        connections.held.inc();
        if has_deflate {
            connections.opened_with_deflate.inc();
        } else {
            connections.opened.inc();
        }
    }

    /// Counts the end of a connection.
    pub(crate) fn closed(&self, carrier: Carrier) {
        self.connections(carrier).held.dec();
    }

    fn connections(&self, carrier: Carrier) -> &Connections {
        match carrier {
            Carrier::Http1 => &self.0.http1,
            Carrier::Http2 => &self.0.http2,
        }
    }

    /// Adds this route's connections to `totals`.
    pub(super) fn add_connections(&self, totals: &mut Totals) {
        let Flows { http1, http2, .. } = &*self.0;
        let held = |connections: &Connections| connections.held.get().try_into().unwrap_or(0_u64);
        totals.connections += held(http1) + held(http2);
        totals.http2 += held(http2);
        for connections in [http1, http2] {
            totals.opened += connections.opened.get() + connections.opened_with_deflate.get();
        }
    }

    /// Adds this route's messages and bytes to `totals`.
    pub(super) fn add_messages(&self, totals: &mut Totals) {
        let Flows {
            incoming, outgoing, ..
        } = &*self.0;
        totals.messages_in += incoming.text.get() + incoming.binary.get();
        totals.messages_out += outgoing.text.get() + outgoing.binary.get();
        for flow in [incoming, outgoing] {
            totals.message_bytes += flow.message_bytes.get();
            totals.wire_bytes += flow.wire_bytes.get();
            totals.uncompressed_bytes += flow.uncompressed_bytes();
        }
    }

    /// Counts a message.
    pub(crate) fn message(&self, direction: Direction, message: &Message) {
        let mut tally = Tally::default();
        tally.message(direction, message.into());
        tally.settle(self);
    }

    /// Counts bytes that came in.
    pub(crate) fn received_bytes(&self, bytes: usize) {
        self.0.incoming.wire_bytes.inc_by(bytes as u64);
    }

    /// Counts bytes that went out.
    pub(crate) fn sent_bytes(&self, bytes: usize) {
        self.0.outgoing.wire_bytes.inc_by(bytes as u64);
    }

    /// Counts the time that a handler took for a message.
    pub(crate) fn handled(&self, time: Duration) {
        self.0.handling.observe(time.as_secs_f64());
    }

    /// Counts a peer that did not read.
    pub(crate) fn slow_reader(&self) {
        self.0.slow_readers.inc();
    }
}

impl Connections {
    /// The connections of `route` over one HTTP version.
    fn new(series: &TrafficSeries, route: &'static str, carrier: Carrier) -> Self {
        let http = carrier.name();
        let opened = |deflate| {
            series.opened.get_or_create_owned(&OpenLabels {
                route,
                http,
                deflate,
            })
        };
        Self {
            held: series
                .websockets
                .get_or_create_owned(&RouteLabels { route, http }),
            opened: opened("no"),
            opened_with_deflate: opened("yes"),
        }
    }
}

impl Flow {
    /// One direction's counters of `route`.
    fn new(series: &TrafficSeries, route: &'static str, direction: &'static str) -> Self {
        let messages = |kind| {
            series.messages.get_or_create_owned(&MessageLabels {
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
            message_bytes: series.message_bytes.get_or_create_owned(&labels),
            wire_bytes: series.wire_bytes.get_or_create_owned(&labels),
            compressed_message_bytes: series.compressed_message_bytes.get_or_create_owned(&labels),
            compressed_wire_bytes: series.compressed_wire_bytes.get_or_create_owned(&labels),
        }
    }

    /// Bytes of the frames as they would be without compression.
    fn uncompressed_bytes(&self) -> u64 {
        let wire = self.wire_bytes.get() + self.compressed_message_bytes.get();
        // A message counts when it is compressed, its frame when it is written.
        wire.saturating_sub(self.compressed_wire_bytes.get())
    }
}
