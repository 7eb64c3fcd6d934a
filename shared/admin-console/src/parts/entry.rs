//! An entry of the inbound log: a line that opens into the whole explanation.

use maud::{Markup, html};
use serde_json::Value;

use super::decision::{KINDS, each, whole};
use super::{counted, facts, local, number, person, text, time, value, word};

/// Where entries are shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// The connection that they are of.
    pub(crate) connection: &'a str,
    /// The mappings of its document; `null` where they may not be seen.
    pub(crate) mappings: &'a Value,
    /// Whether the reader may look at runs, too.
    pub(crate) runs: bool,
    /// Whether the page is about one person, whose name need not be repeated.
    pub(crate) of_one: bool,
    /// What tells the entries of this list from the same ones in another.
    pub(crate) mark: &'a str,
}

/// Entries, newest first.
pub(crate) fn list(place: Place<'_>, entries: &Value) -> Markup {
    html! { div.list { @for entry in each(entries) { (one(place, entry)) } } }
}

/// One entry. Its line says who, what and why at a glance.
fn one(place: Place<'_>, entry: &Value) -> Markup {
    let (decision, outcome) = (text(&entry["decision"]), text(&entry["outcome"]));
    let why = entry["error"].as_str().unwrap_or(text(&entry["reasons"][0]["sentence"]));
    html! {
        details id={ (place.mark) (text(&entry["id"])) } {
            summary { span.line {
                (time(&entry["time"]))
                (word(decision))
                @if !["done", "nothing"].contains(&outcome) && outcome != decision { (word(outcome)) }
                @if !place.of_one { strong { bdi { (name(&entry["person"])) } } }
                @if !entry["mapping"].is_null() { code { (text(&entry["mapping"])) } }
                span.faint.why { bdi { (why) } }
            } }
            div.inside { (opened(place, entry)) }
        }
    }
}

/// What somebody is called: the best of their names.
pub(crate) fn name(person: &Value) -> &str {
    let names = ["display_name", "user_principal_name", "id"].map(|name| text(&person[name]));
    names.into_iter().find(|name| !name.is_empty()).unwrap_or_default()
}

fn opened(place: Place<'_>, entry: &Value) -> Markup {
    let run = text(&entry["run"]);
    let halo = &entry["halo"];
    let changed: Vec<&str> = each(&entry["changed"]).map(text).collect();
    let mut rows = vec![
        ("Person", person(place.connection, &entry["person"])),
        (
            "Changed in Entra",
            html! {
                @if changed.is_empty() { span.faint { "nothing that was noted" } } @else { (changed.join(", ")) }
            },
        ),
        ("Outcome", word(text(&entry["outcome"]))),
        (
            "Records in Halo",
            html! {
                @if KINDS.iter().all(|kind| halo[*kind].is_null()) { span.faint { "none" } }
                @for kind in KINDS { @if !halo[kind].is_null() { (kind) " " (value(&halo[kind])) " " } }
            },
        ),
        (
            "Run",
            html! {
                @if place.runs { a href=(local(&["connections", place.connection, "runs", run])) { (started_by(&entry["trigger"])) } }
                @else { (started_by(&entry["trigger"])) }
            },
        ),
        (
            "Tries",
            html! {
                (counted(entry["attempts"].as_u64().unwrap_or(1), "try", "tries")) ", "
                (number(entry["duration_ms"].as_u64().unwrap_or(0))) " ms"
            },
        ),
    ];
    if place.of_one {
        rows.remove(0);
    }
    html! {
        @if let Some(error) = entry["error"].as_str() { div.notice.bad { p { strong { "It failed. " } bdi { (error) } } } }
        @if let Some(warning) = entry["warning"].as_str() { div.notice.warn { p { strong { "Halo warned. " } bdi { (warning) } } } }
        (whole(entry, halo, place.mappings))
        (facts(&rows))
    }
}

/// Who started a run, in words.
pub(crate) fn started_by(trigger: &Value) -> &str {
    match text(trigger) {
        "schedule" => "by the schedule",
        "manual" => "by hand",
        "rule_change" => "because rules changed",
        "retry" => "another try",
        "halo" => "asked for by Halo",
        other => other,
    }
}
