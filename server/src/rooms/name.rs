//! What rooms and members may be called.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Longest name of a room or a member, in bytes.
pub const MAX_NAME_BYTES: usize = 64;

/// The name of a room: 1 to 64 of `a-z A-Z 0-9 - _`.
///
/// Every such name is at the same time a segment of a path, a token of a NATS subject and a word in a log.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoomName(Arc<str>);

/// The name of a member: 1 to 64 bytes of letters and digits of any script and `- _ .`.
///
/// No spaces, no punctuation and no invisible characters: the name stands before `: ` in lines of text.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MemberName(Arc<str>);

/// Why a text is no name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// There is nothing in it, or too much.
    #[error("a {what} name has 1 to {MAX_NAME_BYTES} bytes, this one has {bytes}")]
    Length {
        /// `room` or `member`.
        what: &'static str,
        /// How long the text is.
        bytes: usize,
    },
    /// A character is not allowed.
    #[error("{character:?} is not allowed in a {what} name: use {allowed}")]
    Character {
        /// `room` or `member`.
        what: &'static str,
        /// The first that is not allowed.
        character: char,
        /// What is allowed.
        allowed: &'static str,
    },
}

fn check(
    text: &str,
    what: &'static str,
    is_allowed: fn(char) -> bool,
    allowed: &'static str,
) -> Result<Arc<str>, NameError> {
    let bytes = text.len();
    if !(1..=MAX_NAME_BYTES).contains(&bytes) {
        return Err(NameError::Length { what, bytes });
    }
    match text.chars().find(|&character| !is_allowed(character)) {
        None => Ok(text.into()),
        Some(character) => Err(NameError::Character {
            what,
            character,
            allowed,
        }),
    }
}

impl FromStr for RoomName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let is_allowed = |character: char| {
            character.is_ascii_alphanumeric() || character == '-' || character == '_'
        };
        check(text, "room", is_allowed, "a-z A-Z 0-9 - _").map(Self)
    }
}

impl FromStr for MemberName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let is_allowed =
            |character: char| character.is_alphanumeric() || matches!(character, '-' | '_' | '.');
        check(text, "member", is_allowed, "letters, digits and - _ .").map(Self)
    }
}

/// What both kinds of names can do.
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
mod tests {
    use super::*;

    #[test]
    fn names_are_what_the_alphabet_allows() {
        for name in ["a", "room-1", "A_b-9", &"x".repeat(64)] {
            assert_eq!(name.parse::<RoomName>().unwrap().as_str(), name);
        }
        for name in ["ana", "João", "ana.b-c_d", "Ωμέγα", "名前"] {
            assert_eq!(name.parse::<MemberName>().unwrap().as_str(), name);
        }
    }

    #[test]
    fn others_are_told_what_is_wrong() {
        for (name, part) in [
            ("", "this one has 0"),
            ("a b", "' '"),
            ("a/b", "'/'"),
            ("a.b", "'.'"),
            ("ä", "a-z A-Z 0-9 - _"),
            ("*", "'*'"),
            (&"x".repeat(65), "this one has 65"),
        ] {
            let error = name.parse::<RoomName>().unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        for name in [
            "",
            "a b",
            "a\r\n",
            "a:b",
            "a\u{202e}b",
            "<b>",
            &"é".repeat(33),
        ] {
            assert!(name.parse::<MemberName>().is_err(), "{name:?}");
        }
    }

    #[test]
    fn names_in_json_are_checked_too() {
        assert!(serde_json::from_str::<RoomName>("\"tea\"").is_ok());
        assert!(serde_json::from_str::<RoomName>("\"t\\u0065a\"").is_ok());
        let error = serde_json::from_str::<RoomName>("\"te a\"").unwrap_err();
        assert!(error.to_string().contains("room name"), "{error}");
    }
}
