//! The link: our record of who a person is in Halo, with what we last wrote there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::openapi::{Object, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};
use uuid::Uuid;

use crate::ids::{CabId, CabRoleId, CustomFieldId, MappingId, RecordId, RecordKind, RunId};

/// A field of a Halo record that an import writes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Target {
    /// A field of the record by its API name, of the allow-list in [`crate::catalogue`].
    Field(String),
    /// A custom field, written `customfield:ID`.
    Custom(CustomFieldId),
}

impl Target {
    /// A plain field.
    pub fn field(name: &str) -> Self {
        Self::Field(name.to_owned())
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Field(name) => f.write_str(name),
            Target::Custom(id) => write!(f, "customfield:{id}"),
        }
    }
}

impl PartialSchema for Target {
    fn schema() -> RefOr<Schema> {
        let words = "A field of the record by its API name, or `customfield:` and its number.";
        RefOr::T(Object::builder().schema_type(Type::String).description(Some(words)).into())
    }
}

impl ToSchema for Target {}

impl FromStr for Target {
    type Err = crate::ids::NotAnId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || crate::ids::NotAnId {
            text: text.chars().take(80).collect(),
            expected: "customfield: followed by a number",
        };
        match text.strip_prefix("customfield:") {
            Some(id) => id.parse().map(|id| Target::Custom(CustomFieldId(id))).map_err(|_| bad()),
            None => Ok(Target::field(text)),
        }
    }
}

impl TryFrom<String> for Target {
    type Error = crate::ids::NotAnId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Target> for String {
    fn from(target: Target) -> String {
        target.to_string()
    }
}

/// A value as Halo stores it. Halo does not tell null from an empty text, nor do we.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum HaloValue {
    /// `inactive`, `isdisabled`.
    Bool(bool),
    /// `site_id`, `linked_agent_id`: written as an integer, although Halo answers floats.
    Int(i64),
    /// Text; empty = no value.
    Text(String),
    /// Ids of roles.
    Ids(BTreeSet<i64>),
}

impl HaloValue {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        match self {
            HaloValue::Text(text) => text.is_empty(),
            HaloValue::Ids(ids) => ids.is_empty(),
            HaloValue::Bool(_) | HaloValue::Int(_) => false,
        }
    }
}

// As for the values of Graph's properties: without trying one variant after the other.
impl<'de> Deserialize<'de> for HaloValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyHaloValue)
    }
}

struct AnyHaloValue;

impl<'de> Visitor<'de> for AnyHaloValue {
    type Value = HaloValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a boolean, a whole number, a text or a list of whole numbers")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<HaloValue, E> {
        Ok(HaloValue::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<HaloValue, E> {
        Ok(HaloValue::Int(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<HaloValue, E> {
        i64::try_from(value).map(HaloValue::Int).map_err(E::custom)
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<HaloValue, E> {
        Ok(HaloValue::Text(value.to_owned()))
    }

    fn visit_string<E: de::Error>(self, value: String) -> Result<HaloValue, E> {
        Ok(HaloValue::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<HaloValue, A::Error> {
        BTreeSet::deserialize(SeqAccessDeserializer::new(list)).map(HaloValue::Ids)
    }
}

impl fmt::Display for HaloValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HaloValue::Bool(value) => value.fmt(f),
            HaloValue::Int(value) => value.fmt(f),
            HaloValue::Text(value) => f.write_str(value),
            HaloValue::Ids(ids) => {
                let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
                f.write_str(&ids.join(","))
            }
        }
    }
}

/// Fields of a Halo record with their values.
pub type Fields = BTreeMap<Target, HaloValue>;

/// One field that a write changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChange {
    /// Which field.
    pub field: Target,
    /// What Halo has, as far as we know; `None` for a new record or a field not read.
    pub before: Option<HaloValue>,
    /// What it gets.
    pub after: HaloValue,
}

/// How a link came to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", tag = "by")]
pub enum LinkedBy {
    /// We made the Halo record.
    Created,
    /// The Halo record carried the person's object id (M2).
    ObjectId,
    /// A row of the connection's `matching` list hit exactly this record (M2).
    Fields {
        /// Graph property of the row.
        entra: String,
        /// Halo field of the row.
        halo: String,
    },
    /// An administrator set it (M7).
    Administrator,
}

/// Whether a record is active, and who made it so (L3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Activity {
    /// Active.
    Active,
    /// Inactive because we made it so: a return makes it active again (L3).
    InactiveByUs,
    /// Inactive because of a role that it holds (R5): losing the role makes it active again.
    InactiveByRole,
    /// Inactive when we met it: left alone.
    InactiveByOthers,
}

impl Activity {
    /// Whether the record is active.
    pub fn is_active(self) -> bool {
        self == Activity::Active
    }
}

/// Who a person is in Halo, and what else of ours is there for them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The user record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Linked>,
    /// The agent record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<Linked>,
    /// Places on change advisory boards, as far as we have to do with them (R3).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub seats: BTreeMap<CabId, Seat>,
    /// What an administrator chose for records that are not linked (M3, M7).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub choices: BTreeMap<RecordKind, Choice>,
    /// What an administrator said of a held deactivation (L4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ruling: Option<Ruling>,
    /// Licences whose link somebody in Halo asked to change: at the next look it is made what Entra
    /// says, whoever made it (S2).
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub contested: BTreeSet<i64>,
    /// What is about to be sent to Halo; cleared when its outcome is stored (M6, R4).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub intents: BTreeMap<RecordKind, Intent>,
}

impl Link {
    /// The record of one kind.
    pub const fn of(&self, kind: RecordKind) -> Option<&Linked> {
        match kind {
            RecordKind::User => self.user.as_ref(),
            RecordKind::Agent => self.agent.as_ref(),
        }
    }

