//! Cases of placement: the mappings as short words, the person as JSON, where the person goes.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed case is the test's failure")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;
use crate::document::{Case, Condition, GroupRef, LicenceType, Nesting, Source, Test};
use crate::fields::{ManagerView, View};
use crate::groups::{Group, GroupState};

fn group_id(n: u8) -> ObjectId {
    format!("00000000-0000-0000-0000-0000000000{n:02x}").parse().unwrap()
}

/// Group 1 "Sales", 2 inside it, 3 deleted, 4 not read yet, 5 "IT".
fn groups() -> Groups {
    let group = |name: &str, state, parents: &[u8]| Group {
        name: name.into(),
        state,
        parents: parents.iter().map(|n| group_id(*n)).collect(),
    };
    Groups(BTreeMap::from([
        (group_id(1), group("Sales", GroupState::Read, &[])),
        (group_id(2), group("Sales North", GroupState::Read, &[1])),
        (group_id(3), group("Old", GroupState::Gone, &[])),
        (group_id(4), group("", GroupState::Unread, &[])),
        (group_id(5), group("IT", GroupState::Read, &[])),
    ]))
}

/// A mapping to the site of the same number.
fn mapping(number: u8) -> Mapping {
    Mapping {
        id: format!("m{number}").parse().unwrap(),
        sequence: i64::from(number),
        target: Placement::Site { site_id: SiteId(i64::from(number)) },
        user_role_id: None,
        agent_role_id: None,
        licence_type: LicenceType::NoChange,
        group: None,
        external_users: ExternalUsers::Exclude,
        quantifier: Quantifier::All,
        conditions: Vec::new(),
    }
}

fn agents(number: u8) -> Mapping {
    Mapping { target: Placement::Agents { user_site_id: None }, ..mapping(number) }
}

fn organisation(number: u8, default: Option<i64>) -> Mapping {
    let target = Placement::Organisation {
        client_id: ClientId(3),
        site_from: "officeLocation".into(),
        default_site_id: default.map(SiteId),
    };
    Mapping { target, ..mapping(number) }
}

impl Mapping {
    fn group(mut self, n: u8) -> Self {
        self.group = Some(GroupRef { name: None, id: Some(group_id(n)), nesting: Nesting::Direct });
        self
    }

    fn nested(mut self, n: u8) -> Self {
        self.group = Some(GroupRef { name: None, id: Some(group_id(n)), nesting: Nesting::Nested });
        self
    }

    fn unresolved(mut self, name: &str) -> Self {
        let name = Some(name.to_owned());
        self.group = Some(GroupRef { name, id: None, nesting: Nesting::Direct });
        self
    }

    fn external(mut self, external_users: ExternalUsers) -> Self {
        self.external_users = external_users;
        self
    }

    fn any(mut self) -> Self {
        self.quantifier = Quantifier::Any;
        self
    }

    /// Adds the condition that `field` equals `value`.
    fn if_equal(mut self, field: &str, value: &str) -> Self {
        self.conditions.push(Condition {
            field: Source::Property(field.to_owned()),
            test: Test::In(vec![value.to_owned()]),
            case: Case::Insensitive,
        });
        self
    }
}

fn person(properties: &str, groups: &[u8]) -> Facts {
    Facts {
        presence: Presence::Present,
        properties: serde_json::from_str(properties).expect(properties),
        manager: None,
        groups: groups.iter().map(|n| group_id(*n)).collect(),
        licences: BTreeSet::new(),
    }
}

fn place<'a>(mappings: &'a [Mapping], facts: &Facts) -> Trail<'a> {
    let groups = groups();
    let mut names = Names::default();
    let ready = mappings.iter().map(|it| Ready::new(it, &groups, &mut names));
    let ready: Vec<Ready<'a>> = ready.collect();
    let view = View { facts, manager: ManagerView::None };
    super::place(&ready, &Sight::new(&names, view, ""), PerKind::both(true))
}

