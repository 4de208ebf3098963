//! The options that say how to reach a server and how to open a WebSocket.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum, ValueHint};
use tungstenite_deflate::deflate::{Level, WindowBits};
use tungstenite_deflate::dial::{NoProxy, Proxy};

use super::values::{level, parse_positive, parse_size, window_bits};
use crate::dial::{ConnectToRule, ResolveRule};
use crate::timeouts::TimeoutSpec;
use crate::tls::Pin;

/// Options of the connection, whatever protocol it carries.
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
    /// A server that shows the very certificate in FILE is accepted too. Without --ca the system's roots are trusted,
    /// and for localhost, 127.0.0.1, ::1 and *.localhost also certs/ca.crt of the current directory: a regular file
    /// that only the user or root can write, and never with credentials, --connect-to, --resolve or a proxy.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, env = "CLIENT_CA", help_heading = TLS)]
    pub ca: Vec<PathBuf>,
    /// Do not check the server's certificate chain and name.
    ///
    /// Refused together with credentials (headers, tokens and certificates are held to be some), unless
    /// --insecure-credentials insists.
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
    /// Connect to a different host and port than the URL's. Repeatable.
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
    pub no_proxy: Option<NoProxy>,
    /// Time-out of all phases (5s) or some (tls=5s,reply=0). Repeatable.
    ///
    /// Phases: resolve, connect, proxy, tls, http, close (10s each), reply (30s). 0 waits for ever.
    #[arg(long = "timeout", value_name = "[PHASE=]TIME", help_heading = NETWORK)]
    pub timeouts: Vec<TimeoutSpec>,
    /// Largest message accepted, after decompression.
    ///
    /// A larger one fails the connection with 1009.
    #[arg(long, value_name = "SIZE", default_value = "1MiB", value_parser = parse_size, help_heading = COMPRESSION)]
    pub max_message: usize,
}

/// Options of a WebSocket connection.
#[derive(Clone, Debug, Args)]
pub(crate) struct ConnectionArgs {
    /// Options of the connection.
    #[command(flatten)]
    pub reach: ReachArgs,
    /// Send this Origin, as a browser does for the page's own.
    #[arg(long, value_name = "ORIGIN", help_heading = REQUEST)]
    pub origin: Option<String>,
    /// Ask for a subprotocol, the preferred first. Repeatable.
    ///
    /// One flag also takes several, separated by commas.
    #[arg(long = "subprotocol", value_name = "NAME", value_delimiter = ',', help_heading = REQUEST)]
    pub subprotocols: Vec<String>,
    /// Follow at most 5 redirects.
    ///
    /// Never from wss to ws. Headers, subprotocols and certificate given for one origin are not sent to another.
    #[arg(long, help_heading = REQUEST)]
    pub follow: bool,
    /// Open the WebSocket over HTTP/2 (RFC 8441).
    #[arg(long, help_heading = REQUEST)]
    pub http2: bool,
    /// Send a Ping so often; no Pong before the next ends the connection.
    ///
    /// --verbose shows the round-trip time of each.
    #[arg(long, value_name = "TIME", value_parser = parse_positive, help_heading = NETWORK)]
    pub ping_interval: Option<Duration>,
    /// Dial again when the connection is lost, N times in a row.
    ///
    /// 10 times by default, 500ms to 30s apart with jitter.
    ///
    /// Messages whose writing had not ended are sent again on the new connection.
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "10", require_equals = true, help_heading = NETWORK)]
    pub reconnect: Option<u32>,
    /// Do not offer permessage-deflate.
    #[arg(long, help_heading = COMPRESSION)]
    pub no_deflate: bool,
    /// Compression effort: 1 (fast, the default) or a level of zlib, 2 to 9 (small).
    #[arg(long, value_name = "1-9", value_parser = level(), help_heading = COMPRESSION)]
    pub deflate_level: Option<Level>,
    /// Minimum size of a compressed message.
    ///
    /// By default 16B where a compression context is kept and 96B otherwise.
    #[arg(long, value_name = "SIZE", value_parser = parse_size, help_heading = COMPRESSION)]
    pub deflate_threshold: Option<usize>,
    /// Choose whose compression contexts are kept.
    ///
    /// Contexts last from one message to the next: those of both sides (the default), of this side, of the server or of none.
    ///
    /// A context is kept only if both sides agree; the client warns if the server declines one that was asked for here.
    #[arg(long, value_name = "SIDE", num_args = 0..=1, default_missing_value = "both", require_equals = true, help_heading = COMPRESSION)]
    pub context_takeover: Option<Side>,
    /// Maximum LZ77 window (log2) of the server, 15 by default.
    #[arg(long, value_name = "9-15", value_parser = window_bits(), help_heading = COMPRESSION)]
    pub server_max_window_bits: Option<WindowBits>,
    /// Maximum LZ77 window (log2) of this side, 15 by default.
    #[arg(long, value_name = "9-15", value_parser = window_bits(), help_heading = COMPRESSION)]
    pub client_max_window_bits: Option<WindowBits>,
    /// LZ77 window (log2) that this side's context uses of that maximum.
    ///
    /// By default 11 at level 1 and all of it at levels of zlib.
    #[arg(long, value_name = "9-15", value_parser = window_bits(), help_heading = COMPRESSION)]
    pub deflate_window_bits: Option<WindowBits>,
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
            (self.deflate_window_bits.is_some(), "--deflate-window-bits"),
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

/// Side whose compression context is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Side {
    /// This side's and the server's.
    Both,
    /// This side's.
    Client,
    /// The server's.
    Server,
    /// Neither.
    None,
}

const REQUEST: &str = "Request";
const TLS: &str = "TLS";
const NETWORK: &str = "Network";
const COMPRESSION: &str = "Compression and limits";
