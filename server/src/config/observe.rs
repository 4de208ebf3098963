//! What is logged and how.

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

/// What is logged and how.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Logs")]
#[non_exhaustive]
pub struct Logging {
    /// Form of the log
    #[arg(long, value_enum, default_value = "text")]
    pub log_format: LogFormat,
    /// Least severe level that is logged: error, warn, info, debug or trace, or a list such as `info,server=debug`
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

/// Accepts what the filter of the log accepts.
fn filter(text: &str) -> Result<String, String> {
    match EnvFilter::builder().parse(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!(
            "`{text}` is no level (error, warn, info, debug, trace) and no list of them: {error}"
        )),
    }
}
