//! One group object of Graph with what it says about its members (D2, P3).

use std::collections::BTreeMap;

use plan::ids::ObjectId;
use serde::de::{IgnoredAny, MapAccess};

use super::person::{ReadReference, Reference};
use super::wire::{Any, Many, Name, Reader, Scalar, Text};

/// What an item says about a group. A large group comes in many items, each with other members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupChange {
    /// Which group.
    pub id: ObjectId,
    /// Display name, where the item has it.
    pub name: Option<String>,
    /// Whether Entra still has it.
    pub news: GroupNews,
    /// Direct members that are in it now.
    pub added: Vec<Member>,
    /// Ids that are no longer in it, or never were.
    pub removed: Vec<ObjectId>,
}

/// What an item says about a group's existence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupNews {
    /// Nothing: it is there.
    Unsaid,
    /// It was deleted, restorably or not.
    Gone,
}

/// A direct member that is of interest; devices and the like are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Member {
    /// A person.
    User(ObjectId),
    /// A group inside the group.
    Group(ObjectId),
}

impl Member {
    /// The member that a reference names.
    pub(super) fn of(reference: &Reference) -> Option<Self> {
        let kind = reference.kind.as_deref()?.trim_start_matches('#');
        let id = reference.id?;
        if kind.eq_ignore_ascii_case("microsoft.graph.user") {
            Some(Member::User(id))
        } else if kind.eq_ignore_ascii_case("microsoft.graph.group") {
            Some(Member::Group(id))
        } else {
            None
        }
    }
}

/// A group object as it came.
#[derive(Debug, Default)]
pub(super) struct Item {
    pub(super) id: Option<ObjectId>,
    pub(super) name: Option<String>,
    removed: bool,
    /// The name is there and null: the application may not read it.
    hidden: bool,
    /// `Unified`, `DynamicMembership`.
    pub(super) types: Vec<String>,
    /// Whether it is one for permissions.
    pub(super) security: bool,
    members: Vec<Reference>,
}

impl Item {
    /// The news in it; `None` if it says nothing about any group.
    pub(super) fn news(self) -> Option<GroupChange> {
        let id = self.id?;
        if self.hidden && self.members.is_empty() && !self.removed {
            return None;
        }
        // Within an item the last word on a member counts.
        let mut standing: BTreeMap<ObjectId, Option<Member>> = BTreeMap::new();
        for member in &self.members {
            if let (Some(id), true) = (member.id, member.removed) {
                standing.insert(id, None);
            } else if let (Some(id), Some(added)) = (member.id, Member::of(member)) {
                standing.insert(id, Some(added));
            }
        }
        let added = standing.values().filter_map(|member| *member).collect();
        let left = standing.iter().filter(|(_, member)| member.is_none());
        let removed = left.map(|(id, _)| *id).collect();
        let news = if self.removed { GroupNews::Gone } else { GroupNews::Unsaid };
        Some(GroupChange { id, name: self.name, news, added, removed })
    }

    /// Whether the application may not read this group.
    pub(super) fn is_hidden(&self) -> bool {
        self.hidden
    }
}

/// Reads an [`Item`]; whatever is no object is an item without an id.
#[derive(Clone, Copy)]
pub(super) struct ReadItem;

impl Reader for ReadItem {
    type Value = Item;

    fn other(self) -> Item {
        Item::default()
    }

    fn object<'de, A: MapAccess<'de>>(self, mut object: A) -> Result<Item, A::Error> {
        let mut item = Item::default();
        while let Some(Name(name)) = object.next_key()? {
            match name.as_ref() {
                "id" => item.id = object.next_value_seed(Any(Text))?.and_then(|id| id.parse().ok()),
                "displayName" => {
                    item.name = object.next_value_seed(Any(Text))?;
                    item.hidden = item.name.is_none();
                }
                "groupTypes" => {
                    let types = object.next_value_seed(Any(Many(Text)))?;
                    item.types = types.into_iter().flatten().collect();
                }
                "securityEnabled" => {
                    let word = object.next_value_seed(Any(Text))?;
                    item.security = word.as_deref() == Some("true");
                }
                "@removed" => item.removed = object.next_value_seed(Any(IsThere))?,
                "members@delta" => {
                    item.members = object.next_value_seed(Any(Many(ReadReference)))?;
                }
                _ => drop(object.next_value::<IgnoredAny>()?),
            }
        }
        Ok(item)
    }
}

/// Whether there is a value that is not null.
#[derive(Clone, Copy)]
struct IsThere;

impl Reader for IsThere {
    type Value = bool;

    fn other(self) -> bool {
        true
    }

    fn null(self) -> bool {
        false
    }

    fn scalar(self, _scalar: Scalar<'_>) -> bool {
        true
    }
}
