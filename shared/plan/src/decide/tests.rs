//! Cases of `decide`, each a line: the situation, and what is decided.

#![allow(
    clippy::unwrap_used,
    clippy::too_many_lines,
    reason = "a failed parse is the failure of the test; a table of cases is as long as it is"
)]

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::{Value as Json, json};

use super::*;
use crate::document::{self, CustomClouds};
use crate::facts::Value;
use crate::fields::ManagerView;
use crate::groups::{Group, GroupState};

const ME: &str = "87d349ed-44d7-43e1-9a83-5f2406dee5bd";
const OTHER: &str = "11111111-44d7-43e1-9a83-5f2406dee5bd";
const GROUP: &str = "22222222-44d7-43e1-9a83-5f2406dee5bd";

/// A situation; what a case does not say is as for an ordinary new starter.
struct Given {
    rules: Json,
    person: Json,
    presence: Presence,
    group: GroupState,
    link: Option<Link>,
    known: Known,
    guard: guard::Verdict,
}

impl Default for Given {
    fn default() -> Self {
        let mapping = json!({ "id": "all", "target": { "type": "site", "site_id": 12 } });
        Self {
            rules: json!({ "id": "x", "name": "X", "tenant_id": OTHER,
                "auth": { "method": "application", "credential": "secret", "client_id": OTHER },
                "field_mappings": { "users": [ { "from": "displayName", "to": "name" },
                    { "from": "jobTitle", "to": "title", "write": "if_empty" },
                    { "from": "department", "to": "department", "clear": true } ] },
                "matching": { "users": [ { "entra": "mail", "halo": "emailaddress" } ] },
                "mappings": [mapping] }),
            person: json!({ "displayName": "Ada", "mail": "ada@x.example", "accountEnabled": true }),
            presence: Presence::Present,
            group: GroupState::Read,
            link: None,
            known: Known::default(),
            guard: guard::Verdict::Pass,
        }
    }
}

/// The person as a member of nothing, with these hits, nobody else's claim, and this record in Halo.
fn known(hits: &[(i64, &str)], record: Option<Fields>) -> Known {
    let key = MatchKey::new("emailaddress", "ada@x.example").unwrap();
    let hit = |(user, oid): &(i64, &str)| Hit {
        user: RecordId::user(*user),
        object_id: (!oid.is_empty()).then(|| (*oid).to_owned()),
        inactive: false,
    };
    Known {
        hits: Some(Hits::from([(key, hits.iter().map(hit).collect())])),
        claims: Some(BTreeSet::new()),
        record,
        site: None,
    }
}

fn fields(pairs: &[(&str, HaloValue)]) -> Fields {
    pairs.iter().map(|(name, value)| (Target::field(name), value.clone())).collect()
}

fn text(value: &str) -> HaloValue {
    HaloValue::Text(value.to_owned())
}

/// A record that is as it should be.
fn right() -> Fields {
    fields(&[
        ("name", text("Ada")),
        ("title", text("")),
        ("department", text("")),
        ("site_id", HaloValue::Int(12)),
        ("azureoid", text(ME)),
        ("azure_tenant_id", text(OTHER)),
    ])
}

fn linked(activity: Activity, image: Fields) -> Link {
    let mapping = Some("all".parse().unwrap());
    Link { user: RecordId::user(7), how: LinkedBy::Created, activity, image, mapping }
}

fn facts(given: &Given) -> Facts {
    let properties: BTreeMap<String, Value> = serde_json::from_value(given.person.clone()).unwrap();
    let groups = BTreeSet::new();
    Facts { presence: given.presence, properties, manager: None, groups }
}

