//! Every series of `/metrics`, with its name, unit and meaning.

mod exposition;
mod labels;
mod latency;
mod ledger;
mod memory;
mod nats;
mod process;
mod rooms;
mod traffic;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use values::sync::lock;

use ::rooms::Counts;
use ::rooms::backplane::NatsCounts;

pub(crate) use exposition::Exposition;
pub(crate) use labels::{
    CallLabels, CauseLabel, CertificateLabel, CloseLabels, HandshakeLabels, LimitLabel,
    RefusalLabels, ResultLabel, RouteLabel, close_code,
};
pub(crate) use ledger::{LedgerCounts, PartLabel};
pub(crate) use memory::MemoryCounts;
use traffic::TrafficSeries;
pub(crate) use traffic::{Carrier, Compressed, Counted, Direction, Tally, Totals, Traffic};

/// Counters of the server; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    families: Arc<[Registry]>,
    /// The counters of each WebSocket route; there are as many as routes.
    routes: Arc<Mutex<HashMap<&'static str, Traffic>>>,
    /// TCP connections held.
    pub(crate) connections: Gauge,
    /// TCP connections refused because a limit was reached.
    pub(crate) refused_connections: Family<LimitLabel, Counter>,
    /// Connections of trusted proxies closed for want of a good PROXY header.
    pub(crate) refused_proxy_headers: Counter,
    /// Failures of `accept`.
    pub(crate) accept_errors: Counter,
    /// TLS handshakes that succeeded.
    pub(crate) handshakes: Family<HandshakeLabels, Counter>,
    /// Times of TLS handshakes that succeeded, in seconds.
    pub(crate) handshake_times: Histogram,
    /// TLS handshakes that failed.
    pub(crate) handshake_failures: Family<CauseLabel, Counter>,
    /// Expiry of each certificate.
    pub(crate) certificate_end: Family<CertificateLabel, Gauge>,
    /// Reloads of certificates.
    pub(crate) certificate_reloads: Family<ResultLabel, Counter>,
    /// WebSocket requests that were refused.
    pub(crate) refused_upgrades: Family<RefusalLabels, Counter>,
    /// The counters of WebSocket routes.
    traffic: TrafficSeries,
    /// WebSocket connections ended.
    pub(crate) closed: Family<CloseLabels, Counter>,
    /// Handlers that panicked.
    pub(crate) handler_panics: Family<RouteLabel, Counter>,
    /// Calls over gRPC.
    pub(crate) grpc_calls: Family<CallLabels, Counter>,
    /// Requests whose handler panicked.
    pub(crate) request_panics: Counter,
    /// Counters of rooms.
    pub(crate) rooms: Counts,
    /// Counters of the connection to NATS.
    pub(crate) nats: NatsCounts,
    /// Counters of memory that was given back.
    pub(crate) memory: MemoryCounts,
    /// Counters of memory that peers make the server hold.
    pub(crate) ledger: LedgerCounts,
    /// 1 while the server is ending.
    pub(crate) draining: Gauge,
}

/// The registries of a [`Metrics`] that is being made: one for each family or few, so that they are rendered one by one.
struct Families(Vec<Registry>);

impl Families {
    /// Adds a registry for the families that come next.
    fn next(&mut self) -> &mut Registry {
        self.0.push(Registry::with_prefix("wss"));
        let last = self.0.len() - 1;
        &mut self.0[last]
    }
}

/// Registers a metric and gives it back.
macro_rules! register {
    ($registry:ident, $name:literal, $help:literal) => {{
        let metric = Default::default();
        $registry
            .next()
            .register($name, $help, Clone::clone(&metric));
        metric
    }};
    ($registry:ident, $name:literal, $unit:expr, $help:literal) => {{
        let metric = Default::default();
        let registry = $registry.next();
        registry.register_with_unit($name, $help, $unit, Clone::clone(&metric));
        metric
    }};
}

