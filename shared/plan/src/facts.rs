//! What we last read of a person from Graph, and how a read item changes it.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::value::SeqAccessDeserializer;
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use crate::fields::{self, LAST_SIGN_IN};
use crate::ids::{ObjectId, SkuId};
use crate::licences::{AssignmentState, Holder};

/// The value of a Graph property. A property without a value is not in [`Facts`] at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = PropertyValue)]
pub enum Value {
    /// `accountEnabled` and the like.
    Bool(bool),
    /// Text, and everything else that Graph writes as text: dates, enums, numbers.
    Text(String),
    /// `businessPhones`, `proxyAddresses`, `otherMails` …; never empty.
    List(Vec<String>),
}

impl Value {
    /// The value as one text: a list gives its first entry, a boolean `true` or `false`.
    pub fn as_text(&self) -> &str {
        match self {
            Value::Bool(true) => "true",
            Value::Bool(false) => "false",
            Value::Text(text) => text,
            Value::List(list) => list.first().map_or("", String::as_str),
        }
    }
}

// The derived one of an untagged enum keeps each value aside and tries one variant after the other, which
// is most of the time in which a person is read from the store.
impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a boolean, a text or a list of texts")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_string<E: de::Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Value, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(Value::List)
    }
}

/// Whether Entra still has the person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// Named by a group or a report, but not read yet.
    #[default]
    Unread,
    /// Read, and not gone since.
    Present,
    /// Soft-deleted: restorable for 30 days; memberships are kept but do not count (L6).
    SoftDeleted,
    /// Permanently gone; memberships are dropped (L6).
    Purged,
    /// Not in a complete full read (D5).
    Missing,
}

/// Facts of one person. The manager and the groups are ids; what they mean is looked up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Whether Entra still has the person.
    #[serde(default)]
    pub presence: Presence,
    /// Properties with a value, by Graph name; the members of `onPremisesExtensionAttributes` stand
    /// under their own names (`extensionAttribute3`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<String, Value>,
    /// Object id of the manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manager: Option<ObjectId>,
    /// Groups that the person is a direct member of, of those that the rules name or contain.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub groups: BTreeSet<ObjectId>,
    /// Where licences come from, and which could not be given, as far as Graph was asked (S1); which
    /// the person holds stands in `assignedLicenses`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub licences: BTreeSet<AssignmentState>,
}

/// The property that lists the licences of a person.
pub const ASSIGNED_LICENCES: &str = "assignedLicenses";

/// What an item of a page says about one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonChange {
    /// Whom it is about.
    pub id: ObjectId,
    /// What it says.
    pub news: News,
}

/// The three things an item can say (Microsoft Graph documentation, delta query for users).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// The person was read.
    Seen(Seen),
    /// `@removed` with reason `changed`: soft-deleted.
    SoftDeleted,
    /// `@removed` with reason `deleted`: permanently gone.
    Purged,
    /// Not found by a complete full read (D5).
    Missing,
}

/// What was read of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// `None` = Graph said null. A property that is not here was not in the item.
    pub properties: BTreeMap<String, Option<Value>>,
    /// What the item says about the manager.
    pub manager: ManagerNews,
    /// What an absent property means.
    pub absent: Absent,
}

/// What the absence of a selected property in an item means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// First sight of a person in a full round: never set.
    NeverSet,
    /// Any other round: leave what is stored, and trust only an explicit null.
    Unsaid,
}

/// What an item says about the manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManagerNews {
    /// Nothing.
    Unsaid,
    /// There is none.
    None,
    /// This one.
    Is(ObjectId),
}

/// Whether merging changed anything that a decision could depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Merged {
    /// The facts are as before; nobody needs to look at the person.
    Same,
    /// The facts changed.
    Changed,
}

impl Merged {
    fn of(changed: bool) -> Self {
        if changed { Merged::Changed } else { Merged::Same }
    }

    /// Whether either changed something.
    fn or(self, other: Self) -> Self {
        if self == Merged::Same { other } else { self }
    }
}

fn set<T: PartialEq>(place: &mut T, value: T) -> Merged {
    let merged = Merged::of(*place != value);
    *place = value;
    merged
}

impl Facts {
    /// Merges what an item says. Merging the same item again changes nothing (T2).
    pub fn merge(&mut self, news: News) -> Merged {
        match news {
            News::Seen(seen) => self.see(seen),
            // A purge is final: a late or repeated `changed` does not bring the person back.
            News::SoftDeleted if self.presence != Presence::Purged => {
                set(&mut self.presence, Presence::SoftDeleted)
            }
            News::Purged => {
                let groups = set(&mut self.groups, BTreeSet::new());
                set(&mut self.presence, Presence::Purged).or(groups)
            }
            News::Missing if self.presence == Presence::Present => {
                set(&mut self.presence, Presence::Missing)
            }
            News::SoftDeleted | News::Missing => Merged::Same,
        }
    }

