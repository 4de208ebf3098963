//! Who is in a room.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::message::MemberId;
use super::name::MemberName;

/// One member of a room, on whatever node: a connection, so that the same name may be there more than once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Present {
    /// Which connection.
    pub member: MemberId,
    /// What it calls itself.
    pub name: MemberName,
}

/// Whether somebody came or went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Came.
    Join,
    /// Went, or has not been heard of for too long.
    Leave,
}

/// The members of a room, as far as this node knows.
#[derive(Debug, Default)]
pub struct Roster {
    members: BTreeMap<MemberId, Entry>,
}

#[derive(Debug)]
struct Entry {
    name: MemberName,
    /// Whether the member's connection is on this node.
    here: bool,
}

impl Roster {
    /// Adds a member; `false` if it was there already. A member of this node stays one.
    pub fn insert(&mut self, present: &Present, here: bool) -> bool {
        if self.members.contains_key(&present.member) {
            return false;
        }
        let name = present.name.clone();
        self.members
            .insert(present.member.clone(), Entry { name, here });
        true
    }

    /// Removes a member of this node (`here`) or of another; `None` if there is none such.
    pub fn remove(&mut self, member: &MemberId, here: bool) -> Option<Present> {
        if self.members.get(member)?.here != here {
            return None;
        }
        let entry = self.members.remove(member)?;
        Some(Present {
            member: member.clone(),
            name: entry.name,
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The first `most` of them, in the order of their ids.
    pub fn list(&self, most: usize) -> Vec<Present> {
        let present = |(member, entry): (&MemberId, &Entry)| Present {
            member: member.clone(),
            name: entry.name.clone(),
        };
        self.members.iter().take(most).map(present).collect()
    }

    /// Those whose connection is on this node.
    pub fn local(&self) -> Vec<Present> {
        self.of(true)
    }

    /// Those whose connection is on another node.
    pub fn remote(&self) -> Vec<Present> {
        self.of(false)
    }

    fn of(&self, here: bool) -> Vec<Present> {
        let members = self.members.iter().filter(|(_, entry)| entry.here == here);
        let present = |(member, entry): (&MemberId, &Entry)| Present {
            member: member.clone(),
            name: entry.name.clone(),
        };
        members.map(present).collect()
    }
}
