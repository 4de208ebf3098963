//! The command line as it is typed.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};

use crate::dial::{ConnectToRule, ResolveRule};
use crate::duration::{parse_duration, parse_size};
use crate::exit::ExitStatus;
use crate::proxy::Proxy;
use crate::style::ColorChoice;
use crate::target::Target;
use crate::timeouts::TimeoutSpec;
use crate::tls::Pin;

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
    /// What to do other than talk.
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
    /// How to connect.
    #[command(flatten)]
    pub connection: ConnectionArgs,
    /// What to send and when to end.
    #[command(flatten)]
    pub exchange: ExchangeArgs,
    /// What to show.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// What to do other than talk. A subcommand is recognised in first place only.
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
        /// How many times as fast as recorded; 0 does not wait at all.
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
        /// How to connect.
        #[command(flatten)]
        connection: ConnectionArgs,
    },
    /// Print shell completions.
    Completions {
        /// The shell to print them for.
        shell: clap_complete::Shell,
    },
    /// Print the man page, or that of a subcommand.
    Man {
        /// The subcommand.
        command: Option<String>,
    },
}

/// How to connect, whatever is spoken then.
#[derive(Clone, Debug, Args)]
pub(crate) struct ReachArgs {
    /// Add a header to the request, or those of @FILE. Repeatable.
    ///
    /// @FILE reads one from each line of a file; lines that begin with # are left out.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", help_heading = REQUEST)]
    pub headers: Vec<String>,
    /// Send HTTP Basic credentials; the password may stand in CLIENT_PASSWORD.
    ///
    /// A password on the command line can be seen by other users of the machine; the variable cannot.
    #[arg(long, value_name = "NAME[:PASSWORD]", help_heading = REQUEST)]
    pub user: Option<String>,
    /// Send the token in FILE as `Authorization: Bearer`.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = REQUEST)]
    pub bearer_file: Option<PathBuf>,
    /// Send a cookie, or those of @FILE. Repeatable.
    ///
    /// @FILE reads one from each line of a file; lines that begin with # are left out.
    #[arg(long = "cookie", value_name = "NAME=VALUE", help_heading = REQUEST)]
    pub cookies: Vec<String>,
    /// Trust the roots in FILE (PEM) in place of the system's. Repeatable.
    ///
    /// Without it the system's roots are trusted, and for localhost, 127.0.0.1, ::1 and *.localhost also
    /// certs/ca.crt of the current directory when that exists.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, env = "CLIENT_CA", help_heading = TLS)]
    pub ca: Vec<PathBuf>,
    /// Do not check the server's certificate chain and name.
    ///
    /// Refused together with credentials, unless --insecure-credentials insists.
    ///
    /// The server must still prove that it holds the key of the certificate it shows. There is no environment
    /// variable for this.
    #[arg(long, help_heading = TLS)]
    pub insecure: bool,
    /// Send credentials even though --insecure leaves open to whom.
    #[arg(long, requires = "insecure", help_heading = TLS)]
    pub insecure_credentials: bool,
    /// Client certificate chain (PEM).
    #[arg(long, value_name = "FILE", requires = "key", value_hint = ValueHint::FilePath, help_heading = TLS)]
    pub cert: Option<PathBuf>,
    /// Key of the client certificate (PEM, unencrypted).
    #[arg(long, value_name = "FILE", requires = "cert", value_hint = ValueHint::FilePath, help_heading = TLS)]
    pub key: Option<PathBuf>,
    /// Accept only a server whose public key has this SHA-256. Repeatable.
    ///
    /// --verbose shows it.
    #[arg(long = "pin", value_name = "sha256//BASE64", help_heading = TLS)]
    pub pins: Vec<Pin>,
    /// Name for the TLS handshake and the certificate, not the URL's.
    #[arg(long, value_name = "NAME", help_heading = TLS)]
    pub sni: Option<String>,
    /// Oldest TLS version.
    #[arg(long, value_name = "VERSION", default_value = "1.2", help_heading = TLS)]
    pub tls_min: TlsVersion,
    /// Write the session's keys to the file that SSLKEYLOGFILE names.
    ///
    /// Wireshark reads the session with them. Without this flag the variable has no effect.
    #[arg(long, help_heading = TLS)]
    pub keylog: bool,
    /// Dial another place than the URL says. Repeatable.
    ///
    /// The checks of name and certificate stay with the URL. Each of the four parts may be empty.
    #[arg(long, value_name = "HOST:PORT:TO_HOST:TO_PORT", help_heading = NETWORK)]
    pub connect_to: Vec<ConnectToRule>,
    /// Use these addresses for a name. Repeatable.
    #[arg(long, value_name = "HOST:PORT:ADDRESS", help_heading = NETWORK)]
    pub resolve: Vec<ResolveRule>,
    /// IPv4 only.
    #[arg(short = '4', long, conflicts_with = "ipv6", help_heading = NETWORK)]
    pub ipv4: bool,
    /// IPv6 only.
    #[arg(short = '6', long, help_heading = NETWORK)]
    pub ipv6: bool,
    /// Go through a proxy: http://, https://, socks5:// or socks5h://.
    ///
    /// With USER:PASSWORD@ before its name if need be. socks5 looks the server's name up here, socks5h leaves that to
    /// the proxy, as http and https do.
    ///
    /// Without it: wss_proxy or https_proxy for wss, ws_proxy or http_proxy for ws, then all_proxy, from the environment.
    #[arg(long, value_name = "URL", help_heading = NETWORK)]
    pub proxy: Option<Proxy>,
    /// Trust the roots in FILE (PEM) for an https:// proxy. Repeatable.
    ///
    /// --ca, --insecure, --pin, --sni and --cert are about the server alone.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = NETWORK)]
    pub proxy_ca: Vec<PathBuf>,
    /// Hosts to dial without the proxy, comma-separated, or *.
    ///
    /// Names with all below them, addresses, networks such as 10.0.0.0/8; :PORT may follow. Without it NO_PROXY.
    #[arg(long, value_name = "LIST", help_heading = NETWORK)]
    pub no_proxy: Option<String>,
    /// Time-out of all phases (5s) or some (tls=5s,reply=0). Repeatable.
    ///
    /// Phases: resolve, connect, proxy, tls, http, close (10 s each), reply (30 s). 0 waits for ever.
    #[arg(long = "timeout", value_name = "[PHASE=]DURATION", help_heading = NETWORK)]
    pub timeouts: Vec<TimeoutSpec>,
    /// Largest message accepted, after decompression.
    ///
    /// A larger one fails the connection with 1009.
    #[arg(long, value_name = "SIZE", default_value = "1MiB", value_parser = parse_size, help_heading = COMPRESSION)]
    pub max_message: usize,
}

