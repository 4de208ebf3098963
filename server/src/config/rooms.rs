//! Rooms: their limits, and who may enter.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use values::units::{at_least, count, positive_time, rate};

use super::network::rate_or_off;

use super::{ByteSize, Limit, Switch, TimeSpan};
use rooms::{Pattern, Policy, Settings};

/// Rooms: their limits, and who may enter.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Rooms")]
#[non_exhaustive]
pub struct RoomOptions {
    /// Policy for members that read too slowly: `disconnect` (1013), `drop-oldest` (with a gap notice) or `latest`
    /// (only the newest message, for live figures)
    #[arg(long, value_name = "POLICY", default_value = "disconnect")]
    pub rooms_policy: Policy,
    /// The same for rooms of certain names, as in live-*=latest; repeatable, the first that fits counts
    #[arg(long, value_name = "PATTERN=POLICY")]
    pub rooms_kind: Vec<RoomKind>,
    /// Let everybody enter, not only those on this machine; not needed with keys for tokens
    #[arg(long, value_enum, default_value = "off")]
    pub rooms_open: Switch,
    /// Public keys to check tokens (JWT) with: PEM (RSA, P-256, P-384, Ed25519) or a JSON Web Key Set. With keys nobody
    /// enters without a token; SIGHUP reads them again [default: none]
    #[arg(long, value_name = "FILE")]
    pub rooms_token_key: Option<PathBuf>,
    /// Shared secret to check tokens with (HS256), at least 32 bytes: as it is, or base64 after `base64:` [default: none]
    #[arg(long, value_name = "FILE")]
    pub rooms_token_secret: Option<PathBuf>,
    /// URL of a JSON Web Key Set, https, to fetch more public keys from while serving [default: none]
    #[arg(long, value_name = "URL")]
    pub rooms_token_jwks_url: Option<String>,
    /// Authorities to check that server with, PEM [default: the system's]
    #[arg(long, value_name = "FILE")]
    pub rooms_token_jwks_ca: Option<PathBuf>,
    /// Time after which the keys are fetched again; a token with an unknown key has them fetched once a minute at most
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = positive_time)]
    pub rooms_token_jwks_interval: TimeSpan,
    /// Maximum time to fetch the keys
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = positive_time)]
    pub rooms_token_jwks_timeout: TimeSpan,
    /// Maximum number of tokens with a wrong signature per minute and address that get 401; further ones get 429, one in
    /// 50 ms on each connection, and good ones always pass; or `off`
    #[arg(long, value_name = "N", default_value = "5", value_parser = rate_or_off)]
    pub rooms_token_failures: Limit<usize>,
    /// Audience (aud) that tokens must name
    #[arg(long, value_name = "NAME", default_value = "rooms", value_parser = NonEmptyStringValueParser::new())]
    pub rooms_token_audience: String,
    /// By how much clocks may differ when the times in tokens are checked
    #[arg(long, value_name = "TIME", default_value = "30s")]
    pub rooms_token_leeway: TimeSpan,
    /// Rooms at once; remembered ones without members make way for new ones
    #[arg(long, value_name = "N", default_value = "10000", value_parser = count::<usize>)]
    pub rooms_max: usize,
    /// Members of one room on this node
    #[arg(long, value_name = "N", default_value = "20000", value_parser = count::<usize>)]
    pub rooms_max_members: usize,
    /// Members up to which every join and leave is reported; in larger rooms only their number is, once a second
    #[arg(long, value_name = "N", default_value = "256")]
    pub rooms_max_presence: usize,
    /// Longest message; beyond it 1009 (message too big)
    #[arg(long, value_name = "SIZE", default_value = "64KiB", value_parser = at_least(ByteSize(1)))]
    pub rooms_max_text_bytes: ByteSize,
    /// Events that a member may lag
    #[arg(long, value_name = "N", default_value = "256", value_parser = count::<usize>)]
    pub rooms_queue_messages: usize,
    /// Bytes that a member may lag
    #[arg(long, value_name = "SIZE", default_value = "1MiB", value_parser = at_least(ByteSize(1)))]
    pub rooms_queue_bytes: ByteSize,
    /// Messages kept of one room
    #[arg(long, value_name = "N", default_value = "500")]
    pub rooms_history_messages: usize,
    /// Bytes kept of one room
    #[arg(long, value_name = "SIZE", default_value = "512KiB")]
    pub rooms_history_bytes: ByteSize,
    /// Bytes kept of all rooms together
    #[arg(long, value_name = "SIZE", default_value = "256MiB")]
    pub rooms_history_memory: ByteSize,
    /// Time for which a room without members is remembered
    #[arg(long, value_name = "TIME", default_value = "10m")]
    pub rooms_retention: TimeSpan,
    /// Messages that wait while the backplane is away; beyond it the oldest is dropped
    #[arg(long, value_name = "N", default_value = "1000", value_parser = count::<usize>)]
    pub rooms_outbox_messages: usize,
    /// Longest time that a message waits while the backplane is away; beyond it its sender is notified that it was not stored
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = positive_time)]
    pub rooms_outbox_time: TimeSpan,
    /// Maximum time for the backplane to store a message before it counts as away
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = positive_time)]
    pub rooms_publish_timeout: TimeSpan,
    /// Messages that a member, or an address without one, may send at once; beyond it 1008 or 429
    #[arg(long, value_name = "N", default_value = "400", value_parser = count::<u32>)]
    pub rooms_burst: u32,
    /// Messages per second that it may send for ever
    #[arg(long, value_name = "N", default_value = "50", value_parser = rate::<u32>)]
    pub rooms_per_second: u32,
    /// Maximum burst of join and leave events of a room; what exceeds it is reported later, and not at all if it cancels out
    #[arg(long, value_name = "N", default_value = "256", value_parser = count::<u32>)]
    pub rooms_presence_burst: u32,
    /// Maximum sustained join and leave events per second of a room
    #[arg(long, value_name = "N", default_value = "20", value_parser = rate::<u32>)]
    pub rooms_presence_per_second: u32,
    /// Maximum burst of joins from one address (an IPv6 /64 counts as one); exceeding it closes with 1013
    #[arg(long, value_name = "N", default_value = "2000", value_parser = count::<u32>)]
    pub rooms_join_burst: u32,
    /// Maximum sustained joins per second from one address
    #[arg(long, value_name = "N", default_value = "100", value_parser = rate::<u32>)]
    pub rooms_joins_per_second: u32,
    /// Maximum burst of joins of one member that a token names
    #[arg(long, value_name = "N", default_value = "100", value_parser = count::<u32>)]
    pub rooms_member_join_burst: u32,
    /// Maximum sustained joins per second of one member that a token names
    #[arg(long, value_name = "N", default_value = "5", value_parser = rate::<u32>)]
    pub rooms_member_joins_per_second: u32,
}