    fn see(&mut self, seen: Seen) -> Merged {
        let mut merged = set(&mut self.presence, Presence::Present);
        if seen.absent == Absent::NeverSet {
            let before = self.properties.len();
            let is_told = |name: &str| matches!(seen.properties.get(name), Some(Some(_)));
            // A job of its own reads the last sign-in, and no round ever tells it (D8).
            self.properties.retain(|name, _| name == LAST_SIGN_IN || is_told(name));
            merged = merged.or(Merged::of(self.properties.len() != before));
        }
        for (name, value) in seen.properties {
            let changed = match value {
                Some(value) if self.properties.get(&name) == Some(&value) => false,
                Some(value) => {
                    self.properties.insert(name, value);
                    true
                }
                None => self.properties.remove(&name).is_some(),
            };
            merged = merged.or(Merged::of(changed));
        }
        match seen.manager {
            ManagerNews::Unsaid => merged,
            ManagerNews::None => set(&mut self.manager, None).or(merged),
            ManagerNews::Is(manager) => set(&mut self.manager, Some(manager)).or(merged),
        }
    }

    /// Merges a last sign-in, kept to the second (D8). What is no date leaves what is stored, and the
    /// same date again changes nothing (T2).
    pub fn signed_in(&mut self, at: &str) -> Merged {
        let Some(moment) = fields::moment(at) else { return Merged::Same };
        let value = Value::Text(moment.to_string());
        if self.properties.get(LAST_SIGN_IN) == Some(&value) {
            return Merged::Same;
        }
        self.properties.insert(LAST_SIGN_IN.to_owned(), value);
        Merged::Changed
    }

    /// Merges what Graph says of the person's licences (S1). The same again, in whatever order, changes
    /// nothing (T2).
    pub fn holds(&mut self, holder: &Holder) -> Merged {
        let before = self.clone();
        if let Some(assigned) = &holder.assigned
            && self.assigned_licences() != *assigned
        {
            let list: Vec<String> = assigned.iter().map(SkuId::to_string).collect();
            if list.is_empty() {
                self.properties.remove(ASSIGNED_LICENCES);
            } else {
                self.properties.insert(ASSIGNED_LICENCES.to_owned(), Value::List(list));
            }
        }
        self.licences = holder.states.iter().cloned().collect();
        if *self == before { Merged::Same } else { Merged::Changed }
    }

    /// The licences that Graph lists with the person, directly assigned or through a group (S1).
    pub fn assigned_licences(&self) -> BTreeSet<SkuId> {
        match self.properties.get(ASSIGNED_LICENCES) {
            Some(Value::List(list)) => list.iter().filter_map(|sku| sku.parse().ok()).collect(),
            Some(Value::Text(sku)) => sku.parse().into_iter().collect(),
            Some(Value::Bool(_)) | None => BTreeSet::new(),
        }
    }

    /// The licences that the person holds: none once Entra does not have the person any more, which
    /// frees them.
    pub fn held_licences(&self) -> BTreeSet<SkuId> {
        match self.presence {
            Presence::Present => self.assigned_licences(),
            Presence::Unread | Presence::SoftDeleted | Presence::Purged | Presence::Missing => {
                BTreeSet::new()
            }
        }
    }

    /// A property as text; `None` without a value.
    pub fn text(&self, property: &str) -> Option<&str> {
        self.properties.get(property).map(Value::as_text)
    }

    /// User principal name; empty for a person who was not read yet.
    pub fn user_principal_name(&self) -> &str {
        self.text("userPrincipalName").unwrap_or_default()
    }

    /// Display name; empty when there is none.
    pub fn display_name(&self) -> &str {
        self.text("displayName").unwrap_or_default()
    }

    /// `accountEnabled`; an account whose state was not read counts as enabled, so that nobody is
    /// deactivated for want of a property.
    pub fn enabled(&self) -> bool {
        self.properties.get("accountEnabled") != Some(&Value::Bool(false))
    }

    /// Guests, `#EXT#` names and people with an `externalUserState` (P4).
    pub fn external(&self) -> bool {
        let invited = self.properties.contains_key("externalUserState");
        is_external(self.text("userType"), self.user_principal_name(), invited)
    }

    /// What reports show of their manager (F6): when this changes, they are looked at again.
    pub fn as_manager(&self) -> [Option<&str>; 3] {
        ["displayName", "mail", "userPrincipalName"].map(|name| self.text(name))
    }
}

/// Whether somebody with this `userType` and user principal name is external (P4); `invited` = there is
/// an `externalUserState`.
pub(crate) fn is_external(kind: Option<&str>, principal_name: &str, invited: bool) -> bool {
    let starts = |start: usize| principal_name.as_bytes()[start..].get(..5);
    let mut marks = principal_name.match_indices('#').filter_map(|(start, _)| starts(start));
    invited
        || kind.is_some_and(|kind| kind.eq_ignore_ascii_case("guest"))
        || marks.any(|mark| mark.eq_ignore_ascii_case(b"#EXT#"))
}
