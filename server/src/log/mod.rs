//! Logs: the exchange on standard output, everything else on standard error, or all of it as JSON.

mod fields;
mod json;
mod queue;
mod request;
mod shown;
mod throttle;
mod transcript;

use std::io::{Error, IsTerminal, Result, Write, stderr, stdout};

use tracing::warn;
use tracing_subscriber::filter::{EnvFilter, LevelFilter, filter_fn};
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::config::{AccessLog, LogFormat, Logging};

use queue::{Queue, Worker};
pub(crate) use request::{Reason, RequestLine, Route, refused_head};
pub(crate) use shown::Shown;
pub(crate) use throttle::{CONNECTIONS, FAILURES, MESSAGES, failure, limited};
pub(crate) use transcript::{TRANSCRIPT, transcript};

/// Writes what is left in the queues when dropped; hold it until the program ends.
#[derive(Debug)]
#[must_use = "dropping it ends logging"]
pub struct LogGuard {
    /// The terminal on which people read the log, if there is one.
    terminal: Option<Queue>,
    _workers: Vec<Worker>,
}

impl LogGuard {
    /// Shows `text` to a person, after the lines that were logged so far; nothing if the log goes to a file or a pipe.
    pub(crate) fn show(&self, text: &str) {
        if let Some(terminal) = &self.terminal {
            terminal.put(text);
        }
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        for throttle in [&FAILURES, &CONNECTIONS, &MESSAGES] {
            throttle.report();
        }
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
    CONNECTIONS.set_limit(logging.log_connections);
    MESSAGES.set_limit(logging.log_messages);
    shown::set_max_bytes(logging.log_payload_bytes.0);
    let filter = EnvFilter::builder().parse_lossy(directives(&logging.log_level));
    // Else filters of layers look as if they let everything through, and nothing is left out before they are asked.
    let level = filter.max_level_hint().unwrap_or(LevelFilter::TRACE);
    let (output, output_worker) = queue(stdout())?;
    let (mut workers, mut terminal) = (vec![output_worker], None);
    let mut layers = Vec::new();
    match logging.log_format {
        LogFormat::Json => {
            let of_log =
                filter_fn(|event| event.target() != request::ACCESS).with_max_level_hint(level);
            layers.push(json(output.clone()).with_filter(of_log).boxed());
        }
        LogFormat::Text => {
            let errors = if stdout().is_terminal() && stderr().is_terminal() {
                // One stream, so that lines stand in the order of their time stamps.
                output.clone()
            } else {
                let (errors, error_worker) = queue(stderr())?;
                workers.push(error_worker);
                errors
            };
            terminal = stderr().is_terminal().then(|| errors.clone());
            let of_exchange =
                filter_fn(|event| event.target() == TRANSCRIPT).with_max_level_hint(level);
            let of_others =
                filter_fn(|event| ![TRANSCRIPT, request::ACCESS].contains(&event.target()))
                    .with_max_level_hint(level);
            let exchange = fmt::layer()
                .event_format(transcript::Lines)
                .with_writer(output.clone())
                .with_filter(of_exchange);
            let others = fmt::layer()
                .fmt_fields(fields::Fields)
                .with_target(false)
                .with_ansi(stderr().is_terminal())
                .with_writer(errors)
                .with_filter(of_others);
            layers.extend([exchange.boxed(), others.boxed()]);
        }
    }
    let of_access = filter_fn(|event| event.target() == request::ACCESS).with_max_level_hint(level);
    match logging.access_log {
        AccessLog::Off => {}
        AccessLog::Json => layers.push(json(output).with_filter(of_access).boxed()),
        AccessLog::Text => {
            let access = fmt::layer()
                .fmt_fields(fields::Fields)
                .with_target(false)
                .with_level(false)
                .with_ansi(false)
                .with_writer(output)
                .with_filter(of_access);
            layers.push(access.boxed());
        }
    }
    let registry = tracing_subscriber::registry().with(layers).with(filter);
    registry.try_init().map_err(Error::other)?;
    Ok(LogGuard {
        terminal,
        _workers: workers,
    })
}

/// A layer that writes events as JSON.
fn json<S>(output: Queue) -> impl Layer<S> + Send + Sync + 'static
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
{
    fmt::layer()
        .fmt_fields(JsonFields::new())
        .event_format(json::JsonLines)
        .with_writer(output)
}

/// The filter's directives, by which the access log depends on its own setting alone.
fn directives(level: &str) -> String {
    format!("{},{}=info", log_directives(level), request::ACCESS)
}

/// Completes the filter of the log: with a bare level the libraries beneath us stay at `info`, since their `debug` and `trace`
/// bury ours; a list of directives is taken as it is.
fn log_directives(level: &str) -> String {
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
        assert_eq!(
            directives("warn,server=trace"),
            "warn,server=trace,access=info"
        );
        assert!(EnvFilter::builder().parse(directives("trace")).is_ok());
    }
}
