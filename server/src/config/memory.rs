//! How much memory peers may make the server hold, and how it is given back to the system.

use clap::Args;

use super::{ByteSize, Limit, Span};

/// How much memory peers may make the server hold, and how it is given back to the system.
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
    /// Maximum of that for one TCP connection, with all its streams
    #[arg(long, value_name = "SIZE", default_value = "8MiB")]
    pub max_buffered_bytes_per_connection: ByteSize,
    /// Shortest time between two times that free memory is given back to the system, which is done when load has fallen
    /// (`malloc_trim`, Linux with glibc), at least 100ms, or `off`
    #[arg(long, value_name = "TIME", default_value = "5s")]
    pub memory_trim_interval: Limit<Span>,
}
