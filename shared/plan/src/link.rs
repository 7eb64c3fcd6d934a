//! Our record that a person is a Halo user, with what we last wrote there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ids::{CustomFieldId, RecordId};

/// A field of a Halo user that an import writes.
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum HaloValue {
    /// `inactive`.
    Bool(bool),
    /// `site_id`: written as an integer, although Halo answers floats.
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// Who made the Halo record what it is now, as far as activity goes (L3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activity {
    /// Active.
    Active,
    /// Inactive because we made it so: a return makes it active again.
    InactiveByUs,
    /// Inactive when we met it: left alone.
    InactiveByOthers,
}

/// Person X is Halo user Y.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The Halo user.
    pub user: RecordId,
    /// How the link came to be.
    pub how: LinkedBy,
    /// Active or not, and who did it.
    pub activity: Activity,
    /// What Halo had after our last write or read, of the fields we write. An equal wish is
    /// "unchanged" without asking Halo.
    pub image: Fields,
    /// The mapping that placed the person last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mapping: Option<crate::ids::MappingId>,
}
