//! Backplanes: storage of messages and their delivery to other nodes.

mod local;
pub(crate) mod nats;

use async_trait::async_trait;
use futures_util::stream::BoxStream;

use super::message::{Draft, Stored};
use super::name::RoomName;
use super::position::Position;
use super::presence::{Change, Present};

pub use local::Local;
pub use nats::{Nats, NatsCounts, NatsError, NatsSettings};

/// The store and the carrier of messages: [`Local`] within one process, NATS between many.
///
/// Requirements on every implementation, checked by one suite, `tests/backplane`:
///
/// - Offsets of a room grow in the order of its messages; they may leave numbers out. Within an epoch an offset is never
///   given twice.
/// - [`deliveries`](Self::deliveries) gives every stored message of every room once, each room's in the order of their
///   offsets; where it cannot, it says [`Delivery::Interrupted`] and later [`Delivery::Resumed`].
/// - A draft whose sender and id were stored before, within the bounds of what is kept, is not stored again: publishing it
///   gives the first position and `duplicate`, and it is not delivered again.
/// - Nothing waits for ever: a store that does not answer makes a call fail with [`Unavailable`] within seconds. (The hub
///   has a deadline of its own, after which it may publish the same draft once more.)
///
/// Every method may be called at any time, from any task, and dropped at any await (cancel safe): a draft whose publishing
/// was dropped may or may not have been stored.
#[async_trait]
pub trait Backplane: Send + Sync + 'static {
    /// Stores a message; resolves only once it is safe, since this is what the sender learns.
    ///
    /// # Errors
    /// [`PublishError::Unavailable`]: try again later, with the same id. [`PublishError::Refused`]: do not.
    async fn publish(&self, room: &RoomName, draft: &Draft) -> Result<Published, PublishError>;

    /// Gives messages that are kept, the oldest first.
    ///
    /// # Errors
    /// The store does not answer.
    async fn history(&self, room: &RoomName, query: Query) -> Result<History, Unavailable>;

    /// Events of all rooms from now on. Called once, within a runtime.
    ///
    /// Reading is what drives publishing: nobody may wait for [`publish`](Self::publish) without somebody who reads this.
    fn deliveries(&self) -> BoxStream<'static, Delivery>;

    /// Says that this node has members in `room` (`true`) or no longer has any. A hint: what to do with it, and whether to
    /// do anything, is the implementation's affair. The default does nothing.
    fn interest(&self, room: &RoomName, wanted: bool) {
        let _ = (room, wanted);
    }

    /// Returns the members of other nodes; `None`, the default, if there are no other nodes: nothing is then reported.
    fn presence(&self) -> Option<&dyn Presence> {
        None
    }

    /// Reports whether messages can be stored at the moment, as far as is known.
    fn health(&self) -> Health;
}

/// Members of rooms on the nodes of one [`Backplane`], each of which reports its own.
#[async_trait]
pub trait Presence: Send + Sync {
    /// Reports to other nodes that a member of this node is in `room`, until [`withdraw`](Self::withdraw) or the end of
    /// this node. An implementation with a time to live renews it by itself.
    ///
    /// # Errors
    /// The store does not answer; after [`Delivery::Resumed`] the hub announces everybody again.
    async fn announce(&self, room: &RoomName, who: &Present) -> Result<(), Unavailable>;

    /// Notes that a member of this node has gone, before [`withdraw`](Self::withdraw) reports it in its turn: an
    /// implementation with a time to live does not renew it any more.
    fn departed(&self, room: &RoomName, who: &Present);

    /// Takes [`announce`](Self::announce) back.
    ///
    /// # Errors
    /// The store does not answer; the announcement then ends with its time to live.
    async fn withdraw(&self, room: &RoomName, who: &Present) -> Result<(), Unavailable>;

    /// Returns the members of `room` that nodes have announced; it may hold those of this node too.
    ///
    /// # Errors
    /// The store does not answer.
    async fn members(&self, room: &RoomName) -> Result<Vec<Present>, Unavailable>;
}

/// Position of a stored message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// Its position; for a repeat, that of the first.
    pub position: Position,
    /// True if it is a repeat, which was not stored again.
    pub duplicate: bool,
}

/// Cause for which a message was not stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The store cannot be reached; the message may or may not be in it.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// This message will never be taken; the text says why.
    #[error("the message was refused: {0}")]
    Refused(String),
    /// The text is longer than this server allows, in bytes.
    #[error("the message was refused: a text of {bytes} bytes, at most {max} are allowed")]
    TooLong {
        /// Its size.
        bytes: usize,
        /// The limit.
        max: usize,
    },
}

impl PublishError {
    /// The word for members.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "unavailable",
            Self::Refused(_) | Self::TooLong { .. } => "refused",
        }
    }
}

/// The store cannot be reached or does not answer; the text says what happened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store of messages is not available: {0}")]
pub struct Unavailable(pub String);

/// Range of the messages that are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query {
    /// From where.
    pub range: Range,
    /// At most this many.
    pub max_messages: usize,
    /// At most this many bytes, as [`Draft::bytes`] counts them; one message is given even if it is larger.
    pub max_bytes: usize,
}

impl Query {
    /// Requests every event in `range`.
    pub(crate) fn all(range: Range) -> Self {
        Self {
            range,
            max_messages: usize::MAX,
            max_bytes: usize::MAX,
        }
    }
}

/// From where to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// The newest.
    Newest,
    /// Those right after the position: the oldest of them if not all fit.
    After(Position),
    /// Those before the message with this position: the newest of them if not all fit.
    Before(Position),
}

/// Messages of one room, the oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// The messages.
    pub messages: Vec<Stored>,
    /// True if none is missing in the range that was asked for, up to the limits of the query:
    ///
    /// - [`Range::After`]: the epoch is the same, and either the message at the position is still kept or nothing newer than
    ///   the position was ever stored; so no message right after the position has been forgotten. When `false`, `messages`
    ///   begins with the oldest that is kept.
    /// - [`Range::Before`], [`Range::Newest`]: the first message of the room is among them.
    pub complete: bool,
    /// True if the limits of the query cut the range short, so that asking again from the last (or first) of `messages`
    /// gives more.
    pub more: bool,
    /// The room's end: the position after its newest message. `None` if the room has never been used.
    pub end: Option<Position>,
}

/// Something that happened in a room, or to the connection with the other nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// A message was stored, by this node or another.
    Message {
        /// Its room.
        room: RoomName,
        /// The message.
        stored: Stored,
    },
    /// A member of another node came or went; one of this node may be reported too and is then ignored.
    Presence {
        /// Its room.
        room: RoomName,
        /// The change.
        change: Change,
        /// The member.
        who: Present,
    },
    /// From now on deliveries may be missing.
    Interrupted,
    /// Deliveries flow again; what was missed has to be asked for with [`Backplane::history`], which the hub does. Members
    /// have to be announced again.
    Resumed,
}

/// The ability of the store to take messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// They can.
    Up,
    /// They cannot; the text says why, for people.
    Down(String),
}

impl Health {
    /// Reports whether messages can be stored.
    pub fn is_up(&self) -> bool {
        *self == Self::Up
    }
}