/// How to open a WebSocket.
#[derive(Clone, Debug, Args)]
pub(crate) struct ConnectionArgs {
    /// How to connect.
    #[command(flatten)]
    pub reach: ReachArgs,
    /// Send this Origin, as a browser does for the page's own.
    #[arg(long, value_name = "ORIGIN", help_heading = REQUEST)]
    pub origin: Option<String>,
    /// Ask for a subprotocol, the preferred first. Repeatable.
    ///
    /// Several may also stand behind one flag, with commas between.
    #[arg(long = "subprotocol", value_name = "NAME", value_delimiter = ',', help_heading = REQUEST)]
    pub subprotocols: Vec<String>,
    /// Follow at most 5 redirects.
    ///
    /// Never from wss to ws, and without credentials to another origin.
    #[arg(long, help_heading = REQUEST)]
    pub follow: bool,
    /// Open the WebSocket over HTTP/2 (RFC 8441).
    #[arg(long, help_heading = REQUEST)]
    pub http2: bool,
    /// Send a Ping so often; no Pong before the next ends the connection.
    ///
    /// --verbose shows the round-trip time of each.
    #[arg(long, value_name = "DURATION", value_parser = parse_positive, help_heading = NETWORK)]
    pub ping_interval: Option<Duration>,
    /// Dial again when the connection is lost, N times in a row.
    ///
    /// 10 times unless told otherwise, 0.5 s to 30 s apart with jitter.
    ///
    /// Messages whose writing had not ended are sent again on the new connection.
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "10", require_equals = true, help_heading = NETWORK)]
    pub reconnect: Option<u32>,
    /// Do not offer permessage-deflate.
    #[arg(long, help_heading = COMPRESSION)]
    pub no_deflate: bool,
    /// How hard to compress: 1 (fast, the default) or a level of zlib, 2 to 9 (small).
    #[arg(long, value_name = "1-9", help_heading = COMPRESSION)]
    pub deflate_level: Option<u8>,
    /// Smallest message that is compressed.
    #[arg(long, value_name = "SIZE", value_parser = parse_size, help_heading = COMPRESSION)]
    pub deflate_threshold: Option<usize>,
    /// Keep compression contexts between messages.
    ///
    /// On this side, the server's, or both.
    #[arg(long, value_name = "SIDE", num_args = 0..=1, default_missing_value = "both", require_equals = true, help_heading = COMPRESSION)]
    pub context_takeover: Option<Side>,
    /// Largest LZ77 window of the server, as base-2 logarithm.
    #[arg(long, value_name = "9-15", help_heading = COMPRESSION)]
    pub server_max_window_bits: Option<u8>,
    /// Largest LZ77 window of this side, as base-2 logarithm.
    #[arg(long, value_name = "9-15", help_heading = COMPRESSION)]
    pub client_max_window_bits: Option<u8>,
}

