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

/// What a sender calls a message so that a repeat is known as one: 1 to 64 printable ASCII characters without space.
///
/// Together with the sender's name it is the message's identity: whoever sends it again after a lost connection uses the
/// same one. A message without gets one that no other has, `node:number`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct MessageId(Arc<str>);

/// Which connection: one that no other has, `node:number`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MemberId(pub Arc<str>);

/// A message that is not yet stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    /// What the sender calls it.
    pub id: MessageId,
    /// Who sends it.
    pub from: MemberName,
    /// The connection that it came over; none if it came without joining.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<MemberId>,
    /// What it says.
    pub text: Arc<str>,
    /// When the node that took it took it: milliseconds since 1970.
    pub at: u64,
}

/// A message with its place in the room's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The place right behind it.
    pub position: Position,
    /// The message.
    pub draft: Draft,
}

/// Why a text is no id of a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id has 1 to {MAX_ID_BYTES} printable ASCII characters without spaces")]
pub struct IdError;

impl MessageId {
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

impl Draft {
    /// What the message takes of limits in bytes: its text and what comes with it.
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
