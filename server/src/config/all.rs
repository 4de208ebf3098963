//! Everything that can be chosen about the server, in one value.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use super::{
    DeflateOptions, HttpLimits, Logging, MemoryOptions, NatsOptions, Network, ProxyOptions,
    RoomOptions, RouteOptions, ShutdownOptions, TlsOptions, Tool, WebSocketOptions,
};

/// Task of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Task {
    /// Serve until a signal to stop.
    Run,
    /// Validate the settings, print each with its origin, and end.
    Check,
    /// Print every setting there is as a page of Markdown, and end.
    Reference,
}

/// Everything that can be chosen about the server.
///
/// A value comes from the command line, else from the environment (`WSS_` and the flag's name), else from the TOML
/// file (the flag's name as the key), else from the default. [`Config::load`] reads them all; [`Config::default`] holds
/// the defaults alone and reads neither environment nor file.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "server",
    version,
    about = "A wss server with permessage-deflate: WebSockets, pages, gRPC and metrics on one TLS port",
    long_about = "A wss server with permessage-deflate: WebSockets, pages, gRPC and metrics on one TLS port.\n\n\
                  Without arguments it listens on port 8443 and makes a certificate for localhost in certs/. \
                  `server trust` makes this machine's browsers trust it.",
    args_conflicts_with_subcommands = true,
    after_help = "Every option is also read from the environment (WSS_ and its name) and from the TOML file of --config \
                  (its name as the key). Precedence: flag, environment, file, default.\n\
                  Exit codes: 0 stopped as asked, 1 could not start or failed, 2 wrong usage or settings.",
    max_term_width = 110
)]
#[non_exhaustive]
pub struct Config {
    /// Subcommand that reads no settings, in place of the task.
    #[command(subcommand)]
    pub tool: Option<Tool>,
    /// `run` serves; `check` validates the settings and prints each with its origin; `reference` prints a page about all there are
    #[arg(value_enum, default_value = "run")]
    pub task: Task,
    /// With `check`: fail on warnings too
    #[arg(long)]
    pub strict: bool,
    /// TOML file with settings, `name = value` as the flags are named [default: none]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Settings of listening and of the number of connections.
    #[command(flatten)]
    pub network: Network,
    /// Proxies in front of the server.
    #[command(flatten)]
    pub proxies: ProxyOptions,
    /// Certificates, protocol versions, client certificates.
    #[command(flatten)]
    pub tls: TlsOptions,
    /// Limits of the HTTP part of a connection.
    #[command(flatten)]
    pub http: HttpLimits,
    /// Settings of the server's own routes.
    #[command(flatten)]
    pub routes: RouteOptions,
    /// Limits and behaviour of WebSocket connections.
    #[command(flatten)]
    pub websocket: WebSocketOptions,
    /// permessage-deflate.
    #[command(flatten)]
    pub deflate: DeflateOptions,
    /// Rooms: their limits, and who may enter.
    #[command(flatten)]
    pub rooms: RoomOptions,
    /// NATS, for rooms on many nodes.
    #[command(flatten)]
    pub nats: NatsOptions,
    /// Settings of memory.
    #[command(flatten)]
    pub memory: MemoryOptions,
    /// Settings of stopping.
    #[command(flatten)]
    pub shutdown: ShutdownOptions,
    /// Settings of the log.
    #[command(flatten)]
    pub logging: Logging,
}
