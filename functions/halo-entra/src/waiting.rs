//! `conflicts`, `held`, `release`, `reject`: what waits for an administrator.

use std::collections::BTreeSet;

use jiff::Timestamp;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::Client;
use crate::people::{Person, text};
use crate::runs::minute;
use crate::screen::{Column, Screen, Tone, say, say_json};
use crate::{Ended, args};

#[derive(Debug, Deserialize)]
struct Conflict {
    person: Person,
    since: Timestamp,
    candidates: Vec<Value>,
}

#[derive(Debug, Deserialize)]
struct Held {
    person: Person,
    kinds: BTreeSet<String>,
    run: String,
    sentence: String,
    ruling: Option<Ruling>,
}

#[derive(Debug, Deserialize)]
struct Ruling {
    says: String,
}

async fn page(args: &args::Waiting, what: &str) -> anyhow::Result<Value> {
    let client = Client::of(&args.api)?;
    let cursor = args.cursor.iter().map(|cursor| ("cursor", cursor.clone()));
    let query: Vec<(&str, String)> = cursor.collect();
    client.get(&["connections", args.connection.as_str(), what], &query).await
}

fn more(screen: Screen, page: &Value) -> anyhow::Result<Ended> {
    if let Some(cursor) = page["cursor"].as_str() {
        say(screen.tinted(Tone::Faint, &format!("More: --cursor {cursor}")))?;
    }
    Ok(Ended::Done)
}

/// Lists people in conflict.
pub(crate) async fn conflicts(screen: Screen, args: &args::Waiting) -> anyhow::Result<Ended> {
    let page = page(args, "conflicts").await?;
    if args.api.json {
        say_json(&page)?;
        return Ok(Ended::Done);
    }
    let conflicts: Vec<Conflict> = serde_json::from_value(page["conflicts"].clone())?;
    if conflicts.is_empty() {
        say("Nobody is in conflict.")?;
    }
    let row = |conflict: &Conflict| {
        let candidates: Vec<String> = conflict.candidates.iter().map(candidate).collect();
        vec![
            Tone::Plain.cell(names(&conflict.person)),
            Tone::Faint.cell(minute(conflict.since).replace(' ', "\n")),
            Tone::Plain.cell(candidates.join("\n")),
        ]
    };
    let columns = [
        ("Person", Column::Narrow(30)),
        ("Since", Column::Whole),
        ("Records that fit in Halo", Column::Text),
    ];
    screen.table(&columns, conflicts.iter().map(row).collect())?;
    if let Some(note) = page["note"].as_str() {
        screen.paragraph(Tone::Warn, note)?;
    }
    more(screen, &page)
}

fn names(person: &Person) -> String {
    format!("{}\n{}", person.display_name, person.user_principal_name)
}

fn candidate(candidate: &Value) -> String {
    let mut line = format!("{} {}", text(&candidate["kind"]), candidate["id"]);
    let known = ["name", "email", "site"].map(|name| candidate[name].as_str().unwrap_or_default());
    let known: Vec<&str> = known.into_iter().filter(|value| !value.is_empty()).collect();
    if !known.is_empty() {
        line = format!("{line}: {}", known.join(", "));
    }
    if candidate["inactive"] == true {
        line.push_str(" (inactive)");
    }
    line
}

/// Lists deactivations that are held.
pub(crate) async fn held(screen: Screen, args: &args::Waiting) -> anyhow::Result<Ended> {
    let page = page(args, "held").await?;
    if args.api.json {
        say_json(&page)?;
        return Ok(Ended::Done);
    }
    let held: Vec<Held> = serde_json::from_value(page["held"].clone())?;
    if held.is_empty() {
        say("Nothing is held.")?;
    }
    let row = |held: &Held| {
        let kinds: Vec<String> = held.kinds.iter().cloned().collect();
        let ruling = held.ruling.as_ref().map(|ruling| match ruling.says.as_str() {
            "release" => "released: the next run makes them inactive",
            _ => "rejected: they stay active",
        });
        vec![
            Tone::Plain.cell(names(&held.person)),
            Tone::Warn.cell(kinds.join(", ")),
            Tone::Plain.cell(ruling.unwrap_or(&held.sentence)),
        ]
    };
    let runs: BTreeSet<&String> = held.iter().map(|held| &held.run).collect();
    for run in runs {
        screen.heading(&format!("Held by run {run}"), "")?;
        let rows = held.iter().filter(|held| held.run == *run).map(row);
        let columns =
            [("Person", Column::Narrow(30)), ("Record", Column::Whole), ("Why", Column::Text)];
        screen.table(&columns, rows.collect())?;
    }
    more(screen, &page)
}

/// Releases held deactivations.
pub(crate) async fn release(screen: Screen, args: &args::Rule) -> anyhow::Result<Ended> {
    rule(screen, args, "release", "released").await
}

/// Rejects held deactivations.
pub(crate) async fn reject(screen: Screen, args: &args::Rule) -> anyhow::Result<Ended> {
    rule(screen, args, "reject", "rejected").await
}

/// Repeats the call while some are left; each call finds what the ones before it noted.
async fn rule(screen: Screen, args: &args::Rule, verb: &str, word: &str) -> anyhow::Result<Ended> {
    let client = Client::of(&args.api)?;
    let mut body = json!({ "run": args.run });
    if !args.people.is_empty() {
        body["people"] = json!(args.people);
    }
    let path = ["connections", args.connection.as_str(), "held", verb];
    let answer = loop {
        let answer = client.write(Method::POST, &path, &body, None).await?.body;
        if answer["left"].as_u64().unwrap_or(0) == 0 {
            break answer;
        }
    };
    if args.api.json {
        say_json(&answer)?;
        return Ok(Ended::Done);
    }
    let count = answer[word].as_u64().unwrap_or(0);
    let people = if count == 1 { "person" } else { "people" };
    say(format!("{count} {people} {word}."))?;
    for other in answer["others"].as_array().into_iter().flatten() {
        let name = text(&other["person"]["display_name"]);
        let why = match other["run"].as_str() {
            Some(_) if other["ruling"].is_string() => {
                format!("Left alone: {name}, of whom the contrary was said by name.")
            }
            Some(run) => format!("Left alone: {name}, held by run {run}."),
            None => format!("Left alone: {name}, of whom nothing is held."),
        };
        screen.paragraph(Tone::Warn, &why)?;
    }
    if let Some(run) = answer["run"].as_str() {
        say(format!("Run {run} heeds it."))?;
    }
    Ok(Ended::Done)
}