fn verdict(given: &Given) -> Verdict {
    let document = document::parse(&given.rules, CustomClouds::Refused).unwrap().document;
    let facts = facts(given);
    let group = Group { name: "G".into(), state: given.group, parents: BTreeSet::new() };
    let groups = Groups(BTreeMap::from([(GROUP.parse().unwrap(), group)]));
    let case = Case {
        id: ME.parse().unwrap(),
        view: View { facts: &facts, manager: ManagerView::None },
        groups: &groups,
        link: given.link.as_ref(),
        known: &given.known,
        guard: given.guard,
    };
    decide(&Rules::new(&document), &case)
}

/// The verdict as a line: what happens, to whom, and the fields that change.
fn told(verdict: &Verdict) -> String {
    let decision = match verdict {
        Verdict::Needs(Need::Matches(_)) => return "needs matches".into(),
        Verdict::Needs(Need::Claims(user)) => return format!("needs claims on {user}"),
        Verdict::Needs(Need::Record(user, _)) => return format!("needs record {user}"),
        Verdict::Needs(Need::Site(client, name)) => {
            return format!("needs site {name} of {client}");
        }
        Verdict::Decided(decision) => decision,
    };
    assert!(!decision.reasons.is_empty(), "every decision has a reason");
    assert!(decision.reasons.iter().all(|reason| !reason.sentence().is_empty()));
    let name = decision.action.name();
    match &decision.action {
        Action::Write(write) => {
            let changed: Vec<String> =
                write.changes.iter().map(|change| change.field.to_string()).collect();
            format!("{name} {}: {}", write.user, changed.join(" "))
        }
        Action::Conflict { candidates } => format!("{name} {candidates:?}"),
        Action::Create { fields } => format!("{name} {} fields", fields.len()),
        Action::Unchanged | Action::NotInScope | Action::Held | Action::Invalid => name.into(),
    }
}

fn with(change: impl FnOnce(&mut Given)) -> Given {
    let mut given = Given::default();
    change(&mut given);
    given
}

fn sync(key: &str, value: Json) -> impl FnOnce(&mut Given) {
    let key = key.to_owned();
    move |given| given.rules["sync"][key.as_str()] = value
}

fn check(cases: Vec<(&str, Given, &str)>) {
    for (name, given, expected) in cases {
        assert_eq!(told(&verdict(&given)), expected, "{name}");
    }
}

