//! Limits and behaviour of WebSocket connections, compression included.

use std::time::Duration;

use clap::Args;
use clap::builder::TypedValueParser;
use tungstenite_deflate::deflate::{ContextMemory, Level, WindowBits};
use tungstenite_deflate::{DeflateConfig, MemoryBudget};
use values::units::{at_least, count, off_or, positive_time, rate};

use super::network::positive_time_or_off;
use super::{ByteSize, Limit, Switch, TimeSpan};
use crate::origin::origin;

/// Limits and behaviour of WebSocket connections.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "WebSocket")]
#[non_exhaustive]
pub struct WebSocketOptions {
    /// Largest message, after decompression; beyond it the connection fails with 1009 (message too big)
    #[arg(long, value_name = "SIZE", default_value = "1MiB", value_parser = at_least(ByteSize(MIN_MESSAGE_BYTES)))]
    pub max_message_bytes: ByteSize,
    /// Most fragments of one message, or `off` for max(1024, max-message-bytes / 64); beyond it 1008
    #[arg(long, value_name = "N", default_value = "off", value_parser = count_or_off)]
    pub max_fragments: Limit<usize>,
    /// Maximum number of WebSockets and gRPC streams held at a time, over HTTP/1.1 and HTTP/2 together; one more is answered
    /// with 503 or `RESOURCE_EXHAUSTED`. Unless given, at least --max-connections
    #[arg(long, value_name = "N", default_value = "10000", value_parser = count::<usize>)]
    pub max_websockets: usize,
    /// Maximum number of WebSockets and gRPC streams held at a time from one IPv4 address or IPv6 /64 network; one more is
    /// answered with 429 or `RESOURCE_EXHAUSTED`. Unless given, at least --max-connections-per-address, and at most
    /// --max-websockets
    #[arg(long, value_name = "N", default_value = "2000", value_parser = count::<usize>)]
    pub max_websockets_per_address: usize,
    /// Maximum time without progress of an unfinished message or request body, or `off`; exceeding it closes with 1008, or is
    /// answered with 408 or `DEADLINE_EXCEEDED`
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = positive_time_or_off)]
    pub message_timeout: Limit<TimeSpan>,
    /// Minimum part of a message or body that counts as progress; its end always does
    #[arg(long, value_name = "SIZE", default_value = "1KiB", value_parser = at_least(ByteSize(1)))]
    pub min_progress_bytes: ByteSize,
    /// Pings, and Pongs that nobody asked for, that a connection may send at once; beyond it 1008
    #[arg(long, value_name = "N", default_value = "200", value_parser = count::<u32>)]
    pub control_burst: u32,
    /// Such frames per second that it may send for ever
    #[arg(long, value_name = "N", default_value = "100", value_parser = rate::<u32>)]
    pub control_per_second: u32,
    /// Silence after which a Ping is sent, or `off`
    #[arg(long, value_name = "TIME", default_value = "25s", value_parser = positive_time_or_off)]
    pub ping_interval: Limit<TimeSpan>,
    /// Maximum time after that Ping was written without anything received and without progress of writing; exceeding it
    /// drops the connection
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = positive_time)]
    pub pong_timeout: TimeSpan,
    /// Longest time a peer may take to accept bytes that are ready to be sent; a slower reader is dropped
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = positive_time)]
    pub write_timeout: TimeSpan,
    /// Maximum time for the closing handshake after the Close was written, or `off`
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = positive_time_or_off)]
    pub close_timeout: Limit<TimeSpan>,
    /// Bytes queued for a peer beyond which its handler has to wait
    #[arg(long, value_name = "SIZE", default_value = "128KiB")]
    pub max_queue_bytes: ByteSize,
    /// Origin whose pages may connect, as in <https://example.org> or <https://example.org:8443>; repeatable.
    /// The server's own pages always may, and so may clients without an Origin (not browsers); `*` allows all
    #[arg(long, value_name = "ORIGIN", value_parser = origin)]
    pub origin_allow: Vec<String>,
}

