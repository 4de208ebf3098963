//! The command line as it is typed.

mod connection;
mod headings;
mod load;
mod talk;
mod values;

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueHint};

use crate::exit::ExitStatus;
use crate::target::Target;

pub(crate) use self::connection::{ConnectionArgs, ReachArgs, Side, TlsVersion};
pub(crate) use self::load::{BenchArgs, CompareArgs, GrpcArgs, LoadArgs};
pub(crate) use self::talk::{ExchangeArgs, Mode, OutputArgs};

/// A command-line WebSocket client with TLS and permessage-deflate.
///
/// Without a URL it makes one exchange with a server on this machine and shows each step. With a URL and messages it
/// sends them and prints one reply for each. With a URL alone it is an interactive session on a terminal, and in a
/// pipe it sends each line of standard input as a message and prints each message that comes.
///
/// Data goes to standard output, everything else to standard error.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "client",
    version,
    long_version = long_version(),
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    after_help = "Exit status: 0 closed normally, 1 closed with an error code, 2 usage, 3 no connection, 4 TLS, 5 handshake, \
                  6 time-out, 7 lost, 8 protocol, 9 replies missing, 10 proxy, 11 local I/O, 130 interrupted (see --help)",
    after_long_help = after_long_help()
)]
pub(crate) struct Cli {
    /// Subcommand; without one, messages are exchanged.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Everything for a conversation.
    #[command(flatten)]
    pub talk: TalkArgs,
}

/// Arguments of a conversation.
#[derive(Clone, Debug, Args)]
pub(crate) struct TalkArgs {
    /// ws:// or wss:// URL, or host:port for wss.
    ///
    /// Without it: wss://localhost:8443/ws, or what CLIENT_URL says; with --count: wss://localhost:8443/ack.
    #[arg(value_name = "URL", value_hint = ValueHint::Url)]
    pub url: Option<Target>,
    /// Text messages to send; one reply is printed for each.
    #[arg(value_name = "MESSAGE")]
    pub messages: Vec<String>,
    /// Options of the connection.
    #[command(flatten)]
    pub connection: ConnectionArgs,
    /// Options of the messages to send and of the end.
    #[command(flatten)]
    pub exchange: ExchangeArgs,
    /// Options of the output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Modes other than an exchange of messages. A subcommand is recognised as the first argument only.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Command {
    /// Talk as without a subcommand, and write every event to a file as JSON lines.
    Record {
        /// File to write; an existing one is replaced.
        #[arg(long = "to", value_name = "FILE", value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// Arguments of a conversation.
        #[command(flatten)]
        talk: TalkArgs,
    },
    /// Send the messages of a recording with their timing, and show how the answers differ.
    Replay {
        /// File that `record` wrote.
        #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// Speed as a multiple of the recorded one; 0 does not wait at all.
        #[arg(long, default_value_t = 1.0, value_name = "FACTOR", value_parser = parse_speed)]
        speed: f64,
        /// Arguments of a conversation.
        #[command(flatten)]
        talk: TalkArgs,
    },
    /// Send messages to the chat service over gRPC, and print each reply.
    Grpc(Box<GrpcArgs>),
    /// Measure latency and throughput of an echo route, or of gRPC calls.
    Bench(Box<BenchArgs>),
    /// Measure WebSocket, with and without compression, and gRPC side by side.
    Compare(Box<CompareArgs>),
    /// Echo the cases of an Autobahn fuzzing server, as a client under test.
    Autobahn {
        /// URL of the fuzzing server; without it AUTOBAHN_URL.
        #[arg(value_name = "URL", env = "AUTOBAHN_URL")]
        url: Target,
        /// Name in the report.
        #[arg(long, default_value = "client", value_name = "NAME")]
        agent: String,
        /// Options of the connection.
        #[command(flatten)]
        connection: ConnectionArgs,
    },
    /// Print shell completions.
    Completions {
        /// The shell to print them for.
        shell: clap_complete::Shell,
    },
    /// Print a page about every mode and option, in Markdown.
    Reference {
        /// Print the tables of what a connection can fail with, and what to do about it.
        #[arg(long)]
        errors: bool,
    },
    /// Print the man page, or that of a subcommand.
    Man {
        /// The subcommand.
        command: Option<String>,
    },
}

/// Slowest replay; the fastest is as much above 1.
const MIN_SPEED: f64 = 1e-3;

fn parse_speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if speed == 0.0 || (MIN_SPEED..=1.0 / MIN_SPEED).contains(&speed) => Ok(speed),
        _ => Err(format!(
            "`{text}` is not a factor such as 0.5, 1 or 10; allowed are 0 and {MIN_SPEED} to {}",
            1.0 / MIN_SPEED
        )),
    }
}

fn long_version() -> String {
    format!(
        "{}\nwss (rustls {}, aws-lc-rs), permessage-deflate (RFC 7692, zlib-rs), HTTP/1.1 (RFC 6455), HTTP/2 (RFC 8441), gRPC, \
         proxies (HTTP CONNECT, also over TLS, SOCKS5)",
        env!("CARGO_PKG_VERSION"),
        "0.23"
    )
}

fn after_long_help() -> String {
    format!(
        "Examples:\n  \
         client                                             one exchange with the server on this machine\n  \
         client wss://localhost:8443/echo                   interactive session on a terminal\n  \
         client wss://localhost:8443/echo 'Olá'             send one message, print the reply\n  \
         printf 'a\\nb\\n' | client wss://localhost:8443/echo --expect 2\n  \
         client --count 5 --interval 1s                     five messages to /ack, one a second\n  \
         client record wss://localhost:8443/echo --to session.jsonl\n  \
         client replay session.jsonl wss://localhost:8443/echo --speed 10\n  \
         client grpc https://localhost:8443 --sender Alice 'Olá, gRPC!'\n  \
         client bench wss://localhost:8443/echo -c 50 -d 10s --json\n  \
         client compare wss://localhost:8443/echo           WebSocket and gRPC side by side\n\n\
         Environment:\n{}\n{}",
        environment(),
        ExitStatus::help()
    )
}

/// The environment's variables as text for `--help`.
fn environment() -> String {
    let mut text = String::new();
    for (names, meaning) in ENVIRONMENT {
        let _ = writeln!(text, "  {names}: {meaning}");
    }
    text
}

/// The variables that the program reads, with their meaning.
pub(crate) const ENVIRONMENT: &[(&str, &str)] = &[
    ("CLIENT_URL", "URL when none is given"),
    ("CLIENT_GRPC_URL", "URL of `grpc` when none is given"),
    ("CLIENT_CA", "roots to trust, as --ca"),
    ("CLIENT_PASSWORD", "password of --user"),
    ("AUTOBAHN_URL", "URL of `autobahn` when none is given"),
    ("CLIENT_HISTORY", "history file of the interactive session"),
    ("NO_COLOR", "no colour, unless --color says otherwise"),
    ("SSLKEYLOGFILE", "where --keylog writes"),
    (
        "wss_proxy, https_proxy, ws_proxy, http_proxy, all_proxy, no_proxy",
        "as --proxy and --no-proxy; in capitals too, but for HTTP_PROXY",
    ),
];
