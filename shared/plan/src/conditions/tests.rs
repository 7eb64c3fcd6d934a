//! Cases of conditions: each row names its rule, the operator, the person and what is seen.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed case is the test's failure")]

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use regex_lite::RegexBuilder;

use super::*;
use crate::document::Source;
use crate::facts::Facts;
use crate::fields::{ManagerView, View};
use crate::sight::{Names, Sight};

const HOLDS: &str = "holds";

/// Facts with these properties, written as JSON.
fn facts(properties: &str) -> Facts {
    let properties = serde_json::from_str(properties).expect(properties);
    Facts { properties, ..Facts::default() }
}

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}

fn is(list: &[&str]) -> Test {
    Test::In(texts(list))
}

fn is_not(list: &[&str]) -> Test {
    Test::NotIn(texts(list))
}

fn matches(pattern: &str) -> Test {
    Test::Matches(RegexBuilder::new(pattern).case_insensitive(true).build().unwrap())
}

/// `holds`, or the value that was seen.
fn outcome(field: Source, test: Test, case: Case, view: &View<'_>) -> String {
    let mut names = Names::default();
    let condition = Condition { field, test, case };
    let spot = names.spot(&condition.field);
    match holds(&condition, Sight::new(&names, *view, "").read(spot)) {
        Ok(()) => HOLDS.to_owned(),
        Err(Saw(saw)) => saw,
    }
}

/// Rows of rule P5: properties, test, expected outcome for `department`.
fn check(case: Case, rows: Vec<(&str, Test, &str)>) {
    for (properties, test, expected) in rows {
        let name = format!("P5 {case:?} {properties} {test:?}");
        let facts = facts(properties);
        let view = View { facts: &facts, manager: ManagerView::None };
        let field = Source::Property("department".into());
        assert_eq!(outcome(field, test, case, &view), expected, "{name}");
    }
}

#[test]
fn text_compares_trimmed_and_without_case() {
    let sales = r#"{"department":" Sales "}"#;
    let greek = r#"{"department":"ΟΔΟΣ Å"}"#;
    check(
        Case::Insensitive,
        vec![
            (sales, is(&["sales"]), HOLDS),
            (sales, is(&["  SALES\u{a0}"]), HOLDS),
            (sales, is(&["Sale"]), " Sales "),
            (sales, is(&["IT", "Sales"]), HOLDS),
            (sales, is(&["IT", "HR"]), " Sales "),
            (sales, is_not(&["IT"]), HOLDS),
            (sales, is_not(&["sALES"]), " Sales "),
            (sales, is_not(&["IT", "sales"]), " Sales "),
            (sales, Test::StartsWith("SA".into()), HOLDS),
            (sales, Test::StartsWith("sales and more".into()), " Sales "),
            (sales, Test::StartsWith("ales".into()), " Sales "),
            (sales, Test::EndsWith("LES".into()), HOLDS),
            (sales, Test::EndsWith("sal".into()), " Sales "),
            (sales, Test::Contains("ALE".into()), HOLDS),
            (sales, Test::Contains("lea".into()), " Sales "),
            (sales, Test::NotContains("lea".into()), HOLDS),
            (sales, Test::NotContains("ALE".into()), " Sales "),
            (sales, matches("^s.*s$"), HOLDS),
            (sales, matches("^ales"), " Sales "),
            (greek, is(&["οδος å"]), HOLDS),
            (greek, is(&["οδοσ å"]), HOLDS),
            (greek, is(&["οδος a"]), "ΟΔΟΣ Å"),
            (greek, Test::StartsWith("οδος".into()), HOLDS),
            (greek, Test::EndsWith("ς å".into()), HOLDS),
            (greek, Test::Contains("δος".into()), HOLDS),
            (greek, Test::NotContains("ΔΟΣ".into()), "ΟΔΟΣ Å"),
        ],
    );
}

