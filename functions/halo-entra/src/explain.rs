//! `explain`: what would happen to a person now, rule by rule, or what was decided before a time.

use serde::Deserialize;
use serde_json::Value;

use crate::client::Client;
use crate::people::{Decision, Entry, Person, done, halo_records, text};
use crate::runs::minute;
use crate::screen::{Column, Screen, Tone, say, say_json};
use crate::{Ended, args};

/// The API's explanation, as far as it is shown.
#[derive(Debug, Deserialize)]
struct Explanation {
    person: Person,
    facts: Value,
    link: Value,
    parked: Option<Parked>,
    decision: Option<Decision>,
    notes: Vec<String>,
    log: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
struct Parked {
    sentence: String,
    /// `None` = waits for somebody; then the sentence is the reasons', which stand above already.
    until: Option<String>,
}

/// Explains a person.
pub(crate) async fn run(screen: Screen, args: &args::Explain) -> anyhow::Result<Ended> {
    let client = Client::of(&args.api)?;
    let path = ["connections", args.connection.as_str(), "people", args.who.as_str(), "explain"];
    let at = args.at.iter().map(|at| ("at", at.clone())).collect::<Vec<_>>();
    let json = client.get(&path, &at).await?;
    if args.api.json {
        say_json(&json)?;
        return Ok(Ended::Done);
    }
    if args.at.is_some() {
        return Past::show(screen, &serde_json::from_value(json)?);
    }
    let explanation: Explanation = serde_json::from_value(json)?;
    explanation.person(screen)?;
    explanation.decision(screen)?;
    explanation.log(screen)?;
    Ok(Ended::Done)
}

/// The API's answer about an earlier moment.
#[derive(Debug, Deserialize)]
struct Past {
    person: Person,
    entry: Option<Entry>,
    note: Option<String>,
}

impl Past {
    /// Shows the decision that was the last one then.
    fn show(screen: Screen, past: &Past) -> anyhow::Result<Ended> {
        named(screen, &past.person)?;
        if let Some(note) = &past.note {
            screen.paragraph(Tone::Plain, note)?;
        }
        let Some(entry) = &past.entry else { return Ok(Ended::Done) };
        tried(screen, &entry.decision)?;
        let (what, _) = entry.what();
        screen.heading(&format!("At {}: {what}", minute(entry.time)), "")?;
        reasoned(screen, &entry.decision)?;
        if let Some(error) = entry.trouble() {
            screen.paragraph(Tone::Bad, error)?;
        }
        Ok(Ended::Done)
    }
}

/// Who it is.
fn named(screen: Screen, person: &Person) -> std::io::Result<()> {
    say(format!(
        "{}  {}",
        screen.tinted(Tone::Strong, &person.display_name),
        screen.tinted(Tone::Faint, &person.user_principal_name)
    ))
}

/// The rules one by one.
fn tried(screen: Screen, decision: &Decision) -> std::io::Result<()> {
    if !decision.tried.is_empty() {
        screen.heading("Mappings, in the order in which they are tried", "")?;
    }
    let rows = decision.tried.iter().map(|tried| {
        let (mark, tone) = if tried.matched { ("✓", Tone::Good) } else { ("✗", Tone::Faint) };
        vec![tone.cell(mark), tone.cell(&tried.mapping), Tone::Plain.cell(&tried.sentence)]
    });
    let columns = [("", Column::Whole), ("Mapping", Column::Whole), ("How it went", Column::Text)];
    screen.table(&columns, rows.collect())
}

/// Why, record by record, and what changes.
fn reasoned(screen: Screen, decision: &Decision) -> std::io::Result<()> {
    let both = decision.records.len() > 1;
    for about in ["user", "agent", "seats"] {
        let mut reasons = decision.reasons.iter().filter(|it| it.about == about).peekable();
        let part = decision.records.get(about);
        // Which record it is about needs no word where there is only one.
        if let (Some(part), true) = (part, both && reasons.peek().is_some()) {
            let (word, tone) = done(&part.word);
            screen.paragraph(tone, &format!("Halo {about}, {word}:"))?;
        }
        for reason in reasons {
            screen.paragraph(Tone::Plain, &reason.sentence)?;
        }
        for change in decision.changes.iter().filter(|change| change.record == about) {
            screen.paragraph(Tone::Plain, &format!("· {}", change.line(&|_, _| None)))?;
        }
    }
    Ok(())
}

impl Explanation {
    /// Who it is, here and there.
    fn person(&self, screen: Screen) -> anyhow::Result<()> {
        named(screen, &self.person)?;
        let mut rows = vec![
            ("object id", self.person.id.clone()),
            ("in Entra", text(&self.facts["presence"])),
        ];
        let account = match self.facts["enabled"].as_bool() {
            Some(true) => "enabled",
            Some(false) => "disabled",
            None => "not known",
        };
        rows.push(("account", account.to_owned()));
        if self.facts["external"] == true {
            rows.push(("external", "yes".to_owned()));
        }
        rows.push(("manager", text(&self.facts["manager"]["display_name"])));
        let groups = self.facts["groups"].as_array().into_iter().flatten();
        let groups: Vec<String> = groups.map(|group| text(&group["name"])).collect();
        if !groups.is_empty() {
            rows.push(("groups", groups.join(", ")));
        }
        rows.extend(halo_records(&self.link));
        for name in ["department", "jobTitle", "officeLocation", "mail"] {
            if let Some(value) = self.facts["properties"].get(name) {
                rows.push((name, text(value)));
            }
        }
        for (name, value) in rows {
            say(format!("  {}{value}", screen.tinted(Tone::Faint, &format!("{name:<16}"))))?;
        }
        Ok(())
    }

    /// The rules one by one, and what they lead to.
    fn decision(&self, screen: Screen) -> anyhow::Result<()> {
        let Some(decision) = &self.decision else {
            screen.heading("Not decided yet", "")?;
            return self.notes(screen);
        };
        tried(screen, decision)?;
        let word = decision.word.replace('_', " ");
        screen.heading(&format!("What would happen now: {word}"), "")?;
        reasoned(screen, decision)?;
        self.notes(screen)
    }

    /// What could not be known, and what stands in the way.
    fn notes(&self, screen: Screen) -> anyhow::Result<()> {
        for note in &self.notes {
            screen.paragraph(Tone::Faint, note)?;
        }
        if let Some(parked) = self.parked.as_ref().filter(|parked| parked.until.is_some()) {
            screen.paragraph(Tone::Warn, &parked.sentence)?;
        }
        Ok(())
    }

    fn log(&self, screen: Screen) -> anyhow::Result<()> {
        if self.log.is_empty() {
            return Ok(());
        }
        screen.heading("What happened so far", "")?;
        let rows = self.log.iter().map(|entry| {
            let (what, tone) = entry.what();
            vec![
                Tone::Faint.cell(minute(entry.time)),
                tone.cell(what),
                Tone::Plain.cell(entry.why()),
            ]
        });
        let columns = [("When", Column::Whole), ("What", Column::Whole), ("Why", Column::Text)];
        screen.table(&columns, rows.collect())?;
        Ok(())
    }
}
