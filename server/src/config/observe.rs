//! What is logged and how.

use clap::{Args, ValueEnum};
use tracing_subscriber::filter::EnvFilter;

/// Form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people: the exchange on standard output, everything else on standard error.
    Text,
    /// For machines: one JSON object per line, all on standard output.
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
    /// Lines per second about connections that failed or were refused; further ones are counted in one line
    #[arg(long, value_name = "N", default_value = "100")]
    pub log_failures: u32,
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
