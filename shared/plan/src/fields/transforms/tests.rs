//! Cases of transforms (F8): the values of the sources, the transforms, and what comes out.
#![allow(clippy::unwrap_used, reason = "a failed case is the failure of the test")]

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use regex_lite::Regex;

use super::Transform::{
    FirstNonEmpty, Join, Lower, MaxLength, Prefix, Replace, Suffix, TitleCase, Trim, Upper,
};
use super::*;

/// `-` stands for no value.
fn check(rows: &[(&[&str], &[Transform], &str)]) {
    for (values, transforms, expected) in rows {
        let got = run(transforms, values.iter().copied());
        assert_eq!(got.as_deref().unwrap_or("-"), *expected, "F8 {values:?} {transforms:?}");
    }
}

fn replace(from: &str, to: &str) -> Transform {
    Replace(from.into(), to.into())
}

fn regex(pattern: &str, to: &str) -> Transform {
    Transform::Regex(Regex::new(pattern).unwrap(), to.into())
}

fn map(default: Option<&str>) -> Transform {
    let pairs = [("DK", "Denmark"), ("São Tomé", "ST"), ("n/a", "")];
    let pairs = pairs.map(|(from, to)| (from.to_owned(), to.to_owned()));
    Transform::Map(BTreeMap::from(pairs), default.map(str::to_owned))
}

#[test]
fn each_transform_does_its_one_thing() {
    check(&[
        (&["Ada"], &[], "Ada"),
        (&[" Ada "], &[], " Ada "),
        (&[" \u{a0}Ada\t"], &[Trim], "Ada"),
        (&["ÅDA Σας"], &[Lower], "åda σας"),
        (&["åda ß"], &[Upper], "ÅDA SS"),
        (&["a-b-c"], &[replace("-", "/")], "a/b/c"),
        (&["a-b-c"], &[replace("-", "")], "abc"),
        (&["a-b-c"], &[replace("x", "y")], "a-b-c"),
        (&["+45 12 34"], &[regex(r"\D", "")], "451234"),
        (&["Lovelace, Ada"], &[regex(r"^(\w+), (\w+)$", "$2 $1")], "Ada Lovelace"),
        (&["Ada"], &[regex("x", "y")], "Ada"),
        (&["42"], &[Prefix("E-".into())], "E-42"),
        (&["42"], &[Suffix("!".into())], "42!"),
        (&["abcdef"], &[MaxLength(3)], "abc"),
        (&["abc"], &[MaxLength(3)], "abc"),
        (&["åäö"], &[MaxLength(2)], "åä"),
        (&["a🙂b"], &[MaxLength(2)], "a"),
        (&["a🙂b"], &[MaxLength(3)], "a🙂"),
        (&["abc"], &[MaxLength(0)], "-"),
        (&["DK"], &[map(None)], "Denmark"),
        (&[" dk "], &[map(None)], "Denmark"),
        (&["SÃO TOMÉ"], &[map(None)], "ST"),
        (&["SE"], &[map(None)], "SE"),
        (&["SE"], &[map(Some("Elsewhere"))], "Elsewhere"),
        (&["DK"], &[map(Some("Elsewhere"))], "Denmark"),
        (&["N/A"], &[map(Some("Elsewhere"))], "-"),
        (&["SE"], &[map(Some(""))], "-"),
    ]);
}

#[test]
fn several_sources_become_one() {
    check(&[
        (&["Aarhus", "DK"], &[Join(", ".into())], "Aarhus, DK"),
        (&["Aarhus", "", "DK"], &[Join(", ".into())], "Aarhus, DK"),
        (&["", " ", "DK"], &[Join(", ".into())], "DK"),
        (&["", " "], &[Join(", ".into())], "-"),
        (&["a", "b"], &[Join(String::new())], "ab"),
        (&[" ", "b", "c"], &[FirstNonEmpty], "b"),
        (&["a", "b"], &[FirstNonEmpty], "a"),
        (&[""], &[FirstNonEmpty], "-"),
        (&["a", "b"], &[Upper], "A, B"),
    ]);
}

#[test]
fn transforms_run_in_order_and_nothing_stays_nothing() {
    check(&[
        (&["  ada "], &[Trim, Upper, Prefix("x".into())], "xADA"),
        (&["  ada "], &[Prefix("x".into()), Upper, Trim], "X  ADA"),
        (&["abc "], &[MaxLength(4), Trim], "abc"),
        (&["a", "b"], &[Join("-".into()), Upper, Suffix(".".into())], "A-B."),
        (&["SE"], &[Lower, map(Some("x")), TitleCase], "X"),
        (&[], &[Prefix("x".into())], "-"),
        (&["  "], &[Suffix("x".into())], "-"),
        (&[], &[map(Some("Elsewhere"))], "-"),
        (&["abc"], &[replace("abc", " "), Prefix("x".into())], "-"),
        (&["", "fallback"], &[FirstNonEmpty, Upper], "FALLBACK"),
    ]);
}

#[test]
fn title_case_knows_words() {
    let rows = [
        ("ada lovelace", "Ada Lovelace"),
        ("ADA LOVELACE", "Ada Lovelace"),
        ("jean-luc", "Jean-Luc"),
        ("o'brien and d’angelo", "O'Brien And D’Angelo"),
        ("women's health", "Women's Health"),
        ("it/ops (emea)", "It/Ops (Emea)"),
        ("r&d, 2nd floor", "R&D, 2nd Floor"),
        ("élodie ångström", "Élodie Ångström"),
        ("zoe\u{308}lle", "Zoe\u{308}lle"),
        ("ßen", "Ssen"),
        ("ΟΔΥΣΣΕΑΣ", "Οδυσσεας"),
        ("თბილისი", "თბილისი"),
        ("  two  blanks ", "  Two  Blanks "),
    ];
    for (text, expected) in rows {
        let got = run(&[TitleCase], [text]);
        assert_eq!(got.as_deref(), Some(expected), "F8 title_case");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    /// F8: a value that is in title case already stays as it is.
    #[test]
    fn title_case_is_idempotent(text in any::<String>(), name in "[a-zß'’Σŉǆİΐ -]{0,12}") {
        for text in [text, name] {
            let once = title_case(&text);
            prop_assert_eq!(title_case(&once), once);
        }
    }

    /// F8: cutting keeps a start of the text, as long as allowed, and whole characters.
    #[test]
    fn max_length_keeps_the_longest_start_that_fits(text in any::<String>(), limit in 0..40_usize) {
        let end = end_of(&text, limit);
        let units = |text: &str| text.encode_utf16().count();
        prop_assert!(units(&text[..end]) <= limit);
        if let Some(next) = text[end..].chars().next() {
            prop_assert!(units(&text[..end]) + next.len_utf16() > limit);
        }
    }
}
