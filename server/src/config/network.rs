//! Settings of listening, of the number of connections, and of stopping.

use std::net::SocketAddr;

use clap::Args;
use values::units::{at_least, count, off_or, positive_time, rate, up_to};

use super::listen_address::{listenable, mode};
use super::{ByteSize, Limit, ListenAddress, Switch, TimeSpan};
use crate::host::host;

/// Settings of listening and of the number of connections.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Network")]
#[non_exhaustive]
pub struct Network {
    /// Address to listen on: ADDR:PORT or tls://ADDR:PORT with TLS, plain://ADDR:PORT without it, unix:PATH for a Unix
    /// socket without TLS; repeatable. `[::]` takes IPv4 too, port 0 lets the system choose
    #[arg(long, value_name = "ADDRESS", default_value = "[::]:8443", value_parser = str::parse::<ListenAddress>)]
    pub listen: Vec<ListenAddress>,
    /// Address for operators, written as for --listen; repeatable. It carries /metrics, /stats, /healthz, /readyz and gRPC
    /// health and reflection, and takes them, except gRPC health, off the addresses of --listen [default: none]
    #[arg(long, value_name = "ADDRESS", value_parser = str::parse::<ListenAddress>)]
    pub admin_listen: Vec<ListenAddress>,
    /// Accept plain:// addresses that other networks may reach, where everything can be read and changed on its way
    #[arg(long, value_enum, default_value = "off")]
    pub insecure_plain_public: Switch,
    /// File mode of Unix sockets, in octal; a proxy needs the right to write
    #[arg(long, value_name = "MODE", default_value = "0660", value_parser = mode)]
    pub unix_socket_mode: u32,
    /// Further address for gRPC without TLS, as in 127.0.0.1:50051; whoever reaches it needs no certificate [default: none]
    #[arg(long, value_name = "ADDR:PORT", value_parser = listenable)]
    pub grpc_listen: Option<SocketAddr>,
    /// Connections held at once, as far as the descriptors suffice; one more is answered with 503
    #[arg(long, value_name = "N", default_value = "10000", value_parser = count::<usize>)]
    pub max_connections: usize,
    /// Connections held at once from one IPv4 address or IPv6 /64 network; one more is answered with 429
    #[arg(long, value_name = "N", default_value = "1000", value_parser = count::<usize>)]
    pub max_connections_per_address: usize,
    /// Maximum number of over-limit connections answered (503, 429) at a time; others are closed without a response
    #[arg(long, value_name = "N", default_value = "64")]
    pub max_refusals: usize,
    /// TLS connections accepted per second from one IPv4 address or IPv6 /64 network, or `off`; more are closed unanswered
    #[arg(long, value_name = "N", default_value = "50", value_parser = rate_or_off)]
    pub handshake_rate: Limit<usize>,
    /// TLS connections that one such address or network may open at once before the rate counts
    #[arg(long, value_name = "N", default_value = "100", value_parser = count::<usize>)]
    pub handshake_burst: usize,
    /// Apply the rate to this host's own connections too; off because a proxy or a load test beside the
    /// server brings everybody's connections from 127.0.0.1
    #[arg(long, value_enum, default_value = "off")]
    pub handshake_rate_loopback: Switch,
    /// TLS handshakes worked on at once; further ones wait within their deadline
    #[arg(long, value_name = "N", default_value = "256", value_parser = count::<usize>)]
    pub max_handshakes: usize,
    /// Longest time a connection may take for its TLS handshake
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = positive_time)]
    pub handshake_timeout: TimeSpan,
    /// Maximum time for which a connection that the server has ended is kept so that its last answer or alert arrives: what
    /// the peer still sends is read and dropped, since TCP would reset the connection otherwise. The default is several
    /// round trips of a slow link
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = positive_time)]
    pub linger: TimeSpan,
    /// Time without acknowledgement after which the system drops a connection (`TCP_USER_TIMEOUT`, Linux), or `off`
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = positive_time_or_off)]
    pub tcp_user_timeout: Limit<TimeSpan>,
    /// Bytes that the system takes ahead of what it sends on a connection (`TCP_NOTSENT_LOWAT`, Linux), or `off`; more
    /// grows old there while the peer reads slowly, less costs large messages throughput. 16KiB for members of rooms of
    /// the kind `latest`
    #[arg(long, value_name = "SIZE", default_value = "128KiB", value_parser = notsent)]
    pub tcp_notsent_bytes: Limit<ByteSize>,
}

