//! Field mapping and matching rows: where a value comes from, what is done to it, where it goes
//! (F1–F8, M2).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::CustomFieldId;

/// One field mapping row.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldRow {
    /// Where the value comes from; several only with a first transform that makes them one.
    pub from: Vec<Source>,
    /// Where it goes.
    pub to: RowTarget,
    /// When it is written (F5).
    pub write: WriteMode,
    /// What a source without a value does.
    pub empty: Empty,
    /// In order (F8).
    pub transforms: Vec<Transform>,
}

/// A source of values (F3).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// A property of the person by its Graph name, an `extensionAttributeN` or a directory extension.
    Property(String),
    /// `manager.displayName`, `manager.mail` or `manager.userPrincipalName`: the part after the dot.
    Manager(String),
    /// `proxyAddresses:primary`; in a field row also `proxyAddresses`.
    PrimaryAddress,
    /// `proxyAddresses:all`, every address without its prefix; in a condition also `proxyAddresses`.
    AllAddresses,
    /// `lastSignInDateTime` (D8).
    LastSignIn,
    /// `const:text`.
    Const(String),
}

/// A target as the document names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowTarget {
    /// A field of the allow-list.
    Field(String),
    /// `customfield:NAME` or `customfield:ID`; the id is pinned when the document is saved.
    Custom {
        /// As written, without the prefix.
        asked: String,
        /// What Halo calls it, once known.
        id: Option<CustomFieldId>,
    },
}

/// F5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WriteMode {
    /// Whenever it differs.
    Always,
    /// Only on a record that we make.
    OnCreate,
    /// Only where Halo has nothing.
    IfEmpty,
}

/// What a source without a value does (F5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Empty {
    /// Leaves the target.
    Leaves,
    /// Clears the target (`"clear": true`).
    Clears,
}

/// One step from a source's value to the target's (F8).
#[derive(Clone, Debug)]
pub enum Transform {
    /// Without white space at both ends.
    Trim,
    /// In lower case.
    Lower,
    /// In upper case.
    Upper,
    /// First letter of each word in upper case, the rest in lower case.
    TitleCase,
    /// Each occurrence of a text replaced by another.
    Replace(String, String),
    /// Each match replaced; `$1` stands for the first group.
    Regex(regex_lite::Regex, String),
    /// Text put in front of a value.
    Prefix(String),
    /// Text put behind a value.
    Suffix(String),
    /// Cut to so many characters.
    MaxLength(usize),
    /// Looked up (trimmed, case-insensitive; the keys are trimmed and in lower case), with what
    /// stands for the rest; without `default` the rest pass unchanged.
    Map(BTreeMap<String, String>, Option<String>),
    /// Values of several sources joined, empty ones left out.
    Join(String),
    /// The first source that has a value.
    FirstNonEmpty,
}

impl PartialEq for Transform {
    fn eq(&self, other: &Self) -> bool {
        // A compiled pattern has no equality; its text has.
        format!("{self:?}") == format!("{other:?}")
    }
}

/// One matching row (M2): the person's property against the record's field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatchRow {
    /// Graph property.
    pub entra: String,
    /// Halo field of the allow-list of matching fields.
    pub halo: String,
}
