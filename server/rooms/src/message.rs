//! A message before and after it is stored.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::name::MemberName;
use super::position::Position;

/// Longest id of a message, in bytes.
pub const MAX_ID_BYTES: usize = 64;

/// A sender's id of a message, by which a repeat is known: 1 to 64 printable ASCII characters without space.
///
/// It is part of the message's [`Identity`]: whoever sends it again after a lost connection uses the same one. A message
/// without gets a random one of 128 bits, which nobody can guess.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct MessageId(Arc<str>);

/// The id of a connection: the node's name and a random number, `5f1c0a9be21d:9be2130c0a9be21d`, so that it tells nothing of others.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MemberId(pub Arc<str>);

/// A message that is not yet stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    /// The sender's id of it.
    pub id: MessageId,
    /// The sender's name.
    pub from: MemberName,
    /// The connection that it came over; none if it came without joining.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<MemberId>,
    /// The text.
    pub text: Arc<str>,
    /// Time at which the first node received it: milliseconds since 1970.
    pub at: u64,
}

/// The identity of a message: one with the same sender, id and text is a repeat.
///
/// The text belongs to it because names and ids can be chosen: else whoever used the name and the id of somebody first
/// could make that somebody's message vanish.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    from: MemberName,
    id: MessageId,
    text: Arc<str>,
}

/// A message with its position in the room's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The position right after it.
    pub position: Position,
    /// The message.
    pub draft: Draft,
}

/// Error of a text that is no id of a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id has 1 to {MAX_ID_BYTES} printable ASCII characters without spaces")]
pub struct IdError;

impl MessageId {
    /// An id that nobody can guess.
    pub fn random() -> Self {
        Self(format!("{:032x}", rand::random::<u128>()).into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for MessageId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let fits = (1..=MAX_ID_BYTES).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Self(text.into())).ok_or(IdError)
    }
}

impl<'de> Deserialize<'de> for MessageId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Display for MemberId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl MemberId {
    /// The id of a new connection to `node`.
    pub(super) fn random(node: &str) -> Self {
        Self(format!("{node}:{:016x}", rand::random::<u64>()).into())
    }

    /// Reports whether the connection is one to `node`.
    pub(super) fn is_of(&self, node: &str) -> bool {
        self.0.split_once(':').is_some_and(|(of, _)| of == node)
    }
}

impl Draft {
    /// Returns the identity by which repeats are found.
    pub fn identity(&self) -> Identity {
        Identity {
            from: self.from.clone(),
            id: self.id.clone(),
            text: Arc::clone(&self.text),
        }
    }

    /// Reports whether one of the two is a repeat of the other.
    pub fn is_repeat_of(&self, other: &Self) -> bool {
        self.id == other.id && self.from == other.from && self.text == other.text
    }

    /// Its size as limits count it, in bytes: the text and what comes with it.
    pub fn bytes(&self) -> usize {
        let member = self.member.as_ref().map_or(0, |member| member.0.len());
        self.text.len() + self.from.as_str().len() + self.id.0.len() + member + OVERHEAD
    }
}

/// `time` in milliseconds since 1970.
pub fn unix_millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Bytes counted for a message beside what it carries.
const OVERHEAD: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_short_and_printable() {
        for id in ["1", "0b9f-11", "a:b", &"x".repeat(64)] {
            assert!(id.parse::<MessageId>().is_ok(), "{id}");
        }
        for id in ["", "a b", "ä", "a\n", &"x".repeat(65)] {
            assert!(id.parse::<MessageId>().is_err(), "{id}");
        }
    }
}
