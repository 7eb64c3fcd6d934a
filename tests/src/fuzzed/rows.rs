//! Field rows and conditions on values of any text: bounded in size, and the same answer twice.

use std::collections::BTreeSet;

use jiff::Timestamp;
use plan::decide::{Case, Decision, Known, Made, Need, Standing, Verdict, decide};
use plan::document::{CustomClouds, Document, parse};
use plan::facts::{Facts, Presence, Value as Fact};
use plan::fields::{ManagerView, View};
use plan::groups::Groups;
use plan::guard;
use plan::ids::{PerKind, SiteId};
use plan::link::Link;
use plan::matching::Hits;
use plan::rules::Rules;
use serde_json::{Value, json};

use super::seed;
use crate::helpdesk;

/// No answer of `decide` may be followed by more questions than there are kinds of them.
pub(super) const QUESTIONS: usize = 12;
/// Bytes that a decision may have for each byte that went in: rows repeat a value in each of their
/// targets, and replacements repeat it inside.
const GROWTH: usize = 4_096;

/// An input: a list of field rows, or of conditions, as JSON, and behind a line the value that they see.
pub fn run(data: &[u8]) -> bool {
    let text = String::from_utf8_lossy(data);
    let (rows, value) = text.split_once('\n').unwrap_or((&text, ""));
    let Ok(rows) = serde_json::from_str::<Value>(rows) else { return false };
    let Some(document) = document(&rows) else { return false };
    let facts = facts(value);
    let rules = Rules::new(&document, &Groups::default());
    let first = settled(&rules, &facts, &Link::default());
    assert_eq!(first, settled(&rules, &facts, &Link::default()), "the same input, the same answer");
    let size = format!("{first:?}").len();
    assert!(size <= (data.len() + 16) * GROWTH, "{size} bytes out of {}", data.len());
    true
}

/// A document whose rows or conditions these are, if it takes them.
fn document(rows: &Value) -> Option<Document> {
    let is_condition = rows.get(0).is_some_and(|row| row.get("op").is_some());
    let mut document = helpdesk::document();
    document["roles"] = json!({});
    let mut mapping =
        json!({ "id": "all", "sequence": 1, "target": { "type": "site", "site_id": 18 } });
    if is_condition {
        mapping["conditions"] = rows.clone();
    } else {
        document["field_mappings"]["users"] = rows.clone();
    }
    document["mappings"] = json!([mapping]);
    parse(&document, CustomClouds::Refused).ok().map(|parsed| parsed.document)
}

/// Somebody of whom every property says the same.
fn facts(value: &str) -> Facts {
    let texts =
        ["displayName", "mail", "department", "city", "country", "jobTitle", "officeLocation"];
    let texts = texts.map(|name| (name.to_owned(), Fact::Text(value.to_owned())));
    let list: Vec<String> = value.split(',').map(str::to_owned).collect();
    let others = [
        ("proxyAddresses".to_owned(), Fact::List(list)),
        ("accountEnabled".to_owned(), Fact::Bool(true)),
        ("userPrincipalName".to_owned(), Fact::Text("ada@contoso.example".to_owned())),
    ];
    let properties = texts.into_iter().chain(others).collect();
    Facts { presence: Presence::Present, properties, ..Facts::default() }
}

/// The decision about somebody in a Halo that knows nobody.
pub(super) fn settled(rules: &Rules<'_>, facts: &Facts, link: &Link) -> Decision {
    let mut known = Known::default();
    for _ in 0..QUESTIONS {
        let case = Case {
            id: helpdesk::id(0x11),
            view: View { facts, manager: ManagerView::None },
            link,
            known: &known,
            guard: PerKind::both(guard::Verdict::Pass),
            now: Timestamp::UNIX_EPOCH,
        };
        match decide(rules, &case) {
            Verdict::Decided(decision) => return decision,
            Verdict::Needs(need) => answer(&mut known, link, &need),
        }
    }
    panic!("it never decides: {known:?}");
}

/// What an empty Halo answers.
fn answer(known: &mut Known, link: &Link, need: &Need) {
    let records = &mut known.records;
    match need {
        Need::Matches(kind, _) => records.of_mut(*kind).hits = Some(Hits::new()),
        Need::Claims(record) => records.of_mut(record.kind).claims = Some(BTreeSet::new()),
        Need::Record(record, _) => {
            let held = link.of(record.kind).map(|linked| linked.image.clone());
            records.of_mut(record.kind).record = Some(held.unwrap_or_default());
        }
        Need::Made(kind) => records.of_mut(*kind).made = Made::Nothing,
        Need::Site(..) => known.site = Some(SiteId(77)),
        Need::Standing(record) => {
            records.of_mut(record.kind).standing = Some(Standing::Other);
        }
    }
}

/// The rows and conditions of the document that has all of them, each alone and all together.
pub fn seeds() -> Vec<Vec<u8>> {
    let everything = super::documents::everything();
    let lists = [&everything["field_mappings"]["users"], &everything["mappings"][0]["conditions"]];
    let mut seeds = Vec::new();
    for list in lists {
        let each = list.as_array().unwrap().iter().map(|row| json!([row]));
        for rows in each.chain([list.clone()]) {
            seeds.push(seed(&[], format!("{rows}\nSMTP:Zoë.O'Brien@contoso.example,aab")));
        }
    }
    seeds
}