impl Network {
    /// Returns whether clients of other networks may reach an address of `--listen`.
    pub(crate) fn is_public(&self) -> bool {
        self.listen.iter().any(ListenAddress::is_public)
    }
}

/// Limits of the HTTP part of a connection.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "HTTP")]
#[non_exhaustive]
pub struct HttpLimits {
    /// Host that requests may be for, as in example.org or example.org:8443; repeatable. Others get 421 (misdirected
    /// request) [default: any host]
    #[arg(long, value_name = "HOST[:PORT]", value_parser = host)]
    pub host_allow: Vec<String>,
    /// Time for which browsers that were on a page keep to https for this host name, all its ports included
    /// (`Strict-Transport-Security`), whole seconds, or `off`; 0 has them forget it
    #[arg(long, value_name = "TIME", default_value = "off", value_parser = whole_seconds_or_off)]
    pub hsts: Limit<TimeSpan>,
    /// Longest time for a whole request head, for the first one from the connection's start
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = positive_time)]
    pub head_timeout: TimeSpan,
    /// Maximum time from a response over HTTP/1.1 to the end of the next request's head, before the connection is closed.
    /// Longer than proxies keep an idle connection, mostly 60s, else they send requests on one that is just closed
    #[arg(long, value_name = "TIME", default_value = "75s", value_parser = positive_time)]
    pub keep_alive_timeout: TimeSpan,
    /// Longest request head; beyond it 431
    #[arg(long, value_name = "SIZE", default_value = "16KiB", value_parser = at_least(ByteSize(MIN_HEAD_BYTES)))]
    pub max_head_bytes: ByteSize,
    /// Longest request target; beyond it 414
    #[arg(long, value_name = "SIZE", default_value = "8KiB", value_parser = at_least(ByteSize(MIN_URI_BYTES)))]
    pub max_uri_bytes: ByteSize,
    /// Most header fields in a request; beyond it 431
    #[arg(long, value_name = "N", default_value = "100", value_parser = up_to(MAX_HEADERS))]
    pub max_headers: usize,
    /// Streams that one HTTP/2 connection may have open
    #[arg(long, value_name = "N", default_value = "100", value_parser = count::<u32>)]
    pub max_streams: u32,
}

/// Settings of stopping.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Stopping")]
#[non_exhaustive]
pub struct ShutdownOptions {
    /// Time after the signal in which connections and requests are still served while `/readyz` and gRPC health report
    /// that the server is leaving; set it above the interval at which a balancer probes
    #[arg(long, value_name = "TIME", default_value = "0s")]
    pub drain_delay: TimeSpan,
    /// Going away (1001) reaches the connections spread over at most this time, so that they do not all come back at once
    #[arg(long, value_name = "TIME", default_value = "3s")]
    pub drain_window: TimeSpan,
    /// Longest time to wait for connections to end, after the signal and `--drain-delay`; the rest is cut off
    #[arg(long, value_name = "TIME", default_value = "10s")]
    pub drain_timeout: TimeSpan,
}

/// Parses a rate, or `off`.
pub(super) fn rate_or_off(text: &str) -> Result<Limit<usize>, String> {
    off_or(text, rate)
}

/// Parses a time longer than zero, or `off`.
pub(super) fn positive_time_or_off(text: &str) -> Result<Limit<TimeSpan>, String> {
    off_or(text, positive_time)
}

/// Parses a time of whole seconds, or `off`.
fn whole_seconds_or_off(text: &str) -> Result<Limit<TimeSpan>, String> {
    off_or(text, |text| match text.parse()? {
        TimeSpan(time) if time.subsec_nanos() != 0 => {
            Err(format!("`{text}` must be whole seconds"))
        }
        time => Ok(time),
    })
}

/// Room for a WebSocket handshake as browsers send it, without cookies.
const MIN_HEAD_BYTES: usize = 1024;
/// Room for the paths of this server.
const MIN_URI_BYTES: usize = 64;
/// The maximum that `http::HeaderMap` takes.
const MAX_HEADERS: usize = 32_768;

/// Parses a size from one byte on, or `off`; to the system, zero would be its own default.
fn notsent(text: &str) -> Result<Limit<ByteSize>, String> {
    off_or(text, at_least(ByteSize(1)))
}
