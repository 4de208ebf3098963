//! A position in a room's history, `epoch:offset`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The identity of the store that counts a room's offsets, 16 hexadecimal digits when written.
///
/// Offsets of different epochs have nothing to do with each other: when a store is lost or made anew, so is its epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Epoch(pub u64);

/// A position in a room's history: right after the message with this offset. Written `epoch:offset`.
///
/// Offset 0 is the position before the first message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// Store that counts the offsets.
    pub epoch: Epoch,
    /// Grows from message to message of a room, not always by one.
    pub offset: u64,
}

impl Position {
    /// The position `offset` in the store of `epoch`.
    pub fn new(epoch: Epoch, offset: u64) -> Self {
        Self { epoch, offset }
    }
}

/// Error of a text that is no position.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{seen}` is no position: it is written epoch:offset, as in 00c0ffee00c0ffee:17")]
pub struct PositionError {
    /// The beginning of the text.
    pub seen: String,
}

impl fmt::Display for Epoch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.epoch, self.offset)
    }
}

impl FromStr for Epoch {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, PositionError> {
        let is_hexadecimal = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = is_hexadecimal.then(|| u64::from_str_radix(text, 16).ok());
        number.flatten().map(Self).ok_or_else(|| wrong(text))
    }
}

impl FromStr for Position {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, PositionError> {
        let (epoch, offset) = text.split_once(':').ok_or_else(|| wrong(text))?;
        let is_number = offset.bytes().all(|byte| byte.is_ascii_digit());
        let offset = offset.parse().ok().filter(|_| is_number);
        match (epoch.parse(), offset) {
            (Ok(epoch), Some(offset)) => Ok(Self { epoch, offset }),
            _ => Err(wrong(text)),
        }
    }
}

fn wrong(text: &str) -> PositionError {
    PositionError {
        seen: text.chars().take(40).collect(),
    }
}

/// Written as text in JSON: more than 53 bits do not fit into a number there.
impl Serialize for Epoch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Epoch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Position {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Position {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_read_as_they_are_written() {
        let position = Position::new(Epoch(0x00c0_ffee), 17);
        assert_eq!(position.to_string(), "0000000000c0ffee:17");
        assert_eq!(position.to_string().parse(), Ok(position));
    }

    #[test]
    fn what_is_no_position_is_refused() {
        for text in [
            "",
            ":",
            "17",
            "c0ffee:17",
            "0000000000c0ffee:",
            "0000000000c0ffee:-1",
            "0000000000c0ffee:+1",
            "+000000000c0ffee:1",
            "0000000000c0ffee:18446744073709551616",
            "0000000000c0ffee:1:2",
            "00000000000é:1",
        ] {
            assert!(text.parse::<Position>().is_err(), "{text}");
        }
    }
}
