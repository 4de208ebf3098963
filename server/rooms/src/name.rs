//! Names of rooms and members.

mod error;
mod spelling;

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

pub use error::{MAX_NAME_BYTES, NameError};

/// The name of a room: 1 to 64 of `a-z A-Z 0-9 - _`.
///
/// Every such name is at the same time a segment of a path, a token of a NATS subject and a word in a log.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoomName(Arc<str>);

/// The name of a member: 1 to 64 bytes of letters and digits of any living script, emoji, single spaces and `- _ . '`.
///
/// It is kept in Normalization Form C. Nothing invisible, no words of mixed scripts, and nothing that looks like the
/// server's own lines: the name stands before `: ` in lines of text.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MemberName(Arc<str>);

impl FromStr for RoomName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let (what, bytes) = ("room", text.len());
        if !(1..=MAX_NAME_BYTES).contains(&bytes) {
            return Err(NameError::Length { what, bytes });
        }
        let is_allowed = |character: char| {
            character.is_ascii_alphanumeric() || character == '-' || character == '_'
        };
        match text.chars().find(|&character| !is_allowed(character)) {
            None => Ok(Self(text.into())),
            Some(character) => Err(NameError::Character {
                what,
                character,
                allowed: "a-z A-Z 0-9 - _",
            }),
        }
    }
}

impl FromStr for MemberName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        spelling::member(text).map(|name| Self(name.into()))
    }
}

/// Methods of both kinds of names.
macro_rules! name {
    ($name:ident) => {
        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, formatter)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

name!(RoomName);
name!(MemberName);

#[cfg(test)]
mod tests;