impl ConnectionArgs {
    /// The first option given here that chooses about compression.
    pub(crate) fn compression_option(&self) -> Option<&'static str> {
        first_given(&[
            (self.no_deflate, "--no-deflate"),
            (self.deflate_level.is_some(), "--deflate-level"),
            (self.deflate_threshold.is_some(), "--deflate-threshold"),
            (self.context_takeover.is_some(), "--context-takeover"),
            (
                self.server_max_window_bits.is_some(),
                "--server-max-window-bits",
            ),
            (
                self.client_max_window_bits.is_some(),
                "--client-max-window-bits",
            ),
        ])
    }

    /// The first option given here that means something to a WebSocket only.
    pub(crate) fn websocket_option(&self) -> Option<&'static str> {
        first_given(&[
            (self.origin.is_some(), "--origin"),
            (!self.subprotocols.is_empty(), "--subprotocol"),
            (self.follow, "--follow"),
            (self.http2, "--http2"),
            (self.ping_interval.is_some(), "--ping-interval"),
            (self.reconnect.is_some(), "--reconnect"),
        ])
        .or_else(|| self.compression_option())
    }
}

fn first_given(options: &[(bool, &'static str)]) -> Option<&'static str> {
    options
        .iter()
        .find_map(|&(given, name)| given.then_some(name))
}

/// What to send and when to end.
#[derive(Clone, Debug, Args)]
pub(crate) struct ExchangeArgs {
    /// Send so many messages made from --template, and print each reply.
    #[arg(long, value_name = "N", conflicts_with = "messages", help_heading = EXCHANGE)]
    pub count: Option<u64>,
    /// Time from one message of --count to the next.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = parse_duration, help_heading = EXCHANGE)]
    pub interval: Duration,
    /// Text of the messages of --count; n in braces is the number.
    #[arg(long, value_name = "TEXT", default_value = "Mensagem {n}", help_heading = EXCHANGE)]
    pub template: String,
    /// End after so many replies; fewer is exit status 9.
    #[arg(long, value_name = "N", help_heading = EXCHANGE)]
    pub expect: Option<u64>,
    /// After the last line: end when nothing has come for so long.
    ///
    /// 2 s in a pipe, unless --expect is given; 0 waits for the peer's close.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, help_heading = EXCHANGE)]
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
    /// Messages in a pipe stand behind their length.
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

/// What to show.
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
    /// When to use colour; NO_COLOR is heeded.
    #[arg(long, value_name = "WHEN", default_value = "auto", help_heading = OUTPUT)]
    pub color: ColorChoice,
    /// Show request and response, and which check failed.
    #[arg(long, help_heading = OUTPUT)]
    pub show_handshake: bool,
    /// Show counts, bytes before and after compression, and the ratio.
    #[arg(long, help_heading = OUTPUT)]
    pub stats: bool,
}

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
    /// Who says it.
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
    /// How to connect.
    #[command(flatten)]
    pub reach: ReachArgs,
}

/// What a benchmark sends, how much of it and for how long.
#[derive(Clone, Debug, Args)]
pub(crate) struct LoadArgs {
    /// Connections at the same time.
    #[arg(short = 'c', long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=20_000), help_heading = LOAD)]
    pub connections: u32,
    /// Messages in flight on each connection.
    #[arg(short = 'f', long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000), help_heading = LOAD)]
    pub in_flight: u32,
    /// Size of the payload: JSON-like text, with --binary random bytes.
    #[arg(short = 's', long, default_value = "512", value_name = "SIZE", value_parser = parse_size, help_heading = LOAD)]
    pub size: usize,
    /// File with the payload, in place of --size.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "size", help_heading = LOAD)]
    pub payload: Option<PathBuf>,
    /// How long to measure: 5s, or until --count has been answered.
    #[arg(short = 'd', long, value_name = "DURATION", value_parser = parse_positive, help_heading = LOAD)]
    pub duration: Option<Duration>,
    /// End after so many measured messages, if --duration is not over.
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), help_heading = LOAD)]
    pub count: Option<u64>,
    /// Messages per second over all connections.
    ///
    /// A message that is due while --in-flight are unanswered counts from when it was due, not from when it could be sent
    /// (coordinated omission).
    #[arg(short = 'r', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), help_heading = LOAD)]
    pub rate: Option<u64>,
    /// Time at the start that is not measured: 500ms, or nothing with --count.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, help_heading = LOAD)]
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
    /// What to send.
    #[command(flatten)]
    pub load: LoadArgs,
    /// Write a report with plots.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = OUTPUT)]
    pub html: Option<PathBuf>,
    /// How to connect.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// Arguments of the comparison.
