//! `audit`: who changed what, newest first (C10).

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::client::Client;
use crate::people::text;
use crate::runs::minute;
use crate::screen::{Column, Screen, Tone, say, say_json};
use crate::{Ended, args};

/// Places that are shown of a change; the JSON has all.
const PLACES: usize = 12;

#[derive(Debug, Deserialize)]
struct Entry {
    time: Timestamp,
    who: String,
    what: String,
    changes: Vec<Change>,
}

#[derive(Debug, Deserialize)]
struct Change {
    path: String,
    before: Option<Value>,
    after: Option<Value>,
}

/// Shows a page of the settings audit.
pub(crate) async fn run(screen: Screen, args: &args::Audit) -> anyhow::Result<Ended> {
    let client = Client::of(&args.api)?;
    let path = match &args.connection {
        Some(connection) => vec!["connections", connection.as_str(), "audit"],
        None => vec!["audit"],
    };
    let cursor: Vec<_> = args.cursor.iter().map(|cursor| ("cursor", cursor.clone())).collect();
    let page = client.get(&path, &cursor).await?;
    if args.api.json {
        say_json(&page)?;
        return Ok(Ended::Done);
    }
    let entries: Vec<Entry> = serde_json::from_value(page["audit"].clone())?;
    if entries.is_empty() {
        say("Nobody changed anything.")?;
    }
    let columns = [("When", Column::Whole), ("Who", Column::Narrow(24)), ("What", Column::Text)];
    screen.table(&columns, entries.iter().map(row).collect())?;
    if let Some(cursor) = page["cursor"].as_str() {
        say(screen.tinted(Tone::Faint, &format!("More: --cursor {cursor}")))?;
    }
    Ok(Ended::Done)
}

fn row(entry: &Entry) -> Vec<comfy_table::Cell> {
    let mut what = vec![entry.what.clone()];
    what.extend(entry.changes.iter().take(PLACES).map(Change::line));
    if entry.changes.len() > PLACES {
        what.push(format!("and {} more places", entry.changes.len() - PLACES));
    }
    vec![
        Tone::Faint.cell(minute(entry.time).replace(' ', "\n")),
        Tone::Plain.cell(&entry.who),
        Tone::Plain.cell(what.join("\n")),
    ]
}

impl Change {
    fn line(&self) -> String {
        match (&self.before, &self.after) {
            (None, _) => format!("+ {}", self.path),
            (_, None) => format!("- {}", self.path),
            (Some(before), Some(after)) => {
                format!("{}: {} → {}", self.path, text(before), text(after))
            }
        }
    }
}
