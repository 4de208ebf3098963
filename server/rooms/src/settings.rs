//! The limits of rooms.

use std::time::Duration;

use values::limiter::Rate;

use super::kind::{Pattern, Policy};
use super::name::RoomName;

/// The limits of rooms, on this node.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Policy for members that read too slowly.
    pub policy: Policy,
    /// The same for rooms of certain names; the first that fits counts.
    pub kinds: Vec<(Pattern, Policy)>,
    /// Rooms with members, and rooms that are remembered. Default: 10,000.
    pub max_rooms: usize,
    /// Members of one room on this node. Default: 20,000, more than the server takes connections by default.
    pub max_members: usize,
    /// Maximum number of members for which joins and leaves are reported one by one; above it their number, once a second.
    /// Default: 256, since the reports grow with the square.
    pub max_presence: usize,
    /// Longest text of a message, in bytes. Default: 64 KiB.
    pub max_text_bytes: usize,
    /// Events that a member may lag. Default: 256.
    pub queue_messages: usize,
    /// Bytes that a member may lag. Default: 1 MiB.
    pub queue_bytes: usize,
    /// Messages of a room that are kept. Default: 500.
    pub history_messages: usize,
    /// Bytes of a room that are kept. Default: 512 KiB.
    pub history_bytes: usize,
    /// Bytes of all rooms that are kept together. Default: 256 MiB.
    pub history_memory: usize,
    /// Time for which a room without members is remembered. Default: 10 minutes.
    pub retention: Duration,
    /// Messages that wait while the backplane is away; beyond it the oldest is dropped. Default: 1,000.
    pub outbox_messages: usize,
    /// Longest time that a message waits while the backplane is away; after it the sender learns that it was not stored.
    /// Default: 10 minutes.
    pub outbox_time: Duration,
    /// Time for the backplane to store a message, after which it counts as away. Default: 2 s.
    pub publish_timeout: Duration,
    /// Messages that a member may send at once. Default: 400.
    pub burst: u32,
    /// Messages per second that a member may send for ever. Default: 50.
    pub per_second: u32,
    /// Burst of joins and leaves that a room reports one by one; what exceeds it is reported later. Default: 256.
    pub presence_burst: u32,
    /// Joins and leaves per second that a room reports, sustained. Default: 20.
    pub presence_per_second: u32,
    /// Joins of one address at once. Default: 2,000.
    pub join_burst: u32,
    /// Joins per second of one address, sustained. Default: 100.
    pub joins_per_second: u32,
    /// Joins at once of one member that a token names. Default: 100.
    pub member_join_burst: u32,
    /// Joins per second of such a member, sustained. Default: 5.
    pub member_joins_per_second: u32,
}

impl Settings {
    /// The policy for slow members of `room`.
    pub fn policy_of(&self, room: &RoomName) -> Policy {
        let kind = self.kinds.iter().find(|(pattern, _)| pattern.fits(room));
        kind.map_or(self.policy, |(_, policy)| *policy)
    }

    /// Maximum size of a message with its envelope, in the format of any transport, in bytes.
    pub fn max_message_bytes(&self) -> usize {
        self.max_text_bytes.saturating_add(ENVELOPE_BYTES)
    }

    /// The rate of messages that a member, or an address without one, may send.
    pub fn message_rate(&self) -> Rate {
        Rate::per_second(self.burst, self.per_second)
    }

    /// The rate at which a room tells joins and leaves one by one.
    pub fn presence_rate(&self) -> Rate {
        Rate::per_second(self.presence_burst, self.presence_per_second)
    }

    /// The rate of joins of one address.
    pub fn join_rate(&self) -> Rate {
        Rate::per_second(self.join_burst, self.joins_per_second)
    }

    /// The rate of joins of one member that a token names.
    pub fn member_join_rate(&self) -> Rate {
        Rate::per_second(self.member_join_burst, self.member_joins_per_second)
    }
}

/// Maximum size of a message beside its text: names, ids, numbers and punctuation.
const ENVELOPE_BYTES: usize = 1024;

impl Default for Settings {
    fn default() -> Self {
        Self {
            policy: Policy::Disconnect,
            kinds: Vec::new(),
            max_rooms: 10_000,
            max_members: 20_000,
            max_presence: 256,
            max_text_bytes: 64 << 10,
            queue_messages: 256,
            queue_bytes: 1 << 20,
            history_messages: 500,
            history_bytes: 512 << 10,
            history_memory: 256 << 20,
            retention: Duration::from_secs(600),
            outbox_messages: 1_000,
            outbox_time: Duration::from_secs(600),
            publish_timeout: Duration::from_secs(2),
            burst: 400,
            per_second: 50,
            presence_burst: 256,
            presence_per_second: 20,
            join_burst: 2_000,
            joins_per_second: 100,
            member_join_burst: 100,
            member_joins_per_second: 5,
        }
    }
}