    /// The place of the record of one kind.
    pub const fn of_mut(&mut self, kind: RecordKind) -> &mut Option<Linked> {
        match kind {
            RecordKind::User => &mut self.user,
            RecordKind::Agent => &mut self.agent,
        }
    }

    /// Whether a record of this kind may have been made for the person that is not linked (M6). An
    /// administrator who wants none linked wants none looked for either (M7).
    pub fn may_have_been_made(&self, kind: RecordKind) -> bool {
        let creates = self.intents.get(&kind).is_some_and(|intent| intent.creates);
        creates && self.of(kind).is_none() && self.choices.get(&kind) != Some(&Choice::Unlinked)
    }

    /// Whether the person is, or may be, a record of this kind.
    pub fn may_be(&self, kind: RecordKind) -> bool {
        self.of(kind).is_some() || self.may_have_been_made(kind)
    }

    /// Whether the person is anybody in Halo.
    pub const fn is_linked(&self) -> bool {
        self.user.is_some() || self.agent.is_some()
    }
}

/// A person is this Halo record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Linked {
    /// The record.
    pub record: RecordId,
    /// How the link came to be.
    pub how: LinkedBy,
    /// Active or not, and who did it.
    pub activity: Activity,
    /// What Halo had after our last write or read, of the fields we write. An equal wish is
    /// "unchanged" without asking Halo.
    pub image: Fields,
    /// The mapping that placed the person last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mapping: Option<MappingId>,
    /// Roles that we gave; no others are ever taken away (R4).
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub granted: BTreeSet<i64>,
    /// Licences that we linked to the record; no others are ever unlinked (S1).
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub licences: BTreeSet<i64>,
}

/// A place on a change advisory board (R3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seat {
    /// Who sits there.
    pub record: RecordId,
    /// In which role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<CabRoleId>,
    /// Whose doing it is, and whether it is done.
    pub state: SeatState,
}

/// Where a seat stands. Boards are written at the end of a run, one write for all who join or leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SeatState {
    /// To be taken; whether somebody else gave it already is not known yet.
    Joining,
    /// Not there when we looked, so it is ours once it is written: known before the write, so that a
    /// killed write is not taken for somebody else's.
    JoiningOurs,
    /// Given by us.
    Ours,
    /// Given by others: never taken away (R4).
    Others,
    /// Given by us, to be given back.
    Leaving,
}

impl SeatState {
    /// Whether the board has still to be written.
    pub fn is_open(self) -> bool {
        match self {
            SeatState::Joining | SeatState::JoiningOurs | SeatState::Leaving => true,
            SeatState::Ours | SeatState::Others => false,
        }
    }
}

/// What an administrator chose for a kind of record that is not linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// Make a new record, whoever fits.
    Create,
    /// Stay unlinked.
    Unlinked,
}

/// What an administrator said of a person's held deactivation (L4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ruling {
    /// Go ahead, or do not.
    pub says: Says,
    /// The run that held it.
    pub run: RunId,
    /// From then on it is as if nobody had said anything.
    pub until: Timestamp,
    /// Who said it.
    pub by: String,
}

/// A ruling's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Says {
    /// Deactivate.
    Release,
    /// Leave active.
    Reject,
}

/// A write that was about to be sent: whoever finds it left by another worker knows that it may have
/// happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// Which worker, in which hold of its segment.
    pub epoch: Uuid,
    /// Whether a record was to be made.
    pub creates: bool,
    /// With these fields: an agent is known by them if it was made (M6).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: Fields,
    /// Whether a record that was found was to be made inactive: inactive afterwards, it is so by us (L3).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deactivates: bool,
    /// Roles that were to be given: found in Halo afterwards, they are ours (R4).
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub grants: BTreeSet<i64>,
    /// Licences that were to be linked: found in Halo afterwards, they are ours (S1).
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub licences: BTreeSet<i64>,
    /// Records like the one that was to be made, there before it, where an administrator chose that one
    /// more is made (M3).
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub beside: BTreeSet<RecordId>,
}

impl Intent {
    /// Another try, perhaps of something else by now: what either of them did is ours.
    pub fn take(&mut self, newer: &Intent) {
        self.epoch = newer.epoch;
        if newer.creates {
            // What the older one was to make was looked for before, and is not there.
            self.creates = true;
            self.fields.clone_from(&newer.fields);
        }
        self.deactivates |= newer.deactivates;
        self.grants.extend(&newer.grants);
        self.licences.extend(&newer.licences);
        self.beside.extend(&newer.beside);
    }
}
