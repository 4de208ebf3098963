//! Settings of the log.

use clap::{Args, ValueEnum};
use tracing_subscriber::filter::EnvFilter;

use super::ByteSize;

/// Form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people: the exchange on standard output, everything else on standard error.
    Text,
    /// For machines: one JSON object per line, all on standard output.
    Json,
}

/// Form of the access log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AccessLog {
    /// No line for a request.
    Off,
    /// `name=value` for each field.
    Text,
    /// One JSON object per line.
    Json,
}

/// Settings of the log.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Logs")]
#[non_exhaustive]
pub struct Logging {
    /// Form of the log
    #[arg(long, value_enum, default_value = "text")]
    pub log_format: LogFormat,
    /// Least severe level that is logged: error, warn (or warning), info, debug, trace or off, or a list such as
    /// `info,server=debug`
    #[arg(long, value_name = "LEVEL", default_value = "info", value_parser = filter)]
    pub log_level: String,
    /// Maximum number of lines per second on connections and requests that failed or were refused; others are counted in one line
    #[arg(long, value_name = "N", default_value = "100")]
    pub log_failures: u32,
    /// Maximum number of lines per second on WebSockets that were opened and closed; others are counted in one line
    #[arg(long, value_name = "N", default_value = "100")]
    pub log_connections: u32,
    /// Maximum number of messages per second that are logged one by one; others are counted in one line
    #[arg(long, value_name = "N", default_value = "100")]
    pub log_messages: u32,
    /// Maximum size of one payload in the log; the rest is cut off and the whole length reported
    #[arg(long, value_name = "SIZE", default_value = "1KiB")]
    pub log_payload_bytes: ByteSize,
    /// Write one line for each HTTP request and gRPC call to standard output
    #[arg(long, value_enum, value_name = "FORM", default_value = "off")]
    pub access_log: AccessLog,
}

/// Parses a level, or a comma-separated list of levels and `TARGET=LEVEL`, and writes it as the filter takes it.
///
/// The filter itself takes an unknown word for the name of a target, and is silent.
fn filter(text: &str) -> Result<String, String> {
    let wrong = |reason: String| {
        format!("`{text}` is not a level or a list such as `info,server=debug`: {reason}")
    };
    let directives = text
        .split(',')
        .map(str::trim)
        .filter(|directive| !directive.is_empty());
    let directives = directives
        .map(directive)
        .collect::<Result<Vec<_>, String>>()
        .map_err(wrong)?;
    if directives.is_empty() {
        return Err(wrong("it is empty".to_owned()));
    }
    let directives = directives.join(",");
    match EnvFilter::builder().parse(&directives) {
        Ok(_) => Ok(directives),
        Err(error) => Err(wrong(error.to_string())),
    }
}

/// Parses `LEVEL`, `TARGET=LEVEL` or `TARGET[SPAN{FIELD=VALUE}]=LEVEL`.
fn directive(text: &str) -> Result<String, String> {
    let after_span = text.rfind(']').map_or(0, |end| end + 1);
    match text[after_span..].rsplit_once('=') {
        Some((target, name)) => Ok(format!("{}{target}={}", &text[..after_span], level(name)?)),
        None => Ok(level(text)?.to_owned()),
    }
}

/// The level called `name`, in any case; `warning` and the numbers of the filter are levels too.
fn level(name: &str) -> Result<&'static str, String> {
    let known = LEVELS
        .iter()
        .find(|names| names.iter().any(|known| known.eq_ignore_ascii_case(name)));
    let known = known.map(|names| names[0]);
    known.ok_or_else(|| format!("`{name}` is none of error, warn, info, debug, trace and off"))
}

/// The levels with their other names.
const LEVELS: [&[&str]; 6] = [
    &["off", "0"],
    &["error", "1"],
    &["warn", "warning", "2"],
    &["info", "3"],
    &["debug", "4"],
    &["trace", "5"],
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_known_in_every_spelling() {
        for (text, written) in [
            ("info", "info"),
            ("warning", "warn"),
            ("WARN", "warn"),
            ("Warning", "warn"),
            ("OFF", "off"),
            ("3", "3"),
            ("info,server=debug", "info,server=debug"),
            ("info, server::tls=WARNING,", "info,server::tls=warn"),
            ("warn,[connection]=debug", "warn,[connection]=debug"),
            (
                "server[connection{route=\"/ws\"}]=trace",
                "server[connection{route=\"/ws\"}]=trace",
            ),
        ] {
            let written = if text == "3" { "info" } else { written };
            assert_eq!(filter(text).as_deref(), Ok(written), "{text}");
        }
    }

    #[test]
    fn unknown_words_are_no_levels() {
        for text in [
            "",
            ",",
            " ",
            "verbose",
            "information",
            "warnin",
            "fatal",
            "critical",
            "silent",
            "none",
            "6",
            "-1",
            "info;debug",
            "info debug",
            "server",
            "info,server",
            "server=",
            "server=verbose",
            "info,server=loud",
            "[connection]",
            "=",
            "a=b=c",
            "[=info",
            "server[=debug",
        ] {
            let error = filter(text).expect_err(text);
            assert!(error.contains(&format!("`{text}`")), "{error}");
        }
    }
}
