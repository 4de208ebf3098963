//! The members of a room.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::message::MemberId;
use super::name::MemberName;

/// One member of a room, on whatever node: a connection, so that the same name may be there more than once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Present {
    /// The connection.
    pub member: MemberId,
    /// Its name.
    pub name: MemberName,
}

/// A join or a leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Came.
    Join,
    /// Left, or was not reported for too long.
    Leave,
}

/// The members of a room, as far as this node knows.
#[derive(Debug, Default)]
pub struct Roster {
    members: HashMap<MemberId, RosterEntry>,
    /// Members in the order in which they came, by the number of their coming.
    order: BTreeMap<u64, MemberId>,
    comings: u64,
}

#[derive(Debug)]
struct RosterEntry {
    name: MemberName,
    /// True if the member's connection is on this node.
    here: bool,
    coming: u64,
}

impl Roster {
    /// Adds a member; `false` if it was there already. A member of this node stays one.
    pub fn insert(&mut self, present: &Present, here: bool) -> bool {
        if self.members.contains_key(&present.member) {
            return false;
        }
        self.comings += 1;
        let entry = RosterEntry {
            name: present.name.clone(),
            here,
            coming: self.comings,
        };
        self.order.insert(entry.coming, present.member.clone());
        self.members.insert(present.member.clone(), entry);
        true
    }

    /// Removes a member of this node (`here`) or of another; `None` if there is none such.
    pub fn remove(&mut self, member: &MemberId, here: bool) -> Option<Present> {
        if self.members.get(member)?.here != here {
            return None;
        }
        let entry = self.members.remove(member)?;
        self.order.remove(&entry.coming);
        Some(Present {
            member: member.clone(),
            name: entry.name,
        })
    }

    /// The number of members.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Reports whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The first `max` of them, in the order in which they came.
    pub fn list(&self, max: usize) -> Vec<Present> {
        let members = self.order.values().take(max);
        members.filter_map(|member| self.get(member)).collect()
    }

    /// Those whose connection is on this node.
    pub fn local(&self) -> Vec<Present> {
        self.of(true)
    }

    /// Those whose connection is on another node.
    pub fn remote(&self) -> Vec<Present> {
        self.of(false)
    }

    fn get(&self, member: &MemberId) -> Option<Present> {
        let entry = self.members.get(member)?;
        Some(Present {
            member: member.clone(),
            name: entry.name.clone(),
        })
    }

    fn of(&self, here: bool) -> Vec<Present> {
        let is_of = |member: &&MemberId| {
            self.members
                .get(*member)
                .is_some_and(|entry| entry.here == here)
        };
        let members = self.order.values().filter(is_of);
        members.filter_map(|member| self.get(member)).collect()
    }
}
