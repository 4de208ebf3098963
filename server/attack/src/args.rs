//! The command line.

use std::path::PathBuf;

use clap::{Args as Group, Parser};
use values::units::{ByteSize, TimeSpan, at_least, positive_time};

/// Attacks a server that it starts itself, with 100 honest clients beside each attack, and prints what it cost.
#[derive(Debug, Parser)]
#[command(
    name = "attack",
    version,
    after_help = "Each row starts a server of its own on a free port of 127.0.0.1 with fresh certificates.\n\
                  Exit codes: 0 every row held, 1 one did not, 2 wrong usage or no server."
)]
pub(crate) struct Args {
    /// The server's program
    #[arg(long, value_name = "FILE", default_value = "target/release/server")]
    pub(crate) server: PathBuf,
    /// The extent of each attack.
    #[command(flatten)]
    pub(crate) extent: Extent,
    /// Run this row alone, by its name or its threat, as in `d8-bombs-1m` or `D8`; repeatable
    #[arg(long, value_name = "ROW")]
    pub(crate) only: Vec<String>,
    /// Print the rows and end
    #[arg(long)]
    pub(crate) list: bool,
    /// Also fail where the honest clients' 99th percentile is beyond five times the quiet one
    #[arg(long)]
    pub(crate) strict: bool,
    /// Write the table to this file too, as Markdown with date, machine and commit
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Instead of the rows: 500 members in 20 rooms and 2,000 deliveries a second for so long
    #[arg(long, value_name = "TIME", conflicts_with_all = ["only", "list", "long", "memory_limit"])]
    pub(crate) soak: Option<TimeSpan>,
    /// Time from one fault of the soak to the next
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = positive_time)]
    pub(crate) fault_every: TimeSpan,
    /// Run the server inside a memory cgroup of this size, one server for all rows that want the same settings; where
    /// this user can make none, its resident memory is held against the limit instead
    #[arg(long, value_name = "SIZE", default_value = "256MiB", value_parser = at_least(ByteSize(64 << 20)))]
    pub(crate) memory_limit: ByteSize,
    /// Give the server the settings that X8 in `THREAT_MODEL.md` advises for so little memory
    #[arg(long, conflicts_with = "soak")]
    pub(crate) advised: bool,
}

impl Args {
    /// The memory that the server has, in whole MiB.
    pub(crate) fn memory_limit_mib(&self) -> u64 {
        self.memory_limit.0 as u64 >> 20
    }
}

/// The extent of each attack.
#[derive(Clone, Copy, Debug, Group)]
#[group(multiple = false)]
pub(crate) struct Extent {
    /// Small counts and short deadlines, all rows in some three minutes (default)
    #[arg(long)]
    pub(crate) short: bool,
    /// Full counts and the server's own deadlines, half an hour
    #[arg(long)]
    pub(crate) long: bool,
}
