//! Requests of a member over an open stream, and their answers.

use std::sync::Arc;
use std::time::SystemTime;

use crate::backplane::{History, Published, Query, Range};
use crate::message::MessageId;
use crate::position::Position;
use crate::refusal::Refusal;

/// A request of a member.
#[derive(Clone, Debug)]
pub enum Request {
    /// Sends a message to everybody in the room.
    Say {
        /// The text.
        text: Arc<str>,
        /// The id that the sender gave it.
        id: Option<MessageId>,
    },
    /// Reads messages that are kept: the newest, or those before or after a position.
    History {
        /// Only those before the message with this position.
        before: Option<Position>,
        /// Only those after this position.
        after: Option<Position>,
        /// The maximum number of them.
        limit: Option<usize>,
    },
    /// Replaces the token by a new one.
    Renew {
        /// The new one.
        token: String,
    },
}

/// A notice for one member alone.
#[derive(Clone, Debug)]
pub enum Notice {
    /// A message that the member named is stored.
    Stored {
        /// The id that the member gave it.
        id: MessageId,
        /// Its position.
        published: Published,
    },
    /// Messages that are kept, as the member asked.
    History(History),
    /// The token was replaced; the instant at which the new one ends, if it does.
    Renewed(Option<SystemTime>),
    /// Something is refused, and the member goes on.
    Refused {
        /// The message that it is about, if the member gave it an id.
        id: Option<MessageId>,
        /// Cause of the refusal.
        refusal: Refusal,
    },
}

/// The query for messages before or after a position, but not both.
pub(super) fn query(
    before: Option<Position>,
    after: Option<Position>,
    limit: Option<usize>,
) -> Result<Query, Refusal> {
    let range = match (before, after) {
        (None, None) => Range::Newest,
        (Some(before), None) => Range::Before(before),
        (None, Some(after)) => Range::After(after),
        (Some(_), Some(_)) => {
            let text = "history is before or after a position, not both";
            return Err(Refusal::Malformed(text.to_owned()));
        }
    };
    Ok(Query {
        range,
        max_messages: limit.unwrap_or(DEFAULT_LIMIT),
        max_bytes: usize::MAX,
    })
}

/// The number of messages that are given to somebody who does not say how many.
const DEFAULT_LIMIT: usize = 50;

/// Returns a participant's text; an empty one is none.
pub(super) fn given(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}
