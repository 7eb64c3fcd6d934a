//! Cases of the comparison, each a line: what was shown, what is found, what moved; and what holds of
//! every comparison.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::too_many_lines,
    reason = "a situation that cannot be read is the test's failure; a table is as long as it is"
)]

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::json;

use super::*;
use crate::decide::tests::properties::{World, situation};

/// Rule and name; the situation of the preview; that of the import; what Halo's user holds other than
/// the situation says; what moved.
type Row = (&'static str, &'static str, &'static str, &'static str, &'static str);

const UPDATE: &str = "user; link.user.image.name=Old";
const OFFICES: &str = "nobody; offices; person.officeLocation=Leeds";

fn found_in_halo(world: &World, others: &str) -> PerKind<Option<Fields>> {
    let mut user = world.halo.user.clone();
    for (field, value) in others.split("; ").filter_map(|change| change.split_once('=')) {
        user.insert(Target::field(field), HaloValue::Text(value.to_owned()));
    }
    PerKind { user: Some(user), agent: Some(world.halo.agent.clone()) }
}

fn compare(planned: &Planned, now: &str, others: &str, site: Option<&str>) -> Vec<Moved> {
    let mut world = World::new(now);
    let decision = world.decide();
    let in_halo = found_in_halo(&world, others);
    let link = world.link();
    moved(planned, &Found { decision: &decision, link, in_halo: &in_halo, site })
}

fn shown(situation: &str) -> Planned {
    Planned { decision: World::new(situation).decide(), unread: PerKind::default() }
}

fn words(moved: &[Moved]) -> String {
    moved.iter().map(Moved::words).collect::<Vec<_>>().join("; ")
}

#[test]
fn whoever_moved_since_the_preview_is_told_from_the_rest() {
    // I2, T2, M6, L4
    const HIT: &str = "user found; known.user.record.name=Old";
    let rows: [Row; 21] = [
        ("I2 nothing moved", "nobody", "nobody", "", ""),
        ("I2 nobody to import", "nobody; nowhere", "nobody; nowhere", "", ""),
        (
            "I2 another name in Entra",
            "nobody",
            "nobody; person.displayName=Eve",
            "",
            "name of the user would be another",
        ),
        (
            "I2 a value more",
            "nobody",
            "nobody; person.department=IT",
            "",
            "department of the user would be another",
        ),
        (
            "I2 a value less",
            "nobody; person.department=IT",
            "nobody",
            "",
            "department of the user would be another",
        ),
        (
            "I2 somebody made one by hand",
            "nobody",
            "user found",
            "",
            "the user would be \"update\" and not \"create\"",
        ),
        (
            "I2 two fit now",
            "nobody",
            "known.user.hits=[7,8]",
            "",
            "the user would be \"conflict\" and not \"create\"",
        ),
        ("I2 done by another run", UPDATE, "user", "", ""),
        ("I2 an update as shown", UPDATE, UPDATE, "", ""),
        (
            "I2 changed by hand in Halo",
            UPDATE,
            UPDATE,
            "name=Other",
            "somebody else changed name of the user in Halo",
        ),
        ("T2 written before a kill", UPDATE, UPDATE, "name=Ada", ""),
        (
            "I2 linked to another record",
            UPDATE,
            "user; link.user.image.name=Old; link.user.record.id=8",
            "",
            "Halo user 8 would be written",
        ),
        (
            "I2 placed by another mapping",
            "nobody",
            r#"nobody; mappings.first={"sequence":1,"target":{"type":"site","site_id":12}}"#,
            "",
            "another mapping decides on the user",
        ),
        (
            "I2 gone from Entra",
            UPDATE,
            "user; presence=missing",
            "",
            "the user would be \"deactivate\" and not \"update\"",
        ),
        (
            "L4 held when it was shown",
            "user; presence=missing; held",
            "user; presence=missing",
            "",
            "the user would be \"deactivate\" and not \"held\"",
        ),
        (
            "R1 a role more",
            "nobody; sales role",
            r#"nobody; sales role; in=["Sales"]"#,
            "",
            "roles of the user would be another; the roles of the user would be others",
        ),
        (
            "R3 a seat more",
            "nobody; board",
            r#"nobody; board; in=["Board"]"#,
            "",
            "the seats on boards would be others",
        ),
        ("M2 found as shown", HIT, HIT, "", ""),
        (
            "M2 found by its object id since",
            HIT,
            "user found; known.user.hits=[]; known.user.carriers=[7]; known.user.record.name=Old",
            "",
            "",
        ),
        (
            "M6 made before a kill",
            "nobody",
            r#"user found; link.intents.user={"epoch":"other","creates":true}"#,
            "",
            "",
        ),
        (
            "I2 an agent too",
            "nobody",
            "nobody; staff",
            "",
            "the agent would be \"create\" and not \"unchanged\"",
        ),
    ];
    let wrong = rows.iter().filter_map(|(name, before, now, others, expected)| {
        let told = words(&compare(&shown(before), now, others, None));
        (told != *expected).then(|| format!("{name}\n  got      {told}\n  expected {expected}"))
    });
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn a_site_that_was_not_there_was_shown_by_its_name() {
    // I2, P6
    let mut planned = shown(OFFICES);
    let user = planned.decision.user.as_mut().unwrap();
    let Action::Create(create) = &mut user.action else { panic!("{user:?}") };
    let site = Target::field("site_id");
    create.fields.insert(site.clone(), HaloValue::Text("Leeds".to_owned()));
    assert_eq!(compare(&planned, OFFICES, "", Some("Leeds")), []);
    let elsewhere = Moved::Value { kind: RecordKind::User, field: site };
    assert_eq!(compare(&planned, OFFICES, "", Some("York")), [elsewhere]);
}

#[test]
fn what_was_not_read_may_hold_anything() {
    // I2: the import reads it, and writes what was shown or less.
    let unread = |situation: &str| {
        let mut planned = shown(situation);
        planned.unread.user = true;
        let user = planned.decision.user.as_mut().unwrap();
        let Action::Write(write) = &mut user.action else { panic!("{user:?}") };
        for change in &mut write.changes {
            change.before = None;
        }
        planned
    };
    let before = "user found; person.department=IT; known.user.record.name=Old";
    let planned = unread(before);
    assert!(!planned.knows_before(
        RecordKind::User,
        &FieldChange {
            field: Target::field("name"),
            before: None,
            after: HaloValue::Text("Ada".into())
        }
    ));
    assert_eq!(compare(&planned, before, "", None), []);
    let less = "user found; person.department=IT; known.user.record.department=IT";
    assert_eq!(compare(&planned, less, "", None), [], "Halo had a part of it");
    let other = "user found; person.department=HR; known.user.record.name=Old";
    let moved = compare(&planned, other, "", None);
    assert_eq!(words(&moved), "department of the user would be another");
}

#[test]
fn people_are_counted_by_mapping_and_decision() {
    // I1
    let mut totals = Totals::default();
    for situation in ["nobody", "nobody", UPDATE, "nobody; nowhere"] {
        totals.count(&shown(situation).decision);
    }
    let mut twice = totals.clone();
    twice += &totals;
    let all: MappingId = "all".parse().unwrap();
    let rows = [
        (totals.of(Some(&all)), json!({ "create": 2, "update": 1 })),
        (totals.of(None), json!({ "not_in_scope": 1 })),
        (totals.all(), json!({ "create": 2, "update": 1, "not_in_scope": 1 })),
        (twice.of(Some(&all)), json!({ "create": 4, "update": 2 })),
    ];
    for (counted, expected) in rows {
        assert_eq!(json!(counted), expected);
    }
    assert!(!shown("nobody; nowhere").is_to_do() && !shown("user").is_to_do());
    assert!(shown("nobody").is_to_do() && shown("known.user.hits=[7,8]").is_to_do());
}

fn values(decision: &Decision, kind: RecordKind) -> BTreeMap<Target, HaloValue> {
    let changes = decision.of(kind).map(Part::changes).unwrap_or_default();
    changes.into_iter().map(|change| (change.field, change.after)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        rng_seed: RngSeed::Fixed(11),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn an_import_right_after_its_preview_does_exactly_what_was_shown(situation in situation()) {
        // I1
        let planned = shown(&situation);
        prop_assert_eq!(compare(&planned, &situation, "", None), [], "{}", situation);
    }

    #[test]
    fn nothing_is_written_that_was_not_shown(before in situation(), now in situation()) {
        // I2
        let planned = shown(&before);
        let decision = World::new(&now).decide();
        if compare(&planned, &now, "", None).is_empty() {
            for kind in RecordKind::ALL {
                let known = values(&planned.decision, kind);
                for (field, value) in values(&decision, kind) {
                    let agent = field == Target::field("linked_agent_id");
                    prop_assert!(agent || known.get(&field) == Some(&value), "{} / {}", before, now);
                }
            }
            prop_assert!(decision.seats.iter().all(|it| planned.decision.seats.contains(it)));
        }
    }
}