#[test]
fn case_counts_where_asked() {
    let sales = r#"{"department":" Sales "}"#;
    check(
        Case::Sensitive,
        vec![
            (sales, is(&["Sales "]), HOLDS),
            (sales, is(&["sales"]), " Sales "),
            (sales, is_not(&["sales"]), HOLDS),
            (sales, is_not(&["Sales"]), " Sales "),
            (sales, Test::StartsWith("Sa".into()), HOLDS),
            (sales, Test::StartsWith("sa".into()), " Sales "),
            (sales, Test::EndsWith("les".into()), HOLDS),
            (sales, Test::EndsWith("LES".into()), " Sales "),
            (sales, Test::Contains("ale".into()), HOLDS),
            (sales, Test::Contains("ALE".into()), " Sales "),
            (sales, Test::NotContains("ALE".into()), HOLDS),
            (r#"{"department":"TRUE"}"#, Test::IsTrue, HOLDS),
        ],
    );
}

#[test]
fn no_value_counts_as_an_empty_text() {
    let blank = r#"{"department":" \t "}"#;
    for properties in ["{}", blank, r#"{"department":[]}"#, r#"{"department":[" "]}"#] {
        check(
            Case::Insensitive,
            vec![
                (properties, Test::IsEmpty, HOLDS),
                (properties, Test::IsNotEmpty, ""),
                (properties, is(&["Sales"]), ""),
                (properties, is(&["Sales", ""]), HOLDS),
                (properties, is_not(&["Sales"]), HOLDS),
                (properties, is_not(&["Sales", " "]), ""),
                (properties, Test::StartsWith("S".into()), ""),
                (properties, Test::EndsWith("S".into()), ""),
                (properties, Test::Contains("S".into()), ""),
                (properties, Test::NotContains("S".into()), HOLDS),
                (properties, matches("s"), ""),
                (properties, matches("^$"), HOLDS),
                (properties, Test::IsTrue, ""),
                (properties, Test::IsFalse, ""),
            ],
        );
    }
}

#[test]
fn any_of_several_values_is_enough_and_a_negation_wants_none() {
    let several = r#"{"department":["Sales","IT"]}"#;
    let twice = r#"{"department":["Sales"," sales"]}"#;
    check(
        Case::Insensitive,
        vec![
            (several, is(&["it"]), HOLDS),
            (several, is(&["hr"]), "Sales, IT"),
            (several, is_not(&["it"]), "Sales, IT"),
            (several, is_not(&["hr"]), HOLDS),
            (twice, is_not(&["it"]), HOLDS),
            (several, Test::StartsWith("i".into()), HOLDS),
            (several, Test::EndsWith("s".into()), HOLDS),
            (several, Test::Contains("t".into()), HOLDS),
            (several, Test::Contains("s, i".into()), "Sales, IT"),
            (several, Test::NotContains("t".into()), "Sales, IT"),
            (several, matches("^it$"), HOLDS),
            (several, Test::IsEmpty, "Sales, IT"),
            (several, Test::IsNotEmpty, HOLDS),
        ],
    );
}

#[test]
fn booleans_are_switches_or_their_names() {
    check(
        Case::Insensitive,
        vec![
            (r#"{"department":true}"#, Test::IsTrue, HOLDS),
            (r#"{"department":true}"#, Test::IsFalse, "true"),
            (r#"{"department":false}"#, Test::IsFalse, HOLDS),
            (r#"{"department":false}"#, Test::IsTrue, "false"),
            (r#"{"department":" True"}"#, Test::IsTrue, HOLDS),
            (r#"{"department":"FALSE"}"#, Test::IsFalse, HOLDS),
            (r#"{"department":"yes"}"#, Test::IsTrue, "yes"),
            (r#"{"department":false}"#, Test::IsNotEmpty, HOLDS),
            (r#"{"department":false}"#, is(&["False"]), HOLDS),
        ],
    );
}

#[test]
fn every_source_can_be_looked_at() {
    let person = facts(
        r#"{"proxyAddresses":["smtp:b@x.example","SMTP:a@x.example","X500:/o=x"],
            "lastSignInDateTime":"2026-01-02T00:00:00Z"}"#,
    );
    let boss = facts(r#"{"displayName":"Grace"}"#);
    let known = ManagerView::Known { facts: &boss, agent: None };
    let manager = || Source::Manager("displayName".into());
    let rows = [
        ("F6 known", manager(), is(&["grace"]), known, HOLDS),
        ("F6 no such property", Source::Manager("mail".into()), Test::IsEmpty, known, HOLDS),
        ("F6 none", manager(), Test::IsEmpty, ManagerView::None, HOLDS),
        ("F6 not read yet", manager(), is(&["grace"]), ManagerView::NotReadYet, ""),
        ("F3 primary", Source::PrimaryAddress, is(&["b@x.example"]), known, "a@x.example"),
        ("F3 all", Source::AllAddresses, is(&["b@x.example"]), known, HOLDS),
        ("F3 all", Source::AllAddresses, is(&["/o=x"]), known, "b@x.example, a@x.example"),
        ("D8", Source::LastSignIn, Test::StartsWith("2026-".into()), known, HOLDS),
        ("F3 constant", Source::Const("x".into()), is(&["X"]), known, HOLDS),
    ];
    for (rule, field, test, manager, expected) in rows {
        let name = format!("{rule} {field:?} {test:?}");
        let view = View { facts: &person, manager };
        assert_eq!(outcome(field, test, Case::Insensitive, &view), expected, "{name}");
    }
}

#[test]
fn what_was_seen_is_cut_for_the_log() {
    // B1: many values, and one long value of letters of two bytes each.
    let many: Vec<String> = (0..300).map(|n| format!("value {n}")).collect();
    for value in [serde_json::json!(many), serde_json::json!("é".repeat(500))] {
        let facts = facts(&serde_json::json!({ "department": value }).to_string());
        let view = View { facts: &facts, manager: ManagerView::None };
        let field = Source::Property("department".into());
        let saw = outcome(field, Test::IsEmpty, Case::Insensitive, &view);
        assert_eq!(saw.chars().count(), SAW_LIMIT + 1, "{saw}");
        assert!(saw.ends_with('…'), "{saw}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    /// P5: an operator and its negation never agree.
    #[test]
    fn a_negation_is_the_opposite(
        values in prop::collection::vec("[aAbß ]{0,4}", 0..4),
        operand in "[aAbß ]{0,3}",
        sensitive: bool,
    ) {
        let facts = facts(&serde_json::json!({ "department": values }).to_string());
        let view = View { facts: &facts, manager: ManagerView::None };
        let case = if sensitive { Case::Sensitive } else { Case::Insensitive };
        let held = |test: Test| {
            outcome(Source::Property("department".into()), test, case, &view) == HOLDS
        };
        let list = vec![operand.clone()];
        prop_assert_ne!(held(Test::In(list.clone())), held(Test::NotIn(list)));
        prop_assert_ne!(held(Test::Contains(operand.clone())), held(Test::NotContains(operand)));
        prop_assert_ne!(held(Test::IsEmpty), held(Test::IsNotEmpty));
    }

    /// P5: case never decides between a text and itself in capitals, ASCII or not.
    #[test]
    fn capitals_make_no_difference(text in "[a-zà-öα-ω ]{0,12}", start in 0..6_usize) {
        let capitals = text.to_uppercase();
        prop_assert!(equal(Case::Insensitive, &text, &capitals));
        let end: String = text.chars().skip(start).collect();
        prop_assert!(ends_with(Case::Insensitive, &capitals, &end));
        prop_assert!(contains(Case::Insensitive, &capitals, &end));
        let beginning: String = text.chars().take(start).collect();
        prop_assert!(starts_with(Case::Insensitive, &capitals, &beginning));
    }
}
