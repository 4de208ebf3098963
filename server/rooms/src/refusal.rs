//! Everything that a participant may be refused; each transport maps it in one table.

use super::backplane::{PublishError, Unavailable};
use super::hub::JoinError;
use super::member::Lagged;
use super::message::IdError;
use super::name::{NameError, RoomName};
use super::position::PositionError;
use super::right::Right;

/// A reason to refuse a participant something; the text is for people.
///
/// The tables that map it are exhaustive: a close code (`routes/chat/closing.rs`), a gRPC status (`grpc/v2/status.rs`) and a
/// problem document (`routes/problem.rs`). The `error` events of all transports use [`code`](Self::code).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no token, and one is needed.
    #[error("a token is needed here")]
    TokenMissing,
    /// The token is not good; the text says why.
    #[error("the token is not accepted: {0}")]
    TokenInvalid(String),
    /// Too many bad tokens came from this address recently.
    #[error("too many bad tokens from this address, try again in a minute")]
    LockedOut,
    /// No key is configured, and the peer is on another machine.
    #[error(
        "rooms are open on this machine only; the server can be given --rooms-token-key or --rooms-open"
    )]
    NotLocal,
    /// The keys that tokens are checked with are not there yet.
    #[error("the keys for tokens have not been fetched yet, try again")]
    NoKeys,
    /// The token has ended since it was accepted.
    #[error("the token has expired, come back with a new one")]
    TokenExpired,
    /// The token names somebody else.
    #[error("the token is for another name")]
    OtherName,
    /// The token does not allow this here.
    #[error("the token does not allow to {right} in the room {room}")]
    Forbidden {
        /// The right that is missing.
        right: Right,
        /// The room.
        room: RoomName,
    },
    /// The name of the room or the participant is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// There is no name, neither from the token nor from the participant.
    #[error("a name is missing: give one with the request or in the token")]
    NameMissing,
    /// A position is none.
    #[error(transparent)]
    Position(#[from] PositionError),
    /// An id of a message is none.
    #[error(transparent)]
    Id(#[from] IdError),
    /// A message has no text.
    #[error("a message needs a text, this one is empty")]
    Empty,
    /// The request cannot be understood; the text says why.
    #[error("{0}")]
    Malformed(String),
    /// A message came as binary where text is spoken.
    #[error("messages are text, not binary")]
    Binary,
    /// More requests than the limit came from one member.
    #[error("more than {burst} messages at once")]
    TooFast {
        /// The limit.
        burst: u32,
    },
    /// More requests than the limit came from one address.
    #[error("too many requests from this address, try again in a second")]
    AddressTooFast,
    /// More joins than the limit came from one address, or of one member.
    #[error("too many joins {of}, try again in a second")]
    TooManyJoins {
        /// `from this address` or `of this member`.
        of: &'static str,
    },
    /// The server has as many rooms, or the room as many members, as it may.
    #[error(transparent)]
    Full(#[from] JoinError),
    /// The member read too slowly, and its room disconnects such members.
    #[error(transparent)]
    Slow(#[from] Lagged),
    /// The text is too long, in bytes.
    #[error("the message was refused: a text of {bytes} bytes, at most {max} are allowed")]
    TooLong {
        /// Bytes of the text.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// The store will never take the message; the text says why.
    #[error("the message was refused: {0}")]
    NotStored(String),
    /// The store cannot be reached, or does not answer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl Refusal {
    /// A word for programs, in `error` events.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TokenMissing | Self::TokenInvalid(_) | Self::LockedOut | Self::NotLocal => {
                "token"
            }
            Self::TokenExpired => "expired",
            Self::OtherName | Self::Forbidden { .. } => "forbidden",
            Self::Name(_)
            | Self::NameMissing
            | Self::Position(_)
            | Self::Id(_)
            | Self::Malformed(_) => "malformed",
            Self::Empty => "empty",
            Self::Binary => "binary",
            Self::TooFast { .. } | Self::AddressTooFast | Self::TooManyJoins { .. } => "rate",
            Self::Full(_) => "full",
            Self::Slow(_) => "slow",
            Self::TooLong { .. } | Self::NotStored(_) => "refused",
            Self::NoKeys | Self::Unavailable(_) => "unavailable",
        }
    }

    /// The reason in metrics: one of a closed set.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Name(_) | Self::NameMissing => "name",
            Self::Full(JoinError::TooManyRooms) => "too_many_rooms",
            Self::Full(JoinError::TooManyMembers) => "too_many_members",
            Self::TooLong { .. } => "too_long",
            _ => self.code(),
        }
    }

    /// Reports whether it ends what is open: the member may do nothing more, so that its connection is closed.
    pub fn is_final(&self) -> bool {
        match self {
            Self::TokenExpired | Self::TooFast { .. } | Self::Slow(_) => true,
            Self::TokenMissing
            | Self::TokenInvalid(_)
            | Self::LockedOut
            | Self::NotLocal
            | Self::OtherName
            | Self::Forbidden { .. }
            | Self::Name(_)
            | Self::NameMissing
            | Self::Position(_)
            | Self::Id(_)
            | Self::Empty
            | Self::Malformed(_)
            | Self::Binary
            | Self::AddressTooFast
            | Self::TooManyJoins { .. }
            | Self::Full(_)
            | Self::TooLong { .. }
            | Self::NotStored(_)
            | Self::NoKeys
            | Self::Unavailable(_) => false,
        }
    }
}

impl From<PublishError> for Refusal {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::Unavailable(unavailable) => Self::Unavailable(unavailable),
            PublishError::Refused(reason) => Self::NotStored(reason),
            PublishError::TooLong { bytes, max } => Self::TooLong { bytes, max },
        }
    }
}
