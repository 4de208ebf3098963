//! Limits on the memory that peers make the server hold, and its return to the system.

use std::time::Duration;

use clap::Args;
use values::units::off_or;

use super::{ByteSize, Limit, TimeSpan};

/// Settings of the memory that peers may make the server hold, and of giving it back to the system.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Memory")]
#[non_exhaustive]
pub struct MemoryOptions {
    /// Maximum memory that all peers together may make the server hold: unfinished messages, request bodies, responses and
    /// HTTP/2 data that are not taken, compression contexts. What would exceed it is refused with 1013, 503 or
    /// `RESOURCE_EXHAUSTED`
    #[arg(
        long,
        alias = "max-unfinished-bytes",
        value_name = "SIZE",
        default_value = "128MiB"
    )]
    pub max_buffered_bytes: ByteSize,
    /// Maximum of that for one TCP connection, with all its streams. Unless given, at least twice --max-message-bytes, and at
    /// most --max-buffered-bytes
    #[arg(long, value_name = "SIZE", default_value = "8MiB")]
    pub max_buffered_bytes_per_connection: ByteSize,
    /// Shortest time between two times that free memory is given back to the system, which is done when load has fallen
    /// (`malloc_trim`, Linux with glibc), at least 100ms, or `off`
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = trim_interval)]
    pub memory_trim_interval: Limit<TimeSpan>,
}

/// Parses an interval of at least [`MIN_TRIM_INTERVAL`], or `off`.
fn trim_interval(text: &str) -> Result<Limit<TimeSpan>, String> {
    off_or(text, |text| match text.parse()? {
        TimeSpan(interval) if interval < MIN_TRIM_INTERVAL => {
            Err(format!("`{text}` is below the minimum of 100ms"))
        }
        interval => Ok(interval),
    })
}

/// Looking more often costs more than it finds.
const MIN_TRIM_INTERVAL: Duration = Duration::from_millis(100);
