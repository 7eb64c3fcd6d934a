//! One user object of Graph, as far as the import needs it (D2).

use std::collections::BTreeMap;
use std::sync::LazyLock;

use plan::catalogue::{PROPERTIES, Shape};
use plan::cursor::Scope;
use plan::facts::{Absent, ManagerNews, News, PersonChange, Seen, Value};
use plan::ids::ObjectId;
use serde::de::{IgnoredAny, MapAccess, SeqAccess};

use super::wire::{Any, Many, Name, Reader, Scalar, Text};

/// What every user has: an item without it is not complete, and one where it is null says nothing.
const ALWAYS_SET: &str = "userPrincipalName";

/// Properties that Graph puts into an object, by the object: the member's name and ours.
static MEMBERS: LazyLock<BTreeMap<&str, Vec<(&str, &str)>>> = LazyLock::new(|| {
    let mut members: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    for property in PROPERTIES {
        if let Shape::MemberOf { object, member } = property.shape {
            members.entry(object).or_default().push((member, property.name));
        }
    }
    members
});

/// A user object as it came.
#[derive(Debug, Default)]
pub(super) struct Item {
    id: Option<ObjectId>,
    removed: Option<Removal>,
    properties: BTreeMap<String, Option<Value>>,
    /// The expanded `manager` of a list, or what `manager@delta` adds up to.
    manager: Option<ManagerNews>,
}

/// `@removed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Removal {
    Soft,
    Final,
}

/// What a list or a round promises about its items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Promise {
    /// Whether everybody comes with everything.
    pub(super) scope: Scope,
    /// What it means that an item says nothing about a manager.
    pub(super) without_manager: ManagerNews,
}

impl Item {
    /// The news in it; `None` if it says nothing about anybody.
    pub(super) fn news(mut self, promise: Promise) -> Option<PersonChange> {
        let id = self.id?;
        let removed = match self.removed {
            Some(Removal::Soft) => Some(News::SoftDeleted),
            Some(Removal::Final) => Some(News::Purged),
            None => None,
        };
        if let Some(news) = removed {
            return Some(PersonChange { id, news });
        }
        if self.is_hidden() {
            return None;
        }
        let is_complete = self.properties.contains_key(ALWAYS_SET);
        if is_complete {
            self.properties.insert("id".to_owned(), Some(Value::Text(id.to_string())));
        }
        let absent = match promise.scope {
            Scope::Full if is_complete => Absent::NeverSet,
            Scope::Full | Scope::Changes => Absent::Unsaid,
        };
        let manager = self.manager.unwrap_or(promise.without_manager);
        let seen = Seen { properties: self.properties, manager, absent };
        Some(PersonChange { id, news: News::Seen(seen) })
    }

    /// Whether this is what an application sees of an object that it may not read: an id, a type, and
    /// null everywhere else, which must not overwrite what is known.
    fn is_hidden(&self) -> bool {
        self.properties.get(ALWAYS_SET) == Some(&None)
            && self.properties.values().all(Option::is_none)
    }

    fn set(&mut self, name: &str, read: Read) {
        match read {
            Read::Value(value) => drop(self.properties.insert(name.to_owned(), Some(value))),
            Read::Null => match MEMBERS.get(name) {
                Some(members) => {
                    let ours = members.iter().map(|(_, ours)| ((*ours).to_owned(), None));
                    self.properties.extend(ours);
                }
                None => drop(self.properties.insert(name.to_owned(), None)),
            },
            Read::Members(members) => self.properties.extend(members),
        }
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
                "id" => item.id = id(object.next_value_seed(Any(Text))?),
                "@removed" => item.removed = object.next_value_seed(Any(ReadRemoval))?,
                "manager" => {
                    item.manager = Some(expanded(&object.next_value_seed(Any(ReadReference))?));
                }
                "manager@delta" => {
                    let changes = object.next_value_seed(Any(Many(ReadReference)))?;
                    item.manager = replaced(&changes).or(item.manager);
                }
                other if other.contains('@') => drop(object.next_value::<IgnoredAny>()?),
                property => {
                    let read = object.next_value_seed(Any(ReadProperty(property)))?;
                    item.set(property, read);
                }
            }
        }
        Ok(item)
    }
}

fn id(text: Option<String>) -> Option<ObjectId> {
    text?.parse().ok()
}

/// A list says null, or nothing, of somebody without a manager.
fn expanded(manager: &Reference) -> ManagerNews {
    manager.id.map_or(ManagerNews::None, ManagerNews::Is)
}

/// The manager after removals and additions, which come in any order: there is one at the most.
fn replaced(changes: &[Reference]) -> Option<ManagerNews> {
    let added = changes.iter().rev().filter(|change| !change.removed).find_map(|change| change.id);
    let removed = changes.iter().any(|change| change.removed);
    added.map(ManagerNews::Is).or(removed.then_some(ManagerNews::None))
}

