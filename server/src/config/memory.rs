//! How memory is given back to the system.

use clap::Args;

use super::{Limit, Span};

/// How memory is given back to the system.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Memory")]
#[non_exhaustive]
pub struct MemoryOptions {
    /// Shortest time between two times that free memory is given back to the system, which is done when load has fallen
    /// (`malloc_trim`, Linux with glibc), at least 100ms, or `off`
    #[arg(long, value_name = "TIME", default_value = "5s")]
    pub memory_trim_interval: Limit<Span>,
}
