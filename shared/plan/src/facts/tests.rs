//! Cases of merging: what items say of a person in order, and what is known then (D2, D5, L6, P4).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed parse is the failure of the test")]

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;

/// What an item says: a word about presence, or properties that were seen. `!` before them: the first
/// sight in a full round; `-` after a property: null; `@` before an id: the manager.
fn news(text: &str) -> News {
    let (absent, seen) = match text.strip_prefix('!') {
        Some(rest) => (Absent::NeverSet, rest),
        None => (Absent::Unsaid, text),
    };
    match seen.trim() {
        "soft-deleted" => return News::SoftDeleted,
        "purged" => return News::Purged,
        "missing" => return News::Missing,
        _ => {}
    }
    let mut properties = BTreeMap::new();
    let mut manager = ManagerNews::Unsaid;
    for word in seen.split_whitespace().filter(|word| *word != "seen") {
        match (word.split_once('='), word.strip_suffix('-'), word.strip_prefix('@')) {
            (Some((name, value)), ..) => {
                properties.insert(name.to_owned(), Some(Value::Text(value.to_owned())));
            }
            (None, Some("@"), _) => manager = ManagerNews::None,
            (None, Some(name), _) => {
                properties.insert(name.to_owned(), None);
            }
            (None, None, Some(id)) => manager = ManagerNews::Is(id_of(id)),
            (None, None, None) => panic!("{word}"),
        }
    }
    News::Seen(Seen { properties, manager, absent })
}

fn id_of(digit: &str) -> ObjectId {
    format!("00000000-0000-0000-0000-00000000000{digit}").parse().unwrap()
}

/// Facts after these items, of somebody who is a member of one group.
fn merged(items: &[&str]) -> Facts {
    let mut facts = Facts { groups: BTreeSet::from([id_of("f")]), ..Facts::default() };
    for item in items {
        let _ = facts.merge(news(item));
    }
    facts
}

/// Presence, properties, manager and number of groups in a line.
fn told(facts: &Facts) -> String {
    let mut words = vec![format!("{:?}", facts.presence)];
    let properties = facts.properties.iter();
    words.extend(properties.map(|(name, value)| format!("{name}={}", value.as_text())));
    words.extend(facts.manager.map(|id| format!("@{}", &id.to_string()[35..])));
    words.push(format!("groups {}", facts.groups.len()));
    words.join(" ")
}

#[test]
fn items_are_merged() {
    let rows: &[(&str, &[&str], &str)] = &[
        ("P3 only a member so far", &[], "Unread groups 1"),
        ("D2 seen", &["seen a=1 b=2"], "Present a=1 b=2 groups 1"),
        ("D2 absent is unsaid", &["seen a=1 b=2", "seen a=3"], "Present a=3 b=2 groups 1"),
        ("D2 null is no value", &["seen a=1 b=2", "seen a-"], "Present b=2 groups 1"),
        (
            "D2 absent at first sight is never set",
            &["seen a=1", "!seen b=2"],
            "Present b=2 groups 1",
        ),
        ("D2 twice is once", &["seen a=1", "seen a=1"], "Present a=1 groups 1"),
        ("F6 a manager", &["seen @1"], "Present @1 groups 1"),
        ("F6 another manager", &["seen @1", "seen @2"], "Present @2 groups 1"),
        ("F6 no word about the manager", &["seen @1", "seen a=1"], "Present a=1 @1 groups 1"),
        ("F6 no manager any more", &["seen @1", "seen @-"], "Present groups 1"),
        ("L6 soft-deleted keeps groups", &["seen a=1", "soft-deleted"], "SoftDeleted a=1 groups 1"),
        ("L6 restored", &["seen", "soft-deleted", "seen"], "Present groups 1"),
        ("L6 purged drops groups", &["seen a=1", "purged"], "Purged a=1 groups 0"),
        ("L6 purged is final", &["seen", "purged", "soft-deleted"], "Purged groups 0"),
        ("L6 soft-deleted, then purged", &["seen", "soft-deleted", "purged"], "Purged groups 0"),
        ("L6 seen again after a purge", &["seen", "purged", "seen"], "Present groups 0"),
        ("D5 missing", &["seen a=1", "missing"], "Missing a=1 groups 1"),
        ("D5 missing and back", &["seen", "missing", "seen"], "Present groups 1"),
        ("D5 missing says nothing of somebody who was never read", &["missing"], "Unread groups 1"),
        ("D5 nor of somebody who is deleted", &["soft-deleted", "missing"], "SoftDeleted groups 1"),
        ("D5 nor of somebody who is purged", &["purged", "missing"], "Purged groups 0"),
    ];
    for (name, items, expected) in rows {
        assert_eq!(told(&merged(items)), *expected, "{name}");
        let again = items.iter().fold(merged(items), |mut facts, item| {
            let _ = facts.merge(news(item));
            facts
        });
        assert_eq!(told(&again), *expected, "{name}: and again (T2)");
    }
}

#[test]
fn only_a_change_is_a_change() {
    let rows = [
        ("T4 the same again", &["seen a=1 @1", "seen a=1 @1"][..], Merged::Same),
        ("T4 null of nothing", &["seen a=1", "seen b-"], Merged::Same),
        ("T4 another value", &["seen a=1", "seen a=2"], Merged::Changed),
        ("T4 another manager", &["seen @1", "seen @2"], Merged::Changed),
        ("T4 gone", &["seen", "missing"], Merged::Changed),
        ("T4 gone twice", &["purged", "purged"], Merged::Same),
    ];
    for (name, items, expected) in rows {
        let (last, before) = items.split_last().unwrap();
        assert_eq!(merged(before).merge(news(last)), expected, "{name}");
    }
}