#[derive(Clone, Debug, Args)]
pub(crate) struct CompareArgs {
    /// URL of a WebSocket route that answers every message with one message.
    #[arg(value_name = "URL", value_hint = ValueHint::Url, default_value = "wss://localhost:8443/echo")]
    pub url: Target,
    /// Where the server speaks gRPC, if not on the WebSocket's port.
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url, value_parser = parse_grpc_url, help_heading = LOAD)]
    pub grpc_url: Option<Target>,
    /// What to send, each of the three times.
    #[command(flatten)]
    pub load: LoadArgs,
    /// How to connect.
    #[command(flatten)]
    pub reach: ReachArgs,
}

/// TLS versions for `--tls-min`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TlsVersion {
    /// TLS 1.2.
    #[value(name = "1.2")]
    V12,
    /// TLS 1.3.
    #[value(name = "1.3")]
    V13,
}

/// Whose compression context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Side {
    /// This side's and the server's.
    Both,
    /// This side's.
    Client,
    /// The server's.
    Server,
}

/// `--mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// Line editor with `/` commands.
    Interactive,
    /// Standard input to messages, messages to standard output.
    Pipe,
}

const REQUEST: &str = "Request";
const TLS: &str = "TLS";
const NETWORK: &str = "Network";
const COMPRESSION: &str = "Compression and limits";
const EXCHANGE: &str = "Messages";
const LOAD: &str = "Load";
const OUTPUT: &str = "Output";

fn parse_positive(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        Duration::ZERO => Err("it must be longer than 0".into()),
        duration => Ok(duration),
    }
}

/// A URL of a gRPC server. The service and its method are the path.
fn parse_grpc_url(text: &str) -> Result<Target, String> {
    let target = parse_any_url(text)?;
    let scheme = text.split_once("://").map_or("https", |(scheme, _)| scheme);
    if matches!(scheme.to_ascii_lowercase().as_str(), "ws" | "wss") {
        return Err("a gRPC server has an https, grpcs, http or grpc URL".into());
    }
    if target.path != "/" {
        return Err(format!(
            "the path {} has no meaning to gRPC: leave it out",
            target.path
        ));
    }
    Ok(target)
}

/// A WebSocket or gRPC URL.
fn parse_any_url(text: &str) -> Result<Target, String> {
    match text.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("grpcs") => {
            format!("https://{rest}").parse()
        }
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("grpc") => {
            format!("http://{rest}").parse()
        }
        _ => text.parse(),
    }
}

fn parse_speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if speed.is_finite() && speed >= 0.0 => Ok(speed),
        _ => Err(format!("`{text}` is not a factor such as 0.5, 1 or 10")),
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
         client bench wss://localhost:8443/echo -c 50 -d 10s --html report.html\n  \
         client compare wss://localhost:8443/echo           WebSocket and gRPC side by side\n\n\
         Environment: CLIENT_URL (URL when none is given), CLIENT_GRPC_URL, CLIENT_CA, CLIENT_PASSWORD, NO_COLOR, SSLKEYLOGFILE with --keylog,\n\
         CLIENT_HISTORY (history file), wss_proxy, https_proxy, ws_proxy, http_proxy, all_proxy, no_proxy.\n\n{}",
        ExitStatus::help()
    )
}
