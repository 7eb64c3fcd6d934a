//! Which crate may use which: functions use the engine, the engine uses the plan, and not back.
//!
//! The manifests are read as cargo understands them. A new crate has to be entered here before it
//! may depend on another of ours.

#![allow(clippy::unwrap_used, reason = "a manifest that is not understood is a failed test")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Each of our crates with those of ours that it may use, in code, tests and build scripts alike.
const ARROWS: &[(&str, &[&str])] = &[
    ("plan", &[]),
    ("engine", &["plan"]),
    ("sandbox", &[]),
    ("admin", &["admin-console", "engine", "inbound-logs", "plan"]),
    ("admin-console", &["engine", "plan"]),
    ("inbound-logs", &["engine", "plan"]),
    ("scheduler", &["engine", "plan"]),
    ("worker", &["engine", "plan"]),
    (
        "halo-entra",
        &["admin", "engine", "inbound-logs", "plan", "sandbox", "scheduler", "tests", "worker"],
    ),
    ("tests", &["admin", "engine", "inbound-logs", "plan", "sandbox", "scheduler", "worker"]),
];

/// All that `plan` may link: data and its text forms, and utoipa, whose derive describes them (what the
/// API answers is mostly `plan`'s own data, and a description elsewhere would drift). Nothing here waits, talks, logs or knows the
/// time (what jiff could tell of it, clippy.toml forbids).
const PLAN_MAY_LINK: &[&str] = &[
    "icu_normalizer",
    "jiff",
    "regex-lite",
    "serde",
    "serde_json",
    "thiserror",
    "url",
    "utoipa",
    "uuid",
];

/// What the tests of `plan` may use besides.
const PLAN_TESTS_MAY_LINK: &[&str] = &["allocation-counter", "insta", "jsonschema", "proptest"];

struct Dependency {
    name: String,
    ours: bool,
    for_tests: bool,
}

/// Our crates by name, each with what its manifest names.
fn manifests() -> BTreeMap<String, Vec<Dependency>> {
    let told = cargo(&["metadata", "--no-deps", "--offline", "--format-version", "1"]);
    let metadata: Value = serde_json::from_slice(&told).unwrap();
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages.map(|package| (text(&package["name"]), dependencies(package))).collect()
}

/// What cargo says of this workspace.
fn cargo(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Everything that is compiled along these edges: each crate with its version and its features.
fn compiled(edges: &str) -> BTreeSet<String> {
    let format = ["--prefix", "none", "--format", "{p} {f}"];
    let tree = ["tree", "--workspace", "--all-features", "--locked", "--offline", "--edges", edges];
    let told = String::from_utf8(cargo(&[tree.as_slice(), &format].concat())).unwrap();
    told.lines().map(|line| line.trim_end_matches(" (*)").to_owned()).collect()
}

fn dependencies(package: &Value) -> Vec<Dependency> {
    let dependencies = package["dependencies"].as_array().unwrap().iter();
    dependencies
        .map(|dependency| Dependency {
            name: text(&dependency["name"]),
            ours: dependency["path"].is_string(),
            for_tests: dependency["kind"] == "dev",
        })
        .collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[test]
fn our_crates_use_one_another_only_along_the_arrows() {
    let allowed: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    let mut breaches = Vec::new();
    for (name, dependencies) in manifests() {
        let allowed = allowed.get(name.as_str()).copied().unwrap_or_default();
        let ours = dependencies.iter().filter(|other| other.ours);
        let wrong = ours.filter(|other| {
            let is_helper = other.name == "tests" && !other.for_tests;
            is_helper || !allowed.contains(&other.name.as_str())
        });
        breaches.extend(wrong.map(|other| format!("{name} must not use {}", other.name)));
    }
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

#[test]
fn the_arrows_name_the_crates_that_exist() {
    let existing: BTreeSet<String> = manifests().into_keys().collect();
    let named: BTreeSet<String> = ARROWS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(named, existing);
}

#[test]
fn the_plan_links_nothing_that_could_wait_talk_or_tell_the_time() {
    let manifests = manifests();
    let foreign = manifests["plan"].iter().filter(|dependency| {
        let tests = if dependency.for_tests { PLAN_TESTS_MAY_LINK } else { &[] };
        let name = dependency.name.as_str();
        !PLAN_MAY_LINK.contains(&name) && !tests.contains(&name)
    });
    let foreign: Vec<&str> = foreign.map(|dependency| dependency.name.as_str()).collect();
    assert!(foreign.is_empty(), "plan must stay pure, and now depends on {foreign:?}");
}

#[test]
fn what_tests_need_switches_nothing_on_in_what_is_shipped() {
    let (shipped, tested) = (compiled("normal,build"), compiled("normal,build,dev"));
    let other: Vec<&String> = shipped.difference(&tested).collect();
    let why = "with other features the tests test another program, and all of it is compiled twice";
    assert!(shipped.len() > 100 && other.is_empty(), "{why}: {other:#?}");
}