impl Metrics {
    /// Creates all series, at zero.
    pub(crate) fn new() -> Self {
        let mut root = Registry::default();
        process::register_process(&mut root);
        let mut registry = Families(vec![root]);
        process::register_build(registry.next());
        let mut metrics = Self {
            connections: register!(registry, "tcp_connections", "TCP connections held"),
            refused_connections: register!(
                registry,
                "tcp_refused",
                "TCP connections refused with 503 or 429, or closed unanswered, because a limit was reached"
            ),
            refused_proxy_headers: register!(
                registry,
                "proxy_headers_refused",
                "Connections of trusted proxies closed because their PROXY header was missing, malformed, too long or late"
            ),
            accept_errors: register!(
                registry,
                "tcp_accept_errors",
                "Failures to accept a TCP connection"
            ),
            handshakes: register!(
                registry,
                "tls_handshakes",
                "TLS handshakes that succeeded, by version, group, resumption and ALPN"
            ),
            handshake_times: latency::handshakes(registry.next()),
            handshake_failures: register!(
                registry,
                "tls_handshake_failures",
                "TLS handshakes that failed, by cause"
            ),
            certificate_end: register!(
                registry,
                "certificate_not_after",
                Unit::Seconds,
                "Last second at which the certificate is valid, since 1970"
            ),
            certificate_reloads: register!(
                registry,
                "certificate_reloads",
                "Certificates read again after a change, by result"
            ),
            refused_upgrades: register!(
                registry,
                "websocket_refused",
                "WebSocket requests refused, by HTTP status"
            ),
            traffic: traffic_series(&mut registry),
            closed: register!(
                registry,
                "websocket_closed",
                "WebSocket connections ended, by close code and who closed first"
            ),
            handler_panics: register!(
                registry,
                "websocket_handler_panics",
                "Handlers that panicked; each ended its own connection only"
            ),
            grpc_calls: register!(
                registry,
                "grpc_calls",
                "Calls over gRPC that have ended, by method and status"
            ),
            request_panics: register!(
                registry,
                "http_handler_panics",
                "Requests whose handler panicked; each was answered with 500"
            ),
            rooms: rooms::register(registry.next()),
            nats: nats::register(registry.next()),
            memory: memory::register(registry.next()),
            ledger: ledger::register(registry.next()),
            draining: register!(registry, "draining", "1 while the server is ending, else 0"),
            families: Arc::default(),
            routes: Arc::default(),
        };
        metrics.families = registry.0.into();
        metrics
    }

    /// The counters of the WebSocket route `route`.
    pub(crate) fn traffic(&self, route: &'static str) -> Traffic {
        let mut routes = lock(&self.routes);
        let traffic = routes
            .entry(route)
            .or_insert_with(|| Traffic::new(&self.traffic, route));
        traffic.clone()
    }

    /// Sums over all WebSocket routes, of the counters that [`render`](Self::render) shows one by one; messages and bytes
    /// of the route `unseen` are left out.
    pub(crate) fn totals(&self, unseen: &str) -> Totals {
        let routes = lock(&self.routes);
        let mut totals = Totals::default();
        for (route, traffic) in &*routes {
            traffic.add_connections(&mut totals);
            if *route != unseen {
                traffic.add_messages(&mut totals);
            }
        }
        totals
    }

    /// All series in the text format `exposition`, a family or few at a time.
    pub(crate) fn render(&self, exposition: Exposition) -> impl Iterator<Item = Bytes> + use<> {
        let families = Arc::clone(&self.families);
        let pieces = (0..families.len()).map(move |number| exposition.render(&families[number]));
        pieces
            .filter(|piece| !piece.is_empty())
            .map(Bytes::from)
            .chain(exposition.end().map(Bytes::from))
    }
}

/// Registers what is counted of each WebSocket route.
fn traffic_series(registry: &mut Families) -> TrafficSeries {
    TrafficSeries {
        handling: latency::handling(registry.next()),
        websockets: register!(registry, "websocket_connections", "WebSockets held"),
        opened: register!(
            registry,
            "websocket_opened",
            "WebSocket connections opened, by HTTP version and compression"
        ),
        messages: register!(
            registry,
            "websocket_messages",
            "Messages, by direction (in: from clients) and kind"
        ),
        message_bytes: register!(
            registry,
            "websocket_message",
            Unit::Bytes,
            "Bytes of messages, before compression when sent and after it when received"
        ),
        wire_bytes: register!(
            registry,
            "websocket_wire",
            Unit::Bytes,
            "Bytes of frames inside TLS, compressed where that was agreed"
        ),
        compressed_message_bytes: register!(
            registry,
            "websocket_compressed_message",
            Unit::Bytes,
            "Bytes of the messages that were compressed, before compression"
        ),
        compressed_wire_bytes: register!(
            registry,
            "websocket_compressed_wire",
            Unit::Bytes,
            "Bytes of the messages that were compressed, after compression; frames without compression would have taken wire + compressed_message - compressed_wire bytes"
        ),
        slow_readers: register!(
            registry,
            "websocket_slow_readers",
            "Connections dropped because the peer did not read within the write timeout with its queue full"
        ),
    }
}