/// Each mapping that was tried with how far it got, then the user's place, then the agent's mapping.
fn story(trail: &Trail<'_>) -> String {
    let tried = trail.tried.iter().map(|tried| {
        let outcome = match &tried.outcome {
            Outcome::Condition { index, saw, .. } => format!("condition {index} saw \"{saw}\""),
            Outcome::GroupUnknown { group, why } => format!("{why:?} {group}"),
            Outcome::NotInGroup { group } => format!("not in {group}"),
            Outcome::Matched => "matched".to_owned(),
            Outcome::External => "external".to_owned(),
            Outcome::NotExternal => "not external".to_owned(),
            Outcome::NoSite { field } => format!("no {field}"),
        };
        format!("{} {outcome}", tried.mapping)
    });
    let place = match trail.found.user.placed.as_ref().and_then(|placed| placed.site.as_ref()) {
        None => "nowhere".to_owned(),
        Some(SiteChoice::Id(site)) => format!("site {site}"),
        Some(SiteChoice::Named { client, name }) => format!("client {client} [{name}]"),
    };
    let agent = trail.found.agent.placed.as_ref().map(|it| format!("agent by {}", it.mapping.id));
    tried.chain([place]).chain(agent).collect::<Vec<_>>().join("; ")
}

fn check(rows: Vec<(&str, Vec<Mapping>, Facts, &str)>) {
    for (rule, mappings, facts, expected) in rows {
        assert_eq!(story(&place(&mappings, &facts)), expected, "{rule}");
    }
}

