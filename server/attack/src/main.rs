//! Attacks on the real server in a process of its own, with honest clients beside each.
//!
//! Every row takes bounded time, speaks to loopback alone and is seeded, so that it does the same each time.

mod args;
mod attack;
mod canary;
mod cgroup;
mod dial;
mod ends;
mod honest;
mod meter;
mod peer;
mod process;
mod report;
mod row;
mod rows;
mod run;
mod soak;
mod socket;
mod target;
mod token;
mod wire;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    run::main(&args::Args::parse())
}