#[test]
fn people_are_told_apart() {
    let rows = [
        ("P4 a guest", "userType=Guest", true),
        ("P4 a guest in capitals", "userType=GUEST", true),
        ("P4 a member", "userType=Member", false),
        ("P4 an invited name", "userPrincipalName=ada_x.example#ext#@y.example", true),
        ("P4 an ordinary name", "userPrincipalName=ada@x.example", false),
        ("P4 an invitation", "externalUserState=PendingAcceptance", true),
        ("P4 nothing known", "", false),
    ];
    for (name, properties, external) in rows {
        let facts = merged(&[&format!("seen {properties}")]);
        assert_eq!(facts.external(), external, "{name}");
    }
    let disabled = |value| Facts {
        properties: BTreeMap::from([("accountEnabled".to_owned(), value)]),
        ..Facts::default()
    };
    let rows = [
        ("R6 disabled", disabled(Value::Bool(false)), false),
        ("R6 enabled", disabled(Value::Bool(true)), true),
        ("R6 not read", Facts::default(), true),
    ];
    for (name, facts, enabled) in rows {
        assert_eq!(facts.enabled(), enabled, "{name}");
    }
}

fn titled(absent: Absent) -> News {
    let title = ("jobTitle".to_owned(), Some(Value::Text("Pilot".to_owned())));
    News::Seen(Seen { properties: BTreeMap::from([title]), manager: ManagerNews::Unsaid, absent })
}

fn dated(at: &str) -> Facts {
    let mut facts = Facts::default();
    let _ = facts.signed_in(at);
    facts
}

#[test]
fn the_last_sign_in_outlives_every_round() {
    // D8
    let at = "2026-01-10T12:24:11Z";
    for (name, news) in [
        ("D8 full round", titled(Absent::NeverSet)),
        ("D8 round of changes", titled(Absent::Unsaid)),
        ("D8 soft-deleted", News::SoftDeleted),
        ("D8 purged", News::Purged),
        ("D8 missing", News::Missing),
    ] {
        let mut facts = dated(at);
        let _ = facts.merge(news);
        assert_eq!(facts.text(LAST_SIGN_IN), Some(at), "{name}");
    }
    let mut facts = dated(at);
    facts.properties.insert("city".to_owned(), Value::Text("York".to_owned()));
    let _ = facts.merge(titled(Absent::NeverSet));
    assert_eq!(facts.text("city"), None, "everything else was never set");
    assert_eq!(facts.merge(titled(Absent::NeverSet)), Merged::Same, "T2");
}

#[test]
fn a_sign_in_changes_the_facts_only_if_its_second_differs() {
    // D8, T2
    let before = "2026-01-10T12:24:11Z";
    let cases = [
        ("D8 the same", before, Merged::Same, before),
        ("D8 fractions", "2026-01-10T12:24:11.9876543Z", Merged::Same, before),
        ("D8 another zone", "2026-01-10T13:24:11+01:00", Merged::Same, before),
        ("D8 later", "2026-01-10T12:24:12.5Z", Merged::Changed, "2026-01-10T12:24:12Z"),
        ("D8 corrected", "2026-01-09T00:00:00Z", Merged::Changed, "2026-01-09T00:00:00Z"),
        ("D8 no date", "yesterday", Merged::Same, before),
        ("D8 no year", "0001-01-01T00:00:00Z", Merged::Same, before),
    ];
    for (name, at, merged, after) in cases {
        let mut facts = dated(before);
        assert_eq!(facts.signed_in(at), merged, "{name}");
        assert_eq!(facts.text(LAST_SIGN_IN), Some(after), "{name}");
    }
}

const ITEMS: &[&str] = &[
    "seen a=1",
    "seen a=2 b=3",
    "seen a- b=1",
    "!seen c=1",
    "!seen a=2 @1",
    "seen @2",
    "seen @-",
    "soft-deleted",
    "purged",
    "missing",
];

proptest! {
    #![proptest_config(ProptestConfig {
        rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::default()
    })]

    /// T2, D2: pages that come twice, and in another order as far as they are about different people,
    /// end in the same facts.
    #[test]
    fn pages_may_come_twice_and_mixed(
        items in prop::collection::vec((0..4_u8, prop::sample::select(ITEMS)), 0..24),
        order in Just((0..4_u8).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let all = |items: &[(u8, &'static str)]| {
            let mut people: BTreeMap<u8, Facts> = BTreeMap::new();
            for (person, item) in items {
                let _ = people.entry(*person).or_default().merge(news(item));
            }
            people
        };
        let expected = all(&items);
        let twice: Vec<_> = items.iter().chain(&items).copied().collect();
        prop_assert_eq!(&all(&twice), &expected);
        // Each person's items stay in their order, whoever comes first.
        let of = |person: &u8| {
            let person = *person;
            items.iter().copied().filter(move |(whose, _)| *whose == person)
        };
        let mixed: Vec<_> = order.iter().flat_map(of).collect();
        prop_assert_eq!(&all(&mixed), &expected);
    }
}