#[test]
fn the_first_user_mapping_that_matches_decides() {
    let sales = || person(r#"{"department":"Sales"}"#, &[]);
    let it = |number| mapping(number).if_equal("department", "IT");
    check(vec![
        ("P8 no mappings", vec![], sales(), "nowhere"),
        ("P2 no parts", vec![mapping(1)], sales(), "m1 matched; site 1"),
        ("P1 the first", vec![mapping(2), mapping(1)], sales(), "m2 matched; site 2"),
        (
            "P1 the first that matches",
            vec![it(1), mapping(2), mapping(3)],
            sales(),
            r#"m1 condition 0 saw "Sales"; m2 matched; site 2"#,
        ),
        ("P8 none", vec![it(1)], sales(), r#"m1 condition 0 saw "Sales"; nowhere"#),
        (
            "P1 agents mappings place no user",
            vec![agents(1)],
            sales(),
            "m1 matched; nowhere; agent by m1",
        ),
        (
            "P1 an agent and a user",
            vec![agents(1), mapping(2)],
            sales(),
            "m1 matched; m2 matched; site 2; agent by m1",
        ),
    ]);
}

#[test]
fn all_parts_must_hold_and_the_first_failure_is_told() {
    let member = |properties| person(properties, &[1]);
    let full = || mapping(1).group(1).if_equal("department", "Sales").if_equal("city", "Aarhus");
    check(vec![
        (
            "P2 all hold",
            vec![full()],
            member(r#"{"department":"sales","city":"AARHUS"}"#),
            "m1 matched; site 1",
        ),
        ("P2 group first", vec![full()], person("{}", &[5]), "m1 not in Sales; nowhere"),
        (
            "P2 then external",
            vec![full()],
            member(r#"{"userType":"Guest"}"#),
            "m1 external; nowhere",
        ),
        (
            "P2 then conditions",
            vec![full()],
            member(r#"{"city":"Odense"}"#),
            r#"m1 condition 0 saw ""; nowhere"#,
        ),
        (
            "P2 second condition",
            vec![full()],
            member(r#"{"department":"Sales","city":"Odense"}"#),
            r#"m1 condition 1 saw "Odense"; nowhere"#,
        ),
        (
            "P2 any: the second is enough",
            vec![full().any()],
            member(r#"{"city":"Aarhus"}"#),
            "m1 matched; site 1",
        ),
        (
            "P2 any: the first is enough",
            vec![full().any()],
            member(r#"{"department":"Sales","city":"Odense"}"#),
            "m1 matched; site 1",
        ),
        (
            "P2 any: none, the last is told",
            vec![full().any()],
            member(r#"{"department":"IT","city":"Odense"}"#),
            r#"m1 condition 1 saw "Odense"; nowhere"#,
        ),
        ("P2 any of no conditions", vec![mapping(1).any()], member("{}"), "m1 matched; site 1"),
        (
            "P2 any does not soften the group",
            vec![full().any()],
            person(r#"{"city":"Aarhus"}"#, &[]),
            "m1 not in Sales; nowhere",
        ),
    ]);
}

#[test]
fn groups_count_directly_or_nested() {
    let deleted = |presence| Facts { presence, ..person("{}", &[1]) };
    check(vec![
        ("P3 member", vec![mapping(1).group(1)], person("{}", &[1]), "m1 matched; site 1"),
        (
            "P3 not nested",
            vec![mapping(1).group(1)],
            person("{}", &[2]),
            "m1 not in Sales; nowhere",
        ),
        ("P3 nested", vec![mapping(1).nested(1)], person("{}", &[2]), "m1 matched; site 1"),
        (
            "L6 a soft-deleted person's memberships do not count",
            vec![mapping(1).group(1)],
            deleted(Presence::SoftDeleted),
            "m1 not in Sales; nowhere",
        ),
        (
            "L6 nor a purged person's",
            vec![mapping(1).group(1)],
            deleted(Presence::Purged),
            "m1 not in Sales; nowhere",
        ),
        (
            "D5 a missing person's do",
            vec![mapping(1).group(1)],
            deleted(Presence::Missing),
            "m1 matched; site 1",
        ),
    ]);
}

#[test]
fn broken_mappings_before_the_match_are_named() {
    let unread = group_id(4);
    let rows = [
        ("P3 deleted", vec![mapping(1).group(3)], "m1 Gone Old; nowhere".to_owned(), 1),
        ("P3 not read", vec![mapping(1).group(4)], format!("m1 NotRead {unread}; nowhere"), 1),
        (
            "P3 not found",
            vec![mapping(1).unresolved("Ghosts")],
            "m1 NotResolved Ghosts; nowhere".to_owned(),
            1,
        ),
        (
            "P3 before the match",
            vec![mapping(1).group(3), mapping(2), mapping(3).group(4)],
            "m1 Gone Old; m2 matched; site 2".to_owned(),
            1,
        ),
        (
            "P3 after the match",
            vec![mapping(1), mapping(2).group(3)],
            "m1 matched; site 1".to_owned(),
            0,
        ),
        (
            "P3 all of them",
            vec![mapping(1).group(3), mapping(2).group(5), mapping(3).unresolved("Ghosts")],
            "m1 Gone Old; m2 not in IT; m3 NotResolved Ghosts; nowhere".to_owned(),
            2,
        ),
        ("P1 agents stand apart", vec![agents(1).group(3)], "m1 Gone Old; nowhere".to_owned(), 0),
    ];
    for (rule, mappings, expected, broken) in rows {
        let facts = person("{}", &[1]);
        let trail = place(&mappings, &facts);
        assert_eq!(story(&trail), expected, "{rule}");
        assert_eq!(trail.found.user.broken.len(), broken, "{rule}");
    }
    let mappings = [mapping(1).group(3)];
    let trail = place(&mappings, &person("{}", &[]));
    let expected = ("m1".parse().unwrap(), "Old".into(), WhyUnknown::Gone);
    assert_eq!(trail.found.user.broken, [expected], "P3: mapping, group and cause");
}

#[test]
fn the_documents_group_name_is_told_before_entras() {
    // P3: a renamed group keeps working, and the log shows what the administrator wrote.
    let mut renamed = mapping(1).group(1);
    renamed.group.as_mut().unwrap().name = Some("Sellers".into());
    let trail = story(&place(&[renamed], &person("{}", &[])));
    assert_eq!(trail, "m1 not in Sellers; nowhere");
}

#[test]
fn external_people_are_told_by_three_signs() {
    use ExternalUsers::{Exclude, Include, Only};
    let guest = r#"{"userType":"Guest"}"#;
    let ext = r#"{"userPrincipalName":"ada_x.example#EXT#@y.example","userType":"Member"}"#;
    let invited = r#"{"externalUserState":"Accepted"}"#;
    let member = r#"{"userType":"Member","userPrincipalName":"ada@x.example"}"#;
    let rows = [
        (guest, Exclude, "m1 external; nowhere"),
        (ext, Exclude, "m1 external; nowhere"),
        (invited, Exclude, "m1 external; nowhere"),
        (member, Exclude, "m1 matched; site 1"),
        (guest, Include, "m1 matched; site 1"),
        (member, Include, "m1 matched; site 1"),
        (guest, Only, "m1 matched; site 1"),
        (ext, Only, "m1 matched; site 1"),
        (member, Only, "m1 not external; nowhere"),
    ];
    for (properties, rule, expected) in rows {
        let mappings = [mapping(1).external(rule)];
        let got = story(&place(&mappings, &person(properties, &[])));
        assert_eq!(got, expected, "P4 {properties} {rule:?}");
    }
}

#[test]
fn organisations_name_the_site() {
    let in_office =
        |office: &str| person(&serde_json::json!({ "officeLocation": office }).to_string(), &[]);
    let fallback = || vec![organisation(1, Some(12))];
    check(vec![
        ("P6", fallback(), in_office("Head Office"), "m1 matched; client 3 [Head Office]"),
        (
            "P6 white space of any kind",
            fallback(),
            in_office("\u{3000} Head\u{a0}\t\u{2003}Office\n"),
            "m1 matched; client 3 [Head Office]",
        ),
        ("P6 empty", fallback(), in_office(""), "m1 matched; site 12"),
        ("P6 white space only", fallback(), in_office(" \u{a0}"), "m1 matched; site 12"),
        ("P6 nothing to see", fallback(), in_office("\u{feff}\u{200b}"), "m1 matched; site 12"),
        ("P6 absent", fallback(), person("{}", &[]), "m1 matched; site 12"),
        (
            "P6 a list: its first",
            fallback(),
            person(r#"{"officeLocation":["North","South"]}"#, &[]),
            "m1 matched; client 3 [North]",
        ),
        (
            "P6 no default: no match, the next one is tried",
            vec![organisation(1, None), mapping(2)],
            in_office(" "),
            "m1 no officeLocation; m2 matched; site 2",
        ),
        (
            "P2 site last",
            vec![organisation(1, None).if_equal("department", "IT")],
            person("{}", &[]),
            r#"m1 condition 0 saw ""; nowhere"#,
        ),
    ]);
}

#[test]
fn conditions_are_told_as_the_document_writes_them() {
    // P8
    let mappings = [mapping(1).if_equal("department", "IT")];
    let trail = place(&mappings, &person(r#"{"department":"Sales"}"#, &[]));
    let (field, test) = mappings[0].conditions[0].describe();
    let (field, test) = (field.into(), test.into());
    let outcome = Outcome::Condition { index: 0, field, test, saw: "Sales".into() };
    assert_eq!(trail.tried[0].outcome, outcome);
}

#[test]
fn two_spellings_of_one_name_have_one_key() {
    let same = [
        ("Head Office", " head\u{a0}\u{2009}OFFICE\t"),
        ("Head Office", "Head\u{200b} \u{feff}Of\u{ad}fice"),
        ("Head Office", "Head \u{200b} Office"),
        ("MÜNCHEN", "münchen"),
        ("München", "Mu\u{308}nchen"),
        ("ÅRHUS", "A\u{30a}rhus"),
        ("Hauptstraße", "HAUPTSTRASSE"),
        ("ΟΔΟΣ", "οδος"),
        ("東京\u{3000}本社", "東京 本社"),
        ("İzmir", "I\u{307}zmir"),
    ];
    for (a, b) in same {
        assert_eq!(site_key(a), site_key(b), "P6 {a:?} {b:?}");
    }
    let different = [
        ("Head Office", "HeadOffice"),
        ("Arhus", "Århus"),
        ("Site 1", "Site 2"),
        ("m2", "m²"),
        ("A-B", "A B"),
    ];
    for (a, b) in different {
        assert_ne!(site_key(a), site_key(b), "P6 {a:?} {b:?}");
    }
    assert_eq!(site_key(" \u{feff} "), "", "P6: nothing to compare");
}

/// Mappings of all kinds, some broken, over few values, so that many match.
fn any_mapping() -> impl Strategy<Value = Mapping> {
    let target = (1..9_u8, 0..4_u8, prop::option::of(1..3_i64)).prop_map(
        |(number, kind, default)| match kind {
            0 => Mapping {
                target: Placement::Agents { user_site_id: default.map(SiteId) },
                ..mapping(number)
            },
            1 => organisation(number, default),
            _ => mapping(number),
        },
    );
    let parts = (prop::option::of(1..6_u8), prop::option::of("[ab]"), prop::option::of("[ab]"));
    (target, parts, any::<bool>(), any::<bool>()).prop_map(|(mut made, parts, any, include)| {
        if let Some(group) = parts.0 {
            made = made.group(group);
        }
        for (field, value) in [("department", parts.1), ("city", parts.2)] {
            if let Some(value) = value {
                made = made.if_equal(field, &value);
            }
        }
        made = if any { made.any() } else { made };
        made.external(if include { ExternalUsers::Include } else { ExternalUsers::Exclude })
    })
}

impl Trail<'_> {
    /// Whether a mapping of this kind took the person.
    fn matched(&self, kind: RecordKind) -> bool {
        let agents =
            |placed: &Placed<'_>| matches!(placed.mapping.target, Placement::Agents { .. });
        let placed = self.found.of(kind).placed.as_ref();
        placed.is_some_and(|placed| agents(placed) == (kind == RecordKind::Agent))
    }
}

fn any_person() -> impl Strategy<Value = Facts> {
    let properties = prop::collection::btree_map(
        prop::sample::select(vec!["department", "city", "officeLocation", "externalUserState"]),
        "[ab]",
        0..4,
    );
    (properties, prop::collection::vec(1..6_u8, 0..3)).prop_map(|(properties, groups)| {
        person(&serde_json::json!(properties).to_string(), &groups)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    /// P1: a mapping behind the one that matched changes nothing, and before it everything is told.
    #[test]
    fn a_later_mapping_never_changes_an_earlier_match(
        mappings in prop::collection::vec(any_mapping(), 0..6),
        later in prop::collection::vec(any_mapping(), 0..3),
        facts in any_person(),
    ) {
        let mut mappings = mappings;
        let mut later = later;
        for (index, mapping) in mappings.iter_mut().chain(&mut later).enumerate() {
            mapping.id = format!("m{index}").parse().unwrap();
        }
        let before = place(&mappings, &facts);
        let longer: Vec<Mapping> = mappings.iter().chain(&later).cloned().collect();
        let after = place(&longer, &facts);
        for kind in RecordKind::ALL {
            let (early, late) = (before.found.of(kind), after.found.of(kind));
            if before.matched(kind) {
                prop_assert_eq!(early, late);
            }
            // A user mapping that matches is stronger than a broken agents mapping that names a site.
            if kind == RecordKind::Agent || !after.matched(kind) {
                prop_assert!(early.broken.iter().all(|broken| late.broken.contains(broken)));
            }
        }
        let told = |trail: &Trail<'_>, of: &[Mapping]| -> Vec<Tried> {
            let known = |tried: &&Tried| of.iter().any(|mapping| mapping.id == tried.mapping);
            trail.tried.iter().filter(known).cloned().collect()
        };
        prop_assert_eq!(&before.tried, &told(&after, &mappings));
        for trail in [&before, &after] {
            let matched = trail.tried.iter().filter(|t| t.outcome == Outcome::Matched).count();
            let found = RecordKind::ALL.into_iter().filter(|kind| trail.matched(*kind)).count();
            prop_assert_eq!(matched, found);
        }
    }

    /// P6: name and key are stable, and a name has the key of the text that it was made from.
    #[test]
    fn names_and_keys_are_stable(text in any::<String>(), name in "[a-zA-Zß \u{a0}\u{200b}\u{308}Σ]{0,12}") {
        for text in [text, name] {
            let name = site_name(&text);
            prop_assert_eq!(&site_name(&name), &name);
            let key = site_key(&text);
            prop_assert_eq!(&site_key(&name), &key);
            prop_assert_eq!(site_key(&key), key);
        }
    }
}
