//! `effect`: what saving documents would change, before they are saved.

use anyhow::Context;
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

use crate::client::Client;
use crate::documents::{self, Found};
use crate::people::{Person, done};
use crate::screen::{Column, Screen, Tone, say, say_json};
use crate::{Ended, args};

/// The API's answer, as far as it is shown.
#[derive(Debug, Deserialize)]
struct Effect {
    people: u64,
    complete: bool,
    affected: u64,
    becomes: BTreeMap<String, u64>,
    needs_full_read: bool,
    new_properties: Vec<String>,
    unknown_groups: Vec<String>,
    held_by_guard: BTreeMap<String, bool>,
    examples: Vec<Example>,
    warnings: Vec<plan::document::Mistake>,
}

#[derive(Debug, Deserialize)]
struct Example {
    person: Person,
    before: Told,
    after: Told,
}

#[derive(Debug, Deserialize)]
struct Told {
    decision: String,
    sentences: Vec<String>,
}

/// Asks about all documents of the files, one after the other; nothing is saved.
pub(crate) async fn run(screen: Screen, args: &args::Effect) -> anyhow::Result<Ended> {
    let found = documents::read(&args.files)?;
    let client = Client::of(&args.api)?;
    let mut all = Vec::new();
    for one in &found {
        let answer = ask(&client, one).await.with_context(|| format!("of {}", one.place))?;
        if args.api.json {
            all.push(answer);
        } else {
            let effect: Effect = serde_json::from_value(answer)?;
            effect.show(screen, one)?;
        }
    }
    if args.api.json {
        say_json(&all)?;
    }
    Ok(Ended::Done)
}

async fn ask(client: &Client, found: &Found) -> anyhow::Result<Value> {
    let id = found.json["id"].as_str().context("the document has no id")?;
    let path = ["connections", id, "effect"];
    Ok(client.write(Method::POST, &path, &found.json, None).await?.body)
}

impl Effect {
    fn show(&self, screen: Screen, found: &Found) -> anyhow::Result<()> {
        let Self { people, affected, .. } = self;
        let word = if *affected == 1 { "person" } else { "people" };
        let id = found.json["id"].as_str().unwrap_or_default();
        screen
            .heading(&format!("{id}: {affected} of {people} {word} would change"), &found.place)?;
        if !self.complete {
            let text = "The time was up before everybody was looked at: the numbers are too low.";
            screen.paragraph(Tone::Warn, text)?;
        }
        self.counts(screen)?;
        self.examples(screen)?;
        self.remarks(screen)
    }

    fn counts(&self, screen: Screen) -> anyhow::Result<()> {
        let row = |(word, number): (&String, &u64)| {
            let (word, tone) = done(word);
            vec![tone.cell(word), Tone::Plain.cell(number)]
        };
        let columns = [("Becomes", Column::Whole), ("People", Column::Number)];
        Ok(screen.table(&columns, self.becomes.iter().map(row).collect())?)
    }

    fn examples(&self, screen: Screen) -> anyhow::Result<()> {
        if self.examples.is_empty() {
            return Ok(());
        }
        screen.heading("Some of them", "")?;
        let row = |example: &Example| {
            let ((now, _), (then, tone)) =
                (done(&example.before.decision), done(&example.after.decision));
            vec![
                Tone::Plain.cell(&example.person.display_name),
                Tone::Faint.cell(now),
                tone.cell(then),
                Tone::Plain.cell(example.after.sentences.join(" ")),
            ]
        };
        let columns = [
            ("Person", Column::Narrow(20)),
            ("Today", Column::Whole),
            ("Then", Column::Whole),
            ("Why", Column::Text),
        ];
        Ok(screen.table(&columns, self.examples.iter().map(row).collect())?)
    }

    /// What an administrator should know before saving.
    fn remarks(&self, screen: Screen) -> anyhow::Result<()> {
        if self.held_by_guard.values().any(|held| *held) {
            let kinds = self.held_by_guard.iter().filter(|(_, held)| **held);
            let kinds: Vec<String> = kinds.map(|(kind, _)| format!("{kind}s")).collect();
            let kinds = kinds.join(" and of ");
            screen.paragraph(
                Tone::Warn,
                &format!("The guard would hold the deactivations of {kinds} until an administrator releases them."),
            )?;
        }
        if self.needs_full_read {
            let names = self.new_properties.join(", ");
            screen.paragraph(
                Tone::Warn,
                &format!("Saving starts a full read: {names} of Entra were never read, and nobody can be judged by them yet."),
            )?;
        }
        if !self.unknown_groups.is_empty() {
            let groups = self.unknown_groups.join(", ");
            screen.paragraph(
                Tone::Warn,
                &format!("Nobody can be judged by these groups before they are read: {groups}."),
            )?;
        }
        if !self.warnings.is_empty() {
            say(crate::mistakes(screen, &self.warnings))?;
        }
        Ok(())
    }
}
