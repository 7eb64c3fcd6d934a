//! Finding the Halo records that a person already is (M1–M5).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::document::MatchRow;
use crate::facts::{Facts, Value};
use crate::ids::{ObjectId, RecordId};
use crate::link::{Fields, HaloValue, LinkedBy, Target};

/// What is looked up in the index of Halo's users: a field and a value made comparable (M5).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MatchKey {
    /// Halo field; `email2` and `email3` stand under `emailaddress`.
    pub field: String,
    /// Value, trimmed and in lower case; never empty.
    pub value: String,
}

impl MatchKey {
    /// The key of a value; `None` when there is nothing to compare, because empty never equals empty.
    pub fn new(field: &str, value: &str) -> Option<Self> {
        let field = match field {
            "email2" | "email3" => "emailaddress",
            other => other,
        };
        let value = value.trim().to_lowercase();
        (!value.is_empty()).then(|| Self { field: field.to_owned(), value })
    }
}

/// A Halo record as the index knows it. General Users, service accounts and API-only agents are not in
/// the index (M4).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Hit {
    /// Which record.
    pub record: RecordId,
    /// The object id of the person that it belongs to: a user carries it, of an agent only our own
    /// links know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_id: Option<String>,
    /// Whether it is inactive in Halo; inactive records are matched too.
    #[serde(default)]
    pub inactive: bool,
}

/// What the index answered to the keys that were asked.
pub type Hits = BTreeMap<MatchKey, Vec<Hit>>;

/// The outcome of matching.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// Exactly one record.
    One {
        /// The record.
        hit: Hit,
        /// By what.
        how: LinkedBy,
    },
    /// Nobody.
    None,
    /// More than one record.
    Several(Vec<RecordId>),
}

/// All keys to ask for, in no particular order: one request to the index serves a whole batch. The
/// index knows the object ids of users from Halo, those of agents from our own links.
pub fn keys(id: ObjectId, facts: &Facts, rows: &[MatchRow]) -> BTreeSet<MatchKey> {
    let by_rows = rows.iter().flat_map(|row| row_keys(row, facts));
    MatchKey::new("azureoid", &id.to_string()).into_iter().chain(by_rows).collect()
}

/// Keys under which a record stands that was made with these fields: how an agent is looked for
/// whose create was not answered (M6).
pub fn keys_of_new(fields: &Fields) -> BTreeSet<MatchKey> {
    let key = |name: &str| MatchKey::new(name, &fields.get(&Target::field(name))?.to_string());
    key("email").or_else(|| key("name")).into_iter().collect()
}

/// Whether a record is as we would have made it: every text that we would have sent is in it. With
/// [`keys_of_new`] this tells our own new agent from another of the same address (M6).
pub fn is_as_made(fields: &Fields, record: &Fields) -> bool {
    fields.iter().all(|(target, value)| match value {
        HaloValue::Text(text) => {
            let held = record.get(target).map(ToString::to_string).unwrap_or_default();
            held.trim() == text.trim()
        }
        HaloValue::Bool(_) | HaloValue::Int(_) | HaloValue::Ids(_) => true,
    })
}

/// Finds the record among `hits`: by object id, then row by row; the first row with any hit decides.
pub fn find(id: ObjectId, facts: &Facts, rows: &[MatchRow], hits: &Hits) -> Match {
    // So it is with nearly everybody who is new.
    if hits.values().all(Vec::is_empty) {
        return Match::None;
    }
    let oid = id.to_string();
    let carried = |hit: &Hit| hit.object_id.clone().filter(|other| !other.trim().is_empty());
    let is_mine = |other: &str| other.trim().eq_ignore_ascii_case(&oid);
    // A record that went to somebody else may still stand under the id that it had.
    let own = MatchKey::new("azureoid", &oid);
    let mut carrying =
        collect(own.into_iter(), hits, |hit| carried(hit).is_none_or(|other| is_mine(&other)));
    // An agent that was noted as the person's before a worker was killed stands under its fields.
    let by_rows = rows.iter().flat_map(|row| row_keys(row, facts));
    carrying.extend(collect(by_rows, hits, |hit| carried(hit).is_some_and(|it| is_mine(&it))));
    if !carrying.is_empty() {
        return verdict(carrying, LinkedBy::ObjectId);
    }
    for row in rows {
        let free = |hit: &Hit| hit.object_id.as_deref().is_none_or(|other| other.trim().is_empty());
        let found = collect(row_keys(row, facts).into_iter(), hits, free);
        if !found.is_empty() {
            let how = LinkedBy::Fields { entra: row.entra.clone(), halo: row.halo.clone() };
            return verdict(found, how);
        }
    }
    Match::None
}

