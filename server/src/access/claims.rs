//! What a token says about its bearer.

use std::time::{Duration, UNIX_EPOCH};

use serde::Deserialize;

use super::{Grant, Right};

/// The claims that count here; `exp`, `nbf` and `aud` have been looked at before.
#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    /// The bearer's name in all rooms.
    sub: String,
    /// When the token ends, in seconds since 1970.
    exp: u64,
    /// Names of rooms, or their beginnings and `*`.
    #[serde(default)]
    rooms: Vec<String>,
    /// `join`, `publish`, `history`.
    #[serde(default)]
    rights: Vec<String>,
}

impl Claims {
    /// What they allow, and until when; `leeway` is added, as it is when the token is checked.
    ///
    /// # Errors
    /// `sub` is no name for a member, or a pattern is none. Rights of other systems are left alone.
    pub(super) fn grant(self, leeway: Duration) -> Result<Grant, String> {
        let name = self.sub.parse();
        let name = name.map_err(|error| format!("its sub is no name: {error}"))?;
        let rooms = self.rooms.iter().map(|pattern| pattern.parse());
        let rooms: Result<_, _> = rooms.collect();
        let rooms = rooms.map_err(|error| format!("its claim rooms: {error}"))?;
        let all = [Right::Join, Right::Publish, Right::History];
        let has = |right: &Right| self.rights.iter().any(|name| name == right.name());
        let rights = all.into_iter().filter(has).collect();
        let seconds = Duration::from_secs(self.exp).saturating_add(leeway);
        let end = UNIX_EPOCH.checked_add(seconds);
        Ok(Grant::limited(name, rooms, rights, end))
    }
}
