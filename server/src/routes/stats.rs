//! `/stats`: the server's figures once a second, for the dashboard.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval};
use tungstenite_deflate::tungstenite::{Error, Message};
use tungstenite_deflate::{PreparedMessage, SharedContext, WebSocketStream};
use values::sync::lock;

use crate::connection::ConnectionInfo;
use crate::conversation::Conversation;
use crate::metrics::{Carrier, Metrics, Totals};
use crate::observers::{Observation, Observer, Observers};
use crate::stream::ServerStream;

/// Time between two samples.
const PAUSE: Duration = Duration::from_secs(1);

/// Maximum age of a sample that is sent to one more watcher: a bit less than the pause, since timers are not exact.
const FRESH: Duration = Duration::from_millis(900);

/// The path; what goes over it is left out of the figures, so that watching does not show.
const PATH: &str = "/stats";

/// The figures of `/metrics`, summed up and compressed once a second however many watch.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    metrics: Metrics,
    observers: Observers,
    /// Those who watch over HTTP/1.1, and those over HTTP/2: a sample names the version.
    watchers: Arc<[Watchers; 2]>,
}

/// Connections that get the same samples.
#[derive(Debug, Default)]
struct Watchers {
    /// Compresses for all of them; made for the first one.
    context: OnceLock<SharedContext>,
    latest: Mutex<Option<(Instant, Arc<PreparedMessage>)>>,
}

/// The figures at one moment.
#[derive(Serialize)]
struct Stats {
    r#type: &'static str,
    /// HTTP version that carries this connection.
    http: &'static str,
    /// Milliseconds since 1970.
    at: u64,
    #[serde(flatten)]
    totals: Totals,
}

impl Figures {
    /// The figures of `metrics`.
    pub(crate) fn new(metrics: Metrics, observers: Observers) -> Self {
        Self {
            metrics,
            observers,
            watchers: Arc::default(),
        }
    }

    /// Those who watch over `carrier`.
    fn watchers(&self, carrier: Carrier) -> &Watchers {
        let [http1, http2] = &*self.watchers;
        match carrier {
            Carrier::Http1 => http1,
            Carrier::Http2 => http2,
        }
    }

    /// The latest sample for those over `carrier`, taken anew if it is too old. `make` makes their context.
    fn sample(
        &self,
        now: Instant,
        carrier: Carrier,
        make: impl FnOnce() -> SharedContext,
    ) -> Arc<PreparedMessage> {
        let watchers = self.watchers(carrier);
        let mut latest = lock(&watchers.latest);
        match &*latest {
            Some((taken, sample)) if now.saturating_duration_since(*taken) < FRESH => {
                Arc::clone(sample)
            }
            _ => {
                let context = watchers.context.get_or_init(make);
                let sample = Arc::new(context.text(self.text(carrier)));
                *latest = Some((now, Arc::clone(&sample)));
                sample
            }
        }
    }

    /// The figures as they are sent.
    fn text(&self, carrier: Carrier) -> String {
        let at = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let at = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
        let stats = Stats {
            r#type: "stats",
            http: carrier.name(),
            at,
            totals: self.metrics.totals(PATH),
        };
        serde_json::to_string(&stats).unwrap_or_default()
    }
}

/// Sends the figures once a second, and answers `ping N` at once, so that the watcher can measure the round trip. After
/// `observe ID` it also tells which messages of connections with `?observe=ID` were compressed.
pub(crate) async fn stats(
    figures: Figures,
    socket: WebSocketStream<ServerStream>,
    info: ConnectionInfo,
) {
    let carrier = info.http;
    let mut conversation = Conversation::new(socket, info);
    let _ = feed(&figures, &mut conversation, carrier).await;
    while conversation.next().await.is_some() {}
}

async fn feed(
    figures: &Figures,
    conversation: &mut Conversation,
    carrier: Carrier,
) -> Result<(), Error> {
    let mut pulse = interval(PAUSE);
    // A watcher that was slow gets the present figures, not those it missed.
    pulse.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut observer = None;
    loop {
        tokio::select! {
            biased;
            message = conversation.next() => match message {
                Some(message) => {
                    let answer = match id(&message) {
                        Some(id) => observe(figures, &mut observer, id),
                        None => pong(&message),
                    };
                    conversation.feed(Message::text(answer)).await?;
                }
                None => return Ok(()),
            },
            observation = next_observation(&mut observer) => {
                let report = ObservedReport { r#type: "observed", observation };
                let report = serde_json::to_string(&report).unwrap_or_default();
                conversation.send(Message::text(report)).await?;
            }
            _ = pulse.tick() => {
                let sample = figures.sample(Instant::now(), carrier, || conversation.shared_context());
                conversation.feed_prepared(&sample).await?;
                conversation.flush().await?;
            }
        }
    }
}

/// A message of an observed connection, as it is reported.
#[derive(Serialize)]
struct ObservedReport {
    r#type: &'static str,
    #[serde(flatten)]
    observation: Observation,
}

/// The id in `observe ID`.
fn id(message: &Message) -> Option<&str> {
    match message {
        Message::Text(text) => text.strip_prefix("observe "),
        _ => None,
    }
}

/// Observes by `id` instead of any id before, and returns the answer.
fn observe(figures: &Figures, observer: &mut Option<Observer>, id: &str) -> String {
    *observer = None;
    *observer = figures.observers.observe(id);
    if observer.is_some() {
        r#"{"type":"observing"}"#.to_owned()
    } else {
        r#"{"type":"error","message":"an id is 32 hexadecimal digits that nobody else observes by"}"#
            .to_owned()
    }
}

/// Waits for a message of an observed connection; forever if none is observed. Cancel safe.
async fn next_observation(observer: &mut Option<Observer>) -> Observation {
    if let Some(observer) = observer
        && let Some(observation) = observer.next().await
    {
        return observation;
    }
    std::future::pending().await
}

/// The answer to `ping N`; anything else gets a description of the commands.
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
    use tungstenite_deflate::DeflateConfig;

    use super::*;

    #[test]
    fn samples_are_shared_while_they_are_fresh() {
        let figures = Figures::new(Metrics::new(), Observers::default());
        let make = || SharedContext::new(&DeflateConfig::default());
        let sample = |at, carrier| figures.sample(at, carrier, make);
        let start = Instant::now();
        let first = sample(start, Carrier::Http1);
        let again = sample(start + Duration::from_millis(500), Carrier::Http1);
        assert!(Arc::ptr_eq(&again, &first));
        assert!(!Arc::ptr_eq(&sample(start + PAUSE, Carrier::Http1), &first));
        // The other version is named in the sample.
        let http2 = sample(start, Carrier::Http2);
        for (sample, http) in [(first, r#""http":"1.1""#), (http2, r#""http":"2""#)] {
            let text = sample.message().to_text().unwrap();
            assert!(text.contains(http), "{text}");
        }
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