fn row_keys(row: &MatchRow, facts: &Facts) -> Vec<MatchKey> {
    match facts.properties.get(&row.entra) {
        None => Vec::new(),
        Some(Value::List(list)) => {
            list.iter().filter_map(|value| MatchKey::new(&row.halo, value)).collect()
        }
        Some(value) => MatchKey::new(&row.halo, value.as_text()).into_iter().collect(),
    }
}

fn collect(
    keys: impl Iterator<Item = MatchKey>,
    hits: &Hits,
    wanted: impl Fn(&Hit) -> bool,
) -> BTreeMap<RecordId, Hit> {
    keys.filter_map(|key| hits.get(&key))
        .flatten()
        .filter(|hit| wanted(hit))
        .map(|hit| (hit.record, hit.clone()))
        .collect()
}

fn verdict(found: BTreeMap<RecordId, Hit>, how: LinkedBy) -> Match {
    let mut found: Vec<Hit> = found.into_values().collect();
    match (found.pop(), found.is_empty()) {
        (None, _) => Match::None,
        (Some(hit), true) => Match::One { hit, how },
        (Some(last), false) => {
            Match::Several(found.into_iter().map(|hit| hit.record).chain([last.record]).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::panic,
        reason = "a failed case is the failure of the test"
    )]

    use super::*;

    const ME: &str = "87d349ed-44d7-43e1-9a83-5f2406dee5bd";

    fn facts(properties: &[(&str, &str)]) -> Facts {
        let properties = properties
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Value::Text((*value).to_owned())))
            .collect();
        Facts { properties, ..Facts::default() }
    }

    fn rows() -> Vec<MatchRow> {
        [("userPrincipalName", "login"), ("mail", "emailaddress")]
            .map(|(entra, halo)| MatchRow { entra: entra.into(), halo: halo.into() })
            .to_vec()
    }

    /// A Halo user as `(id, field, value, object id)`.
    type User<'a> = (i64, &'a str, &'a str, &'a str);

    fn index(users: &[User]) -> Hits {
        let mut hits = Hits::new();
        for (id, field, value, oid) in users {
            let object_id = (!oid.is_empty()).then(|| (*oid).to_owned());
            let hit = Hit { record: RecordId::user(*id), object_id, inactive: false };
            hits.entry(MatchKey::new(field, value).unwrap()).or_default().push(hit);
        }
        hits
    }

    fn found(users: &[User]) -> String {
        let person = facts(&[("userPrincipalName", "Ada@x.example"), ("mail", " ADA@x.example ")]);
        match find(ME.parse().unwrap(), &person, &rows(), &index(users)) {
            Match::None => "none".into(),
            Match::Several(ids) => {
                let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
                format!("several {}", ids.join(", "))
            }
            Match::One { hit, how: LinkedBy::ObjectId } => format!("{} by id", hit.record.id),
            Match::One { hit, how: LinkedBy::Fields { halo, .. } } => {
                format!("{} by {halo}", hit.record.id)
            }
            Match::One { how, .. } => panic!("{how:?}"),
        }
    }

    #[test]
    fn matching_goes_by_object_id_then_row_by_row() {
        let other = "11111111-44d7-43e1-9a83-5f2406dee5bd";
        let cases: &[(&str, &[User], &str)] = &[
            ("M3 nobody", &[(1, "login", "bob@x.example", "")], "none"),
            ("M2 object id, in any case", &[(1, "azureoid", &ME.to_uppercase(), ME)], "1 by id"),
            (
                "M2 object id before rows",
                &[(1, "azureoid", ME, ME), (2, "login", "ada@x.example", "")],
                "1 by id",
            ),
            (
                "M2 rows in order",
                &[(1, "emailaddress", "ada@x.example", ""), (2, "login", "ada@x.example", "")],
                "2 by login",
            ),
            (
                "M5 case and blanks",
                &[(3, "emailaddress", "ADA@X.example", "")],
                "3 by emailaddress",
            ),
            ("M5 second address", &[(3, "email3", "ada@x.example", "")], "3 by emailaddress"),
            ("M2 another's record", &[(4, "login", "ada@x.example", other)], "none"),
            (
                "M2 another's record, then a free one by the next row",
                &[(4, "login", "ada@x.example", other), (5, "emailaddress", "ada@x.example", "")],
                "5 by emailaddress",
            ),
            (
                "M3 several",
                &[(6, "login", "ada@x.example", ""), (7, "login", "ada@x.example", "")],
                "several user 6, user 7",
            ),
            (
                "M3 several with the same object id",
                &[(8, "azureoid", ME, ME), (9, "azureoid", ME, ME)],
                "several user 8, user 9",
            ),
        ];
        for (name, users, expected) in cases {
            assert_eq!(&found(users), expected, "{name}");
        }
    }

    #[test]
    fn empty_never_matches_empty() {
        // M5: a person without a mail, a record without a mail.
        assert_eq!(MatchKey::new("emailaddress", "  "), None);
        let keys = keys(ME.parse().unwrap(), &facts(&[("mail", " ")]), &rows());
        assert_eq!(keys.len(), 1, "only the object id is asked for");
    }

    #[test]
    fn a_record_of_ours_is_known_by_all_that_we_sent() {
        let fields = |pairs: &[(&str, &str)]| -> Fields {
            let pair = |(name, value): &(&str, &str)| {
                (Target::field(name), HaloValue::Text((*value).to_owned()))
            };
            pairs.iter().map(pair).collect()
        };
        let sent = fields(&[("name", "Ada"), ("email", "ada@x.example")]);
        let rows: &[(&str, Fields, bool)] = &[
            ("M6 the same", fields(&[("name", "Ada"), ("email", "ada@x.example")]), true),
            (
                "M6 more than that",
                fields(&[("name", "Ada"), ("email", "ada@x.example"), ("sms", "1")]),
                true,
            ),
            (
                "M6 blanks at the ends",
                fields(&[("name", " Ada "), ("email", "ada@x.example")]),
                true,
            ),
            ("M6 another name", fields(&[("name", "Eve"), ("email", "ada@x.example")]), false),
            ("M6 another case", fields(&[("name", "ADA"), ("email", "ada@x.example")]), false),
            ("M6 less than that", fields(&[("name", "Ada")]), false),
            ("M6 nothing", Fields::new(), false),
        ];
        for (name, record, expected) in rows {
            assert_eq!(is_as_made(&sent, record), *expected, "{name}");
        }
        let keys = |pairs| -> Vec<String> {
            let keys = keys_of_new(&fields(pairs)).into_iter();
            keys.map(|key| format!("{}={}", key.field, key.value)).collect()
        };
        assert_eq!(keys(&[("name", "Ada"), ("email", "Ada@X")]), ["email=ada@x"], "M6 by address");
        assert_eq!(keys(&[("name", "Ada"), ("email", " ")]), ["name=ada"], "M6 else by name");
        assert_eq!(keys(&[]), Vec::<String>::new(), "M6 by nothing");
    }
}
