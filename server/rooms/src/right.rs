//! The things that a participant may do in a room.

use std::fmt;

/// One thing that a participant may do in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Right {
    /// Receive messages from now on, and see who is there.
    Join,
    /// Send messages.
    Publish,
    /// Read earlier messages.
    History,
}

impl Right {
    /// Its name in tokens.
    pub fn name(self) -> &'static str {
        match self {
            Self::Join => "join",
            Self::Publish => "publish",
            Self::History => "history",
        }
    }
}

/// Names the right for people.
impl fmt::Display for Right {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Join => "join",
            Self::Publish => "publish",
            Self::History => "read the history",
        })
    }
}