/// A pattern and what applies to rooms that it fits, `PATTERN=POLICY`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomKind {
    /// Pattern of the rooms' names.
    pub pattern: Pattern,
    /// Policy of these rooms.
    pub policy: Policy,
}

impl FromStr for RoomKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (pattern, policy) = text
            .split_once('=')
            .ok_or_else(|| format!("`{text}` is not PATTERN=POLICY, as in live-*=latest"))?;
        Ok(Self {
            pattern: pattern.parse().map_err(|error| format!("{error}"))?,
            policy: policy.parse()?,
        })
    }
}

impl RoomOptions {
    /// The same as rooms take it.
    pub(crate) fn settings(&self) -> Settings {
        let kinds = self.rooms_kind.iter();
        Settings {
            policy: self.rooms_policy,
            kinds: kinds
                .map(|kind| (kind.pattern.clone(), kind.policy))
                .collect(),
            max_rooms: self.rooms_max,
            max_members: self.rooms_max_members,
            max_presence: self.rooms_max_presence,
            max_text_bytes: self.rooms_max_text_bytes.0,
            queue_messages: self.rooms_queue_messages,
            queue_bytes: self.rooms_queue_bytes.0,
            history_messages: self.rooms_history_messages,
            history_bytes: self.rooms_history_bytes.0,
            history_memory: self.rooms_history_memory.0,
            retention: self.rooms_retention.0,
            outbox_messages: self.rooms_outbox_messages,
            outbox_time: self.rooms_outbox_time.0,
            publish_timeout: self.rooms_publish_timeout.0,
            burst: self.rooms_burst,
            per_second: self.rooms_per_second,
            presence_burst: self.rooms_presence_burst,
            presence_per_second: self.rooms_presence_per_second,
            join_burst: self.rooms_join_burst,
            joins_per_second: self.rooms_joins_per_second,
            member_join_burst: self.rooms_member_join_burst,
            member_joins_per_second: self.rooms_member_joins_per_second,
        }
    }
}