#[derive(Clone, Copy)]
struct ReadRemoval;

impl Reader for ReadRemoval {
    type Value = Option<Removal>;

    /// Of an unknown form the milder is believed, from which people can return.
    fn other(self) -> Self::Value {
        Some(Removal::Soft)
    }

    fn null(self) -> Self::Value {
        None
    }

    fn object<'de, A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        let mut reason = None;
        while let Some(Name(name)) = object.next_key()? {
            match name.as_ref() {
                "reason" => reason = object.next_value_seed(Any(Text))?,
                _ => drop(object.next_value::<IgnoredAny>()?),
            }
        }
        let is_final = reason.is_some_and(|reason| reason.eq_ignore_ascii_case("deleted"));
        Ok(Some(if is_final { Removal::Final } else { Removal::Soft }))
    }
}

/// Somebody or something by id: a manager, or a member of a group.
#[derive(Debug, Default)]
pub(super) struct Reference {
    pub(super) id: Option<ObjectId>,
    /// `@odata.type`, such as `#microsoft.graph.user`.
    pub(super) kind: Option<String>,
    /// Whether it is no longer there; both reasons mean the same in a relation.
    pub(super) removed: bool,
}

#[derive(Clone, Copy)]
pub(super) struct ReadReference;

impl Reader for ReadReference {
    type Value = Reference;

    fn other(self) -> Reference {
        Reference::default()
    }

    fn object<'de, A: MapAccess<'de>>(self, mut object: A) -> Result<Reference, A::Error> {
        let mut reference = Reference::default();
        while let Some(Name(name)) = object.next_key()? {
            match name.as_ref() {
                "id" => reference.id = id(object.next_value_seed(Any(Text))?),
                "@odata.type" => reference.kind = object.next_value_seed(Any(Text))?,
                "@removed" => {
                    reference.removed = object.next_value_seed(Any(ReadRemoval))?.is_some();
                }
                _ => drop(object.next_value::<IgnoredAny>()?),
            }
        }
        Ok(reference)
    }
}

/// The value of a property.
enum Read {
    /// Null, or an empty list.
    Null,
    Value(Value),
    /// An object's members that are properties to us; of an unknown object there are none.
    Members(Vec<(String, Option<Value>)>),
}

/// Reads the value of the property that it names.
#[derive(Clone, Copy)]
struct ReadProperty<'a>(&'a str);

impl Reader for ReadProperty<'_> {
    type Value = Read;

    fn other(self) -> Read {
        Read::Null
    }

    fn scalar(self, scalar: Scalar<'_>) -> Read {
        Read::Value(match scalar {
            Scalar::Bool(value) => Value::Bool(value),
            Scalar::Text(text) => Value::Text(text.into_owned()),
        })
    }

    fn list<'de, A: SeqAccess<'de>>(self, mut list: A) -> Result<Read, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = list.next_element_seed(Any(ReadEntry(self.0)))? {
            entries.extend(entry);
        }
        Ok(if entries.is_empty() { Read::Null } else { Read::Value(Value::List(entries)) })
    }

    fn object<'de, A: MapAccess<'de>>(self, mut object: A) -> Result<Read, A::Error> {
        let known = MEMBERS.get(self.0).map_or(&[][..], Vec::as_slice);
        let mut members = Vec::new();
        while let Some(Name(name)) = object.next_key()? {
            let ours = known.iter().find(|(member, _)| *member == name).map(|(_, ours)| *ours);
            let Some(ours) = ours else {
                object.next_value::<IgnoredAny>()?;
                continue;
            };
            let value = match object.next_value_seed(Any(ReadProperty(ours)))? {
                Read::Value(value) => Some(value),
                Read::Null | Read::Members(_) => None,
            };
            members.push((ours.to_owned(), value));
        }
        Ok(Read::Members(members))
    }
}

/// Reads an entry of the list that it names as text: of an object the member that counts.
#[derive(Clone, Copy)]
struct ReadEntry<'a>(&'a str);

impl Reader for ReadEntry<'_> {
    type Value = Option<String>;

    fn other(self) -> Option<String> {
        None
    }

    fn scalar(self, scalar: Scalar<'_>) -> Option<String> {
        Some(scalar.into_text())
    }

    fn object<'de, A: MapAccess<'de>>(self, mut object: A) -> Result<Option<String>, A::Error> {
        let property = PROPERTIES.iter().find(|property| property.name == self.0);
        let counts = property.and_then(|property| match property.shape {
            Shape::EachOf { member } => Some(member),
            Shape::Plain | Shape::MemberOf { .. } => None,
        });
        let mut text = None;
        while let Some(Name(name)) = object.next_key()? {
            if Some(name.as_ref()) == counts {
                text = object.next_value_seed(Any(Text))?;
            } else {
                object.next_value::<IgnoredAny>()?;
            }
        }
        Ok(text)
    }
}
