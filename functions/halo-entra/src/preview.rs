//! `preview`: what an import would do to everybody, before it does.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use engine::clock::{Clock, SystemClock};
use plan::document::Mistake;
use plan::preview::DECISIONS;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::Client;
use crate::follow::bar;
use crate::people::{Decision, Person, done};
use crate::screen::{Column, Screen, Tone, say, say_json};
use crate::{Ended, args, documents, import};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(250);

/// The API's answer, as far as it is shown.
#[derive(Debug, Deserialize)]
struct Preview {
    #[serde(rename = "preview")]
    id: String,
    connection: String,
    state: String,
    people: u64,
    expires: String,
    totals: BTreeMap<String, u64>,
    mappings: Vec<Group>,
    held_by_guard: BTreeMap<String, bool>,
    new_properties: Vec<String>,
    unknown_groups: Vec<String>,
    warnings: Vec<Mistake>,
    error: Option<String>,
}

/// People of one mapping, or of none.
#[derive(Debug, Deserialize)]
struct Group {
    mapping: Option<String>,
    people: u64,
    totals: BTreeMap<String, u64>,
}

/// Somebody in the preview.
#[derive(Debug, Deserialize)]
struct Shown {
    person: Person,
    #[serde(flatten)]
    decision: Decision,
    notes: Vec<String>,
}

/// Starts a preview, waits for its end, and shows its totals and people.
pub(crate) async fn run(screen: Screen, args: &args::Preview) -> anyhow::Result<Ended> {
    let client = Client::of(&args.api)?;
    let path = ["connections", args.connection.as_str(), "preview"];
    let answer = client.write(Method::POST, &path, &body(args)?, None).await?.body;
    let id = answer["preview"].as_str().context("the API named no preview")?.to_owned();
    let (json, preview) = follow(&client, &id).await?;
    let people = if preview.state == "complete" {
        people(&client, &preview, args).await?
    } else {
        Vec::new()
    };
    if args.api.json {
        say_json(&json!({ "preview": json, "people": people }))?;
    } else {
        preview.show(screen)?;
        list(screen, people)?;
        preview.remarks(screen)?;
    }
    Ok(if preview.state == "complete" { Ended::Done } else { Ended::Failed })
}

fn body(args: &args::Preview) -> anyhow::Result<Value> {
    let mut body = import::asked(args.read, &args.entities);
    if let Some(file) = &args.draft {
        let mut found = documents::read(std::slice::from_ref(file))?;
        anyhow::ensure!(found.len() == 1, "{} holds more than one connection", file.display());
        body.insert("document".to_owned(), found.remove(0).json);
    }
    Ok(Value::Object(body))
}

/// Waits until the preview is over, with a bar where somebody watches.
async fn follow(client: &Client, id: &str) -> anyhow::Result<(Value, Preview)> {
    let bar = bar(None);
    loop {
        let json = client.get(&["previews", id], &[]).await?;
        let now: Preview = serde_json::from_value(json.clone()).context(
            "the API describes the preview in another way than this version understands",
        )?;
        if !["reading", "running"].contains(&now.state.as_str()) {
            bar.finish_and_clear();
            return Ok((json, now));
        }
        bar.set_message(if now.state == "reading" { "reading" } else { "looking" });
        bar.set_position(now.people);
        SystemClock.sleep(LOOK).await;
    }
}

/// The people that are asked for: without a decision all to whom something happens.
async fn people(
    client: &Client,
    preview: &Preview,
    args: &args::Preview,
) -> anyhow::Result<Vec<Value>> {
    let usual = DECISIONS.into_iter().filter(|it| !["unchanged", "not_in_scope"].contains(it));
    let decisions: Vec<&str> = match &args.decision {
        Some(decision) => vec![decision],
        None => usual.collect(),
    };
    let limit = usize::from(args.limit);
    let mut all: Vec<Value> = Vec::new();
    for decision in decisions {
        let mut cursor: Option<String> = None;
        while all.len() < limit {
            let mut query =
                vec![("decision", decision.to_owned()), ("limit", (limit - all.len()).to_string())];
            query.extend(args.mapping.iter().map(|mapping| ("mapping", mapping.clone())));
            query.extend(cursor.take().map(|cursor| ("cursor", cursor)));
            let page = client.get(&["previews", &preview.id, "people"], &query).await?;
            all.extend(page["people"].as_array().into_iter().flatten().cloned());
            cursor = page["cursor"].as_str().map(str::to_owned);
            if cursor.is_none() {
                break;
            }
        }
    }
    Ok(all)
}