#[test]
fn somebody_unlinked_is_looked_for_then_made_or_taken() {
    let unmatched = |given: &mut Given| given.known = known(&[], None);
    check(vec![
        ("M2 asks for the index first", Given::default(), "needs matches"),
        ("M3 nobody fits", with(unmatched), "create 4 fields"),
        (
            "M3 create off",
            with(|given| {
                unmatched(given);
                given.rules["create"] = json!(false);
            }),
            "not_in_scope",
        ),
        (
            "F8 Halo needs a name",
            with(|given| {
                unmatched(given);
                given.person["displayName"] = json!(" ");
            }),
            "failed",
        ),
        (
            "F8 too long for Halo",
            with(|given| {
                unmatched(given);
                given.person["displayName"] = json!("x".repeat(256));
            }),
            "failed",
        ),
        (
            "M3 asks who else claims the record",
            with(|given| {
                given.known = known(&[(7, "")], None);
                given.known.claims = None;
            }),
            "needs claims on 7",
        ),
        (
            "M3 somebody else claims it too",
            with(|given| {
                given.known = known(&[(7, "")], None);
                given.known.claims = Some(BTreeSet::from([OTHER.parse().unwrap()]));
            }),
            "conflict [RecordId::user(7)]",
        ),
        (
            "M3 several",
            with(|g| g.known = known(&[(7, ""), (8, "")], None)),
            "conflict [RecordId::user(7), RecordId::user(8)]",
        ),
        (
            "M2 another's record is nobody's",
            with(|g| g.known = known(&[(7, OTHER)], None)),
            "create 4 fields",
        ),
        (
            "H3 reads the record before the first write",
            with(|g| g.known = known(&[(7, "")], None)),
            "needs record 7",
        ),
        (
            "H3 only what differs",
            with(|given| {
                let mut record = right();
                record.insert(Target::field("name"), text("Old"));
                record.insert(Target::field("azureoid"), text(""));
                given.known = known(&[(7, "")], Some(record));
            }),
            "update 7: azureoid name",
        ),
        ("M2 a link alone", with(|g| g.known = known(&[(7, "")], Some(right()))), "update 7: "),
        (
            "F5 if_empty leaves what Halo has",
            with(|given| {
                given.person["jobTitle"] = json!("New");
                let mut record = right();
                record.insert(Target::field("title"), text("Old"));
                given.known = known(&[(7, "")], Some(record));
            }),
            "update 7: ",
        ),
        (
            "L3 inactive by others stays so",
            with(|given| {
                let mut record = right();
                record.insert(Target::field("inactive"), HaloValue::Bool(true));
                given.known = known(&[(7, "")], Some(record));
            }),
            "update 7: ",
        ),
        (
            "L2 disabled and new",
            with(|g| g.person["accountEnabled"] = json!(false)),
            "not_in_scope",
        ),
        (
            "L2 disabled, but wanted",
            with(|given| {
                given.person["accountEnabled"] = json!(false);
                given.known = known(&[], None);
                sync("create_disabled", json!(true))(given);
            }),
            "create 4 fields",
        ),
        ("P4 external", with(|g| g.person["userType"] = json!("Guest")), "not_in_scope"),
        ("D5 gone and never linked", with(|g| g.presence = Presence::SoftDeleted), "not_in_scope"),
        ("P3 known only as a member", with(|g| g.presence = Presence::Unread), "not_in_scope"),
        (
            "P6 a site by name",
            with(|given| {
                given.known = known(&[], None);
                given.person["officeLocation"] = json!(" Leeds  North ");
                given.rules["mappings"][0]["target"] = json!({ "type": "organisation", "client_id": 3, "site_from": "officeLocation" });
            }),
            "needs site Leeds North of 3",
        ),
    ]);
}

#[test]
fn somebody_linked_is_kept_right() {
    let link = |activity| move |given: &mut Given| given.link = Some(linked(activity, right()));
    let gone = |presence, activity| {
        with(|given| {
            link(activity)(given);
            given.presence = presence;
        })
    };
    let and = |first: Given, change: fn(&mut Given)| {
        let mut given = first;
        change(&mut given);
        given
    };
    let active = || with(link(Activity::Active));
    let ours = || with(link(Activity::InactiveByUs));
    check(vec![
        ("T4 nothing to do, without asking Halo", active(), "unchanged"),
        (
            "H3 one field",
            and(active(), |g| g.person["displayName"] = json!("Ada L")),
            "update 7: name",
        ),
        (
            "F5 a value that went away clears",
            and(active(), |g| {
                g.link.as_mut().unwrap().image.extend(fields(&[("department", text("R&D"))]));
            }),
            "update 7: department",
        ),
        (
            "F5 if_empty fills an empty field",
            and(active(), |g| g.person["jobTitle"] = json!("Boss")),
            "update 7: title",
        ),
        (
            "P9 moves",
            and(active(), |g| g.rules["mappings"][0]["target"]["site_id"] = json!(18)),
            "update 7: site_id",
        ),
        (
            "D5 soft-deleted",
            gone(Presence::SoftDeleted, Activity::Active),
            "deactivate 7: inactive",
        ),
        ("D5 purged", gone(Presence::Purged, Activity::Active), "deactivate 7: inactive"),
        ("D5 missing", gone(Presence::Missing, Activity::Active), "deactivate 7: inactive"),
        ("L1 inactive already", gone(Presence::Purged, Activity::InactiveByUs), "unchanged"),
        ("L1 inactive by others", gone(Presence::Missing, Activity::InactiveByOthers), "unchanged"),
        (
            "D5 off",
            and(gone(Presence::Missing, Activity::Active), |g| {
                g.rules["sync"] = json!({ "deactivate_missing": false });
            }),
            "unchanged",
        ),
        (
            "L4 held",
            and(gone(Presence::Missing, Activity::Active), |g| g.guard = guard::Verdict::Held),
            "held",
        ),
        (
            "L5 read not complete",
            and(gone(Presence::Missing, Activity::Active), |g| {
                g.guard = guard::Verdict::ReadIncomplete;
            }),
            "held",
        ),
        ("L3 returns", ours(), "reactivate 7: inactive"),
        (
            "L3 returns, but off",
            and(ours(), |g| g.rules["sync"] = json!({ "reactivate": false })),
            "unchanged",
        ),
        (
            "L3 returns disabled",
            and(ours(), |g| g.person["accountEnabled"] = json!(false)),
            "unchanged",
        ),
        ("L3 not ours", with(link(Activity::InactiveByOthers)), "unchanged"),
        ("L2 disabled", and(active(), |g| g.person["accountEnabled"] = json!(false)), "unchanged"),
        (
            "L2 disabled counts",
            and(active(), |g| {
                g.person["accountEnabled"] = json!(false);
                g.rules["sync"] = json!({ "deactivate_disabled_users": true });
            }),
            "deactivate 7: inactive",
        ),
        (
            "P8 out of scope, left",
            and(active(), |g| g.person["userType"] = json!("Guest")),
            "unchanged",
        ),
        (
            "P8 out of scope, deactivated",
            and(active(), |g| {
                g.person["userType"] = json!("Guest");
                g.rules["sync"] = json!({ "out_of_scope": "deactivate" });
            }),
            "deactivate 7: inactive",
        ),
        (
            "F8 wrong data changes nothing",
            and(active(), |g| g.person["displayName"] = json!("x".repeat(256))),
            "failed",
        ),
    ]);
}

