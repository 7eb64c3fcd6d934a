//! infra/SCALE.md agrees with the product: the simulated schedule of 10,000 connections, what people and
//! syncs cost the table, and what a tick costs.
//!
//! `cargo test -p tests --all-features --test scale -- --nocapture` prints what the page shows.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a step that fails is a failed test, and the figures, which are
    small, are printed for the page"
)]

mod schedule;
mod table;
mod tick;

use std::path::Path;

/// The page.
fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/SCALE.md");
    std::fs::read_to_string(path).unwrap()
}

/// Fails unless the page shows this block, and prints it.
fn shows(kind: &str, block: &str) {
    println!("```{kind}\n{block}```");
    let page = page();
    let opening = format!("```{kind}\n");
    let (_, rest) = page.split_once(&opening).unwrap_or_else(|| panic!("no block {kind}"));
    let (shown, _) = rest.split_once("```").unwrap();
    assert_eq!(shown, block, "infra/SCALE.md shows something else");
}

/// The numbers of the page's row that begins so.
fn row(name: &str) -> Vec<f64> {
    let page = page();
    let start = format!("| {name} | ");
    let line = page.lines().find_map(|line| line.strip_prefix(&start));
    let line = line.unwrap_or_else(|| panic!("infra/SCALE.md has no row {name}"));
    let cells = line.trim_end_matches(" |").split(" | ");
    cells.map(|cell| cell.replace(',', "").parse().unwrap()).collect()
}

/// Fails unless the page's row says about what was measured: within a fifth, or 2.
fn says(name: &str, measured: &[f64]) {
    println!("| {name} | {measured:.1?} |");
    let said = row(name);
    assert_eq!(said.len(), measured.len(), "{name}");
    for (said, measured) in said.iter().zip(measured) {
        let near = (said - measured).abs() <= (said / 5.0).max(2.0);
        assert!(near, "{name}: {measured:.1} is measured, infra/SCALE.md says {said}");
    }
}
