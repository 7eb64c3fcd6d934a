//! Cases of field rows: what a row wants of a person (F3–F8), and what a record then gets (H3).
#![allow(clippy::expect_used, reason = "a failed case is the failure of the test")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;
use crate::document::{RowTarget, Source, Transform};
use crate::ids::CustomFieldId;
use crate::sight::Names;

fn facts(properties: &str) -> Facts {
    let properties = serde_json::from_str(properties).expect(properties);
    Facts { properties, ..Facts::default() }
}

fn row(from: &[Source]) -> FieldRow {
    FieldRow {
        from: from.to_vec(),
        to: RowTarget::Field("other1".into()),
        write: WriteMode::Always,
        empty: Empty::Leaves,
        transforms: Vec::new(),
    }
}

fn property(name: &str) -> Source {
    Source::Property(name.into())
}

fn manager(name: &str) -> Source {
    Source::Manager(name.into())
}

/// The person of all cases.
fn ada() -> Facts {
    facts(
        r#"{"displayName":"Ada","department":"  ","accountEnabled":false,"city":" Aarhus ",
            "businessPhones":["1","2"],"otherMails":[" ","c@x.example"],
            "proxyAddresses":["smtp:b@x.example","SMTP:a@x.example","X500:/o=x","SIP:a@x.example",
                              "Smtp:c@x.example"],
            "lastSignInDateTime":"2026-01-02T00:00:00Z","extension_0a_badge":"0042"}"#,
    )
}

fn seen(facts: &Facts) -> ManagerView<'_> {
    ManagerView::Known { facts, agent: None }
}

/// What a row wants of a person for a field of this length.
fn wanted_by(
    feed: Feed<'_>,
    row: &FieldRow,
    limit: Option<usize>,
    person: &Facts,
    manager: ManagerView<'_>,
) -> (Result<Option<HaloValue>, Vec<Reason>>, Vec<Reason>) {
    let mut names = Names::default();
    let spots = row.from.iter().map(|source| names.spot(source)).collect();
    let columns = [Column { target: Target::field("other1"), limit, feed, spots }];
    let sight = Sight::new(&names, View { facts: person, manager }, "");
    let filling = Filling { sight: &sight, tenant: "", site: None, agent: None, licence: None };
    let mut notes = Vec::new();
    // A record that holds something else in any case.
    let held = Fields::from([(Target::field("other1"), text("held"))]);
    let found = differences(&columns, &filling, Record::Known(&held), &mut notes);
    (found.map(|mut found| Some(found.changes.pop()?.after)), notes)
}

/// What the only row wants: its text, `clear`, or `leave`.
fn wish(row: &FieldRow, person: &Facts, manager: ManagerView<'_>) -> String {
    let (value, _) = wanted_by(Feed::Row(row), row, None, person, manager);
    match value.expect("no limit, no problem") {
        None => "leave".to_owned(),
        Some(value) if value.is_empty() => "clear".to_owned(),
        Some(value) => value.to_string(),
    }
}