impl Preview {
    fn show(&self, screen: Screen) -> anyhow::Result<()> {
        let Self { connection, people, id, .. } = self;
        let word = if *people == 1 { "person" } else { "people" };
        screen.heading(&format!("{connection}: {people} {word}"), id)?;
        if let Some(error) = &self.error {
            screen.paragraph(Tone::Bad, error)?;
        }
        let there: Vec<&str> = DECISIONS
            .into_iter()
            .filter(|it| self.totals.get(*it).is_some_and(|n| *n > 0))
            .collect();
        let row = |name: &str, people: u64, totals: &BTreeMap<String, u64>| {
            let number = |decision: &&str| {
                let number = totals.get(*decision).copied().unwrap_or_default();
                let tone = if number == 0 { Tone::Faint } else { Tone::Plain };
                tone.cell(number)
            };
            let head = vec![Tone::Plain.cell(name), Tone::Plain.cell(people)];
            head.into_iter().chain(there.iter().map(number)).collect::<Vec<_>>()
        };
        let mut columns = vec![("Mapping", Column::Text), ("People", Column::Number)];
        columns.extend(there.iter().map(|decision| (title(decision), Column::Number)));
        let mut rows: Vec<_> = self
            .mappings
            .iter()
            .filter(|group| group.people > 0)
            .map(|group| {
                let name = group.mapping.as_deref().unwrap_or("none");
                row(name, group.people, &group.totals)
            })
            .collect();
        rows.push(row("all", self.totals.values().sum(), &self.totals));
        Ok(screen.table(&columns, rows)?)
    }

    /// What an administrator should know before importing.
    fn remarks(&self, screen: Screen) -> anyhow::Result<()> {
        let held = self.held_by_guard.iter().filter(|(_, held)| **held);
        let held: Vec<String> = held.map(|(kind, _)| format!("{kind}s")).collect();
        if !held.is_empty() {
            let text = format!(
                "The guard holds the deactivations of {} until an administrator releases them.",
                held.join(" and of ")
            );
            screen.paragraph(Tone::Warn, &text)?;
        }
        if !self.new_properties.is_empty() {
            let names = self.new_properties.join(", ");
            let text =
                format!("{names} of Entra were never read: nobody can be judged by them yet.");
            screen.paragraph(Tone::Warn, &text)?;
        }
        if !self.unknown_groups.is_empty() {
            let groups = self.unknown_groups.join(", ");
            let text =
                format!("Nobody can be judged by these groups before they are read: {groups}.");
            screen.paragraph(Tone::Warn, &text)?;
        }
        if !self.warnings.is_empty() {
            say(crate::mistakes(screen, &self.warnings))?;
        }
        if self.state == "complete" {
            let Self { connection, id, expires, .. } = self;
            let text = format!(
                "`halo-entra import {connection} --plan {id}` does exactly this, until {expires}."
            );
            screen.paragraph(Tone::Faint, &text)?;
        }
        Ok(())
    }
}

/// A decision at the head of a column.
fn title(decision: &str) -> &'static str {
    match decision {
        "failed" => "Failed",
        "conflict" => "Conflict",
        "held" => "Held",
        "deactivate" => "Deactivated",
        "create" => "Created",
        "reactivate" => "Reactivated",
        "update" => "Updated",
        "unchanged" => "Unchanged",
        _ => "Out",
    }
}

fn list(screen: Screen, people: Vec<Value>) -> anyhow::Result<()> {
    let people: Vec<Shown> =
        people.into_iter().map(serde_json::from_value).collect::<Result<_, _>>()?;
    let row = |shown: &Shown| {
        let (what, tone) = done(&shown.decision.word);
        let lines = shown.decision.changes(|_, _| None).into_iter();
        let why = std::iter::once(shown.decision.why()).chain(lines).chain(shown.notes.clone());
        vec![
            Tone::Plain.cell(&shown.person.display_name),
            tone.cell(what),
            Tone::Plain.cell(why.collect::<Vec<_>>().join("\n")),
        ]
    };
    let columns = [("Person", Column::Narrow(20)), ("What", Column::Whole), ("Why", Column::Text)];
    Ok(screen.table(&columns, people.iter().map(row).collect())?)
}
