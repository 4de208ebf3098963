//! `/stats`: the server's figures once a second, for the dashboard.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval};
use tungstenite_deflate::WebSocketStream;
use tungstenite_deflate::tungstenite::{Error, Message};
use values::sync::lock;

use crate::connection::ConnectionInfo;
use crate::conversation::Conversation;
use crate::metrics::{Metrics, Totals};
use crate::stream::ServerStream;

/// Time between two samples.
const PAUSE: Duration = Duration::from_secs(1);

/// How old a sample may be that is sent to one more watcher: a bit less than the pause, since timers are not exact.
const FRESH: Duration = Duration::from_millis(900);

/// The path; what goes over it is left out of the figures, so that watching does not show.
const PATH: &str = "/stats";

/// The figures of `/metrics`, summed up once a second however many watch.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    metrics: Metrics,
    latest: Arc<Mutex<Option<(Instant, Sample)>>>,
}

/// The figures at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
struct Sample {
    /// Milliseconds since 1970.
    at: u64,
    #[serde(flatten)]
    totals: Totals,
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
        let mut latest = lock(&self.latest);
        match *latest {
            Some((taken, sample)) if now.saturating_duration_since(taken) < FRESH => sample,
            _ => {
                let at = SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or_default();
                let at = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
                let sample = Sample {
                    at,
                    totals: self.metrics.totals(PATH),
                };
                *latest = Some((now, sample));
                sample
            }
        }
    }
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