#[test]
fn sources_are_read() {
    let (ada, boss) = (ada(), facts(r#"{"displayName":"Grace","mail":"grace@x.example"}"#));
    let rows = [
        ("F3 text", property("displayName"), "Ada"),
        ("F3 text as it stands", property("city"), " Aarhus "),
        ("F3 boolean", property("accountEnabled"), "false"),
        ("F3 directory extension", property("extension_0a_badge"), "0042"),
        ("F3 list: the first", property("businessPhones"), "1"),
        ("F3 list: the first with text", property("otherMails"), "c@x.example"),
        ("F3 primary address", Source::PrimaryAddress, "a@x.example"),
        ("F3 all addresses", Source::AllAddresses, "b@x.example, a@x.example, c@x.example"),
        ("F3 last sign-in", Source::LastSignIn, "2026-01-02T00:00:00Z"),
        ("F3 constant", Source::Const("x y".into()), "x y"),
        ("F6 manager", manager("displayName"), "Grace"),
        ("F6 manager", manager("mail"), "grace@x.example"),
        ("F6 manager without it", manager("userPrincipalName"), "leave"),
        ("F5 absent", property("surname"), "leave"),
        ("F5 white space only", property("department"), "leave"),
    ];
    for (rule, source, expected) in rows {
        let row = row(&[source]);
        assert_eq!(wish(&row, &ada, seen(&boss)), expected, "{rule} {row:?}");
    }
    let no_primary = facts(r#"{"proxyAddresses":["smtp:b@x.example"]}"#);
    let single = facts(r#"{"proxyAddresses":"SMTP:a@x.example"}"#);
    let bare = facts(r#"{"proxyAddresses":["a@x.example","smtp:"]}"#);
    let rows = [
        ("F3 no primary", Source::PrimaryAddress, &no_primary, "leave"),
        ("F3 not a list", Source::PrimaryAddress, &single, "a@x.example"),
        ("F3 without a prefix", Source::AllAddresses, &bare, "a@x.example"),
        ("F3 without a prefix", Source::PrimaryAddress, &bare, "leave"),
    ];
    for (rule, source, person, expected) in rows {
        assert_eq!(wish(&row(&[source]), person, ManagerView::None), expected, "{rule}");
    }
}

#[test]
fn no_value_leaves_or_clears() {
    let (ada, boss) = (ada(), facts("{}"));
    let prefix = || Transform::Prefix("x".into());
    let known = seen(&boss);
    let rows = [
        ("F5", property("surname"), vec![], ManagerView::None, "clear"),
        ("F5", property("department"), vec![], ManagerView::None, "clear"),
        ("F5", property("displayName"), vec![], ManagerView::None, "Ada"),
        ("F8 after a prefix", property("surname"), vec![prefix()], ManagerView::None, "clear"),
        (
            "F8 cut away",
            property("city"),
            vec![Transform::MaxLength(1)],
            ManagerView::None,
            "clear",
        ),
        ("F6 no manager", manager("displayName"), vec![], ManagerView::None, "clear"),
        ("F6 nameless manager", manager("displayName"), vec![], known, "clear"),
        ("F6 not read yet", manager("displayName"), vec![], ManagerView::NotReadYet, "leave"),
        ("F6 not read yet", property("surname"), vec![], ManagerView::NotReadYet, "clear"),
    ];
    for (rule, source, transforms, manager, expected) in rows {
        let row = FieldRow { empty: Empty::Clears, transforms, ..row(&[source]) };
        assert_eq!(wish(&row, &ada, manager), expected, "{rule} {row:?}");
    }
}

#[test]
fn several_sources_make_one_value() {
    let ada = ada();
    let join = |separator: &str| vec![Transform::Join(separator.into()), Transform::Trim];
    let first = || vec![Transform::FirstNonEmpty];
    let fallback = || Source::Const("none".into());
    let rows = [
        (
            "F8 join leaves empty ones out",
            vec![property("displayName"), property("department"), property("city")],
            join("/"),
            "Ada/ Aarhus",
        ),
        ("F8 first", vec![property("surname"), property("displayName")], first(), "Ada"),
        ("F8 fallback", vec![property("surname"), fallback()], first(), "none"),
        ("F8 nothing", vec![property("surname"), property("department")], join("/"), "leave"),
        (
            "F3 all addresses joined as asked",
            vec![Source::AllAddresses],
            join(";"),
            "b@x.example;a@x.example;c@x.example",
        ),
        (
            "F3 one value of each other list",
            vec![property("businessPhones"), property("otherMails")],
            join(" "),
            "1 c@x.example",
        ),
        (
            "F6 a row waits for the manager even where another source has a value",
            vec![property("displayName"), manager("mail")],
            first(),
            "leave",
        ),
    ];
    for (rule, from, transforms, expected) in rows {
        let row = FieldRow { transforms, ..row(&from) };
        assert_eq!(wish(&row, &ada, ManagerView::NotReadYet), expected, "{rule}");
    }
}

#[test]
fn a_value_that_halo_cannot_hold_is_named_and_not_cut() {
    // F8: what a field with this limit gets; the database counts 🙂 twice.
    let rows = [
        ("F8 no limit", "åå🙂", None, Ok("åå🙂")),
        ("F8 as long as allowed", "åå🙂", Some(4), Ok("åå🙂")),
        ("F8 bytes do not count", "ååå", Some(3), Ok("ååå")),
        ("F8 one too long", "åå🙂", Some(3), Err((4, 3))),
        ("F8 blanks count", "a  ", Some(2), Err((3, 2))),
    ];
    for (rule, city, limit, expected) in rows {
        let person = facts(&serde_json::json!({ "city": city }).to_string());
        let row = row(&[property("city")]);
        let (got, _) = wanted_by(Feed::Row(&row), &row, limit, &person, ManagerView::None);
        let expected = expected.map(|text| Some(self::text(text))).map_err(|(length, limit)| {
            vec![Reason::ValueTooLong { field: "other1".into(), length, limit }]
        });
        assert_eq!(got, expected, "{rule}");
    }
}

#[test]
fn a_row_can_point_at_the_managers_agent() {
    let boss = facts(r#"{"displayName":"Grace"}"#);
    let agent = |id: i64| ManagerView::Known { facts: &boss, agent: Some(RecordId::agent(id)) };
    let rows = [
        ("F6 an agent", agent(9), Empty::Leaves, "9", false),
        ("F6 no agent yet", seen(&boss), Empty::Clears, "leave", true),
        ("F6 not read yet", ManagerView::NotReadYet, Empty::Clears, "leave", true),
        ("F6 no manager", ManagerView::None, Empty::Leaves, "leave", false),
        ("F6 no manager, cleared", ManagerView::None, Empty::Clears, "0", false),
    ];
    for (rule, manager, empty, expected, waits) in rows {
        let row = FieldRow { empty, ..row(&[property("displayName")]) };
        let (got, notes) = wanted_by(Feed::ManagersAgent(&row), &row, None, &ada(), manager);
        let got = got.expect(rule).map(|value| value.to_string());
        assert_eq!(got.as_deref().unwrap_or("leave"), expected, "{rule}");
        assert_eq!(!notes.is_empty(), waits, "{rule}: {notes:?}");
    }
}

/// What is sent of these wishes.
fn changes(wishes: Vec<Wish<'_>>, record: Record<'_>) -> Vec<FieldChange> {
    let mut held = Held::new(record);
    let mut differences = Differences { changes: Vec::new(), unread: false };
    for wish in wishes {
        let before = held.at(wish.target);
        held.compare(wish, before, &mut differences);
    }
    differences.changes
}

fn text(text: &str) -> HaloValue {
    HaloValue::Text(text.to_owned())
}

/// A wish for this value, which a source gives as text or as a number.
fn wanted(value: &HaloValue) -> Wanted<'_> {
    match value {
        HaloValue::Int(number) => Wanted::Int(*number),
        HaloValue::Text(_) | HaloValue::Bool(_) | HaloValue::Ids(_) => {
            Wanted::Text(value.to_string().into())
        }
    }
}

#[test]
fn only_differences_are_sent() {
    use HaloValue::{Bool, Ids, Int};
    use WriteMode::{Always, IfEmpty, OnCreate};
    let ids = |ids: &[i64]| Ids(ids.iter().copied().collect());
    // What the record holds, what is wished, when; whether it is sent. `None`: a new record.
    let rows = [
        ("F5 new", None, text("a"), [Always, OnCreate, IfEmpty].as_slice(), true),
        ("H3 nothing for a new one", None, text(" "), &[Always, OnCreate, IfEmpty], false),
        ("P7 a number for a new one, though it be 0", None, Int(0), &[Always], true),
        ("H3 same", Some(text("a")), text("a"), &[Always, OnCreate, IfEmpty], false),
        ("H3 ends", Some(text("a ")), text("\u{a0}a"), &[Always], false),
        ("H3 inner white space", Some(text("a  b")), text("a b"), &[Always], true),
        ("H3 case", Some(text("A@x.example")), text("a@x.example"), &[Always], true),
        ("H3 other", Some(text("a")), text("b"), &[Always], true),
        ("F5 on_create", Some(text("a")), text("b"), &[OnCreate], false),
        ("F5 on_create, empty there", Some(text("")), text("b"), &[OnCreate], false),
        ("F5 if_empty, not empty", Some(text("a")), text("b"), &[IfEmpty], false),
        ("F5 if_empty, empty", Some(text(" ")), text("b"), &[IfEmpty, Always], true),
        ("F5 if_empty, no roles", Some(ids(&[])), text("b"), &[IfEmpty], true),
        ("F5 if_empty, nobody there", Some(Int(0)), Int(5), &[IfEmpty], true),
        ("F5 if_empty, somebody there", Some(Int(4)), Int(5), &[IfEmpty], false),
        ("F5 clear", Some(text("a")), text(""), &[Always], true),
        ("F5 clear, empty there", Some(text("")), text(""), &[Always, IfEmpty], false),
        ("F5 clear, white space there", Some(text(" ")), text(""), &[Always], false),
        ("F6 clear a reference", Some(Int(9)), Int(0), &[Always], true),
        ("F6 clear a reference to nobody", Some(Int(0)), Int(0), &[Always], false),
        ("H3 switch as text, same", Some(Bool(true)), text("true"), &[Always], false),
        ("H3 switch as text", Some(Bool(true)), text("false"), &[Always], true),
        ("H3 number as text, same", Some(Int(5)), text(" 5"), &[Always], false),
        ("H3 number as text", Some(Int(5)), text("05"), &[Always], true),
        ("H3 number for text, same", Some(text(" 5 ")), Int(5), &[Always], false),
        ("H3 number", Some(Int(5)), Int(6), &[Always], true),
    ];
    let target = Target::field("other1");
    for (rule, before, after, modes, sent) in rows {
        for write in modes {
            let wish = Wish { target: &target, value: wanted(&after), write: *write };
            let held = before.iter().map(|value| (target.clone(), value.clone())).collect();
            let record = if before.is_some() { Record::Known(&held) } else { Record::New };
            let change =
                FieldChange { field: target.clone(), before: before.clone(), after: after.clone() };
            let expected = if sent { vec![change] } else { Vec::new() };
            assert_eq!(changes(vec![wish], record), expected, "{rule} {write:?}");
        }
    }
}

#[test]
fn a_field_that_the_record_does_not_hold_is_empty() {
    let (fields, target) = (Fields::new(), Target::field("other1"));
    let rows = [
        ("F5 always", WriteMode::Always, "a", 1),
        ("F5 if_empty", WriteMode::IfEmpty, "a", 1),
        ("F5 on_create", WriteMode::OnCreate, "a", 0),
        ("H3 nothing", WriteMode::Always, "", 0),
    ];
    for (rule, write, value, sent) in rows {
        let wish = Wish { target: &target, value: Wanted::Text(value.into()), write };
        assert_eq!(changes(vec![wish], Record::Known(&fields)).len(), sent, "{rule}");
    }
}

fn any_value() -> impl Strategy<Value = HaloValue> {
    prop_oneof![
        "[ aA1]{0,3}".prop_map(HaloValue::Text),
        any::<bool>().prop_map(HaloValue::Bool),
        (0..3_i64).prop_map(HaloValue::Int),
        prop::collection::btree_set(0..3_i64, 0..3).prop_map(HaloValue::Ids),
    ]
}

/// What each of a few targets should hold, and when it is written.
fn any_wishes() -> impl Strategy<Value = BTreeMap<Target, (HaloValue, WriteMode)>> {
    let modes = [WriteMode::Always, WriteMode::OnCreate, WriteMode::IfEmpty];
    let wish = (any_value(), prop::sample::select(modes.to_vec()));
    let target = (0..6_i64).prop_map(|id| Target::Custom(CustomFieldId(id)));
    prop::collection::btree_map(target, wish, 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    /// T2: what has been sent is not sent again.
    #[test]
    fn changes_of_an_applied_record_are_none(
        wished in any_wishes(),
        held in prop::collection::btree_map(0..6_i64, any_value(), 0..6),
        new: bool,
    ) {
        let wishes = || -> Vec<Wish<'_>> {
            let wish = wished.iter();
            wish.map(|(target, (value, write))| {
                Wish { target, value: wanted(value), write: *write }
            })
            .collect()
        };
        let held = held.into_iter().map(|(id, value)| (Target::Custom(CustomFieldId(id)), value));
        let mut record: Fields = if new { Fields::new() } else { held.collect() };
        let sent = changes(wishes(), if new { Record::New } else { Record::Known(&record) });
        record.extend(sent.into_iter().map(|change| (change.field, change.after)));
        prop_assert_eq!(changes(wishes(), Record::Known(&record)), vec![]);
    }
}

#[test]
fn dates_of_graph_become_dates_of_halo() {
    // D8
    let cases = [
        ("2026-01-15T10:17:06Z", Some("2026-01-15T10:17:06")),
        ("2026-01-15T10:17:06.5Z", Some("2026-01-15T10:17:06")),
        ("2026-01-15T10:17:06.1234567Z", Some("2026-01-15T10:17:06")),
        ("2026-01-15T00:00:00Z", Some("2026-01-15T00:00:00")),
        ("2026-01-15T23:30:00-02:00", Some("2026-01-16T01:30:00")),
        (" 2024-02-29T23:59:59Z ", Some("2024-02-29T23:59:59")),
        ("1901-01-01T00:00:00Z", Some("1901-01-01T00:00:00")),
        ("1900-12-31T23:59:59Z", None),
        ("1900-01-01T00:00:00Z", None),
        ("1899-12-30T00:00:00Z", None),
        ("0001-01-01T00:00:00Z", None),
        ("2026-02-29T00:00:00Z", None),
        ("2026-01-15T10:17:06", None),
        ("2026-01-15", None),
        ("1768472226", None),
        ("never", None),
        ("", None),
    ];
    for (graph, expected) in cases {
        assert_eq!(halo_date(graph).as_deref(), expected, "{graph}");
    }
}
