//! `/stats`: the server's figures once a second, for the dashboard.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval};
use tungstenite_deflate::WebSocketStream;
use tungstenite_deflate::tungstenite::{Error, Message};

use crate::connection::ConnectionInfo;
use crate::conversation::Conversation;
use crate::metrics::Metrics;
use crate::stream::ServerStream;

/// Time between two samples.
const PAUSE: Duration = Duration::from_secs(1);

/// How old a sample may be that is sent to one more watcher: a bit less than the pause, since timers are not exact.
const FRESH: Duration = Duration::from_millis(900);

/// The path; what goes over it is left out of the figures, so that watching does not show.
const PATH: &str = "/stats";

/// The figures of `/metrics`, summed up, counted once a second however many watch.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    metrics: Metrics,
    latest: Arc<Mutex<Option<(Instant, Sample)>>>,
}

/// The figures at one moment; those without "held" in their meaning only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
struct Sample {
    /// Milliseconds since 1970.
    at: u64,
    /// WebSocket connections held.
    connections: u64,
    /// Those of them held over HTTP/2.
    http2: u64,
    /// WebSocket connections opened.
    opened: u64,
    /// Text and binary messages from clients.
    messages_in: u64,
    /// Text and binary messages to clients.
    messages_out: u64,
    /// Bytes of messages both ways, before compression.
    message_bytes: u64,
    /// Bytes of frames both ways, inside TLS.
    wire_bytes: u64,
}

/// A sample as it is sent.
#[derive(Serialize)]
struct Stats<'a> {
    r#type: &'static str,
    /// HTTP version that carries this connection.
    http: &'a str,
    #[serde(flatten)]
    sample: Sample,
}

impl Figures {
    /// The figures of `metrics`.
    pub(crate) fn new(metrics: Metrics) -> Self {
        Self {
            metrics,
            latest: Arc::default(),
        }
    }

    /// The latest sample, taken anew if it is too old.
    fn sample(&self, now: Instant) -> Sample {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        match *latest {
            Some((taken, sample)) if now.saturating_duration_since(taken) < FRESH => sample,
            _ => {
                let at = SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or_default();
                let at = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
                let sample = Sample {
                    at,
                    ..Sample::of_text(&self.metrics.render())
                };
                *latest = Some((now, sample));
                sample
            }
        }
    }
}

impl Sample {
    /// Sums the series up, from the same text that `/metrics` gives: the two cannot tell different stories.
    fn of_text(text: &str) -> Self {
        let mut sample = Self::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((series, value)) = line.rsplit_once(' ') else {
                continue;
            };
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let labels = labels_of(labels.trim_end_matches('}'));
            let is = |label, value| labels.get(label) == Some(&value);
            let value: u64 = value.parse().unwrap_or(0);
            match name {
                "wss_websocket_connections" => {
                    sample.connections += value;
                    sample.http2 += if is("http", "2") { value } else { 0 };
                }
                "wss_websocket_opened_total" => sample.opened += value,
                _ if is("route", PATH) => {}
                "wss_websocket_messages_total" if is("kind", "text") || is("kind", "binary") => {
                    let way = if is("direction", "in") {
                        &mut sample.messages_in
                    } else {
                        &mut sample.messages_out
                    };
                    *way += value;
                }
                "wss_websocket_message_bytes_total" => sample.message_bytes += value,
                "wss_websocket_wire_bytes_total" => sample.wire_bytes += value,
                _ => {}
            }
        }
        sample
    }
}

/// The labels of a series; none of those summed up here has a comma or a quote in its value.
fn labels_of(labels: &str) -> HashMap<&str, &str> {
    labels
        .split(',')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name, value.trim_matches('"')))
        .collect()
}

/// Sends the figures once a second, and answers `ping N` at once, so that the watcher can measure the round trip.
pub(crate) async fn stats(
    figures: Figures,
    socket: WebSocketStream<ServerStream>,
    info: ConnectionInfo,
) {
    let http = if socket.get_ref().is_http2() {
        "2"
    } else {
        "1.1"
    };
    let mut conversation = Conversation::new(socket, info);
    let _ = feed(&figures, &mut conversation, http).await;
    while conversation.next().await.is_some() {}
}

async fn feed(figures: &Figures, conversation: &mut Conversation, http: &str) -> Result<(), Error> {
    let mut pulse = interval(PAUSE);
    // A watcher that was slow gets the present figures, not those it missed.
    pulse.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            message = conversation.next() => match message {
                Some(message) => conversation.feed(Message::text(pong(&message))).await?,
                None => return Ok(()),
            },
            _ = pulse.tick() => {
                let stats = Stats { r#type: "stats", http, sample: figures.sample(Instant::now()) };
                let stats = serde_json::to_string(&stats).unwrap_or_default();
                conversation.send(Message::text(stats)).await?;
            }
        }
    }
}

/// The answer to `ping N`; anything else gets told what is understood here.
fn pong(message: &Message) -> String {
    let number = match message {
        Message::Text(text) => text
            .strip_prefix("ping ")
            .and_then(|number| number.parse::<u32>().ok()),
        _ => None,
    };
    match number {
        Some(number) => format!(r#"{{"type":"pong","n":{number}}}"#),
        None => r#"{"type":"error","message":"only `ping N` is understood here"}"#.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_summed_up_without_the_feed_itself() {
        let text = "# HELP wss_websocket_connections WebSocket connections held.\n\
            wss_websocket_connections{route=\"/ws\",http=\"1.1\"} 3\n\
            wss_websocket_connections{route=\"/stats\",http=\"2\"} 2\n\
            wss_websocket_opened_total{route=\"/ws\",http=\"1.1\",deflate=\"yes\"} 9\n\
            wss_websocket_messages_total{route=\"/ws\",direction=\"in\",kind=\"text\"} 5\n\
            wss_websocket_messages_total{route=\"/ws\",direction=\"in\",kind=\"ping\"} 50\n\
            wss_websocket_messages_total{route=\"/ws\",direction=\"out\",kind=\"binary\"} 4\n\
            wss_websocket_messages_total{route=\"/stats\",direction=\"out\",kind=\"text\"} 100\n\
            wss_websocket_message_bytes_total{route=\"/ws\",direction=\"in\"} 1000\n\
            wss_websocket_message_bytes_total{route=\"/ws\",direction=\"out\"} 500\n\
            wss_websocket_wire_bytes_total{route=\"/ws\",direction=\"in\"} 120\n\
            wss_websocket_wire_bytes_total{route=\"/stats\",direction=\"in\"} 7\n\
            # EOF\n";
        let expected = Sample {
            connections: 5,
            http2: 2,
            opened: 9,
            messages_in: 5,
            messages_out: 4,
            message_bytes: 1500,
            wire_bytes: 120,
            ..Sample::default()
        };
        assert_eq!(Sample::of_text(text), expected);
    }

    #[test]
    fn samples_are_shared_while_they_are_fresh() {
        let figures = Figures::new(Metrics::new());
        let start = Instant::now();
        let first = figures.sample(start);
        assert_eq!(figures.sample(start + Duration::from_millis(500)), first);
        std::thread::sleep(Duration::from_millis(2));
        assert!(figures.sample(start + PAUSE).at > first.at);
    }

    #[test]
    fn ping_gets_its_number_back() {
        assert_eq!(pong(&Message::text("ping 7")), r#"{"type":"pong","n":7}"#);
        for other in [
            Message::text("ping x"),
            Message::text("hello"),
            Message::binary("ping 7"),
        ] {
            assert!(pong(&other).contains("error"), "{other:?}");
        }
    }
}
