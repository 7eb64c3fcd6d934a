//! `inbound`: what became of people, newest first.

use crate::client::Client;
use crate::people::Entry;
use crate::runs::minute;
use crate::screen::{Column, Screen, Tone, say, say_json};
use crate::{Ended, args};

/// Shows a page of the inbound log.
pub(crate) async fn run(screen: Screen, args: &args::Inbound) -> anyhow::Result<Ended> {
    let client = Client::of(&args.api)?;
    let page = client.get(&["inbound"], &query(args)).await?;
    if args.api.json {
        say_json(&page)?;
        return Ok(Ended::Done);
    }
    let entries: Vec<Entry> = serde_json::from_value(page["entries"].clone())?;
    if entries.is_empty() {
        say("Nothing of this kind is in the log.")?;
    }
    let columns = [
        ("When", Column::Whole),
        ("Who", Column::Narrow(30)),
        ("What", Column::Whole),
        ("Why", Column::Text),
    ];
    screen.table(&columns, entries.iter().map(row).collect())?;
    if let Some(cursor) = page["cursor"].as_str() {
        say(screen.tinted(Tone::Faint, &format!("More: --cursor {cursor}")))?;
    }
    Ok(Ended::Done)
}

fn query(args: &args::Inbound) -> Vec<(&'static str, String)> {
    let cursor = args.cursor.iter().map(|cursor| ("cursor", cursor.clone()));
    args.filters.query().chain(cursor).chain([("limit", args.limit.to_string())]).collect()
}

fn row(entry: &Entry) -> Vec<comfy_table::Cell> {
    let (word, tone) = entry.what();
    let mut reason = vec![entry.why()];
    reason.extend(entry.decision.changes(|_, _| None));
    vec![
        Tone::Faint.cell(minute(entry.time).replace(' ', "\n")),
        Tone::Plain
            .cell(format!("{}\n{}", entry.person.display_name, entry.person.user_principal_name)),
        tone.cell(word),
        Tone::Plain.cell(reason.join("\n")),
    ]
}
