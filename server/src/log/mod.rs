//! Logs: the exchange on standard output, everything else on standard error, or all of it as JSON.

mod queue;
mod shown;
mod throttle;
mod transcript;

use std::io::{Error, IsTerminal, Result, Write, stderr, stdout};

use tracing::warn;
use tracing_subscriber::filter::{EnvFilter, LevelFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::config::{LogFormat, Logging};

use queue::{Queue, Worker};
pub use shown::Shown;
pub(crate) use throttle::{FAILURES, failure};
pub(crate) use transcript::{TRANSCRIPT, transcript};

/// Writes what is left in the queues when dropped; hold it until the program ends.
#[derive(Debug)]
#[must_use = "dropping it ends logging"]
pub struct LogGuard {
    _workers: Vec<Worker>,
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        FAILURES.finish();
    }
}

/// Sends the program's events where `logging` says.
///
/// Writing happens in threads of its own: a terminal or a pipe that nobody reads costs lines, which are counted, and
/// never stops a connection.
///
/// # Errors
/// The process already has a subscriber, or can have no further thread.
pub fn start(logging: &Logging) -> Result<LogGuard> {
    FAILURES.set_limit(logging.log_failures);
    let filter = EnvFilter::builder().parse_lossy(directives(&logging.log_level));
    // Else filters of layers look as if they let everything through, and nothing is left out before they are asked.
    let level = filter.max_level_hint().unwrap_or(LevelFilter::TRACE);
    let (output, output_worker) = queue(stdout())?;
    let registry = tracing_subscriber::registry().with(filter);
    match logging.log_format {
        LogFormat::Json => {
            let layer = fmt::layer()
                .json()
                .flatten_event(true)
                .with_current_span(true)
                .with_span_list(false);
            let subscriber = registry.with(layer.with_writer(output));
            subscriber.try_init().map_err(Error::other)?;
            Ok(LogGuard {
                _workers: vec![output_worker],
            })
        }
        LogFormat::Text => {
            let (errors, error_worker) = queue(stderr())?;
            let of_exchange =
                filter_fn(|event| event.target() == TRANSCRIPT).with_max_level_hint(level);
            let of_others =
                filter_fn(|event| event.target() != TRANSCRIPT).with_max_level_hint(level);
            let exchange = fmt::layer()
                .event_format(transcript::Lines)
                .with_writer(output)
                .with_filter(of_exchange);
            let others = fmt::layer()
                .with_target(false)
                .with_ansi(stderr().is_terminal())
                .with_writer(errors)
                .with_filter(of_others);
            let subscriber = registry.with(exchange).with(others);
            subscriber.try_init().map_err(Error::other)?;
            Ok(LogGuard {
                _workers: vec![output_worker, error_worker],
            })
        }
    }
}

/// What the filter is to be: with a bare level the libraries beneath us stay at `info`, since their `debug` and `trace`
/// bury ours; a list of directives is taken as it is.
fn directives(level: &str) -> String {
    if level.parse::<tracing::Level>().is_err() {
        return level.to_owned();
    }
    let severest = level
        .parse::<tracing::Level>()
        .is_ok_and(|level| level <= tracing::Level::INFO);
    let quiet = if severest { level } else { "info" };
    let libraries = ["h2", "hyper", "hyper_util", "mio", "tokio_util", "tower"];
    let quieted = libraries.map(|library| format!(",{library}={quiet}"));
    // Its warnings are of what one peer did, a line for each record; ours tell of the failure, and are counted.
    format!("{level}{},rustls=error", quieted.concat())
}

/// A queue of lines in front of `destination`; those that are dropped when it is full are counted in a line.
fn queue(destination: impl Write + Send + 'static) -> Result<(Queue, Worker)> {
    queue::queue(destination, |lines| {
        warn!(parent: None, lines, "lines are missing from the log: they were written faster than read");
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_level_keeps_the_libraries_quiet() {
        assert!(directives("debug").starts_with("debug,h2=info,"));
        assert!(directives("warn").starts_with("warn,h2=warn,"));
        assert_eq!(directives("warn,server=trace"), "warn,server=trace");
        assert!(EnvFilter::builder().parse(directives("trace")).is_ok());
    }
}
