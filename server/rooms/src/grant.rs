//! Rights of a participant, and their end.

use std::time::SystemTime;

use super::kind::Pattern;
use super::name::{MemberName, RoomName};
use super::refusal::Refusal;
use super::right::Right;

/// Rights of a participant, and their end.
#[derive(Clone, Debug)]
pub struct Grant {
    name: Option<MemberName>,
    /// `None`: everything everywhere.
    limits: Option<(Vec<Pattern>, Vec<Right>)>,
    end: Option<SystemTime>,
}

impl Grant {
    /// Everything everywhere, under any name, without an end.
    pub fn everything() -> Self {
        Self {
            name: None,
            limits: None,
            end: None,
        }
    }

    /// `rights` in the rooms that match `rooms`, as `name`, before `end`.
    pub fn limited(
        name: MemberName,
        rooms: Vec<Pattern>,
        rights: Vec<Right>,
        end: Option<SystemTime>,
    ) -> Self {
        Self {
            name: Some(name),
            limits: Some((rooms, rights)),
            end,
        }
    }

    /// The name that the bearer has; `None` leaves it to choose.
    pub fn name(&self) -> Option<&MemberName> {
        self.name.as_ref()
    }

    /// The instant at which the grant ends; `None` if never.
    pub fn end(&self) -> Option<SystemTime> {
        self.end
    }

    /// Reports whether the grant has ended (RFC 7519 §4.1.4: a token is not accepted on or after its end).
    pub fn has_ended(&self) -> bool {
        self.end.is_some_and(|end| end <= SystemTime::now())
    }

    /// Reports whether the bearer may do this in `room`, while the grant lasts.
    pub fn may(&self, right: Right, room: &RoomName) -> bool {
        self.limits.as_ref().is_none_or(|(rooms, rights)| {
            rights.contains(&right) && rooms.iter().any(|pattern| pattern.fits(room))
        })
    }

    /// Checks that the grant lasts and allows `right` in `room`.
    ///
    /// # Errors
    /// It has ended, or does not allow this.
    pub(super) fn require(&self, right: Right, room: &RoomName) -> Result<(), Refusal> {
        if self.has_ended() {
            return Err(Refusal::TokenExpired);
        }
        if !self.may(right, room) {
            let room = room.clone();
            return Err(Refusal::Forbidden { right, room });
        }
        Ok(())
    }

    /// The name that the bearer goes by, who asks for `asked`.
    ///
    /// # Errors
    /// There is no name, or it is another than the token's.
    pub(super) fn name_for(&self, asked: Option<MemberName>) -> Result<MemberName, Refusal> {
        match (&self.name, asked) {
            (Some(name), Some(asked)) if *name != asked => Err(Refusal::OtherName),
            (Some(name), _) => Ok(name.clone()),
            (None, Some(name)) => Ok(name),
            (None, None) => Err(Refusal::NameMissing),
        }
    }
}
