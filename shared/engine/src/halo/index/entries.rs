//! The records of the index: who is found by a value, and what had to be read with details.

use std::collections::{BTreeMap, BTreeSet};

use plan::ids::{RecordId, RecordKind};
use plan::matching::{Hit, MatchKey};
use serde::{Deserialize, Serialize};

use super::Index;
use crate::halo::{Record, Row};
use crate::store::Key;

/// Records kept under one value. Whoever shares it with so many is nobody's match; this only bounds the
/// record.
const MOST: usize = 1000;
/// Bytes of a value that stand in a key as they are; what is longer ends in a hash.
const LONGEST: usize = 300;

/// A record as it stands under a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    #[serde(flatten)]
    pub(super) hit: Hit,
    /// We wrote the record after this generation was begun, so we know better than a page that may have
    /// been read before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) ours: bool,
}

/// Puts an entry among those of a value, in order of number; `None` when that changes nothing.
pub(super) fn enter(mut entries: Vec<Entry>, new: &Entry) -> Option<Vec<Entry>> {
    match entries.binary_search_by_key(&new.hit.record, |entry| entry.hit.record) {
        Ok(at) if entries[at] == *new || (entries[at].ours && !new.ours) => return None,
        Ok(at) => entries[at] = new.clone(),
        Err(_) if entries.len() >= MOST => return None,
        Err(at) => entries.insert(at, new.clone()),
    }
    Some(entries)
}

/// Properties of a record that list rows left out, read with details once (H4).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Details(BTreeMap<String, String>);

impl Details {
    /// What `record` holds in these properties, which count as known even if they are empty.
    pub(super) fn of<'a>(record: &Record, properties: impl Iterator<Item = &'a str>) -> Self {
        Self(properties.map(|name| (name.to_owned(), record.text(name).into_owned())).collect())
    }

    /// What is known of a record that we linked: nothing else counts for one who carries an object id.
    pub(super) fn linked(object_id: &str) -> Self {
        Self(BTreeMap::from([("azureoid".to_owned(), object_id.to_owned())]))
    }

    /// Whether this is enough for a row that lacks these properties.
    pub(super) fn cover(&self, missing: &BTreeSet<&str>) -> bool {
        let linked = self.0.get("azureoid").is_some_and(|id| !id.is_empty());
        linked || missing.iter().all(|name| self.0.contains_key(*name))
    }

    /// Completes a row.
    pub(super) fn complete(&self, record: &mut Record) {
        for (name, value) in &self.0 {
            if !record.has(name) {
                record.set(name, value);
            }
        }
    }
}

/// The properties that a matching field stands for (M5).
pub(in crate::halo) fn properties(field: &str) -> impl Iterator<Item = &str> {
    let others: &[&str] = if field == "emailaddress" { &["email2", "email3"] } else { &[] };
    std::iter::once(field).chain(others.iter().copied())
}

/// What a record can be found by, of the given matching fields.
pub(in crate::halo) fn keys_of<'a>(
    row: &Row,
    fields: impl Iterator<Item = &'a str>,
) -> BTreeSet<MatchKey> {
    let properties = fields.flat_map(properties);
    properties.filter_map(|name| MatchKey::new(name, &row.record.text(name))).collect()
}

/// The record as matching sees it.
pub(in crate::halo) fn hit_of(row: &Row) -> Hit {
    let object_id = row.record.text("azureoid").trim().to_owned();
    Hit {
        record: row.id,
        object_id: (!object_id.is_empty()).then_some(object_id),
        inactive: row.is_inactive(),
    }
}

impl Index {
    /// Where it says which generation is in use.
    pub(super) fn pointer(&self) -> Key {
        match self.kind {
            RecordKind::User => Key::new("halo", "index"),
            RecordKind::Agent => Key::new("halo", "index-agents"),
        }
    }

    /// Where the records of a value are.
    pub(super) fn entry_key(&self, generation: u64, key: &MatchKey) -> Key {
        let sk = short(&format!("{}={}", key.field, key.value));
        // Object ids are spread by themselves; those of neighbours stand together, as they are written.
        let own = (key.field == "azureoid").then(|| key.value.get(..2)).flatten();
        let spread = own.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        self.place(generation, spread.unwrap_or_else(|| spread_of(&sk)), sk)
    }

