//! The options of calls over gRPC and of measurements.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};
use values::units::{count, rate};

use super::connection::{ConnectionArgs, ReachArgs};
use super::headings::{EXCHANGE, OUTPUT};
use super::values::{parse_any_url, parse_grpc_url, parse_positive, parse_size, parse_time};
use crate::target::Target;

/// Arguments of a gRPC call.
#[derive(Clone, Debug, Args)]
pub(crate) struct GrpcArgs {
    /// https:// URL, http:// for plain text, or host:port for https.
    ///
    /// grpcs:// and grpc:// mean the same. There is no path: that is the method's.
    #[arg(value_name = "URL", value_hint = ValueHint::Url, env = "CLIENT_GRPC_URL", default_value = "https://localhost:8443", value_parser = parse_grpc_url)]
    pub url: Target,
    /// Texts to send, one call each, one after the other.
    #[arg(value_name = "TEXT", default_value = "Olá, gRPC!")]
    pub texts: Vec<String>,
    /// Name of the sender.
    #[arg(long, value_name = "NAME", default_value = "Alice", help_heading = EXCHANGE)]
    pub sender: String,
    /// Show times, sizes on the wire, TLS details, certificates.
    #[arg(short, long, help_heading = OUTPUT)]
    pub verbose: bool,
    /// Print replies on a terminal as they came.
    ///
    /// The peer can then steer the terminal.
    #[arg(long, help_heading = OUTPUT)]
    pub raw: bool,
    /// Options of the connection.
    #[command(flatten)]
    pub reach: ReachArgs,
}

/// Options of a benchmark's load.
#[derive(Clone, Debug, Args)]
pub(crate) struct LoadArgs {
    /// Connections at the same time.
    #[arg(short = 'c', long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=20_000), help_heading = LOAD)]
    pub connections: u32,
    /// Messages in flight on each connection.
    #[arg(short = 'f', long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000), help_heading = LOAD)]
    pub in_flight: u32,
    /// Size of the payload: JSON-like text, with --binary random bytes.
    #[arg(short = 's', long, default_value = "512B", value_name = "SIZE", value_parser = parse_size, help_heading = LOAD)]
    pub size: usize,
    /// File with the payload, in place of --size.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "size", help_heading = LOAD)]
    pub payload: Option<PathBuf>,
    /// Time to measure: 5s, or until --count has been answered.
    #[arg(short = 'd', long, value_name = "TIME", value_parser = parse_positive, help_heading = LOAD)]
    pub duration: Option<Duration>,
    /// End after so many measured messages, if --duration is not over.
    #[arg(short = 'n', long, value_name = "N", value_parser = count::<u64>, help_heading = LOAD)]
    pub count: Option<u64>,
    /// Messages per second over all connections.
    ///
    /// A message that is due while --in-flight are unanswered counts from when it was due, not from when it could be sent
    /// (coordinated omission).
    #[arg(short = 'r', long, value_name = "N", value_parser = rate::<u64>, help_heading = LOAD)]
    pub rate: Option<u64>,
    /// Time at the start that is not measured: 500ms, or nothing with --count.
    #[arg(long, value_name = "TIME", value_parser = parse_time, help_heading = LOAD)]
    pub warm_up: Option<Duration>,
    /// Print the result as JSON.
    #[arg(long, help_heading = OUTPUT)]
    pub json: bool,
}

/// Arguments of the benchmark.
#[derive(Clone, Debug, Args)]
pub(crate) struct BenchArgs {
    /// URL of a route that answers every message with one message; with --grpc, of a gRPC server.
    #[arg(value_name = "URL", value_hint = ValueHint::Url, value_parser = parse_any_url)]
    pub url: Target,
    /// Measure calls of chat.ChatService/SendMessage.
    #[arg(long, conflicts_with = "binary", help_heading = LOAD)]
    pub grpc: bool,
    /// Send binary messages.
    #[arg(long, help_heading = LOAD)]
    pub binary: bool,
    /// Options of the load.
    #[command(flatten)]
    pub load: LoadArgs,
    /// Options of the connection.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// Arguments of the comparison.
#[derive(Clone, Debug, Args)]
pub(crate) struct CompareArgs {
    /// URL of a WebSocket route that answers every message with one message.
    #[arg(value_name = "URL", value_hint = ValueHint::Url, default_value = "wss://localhost:8443/echo")]
    pub url: Target,
    /// URL of the server's gRPC, if it is not on the WebSocket's port.
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url, value_parser = parse_grpc_url, help_heading = LOAD)]
    pub grpc_url: Option<Target>,
    /// Options of the load, the same for each of the three.
    #[command(flatten)]
    pub load: LoadArgs,
    /// Options of the connection.
    #[command(flatten)]
    pub reach: ReachArgs,
}

const LOAD: &str = "Load";
