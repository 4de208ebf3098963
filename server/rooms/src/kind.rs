//! Policies for members that read too slowly, by the room's name.

use std::fmt;
use std::str::FromStr;

use super::name::RoomName;

/// The policy for a member whose lag exceeds what the room keeps for members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Policy {
    /// The member is sent away with 1013 and may come back to where it was: nothing is lost as long as it is kept.
    Disconnect,
    /// The oldest events are left out, and a gap says so.
    DropOldest,
    /// A lagging member gets the newest message alone: right for figures, of which the last one counts.
    Latest,
}

/// Names of rooms: a name, or the beginning of names and `*`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern {
    text: String,
}

/// Error of a text that is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no pattern for rooms: write a room's name or the beginning of names and `*`, as in live-*"
)]
pub struct PatternError(String);

impl Pattern {
    /// Reports whether `room` is meant.
    pub fn fits(&self, room: &RoomName) -> bool {
        match self.text.strip_suffix('*') {
            Some(beginning) => room.as_str().starts_with(beginning),
            None => room.as_str() == self.text,
        }
    }
}

impl Pattern {
    /// Reports whether every room that `other` means is meant.
    pub fn covers(&self, other: &Self) -> bool {
        match self.text.strip_suffix('*') {
            Some(beginning) => other.text.starts_with(beginning),
            None => self == other,
        }
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let beginning = text.strip_suffix('*').unwrap_or(text);
        let is_name = beginning.parse::<RoomName>().is_ok();
        if is_name || text == "*" {
            return Ok(Self {
                text: text.to_owned(),
            });
        }
        Err(PatternError(text.chars().take(80).collect()))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl Policy {
    /// Its name in settings and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Disconnect => "disconnect",
            Self::DropOldest => "drop-oldest",
            Self::Latest => "latest",
        }
    }
}

impl FromStr for Policy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::Disconnect, Self::DropOldest, Self::Latest];
        let found = all.into_iter().find(|policy| policy.name() == text);
        found.ok_or_else(|| format!("`{text}` is none of disconnect, drop-oldest and latest"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    #[test]
    fn the_first_pattern_that_fits_decides() {
        let kinds = [
            ("live-drone", Policy::DropOldest),
            ("live-*", Policy::Latest),
        ];
        let settings = Settings {
            kinds: kinds
                .map(|(text, policy)| (text.parse().unwrap(), policy))
                .into(),
            ..Settings::default()
        };
        for (room, policy) in [
            ("live-drone", Policy::DropOldest),
            ("live-drone2", Policy::Latest),
            ("live-", Policy::Latest),
            ("live", Policy::Disconnect),
            ("tea", Policy::Disconnect),
        ] {
            assert_eq!(settings.policy_of(&room.parse().unwrap()), policy, "{room}");
        }
    }

    #[test]
    fn patterns_are_names_with_at_most_a_star_behind() {
        for text in ["*", "tea", "tea-*"] {
            assert_eq!(text.parse::<Pattern>().unwrap().to_string(), text);
        }
        for text in ["", "a*b", "**", "*a", "a b", "a.b"] {
            assert!(text.parse::<Pattern>().is_err(), "{text}");
        }
    }
}