/// permessage-deflate (RFC 7692).
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Compression (permessage-deflate)")]
#[non_exhaustive]
pub struct DeflateOptions {
    /// Accept permessage-deflate when a client offers it
    #[arg(long, value_enum, default_value = "on")]
    pub deflate: Switch,
    /// Compression effort: 1 (fast, with little memory) or a level of zlib, 2 to 9 (small)
    #[arg(long, value_name = "1-9", default_value = "1", value_parser = level())]
    pub deflate_level: Level,
    /// Minimum size of a compressed message; if unset, 16B where the server keeps a compression context and 96B otherwise
    #[arg(long, value_name = "SIZE")]
    pub deflate_threshold: Option<ByteSize>,
    /// Forget the server's compression context after each message: less memory, worse ratio
    #[arg(long, value_enum, default_value = "off")]
    pub server_no_context_takeover: Switch,
    /// Ask clients to forget their compression context after each message. Clients whose window cannot be limited to
    /// `--client-max-window-bits` are asked in any case
    #[arg(long, value_enum, default_value = "off")]
    pub client_no_context_takeover: Switch,
    /// Maximum LZ77 window (log2) that the server may compress with; less than 15 is announced to clients
    #[arg(long, value_name = "9-15", default_value = "15", value_parser = window_bits())]
    pub server_max_window_bits: WindowBits,
    /// LZ77 window (log2) that the server's compression contexts use of it, at 4 bytes of memory for each byte of the window;
    /// if unset, 11 at level 1 and all of it at levels of zlib
    #[arg(long, value_name = "9-15", value_parser = window_bits())]
    pub deflate_window_bits: Option<WindowBits>,
    /// Maximum LZ77 window (log2) to request from clients that offer `client_max_window_bits`; if unset, 11 from those that
    /// keep their context, for which the server holds a window of this size
    #[arg(long, value_name = "9-15", value_parser = window_bits())]
    pub client_max_window_bits: Option<WindowBits>,
    /// Maximum memory of all compression contexts together, as a part of `--max-buffered-bytes`. When it is spent, contexts
    /// that were used least recently give way, and then new clients are asked to forget theirs
    #[arg(long, value_name = "SIZE", default_value = "64MiB")]
    pub deflate_memory: ByteSize,
    /// Time after which an unused compression context is forgotten, or stored compressed where it is a client's; `off` for
    /// never
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = positive_time_or_off)]
    pub deflate_idle_timeout: Limit<TimeSpan>,
}

impl DeflateOptions {
    /// The same as the library takes it, with contexts that count against `memory`; `None` when switched off.
    pub(crate) fn to_library(&self, memory: MemoryBudget) -> Option<DeflateConfig> {
        let idle_timeout = self.deflate_idle_timeout.0.map(Duration::from);
        let config = DeflateConfig::default()
            .level(self.deflate_level)
            .threshold(self.deflate_threshold.map(|bytes| bytes.0))
            .server_no_context_takeover(self.server_no_context_takeover.is_on())
            .client_no_context_takeover(self.client_no_context_takeover.is_on())
            .server_max_window_bits(self.server_max_window_bits)
            .encoder_window_bits(self.deflate_window_bits)
            .client_max_window_bits(self.client_max_window_bits)
            .memory(ContextMemory::new(memory, idle_timeout));
        self.deflate.is_on().then_some(config)
    }
}

/// Parses a compression level.
fn level() -> impl TypedValueParser<Value = Level> {
    clap::value_parser!(u8).range(1..=9).try_map(Level::new)
}

/// Parses the base-2 logarithm of a window.
fn window_bits() -> impl TypedValueParser<Value = WindowBits> {
    clap::value_parser!(u8)
        .range(9..=15)
        .try_map(WindowBits::new)
}

/// Parses a count, or `off`.
fn count_or_off(text: &str) -> Result<Limit<usize>, String> {
    off_or(text, count)
}

/// The payload of the largest control frame (RFC 6455 §5.5): a message may be as long.
const MIN_MESSAGE_BYTES: usize = 125;
