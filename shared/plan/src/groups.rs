//! The groups that the rules name, with those inside them, and who counts as a member (P3).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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

/// Why a group's membership is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhyUnknown {
    /// No group of that name was found, or several.
    NotResolved,
    /// Not read yet.
    NotRead,
    /// Deleted in Entra.
    Gone,
}

/// The group that a rule names, made ready: who counts as a member of it.
#[derive(Clone, Debug)]
pub struct Named {
    /// What people know it by: the document's name, else Entra's, else the id.
    pub label: Arc<str>,
    members_of: Result<BTreeSet<ObjectId>, WhyUnknown>,
}

impl Named {
    /// Whether somebody whose direct groups are `direct` counts as a member; an error = nobody can
    /// say: the rule is broken, and nobody may lose anything by it.
    pub fn has(&self, direct: &BTreeSet<ObjectId>) -> Result<bool, WhyUnknown> {
        let groups = self.members_of.as_ref().map_err(|why| *why)?;
        Ok(direct.iter().any(|group| groups.contains(group)))
    }
}

impl Groups {
    /// Makes a rule's group ready.
    pub fn named(&self, wanted: &GroupRef) -> Named {
        Named { label: self.label(wanted), members_of: self.members_of(wanted) }
    }

    fn label(&self, wanted: &GroupRef) -> Arc<str> {
        let read = || Some(&self.0.get(&wanted.id?)?.name).filter(|name| !name.is_empty());
        match (wanted.name.as_ref().or_else(read), wanted.id) {
            (Some(name), _) => name.as_str().into(),
            (None, Some(id)) => id.to_string().into(),
            (None, None) => "".into(),
        }
    }

    /// The groups whose direct members count.
    fn members_of(&self, wanted: &GroupRef) -> Result<BTreeSet<ObjectId>, WhyUnknown> {
        let id = wanted.id.ok_or(WhyUnknown::NotResolved)?;
        match self.0.get(&id).map(|group| group.state) {
            None | Some(GroupState::Unread) => Err(WhyUnknown::NotRead),
            Some(GroupState::Gone) => Err(WhyUnknown::Gone),
            Some(GroupState::Read) => Ok(match wanted.nesting {
                Nesting::Direct => BTreeSet::from([id]),
                Nesting::Nested => self.inside(id),
            }),
        }
    }

    /// A group with all groups inside it; ends also where groups contain each other.
    fn inside(&self, id: ObjectId) -> BTreeSet<ObjectId> {
        let mut inside = BTreeSet::from([id]);
        loop {
            let more: Vec<ObjectId> = self
                .0
                .iter()
                .filter(|(id, group)| {
                    group.state != GroupState::Gone
                        && !inside.contains(id)
                        && !group.parents.is_disjoint(&inside)
                })
                .map(|(id, _)| *id)
                .collect();
            if more.is_empty() {
                return inside;
            }
            inside.extend(more);
        }
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
            (3, 1, Nesting::Nested, Ok(true)),
            (3, 1, Nesting::Direct, Ok(false)),
            (1, 1, Nesting::Direct, Ok(true)),
            (1, 3, Nesting::Nested, Ok(false)),
            (4, 1, Nesting::Nested, Ok(false)),
            (1, 4, Nesting::Direct, Err(WhyUnknown::Gone)),
            (1, 5, Nesting::Direct, Err(WhyUnknown::NotRead)),
            (1, 9, Nesting::Direct, Err(WhyUnknown::NotRead)),
        ];
        for (direct, wanted, nesting, expected) in cases {
            let wanted_ref = GroupRef { name: None, id: Some(id(wanted)), nesting };
            let got = groups.named(&wanted_ref).has(&BTreeSet::from([id(direct)]));
            assert_eq!(got, expected, "{direct} in {wanted} {nesting:?}");
        }
        let unresolved = GroupRef { name: Some("x".into()), id: None, nesting: Nesting::Direct };
        assert_eq!(groups.named(&unresolved).has(&BTreeSet::new()), Err(WhyUnknown::NotResolved));
    }
}
