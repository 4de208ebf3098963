//! The options of a conversation: what to send, when to end, what to show.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::headings::{EXCHANGE, OUTPUT};
use super::values::parse_time;
use crate::style::ColorChoice;

/// Options of the messages to send and of the end.
#[derive(Clone, Debug, Args)]
pub(crate) struct ExchangeArgs {
    /// Send so many messages made from --template, and print each reply.
    #[arg(long, value_name = "N", conflicts_with = "messages", help_heading = EXCHANGE)]
    pub count: Option<u64>,
    /// Time from one message of --count to the next.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_time, help_heading = EXCHANGE)]
    pub interval: Duration,
    /// Text of the messages of --count; n in braces is the number.
    #[arg(long, value_name = "TEXT", default_value = "Mensagem {n}", help_heading = EXCHANGE)]
    pub template: String,
    /// End after so many replies; fewer is exit status 9.
    ///
    /// Input that is there is sent first, but an input that stays open is not waited for.
    #[arg(long, value_name = "N", help_heading = EXCHANGE)]
    pub expect: Option<u64>,
    /// After the last line: end when nothing has come for so long.
    ///
    /// 2s in a pipe, unless --expect is given; 0 waits for the peer's close.
    #[arg(long, value_name = "TIME", value_parser = parse_time, help_heading = EXCHANGE)]
    pub idle: Option<Duration>,
    /// Send binary messages.
    #[arg(long, help_heading = EXCHANGE)]
    pub binary: bool,
    /// Messages in a pipe end in NUL rather than a line feed.
    #[arg(long, group = "framing", help_heading = EXCHANGE)]
    pub null: bool,
    /// Messages in a pipe are lines of base64, and sent as binary.
    #[arg(long, group = "framing", help_heading = EXCHANGE)]
    pub base64: bool,
    /// Use length-prefixed framing in pipes.
    ///
    /// Four bytes, the highest first.
    #[arg(long, group = "framing", help_heading = EXCHANGE)]
    pub length_prefixed: bool,
    /// Interactive session or pipe, whatever standard input is.
    #[arg(long, value_name = "MODE", help_heading = EXCHANGE)]
    pub(crate) mode: Option<Mode>,
    /// Keep no history file for the interactive session.
    #[arg(long, help_heading = EXCHANGE)]
    pub no_history: bool,
}

/// Options of the output.
#[derive(Clone, Debug, Args)]
pub(crate) struct OutputArgs {
    /// Show direction, time, sizes, TLS, certificates, compression.
    #[arg(short, long, help_heading = OUTPUT)]
    pub verbose: bool,
    /// Show warnings and errors only.
    #[arg(short, long, conflicts_with = "verbose", help_heading = OUTPUT)]
    pub quiet: bool,
    /// One JSON object for each event on standard output.
    #[arg(long, help_heading = OUTPUT)]
    pub jsonl: bool,
    /// Print payloads on a terminal as they came.
    ///
    /// The peer can then steer the terminal.
    #[arg(long, help_heading = OUTPUT)]
    pub raw: bool,
    /// Use of colour; NO_COLOR is heeded.
    #[arg(long, value_name = "WHEN", default_value = "auto", help_heading = OUTPUT)]
    pub color: ColorChoice,
    /// Show request and response, and which check failed.
    #[arg(long, help_heading = OUTPUT)]
    pub show_handshake: bool,
    /// Show counts, bytes before and after compression, and the ratio.
    #[arg(long, help_heading = OUTPUT)]
    pub stats: bool,
}

/// `--mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// Line editor with `/` commands.
    Interactive,
    /// Standard input to messages, messages to standard output.
    Pipe,
}
