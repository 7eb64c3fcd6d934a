//! `licences`: what a tenant has, what is free, and who holds what (S1).

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::client::Client;
use crate::people::Person;
use crate::runs::minute;
use crate::screen::{Column, Screen, Tone, say, say_json};
use crate::{Ended, args};

#[derive(Debug, Deserialize)]
struct Licence {
    sku: String,
    name: String,
    part_number: String,
    standing: String,
    gone: Option<Timestamp>,
    enabled: i64,
    used: i64,
    free: i64,
    in_flight: u64,
    #[serde(rename = "halo_licence")]
    halo: Option<i64>,
    trouble: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Holder {
    person: Person,
    holds: bool,
    given: Vec<Given>,
    halo_user: Option<i64>,
    linked: bool,
}

#[derive(Debug, Deserialize)]
struct Given {
    group: Option<String>,
    error: Option<String>,
}

/// Lists the licences of a connection, or the people who hold one.
pub(crate) async fn run(screen: Screen, args: &args::Licences) -> anyhow::Result<Ended> {
    let client = Client::of(&args.api)?;
    let mut path = vec!["connections", args.connection.as_str(), "licences"];
    path.extend(args.sku.as_deref());
    let cursor: Vec<_> = args.cursor.iter().map(|cursor| ("cursor", cursor.clone())).collect();
    let page = client.get(&path, &cursor).await?;
    if args.api.json {
        say_json(&page)?;
        return Ok(Ended::Done);
    }
    match args.sku {
        None => ledger(screen, &page)?,
        Some(_) => holders(screen, &page)?,
    }
    if let Some(cursor) = page["cursor"].as_str() {
        say(screen.tinted(Tone::Faint, &format!("More: --cursor {cursor}")))?;
    }
    Ok(Ended::Done)
}

fn ledger(screen: Screen, page: &Value) -> anyhow::Result<()> {
    let licences: Vec<Licence> = serde_json::from_value(page["licences"].clone())?;
    if let Some(reason) = page["off"]["reason"].as_str() {
        screen.paragraph(Tone::Warn, reason)?;
    }
    if licences.is_empty() {
        say("No licences were imported yet.")?;
    }
    let columns = [
        ("Licence", Column::Narrow(38)),
        ("Seats", Column::Number),
        ("Used", Column::Number),
        ("Free", Column::Number),
        ("Asked", Column::Number),
        ("Halo", Column::Number),
    ];
    screen.table(&columns, licences.iter().map(Licence::row).collect())?;
    Ok(())
}

impl Licence {
    fn row(&self) -> Vec<comfy_table::Cell> {
        let state = match (self.gone, self.standing.as_str()) {
            (Some(gone), _) => format!("gone since {}", minute(gone)),
            (None, "enabled") => String::new(),
            (None, other) => other.replace('_', " "),
        };
        let mut lines = vec![self.name.clone()];
        lines.extend((self.name != self.part_number).then(|| self.part_number.clone()));
        lines.push(self.sku.clone());
        lines.extend(Some(state).filter(|state| !state.is_empty()));
        lines.extend(self.trouble.clone());
        let tone =
            if self.gone.is_some() || self.trouble.is_some() { Tone::Warn } else { Tone::Plain };
        vec![
            tone.cell(lines.join("\n")),
            Tone::Plain.cell(self.enabled),
            Tone::Plain.cell(self.used),
            (if self.free > 0 { Tone::Plain } else { Tone::Warn }).cell(self.free),
            Tone::Plain.cell(self.in_flight),
            Tone::Faint.cell(self.halo.map(|id| id.to_string()).unwrap_or_default()),
        ]
    }
}

fn holders(screen: Screen, page: &Value) -> anyhow::Result<()> {
    let holders: Vec<Holder> = serde_json::from_value(page["holders"].clone())?;
    if let Some(name) = page["licence"]["name"].as_str() {
        say(name)?;
    }
    if holders.is_empty() {
        say("Nobody holds it.")?;
    }
    let columns = [("Person", Column::Narrow(34)), ("Given", Column::Text), ("Halo", Column::Text)];
    screen.table(&columns, holders.iter().map(Holder::row).collect())?;
    Ok(())
}

impl Holder {
    fn row(&self) -> Vec<comfy_table::Cell> {
        let person = format!("{}\n{}", self.person.display_name, self.person.user_principal_name);
        let given: Vec<String> = self.given.iter().map(Given::line).collect();
        let halo = match (self.halo_user, self.linked) {
            (None, _) => "no user".to_owned(),
            (Some(user), true) => format!("user {user}, linked"),
            (Some(user), false) => format!("user {user}, not linked"),
        };
        let tone = if self.holds { Tone::Plain } else { Tone::Warn };
        vec![Tone::Plain.cell(person), tone.cell(given.join("\n")), Tone::Plain.cell(halo)]
    }
}

impl Given {
    fn line(&self) -> String {
        let by = match &self.group {
            None => "directly".to_owned(),
            Some(group) => format!("by group {group}"),
        };
        match &self.error {
            None => by,
            Some(error) => format!("not {by}: {error}"),
        }
    }
}
