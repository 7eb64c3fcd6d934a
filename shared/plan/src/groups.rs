//! The groups that the rules name, with those inside them, and who counts as a member (P3).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::document::{GroupRef, Nesting};
use crate::ids::ObjectId;

/// What we know of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Display name, as last read.
    #[serde(default)]
    pub name: String,
    /// Whether Entra still has it.
    #[serde(default)]
    pub state: GroupState,
    /// Tracked groups that contain this one directly.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub parents: BTreeSet<ObjectId>,
}

/// Whether a group's membership can be relied on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupState {
    /// Not read to the end yet.
    #[default]
    Unread,
    /// Read.
    Read,
    /// Deleted in Entra.
    Gone,
}

/// The tracked groups of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Groups(pub BTreeMap<ObjectId, Group>);

/// Whether a person is a member of the group that a rule names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Membership {
    /// Yes.
    Member,
    /// No.
    NotMember,
    /// Nobody can say: the rule is broken, and nobody may lose anything by it.
    Unknown(WhyUnknown),
}

/// Why a group's membership is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhyUnknown {
    /// No group of that name was found, or several.
    NotResolved,
    /// Not read yet.
    NotRead,
    /// Deleted in Entra.
    Gone,
}

impl Groups {
    /// Whether somebody whose direct groups are `direct` is a member of `wanted`.
    pub fn membership(&self, direct: &BTreeSet<ObjectId>, wanted: &GroupRef) -> Membership {
        let Some(id) = wanted.id else {
            return Membership::Unknown(WhyUnknown::NotResolved);
        };
        match self.0.get(&id).map(|group| group.state) {
            None | Some(GroupState::Unread) => Membership::Unknown(WhyUnknown::NotRead),
            Some(GroupState::Gone) => Membership::Unknown(WhyUnknown::Gone),
            Some(GroupState::Read) if self.reaches(direct, id, wanted.nesting) => {
                Membership::Member
            }
            Some(GroupState::Read) => Membership::NotMember,
        }
    }

    /// Walks from the person's groups towards their parents; a group is visited once, so groups
    /// that contain each other do no harm.
    fn reaches(&self, direct: &BTreeSet<ObjectId>, wanted: ObjectId, nesting: Nesting) -> bool {
        if direct.contains(&wanted) {
            return true;
        }
        if nesting == Nesting::Direct {
            return false;
        }
        let mut seen: BTreeSet<ObjectId> = BTreeSet::new();
        let mut todo: Vec<ObjectId> = direct.iter().copied().collect();
        while let Some(id) = todo.pop() {
            if id == wanted {
                return true;
            }
            if seen.insert(id)
                && let Some(group) = self.0.get(&id).filter(|group| group.state != GroupState::Gone)
            {
                todo.extend(&group.parents);
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed parse is the failure of the test")]

    use super::*;

    fn id(n: u8) -> ObjectId {
        format!("00000000-0000-0000-0000-0000000000{n:02x}").parse().unwrap()
    }

    fn group(state: GroupState, parents: &[u8]) -> Group {
        Group { name: String::new(), state, parents: parents.iter().map(|n| id(*n)).collect() }
    }

    #[test]
    fn nested_members_count_only_where_asked_and_cycles_end() {
        // P3: 3 inside 2 inside 1; 2 and 3 contain each other.
        let groups = Groups(BTreeMap::from([
            (id(1), group(GroupState::Read, &[])),
            (id(2), group(GroupState::Read, &[1, 3])),
            (id(3), group(GroupState::Read, &[2])),
            (id(4), group(GroupState::Gone, &[1])),
            (id(5), group(GroupState::Unread, &[])),
        ]));
        let cases = [
            (3, 1, Nesting::Nested, Membership::Member),
            (3, 1, Nesting::Direct, Membership::NotMember),
            (1, 1, Nesting::Direct, Membership::Member),
            (1, 3, Nesting::Nested, Membership::NotMember),
            (4, 1, Nesting::Nested, Membership::NotMember),
            (1, 4, Nesting::Direct, Membership::Unknown(WhyUnknown::Gone)),
            (1, 5, Nesting::Direct, Membership::Unknown(WhyUnknown::NotRead)),
            (1, 9, Nesting::Direct, Membership::Unknown(WhyUnknown::NotRead)),
        ];
        for (direct, wanted, nesting, expected) in cases {
            let wanted_ref = GroupRef { name: None, id: Some(id(wanted)), nesting };
            let got = groups.membership(&BTreeSet::from([id(direct)]), &wanted_ref);
            assert_eq!(got, expected, "{direct} in {wanted} {nesting:?}");
        }
        let unresolved = GroupRef { name: Some("x".into()), id: None, nesting: Nesting::Direct };
        assert_eq!(
            groups.membership(&BTreeSet::new(), &unresolved),
            Membership::Unknown(WhyUnknown::NotResolved)
        );
    }
}
