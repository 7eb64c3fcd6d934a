//! Every rule that decides something is proved by a case, and there are enough cases.

#![allow(clippy::expect_used, reason = "sources that cannot be read are the failure of the test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use regex_lite::Regex;

/// Groups of rules that this crate decides: fields, placement, roles, matching, lifecycle.
const GROUPS: &str = "FPRML";
/// Rows that the tables have at least.
const ENOUGH: usize = 400;

/// The crate's sources in order of their paths.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The part of a source that is tests: all of it, or what stands in its module `tests`.
fn tests_of(path: &Path) -> String {
    let text = fs::read_to_string(path).expect("a source");
    let apart = path.components().any(|part| part.as_os_str() == "tests");
    if apart || path.file_name().is_some_and(|name| name == "tests.rs") {
        return text;
    }
    text.split_once("mod tests {").map(|(_, tests)| tests.to_owned()).unwrap_or_default()
}

/// How many rows of tables name each rule: a row is a tuple, not the arguments of a call, whose first
/// text begins with the rule's number.
fn rows_by_rule() -> BTreeMap<String, usize> {
    let row = Regex::new(r#"[\[,\s]\(\s*(?:r#*)?"([A-Z]\d{1,2})[ :]"#).expect("a pattern");
    let mut rows = BTreeMap::new();
    for path in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        for found in row.captures_iter(&tests_of(&path)) {
            *rows.entry(found[1].to_owned()).or_default() += 1;
        }
    }
    rows
}

#[test]
fn every_rule_has_a_case() {
    let rules = include_str!("../RULES.md");
    let rule = Regex::new(r"(?m)^- \*\*([A-Z]\d{1,2})\*\*").expect("a pattern");
    let rules: Vec<String> = rule
        .captures_iter(rules)
        .map(|found| found[1].to_owned())
        .filter(|rule| rule.starts_with(|group| GROUPS.contains(group)))
        .collect();
    assert!(rules.len() >= 37, "the rules were not read: {rules:?}");
    let rows = rows_by_rule();
    let without: Vec<&String> = rules.iter().filter(|rule| !rows.contains_key(*rule)).collect();
    assert!(without.is_empty(), "no row of a table names {without:?}; there are {rows:?}");
}

#[test]
fn there_are_enough_cases() {
    let rows = rows_by_rule();
    let all: usize = rows.values().sum();
    println!("{all} rows: {rows:?}");
    assert!(all >= ENOUGH, "only {all} rows: {rows:?}");
}