    /// Where the details of a record are.
    pub(super) fn details_key(&self, generation: u64, record: RecordId) -> Key {
        let sk = format!("#{}", record.id);
        self.place(generation, spread_of(&sk), sk)
    }

    /// Spreads a generation over 256 partitions, so that none becomes hot.
    fn place(&self, generation: u64, spread: u8, sk: String) -> Key {
        let kind = match self.kind {
            RecordKind::User => "",
            RecordKind::Agent => "agents#",
        };
        Key::new(format!("halo#index#{kind}{generation}#{spread:02x}"), sk)
    }
}

/// The partition of a sort key that has no order of its own.
fn spread_of(sk: &str) -> u8 {
    let [.., last] = hash(sk.as_bytes()).to_be_bytes();
    last
}

/// A text that fits into a key, still different for different texts.
pub(in crate::halo) fn short(text: &str) -> String {
    if text.len() <= LONGEST {
        return text.to_owned();
    }
    let end = (0..=LONGEST).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    format!("{}~{:016x}", &text[..end], hash(text.as_bytes()))
}

/// FNV-1a: the same in every build, which the keys of a stored index have to be.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed step is the failure of the test")]

    use serde_json::json;

    use super::*;

    fn entry(user: i64, object_id: &str, ours: bool) -> Entry {
        let object_id = (!object_id.is_empty()).then(|| object_id.to_owned());
        Entry { hit: Hit { record: RecordId::user(user), object_id, inactive: false }, ours }
    }

    #[test]
    fn entries_are_kept_in_order_and_ours_win() {
        let known = vec![entry(1, "", false), entry(3, "a", true)];
        let cases = [
            ("same", entry(1, "", false), None),
            ("newer", entry(1, "b", false), Some(vec![entry(1, "b", false), entry(3, "a", true)])),
            ("stale page", entry(3, "", false), None),
            (
                "ours again",
                entry(3, "c", true),
                Some(vec![entry(1, "", false), entry(3, "c", true)]),
            ),
            (
                "another",
                entry(2, "", false),
                Some(vec![entry(1, "", false), entry(2, "", false), entry(3, "a", true)]),
            ),
        ];
        for (name, new, expected) in cases {
            assert_eq!(enter(known.clone(), &new), expected, "{name}");
        }
        let full: Vec<Entry> = (0..1000).map(|user| entry(user, "", false)).collect();
        assert_eq!(enter(full, &entry(5000, "", false)), None, "bounded");
    }

    #[test]
    fn an_entry_survives_storage() {
        for entry in [entry(1, "a", true), entry(2, "", false)] {
            let stored = serde_json::to_string(&entry).unwrap();
            assert_eq!(serde_json::from_str::<Entry>(&stored).unwrap(), entry, "{stored}");
        }
    }

    #[test]
    fn keys_hold_every_address_and_nothing_empty() {
        // M5.
        let record = Record::new(json!({
            "emailaddress": " A@x ", "email2": "a@X", "email3": "b@x", "login": null, "name": "Ada",
        }));
        let row = Row { id: RecordId::user(1), record: record.unwrap() };
        let keys = keys_of(&row, ["emailaddress", "login", "phonenumber"].into_iter());
        let found: Vec<_> = keys.iter().map(|key| format!("{}={}", key.field, key.value)).collect();
        assert_eq!(found, ["emailaddress=a@x", "emailaddress=b@x"]);
    }

    #[test]
    fn long_values_fit_into_keys_and_stay_different() {
        let long = "é".repeat(400);
        let (one, other) = (short(&format!("{long}1")), short(&format!("{long}2")));
        assert!(one.len() <= 512 && one != other, "{one}");
        assert_eq!(short("login=ada"), "login=ada");
    }

    #[test]
    fn details_of_a_linked_user_are_always_enough() {
        let missing = BTreeSet::from(["azureoid", "email2"]);
        let read =
            |names: &[&str]| Details::of(&Record::default(), names.iter().copied()).cover(&missing);
        assert!(read(&["azureoid", "email2"]) && !read(&["azureoid"]));
        assert!(Details::linked("x").cover(&missing));
    }
}