#[cfg(test)]
mod tests {
    use tungstenite_deflate::tungstenite::Message;

    use super::*;

    #[test]
    fn every_series_has_help() {
        let metrics = Metrics::new();
        let traffic = metrics.traffic("/ws");
        traffic.opened(Carrier::Http1, false);
        traffic.received_bytes(7);
        let pieces: Vec<Bytes> = metrics.render(Exposition::OpenMetrics).collect();
        assert!(pieces.len() > 10 && pieces.iter().all(|piece| piece.len() < 8_192));
        let text = String::from_utf8(pieces.concat()).unwrap();
        for line in [
            "wss_websocket_connections{route=\"/ws\",http=\"1.1\"} 1",
            "wss_websocket_wire_bytes_total{route=\"/ws\",direction=\"in\"} 7",
        ] {
            assert!(text.lines().any(|seen| seen == line), "{line} in {text}");
        }
        let types = text
            .lines()
            .filter(|line| line.starts_with("# TYPE"))
            .count();
        assert_eq!(
            types,
            text.lines()
                .filter(|line| line.starts_with("# HELP"))
                .count()
        );
    }

    #[test]
    fn totals_are_the_sums_of_the_series() {
        let metrics = Metrics::new();
        let (ws, stats) = (metrics.traffic("/ws"), metrics.traffic("/stats"));
        ws.opened(Carrier::Http1, true);
        ws.opened(Carrier::Http2, false);
        ws.closed(Carrier::Http2);
        stats.opened(Carrier::Http2, false);
        for traffic in [&ws, &stats] {
            traffic.message(Direction::In, &Message::text("abc"));
            traffic.message(Direction::Out, &Message::binary(vec![0; 5]));
            traffic.message(Direction::In, &Message::Ping("12".into()));
            traffic.received_bytes(9);
            traffic.sent_bytes(1);
        }
        let expected = Totals {
            connections: 2,
            http2: 1,
            opened: 3,
            messages_in: 1,
            messages_out: 1,
            message_bytes: 10,
            wire_bytes: 10,
            uncompressed_bytes: 10,
        };
        assert_eq!(metrics.totals("/stats"), expected);
    }

    /// A panel over a series that does not exist stays empty without a word. Series without labels yet are not rendered,
    /// so the names are looked up where they are registered.
    #[test]
    fn the_dashboard_asks_for_series_that_exist() {
        let dashboard = concat!(
            include_str!("../../monitoring/grafana.json"),
            include_str!("../../monitoring/alerts.yml")
        );
        let registered = concat!(
            include_str!("latency.rs"),
            include_str!("ledger.rs"),
            include_str!("mod.rs"),
            include_str!("nats.rs"),
            include_str!("rooms.rs"),
        );
        let mut seen = 0;
        for (start, prefix) in dashboard.match_indices("wss_") {
            let series = dashboard[start + prefix.len()..]
                .split(|letter: char| !letter.is_ascii_lowercase() && letter != '_')
                .next()
                .unwrap_or_default();
            let name = series.strip_suffix("_total").unwrap_or(series);
            let name = name.strip_suffix("_bucket").unwrap_or(name);
            let parts = ["rooms_", "nats_"];
            let name = parts
                .iter()
                .find_map(|part| name.strip_prefix(part))
                .unwrap_or(name);
            let units = ["_bytes", "_seconds"];
            let bare = units.iter().find_map(|unit| name.strip_suffix(unit));
            let named = |name: &str| registered.contains(&format!("\"{name}\","));
            assert!(named(name) || bare.is_some_and(named), "wss_{series}");
            seen += 1;
        }
        assert!(seen > 20, "only {seen} series found");
    }
}