#[test]
fn a_broken_group_takes_nothing_from_anybody() {
    // P3: the mapping that placed the person names a group that is gone, not read or not resolved.
    for state in [GroupState::Gone, GroupState::Unread] {
        for then in ["leave", "deactivate"] {
            let mut given = with(|given| {
                given.link = Some(linked(Activity::Active, right()));
                given.group = state;
                given.rules["mappings"][0]["group"] = json!({ "id": GROUP });
                given.rules["sync"] = json!({ "out_of_scope": then });
            });
            assert_eq!(told(&verdict(&given)), "unchanged", "{state:?} {then}");
            let second = json!({ "id": "rest", "sequence": 99, "target": { "type": "site", "site_id": 18 } });
            given.rules["mappings"].as_array_mut().unwrap().push(second);
            assert_eq!(
                told(&verdict(&given)),
                "unchanged",
                "nobody moves either: {state:?} {then}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    /// T2, H3: what was written leaves nothing to write.
    #[test]
    fn deciding_again_after_the_write_changes_nothing(
        name in "[a-zA-Z ]{0,12}", title in "[a-z]{0,6}", department in "[a-z]{0,6}",
        old in "[a-zA-Z]{0,6}", site in prop::sample::select(vec![12_i64, 18]),
        enabled: bool, inactive_by_us: bool,
    ) {
        let activity = if inactive_by_us { Activity::InactiveByUs } else { Activity::Active };
        let mut image = right();
        image.insert(Target::field("name"), text(&old));
        image.insert(Target::field("site_id"), HaloValue::Int(site));
        let mut given = with(|given| {
            given.link = Some(linked(activity, image));
            given.person = json!({ "displayName": name, "jobTitle": title,
                "department": department, "accountEnabled": enabled });
        });
        if let Verdict::Decided(Decision { action: Action::Write(write), .. }) = verdict(&given) {
            given.link = Some(linked(write.activity, write.image()));
        }
        prop_assert_eq!(told(&verdict(&given)), "unchanged");
    }
}
