//! `connections`: lists connections and how they stand.

use serde_json::{Value, json};

use crate::client::Client;
use crate::people::text;
use crate::screen::{Column, Screen, Tone, say, say_json};
use crate::{Ended, args};

/// Lists all connections.
pub(crate) async fn list(screen: Screen, args: &args::Connections) -> anyhow::Result<Ended> {
    let client = Client::of(&args.api)?;
    let (all, module) = all(&client).await?;
    if args.api.json {
        say_json(&json!({ "connections": all, "module": module }))?;
        return Ok(Ended::Done);
    }
    if module == "off" {
        screen.paragraph(Tone::Warn, "The whole integration is switched off.")?;
    }
    if all.is_empty() {
        say("There are no connections yet.")?;
    }
    let columns = [
        ("Connection", Column::Whole),
        ("Name", Column::Text),
        ("Authorisation", Column::Whole),
        ("Run", Column::Whole),
        ("Next due", Column::Whole),
    ];
    screen.table(&columns, all.iter().map(row).collect())?;
    Ok(Ended::Done)
}

/// All pages.
pub(crate) async fn all(client: &Client) -> anyhow::Result<(Vec<Value>, Value)> {
    let mut all = Vec::new();
    let mut query = Vec::new();
    loop {
        let page = client.get(&["connections"], &query).await?;
        all.extend(page["connections"].as_array().into_iter().flatten().cloned());
        match page["cursor"].as_str() {
            Some(cursor) => query = vec![("cursor", cursor.to_owned())],
            None => return Ok((all, page["module"].clone())),
        }
    }
}

fn row(connection: &Value) -> Vec<comfy_table::Cell> {
    let status = &connection["status"];
    let (word, tone) = match status["authorisation"]["state"].as_str() {
        Some("authorised") => ("authorised", Tone::Good),
        Some("reauthorise") => ("reauthorise", Tone::Bad),
        Some(_) | None => ("not authorised", Tone::Warn),
    };
    let run = match (status["run"].is_string(), status["queued"].is_string()) {
        (true, _) => "under way",
        (false, true) => "queued",
        (false, false) => "none",
    };
    let due = match (connection["enabled"].as_bool(), status["next_due"].as_str()) {
        (Some(false), _) => "switched off".to_owned(),
        (_, Some(due)) => due.chars().take(16).collect::<String>().replace('T', " "),
        (_, None) => text(&Value::Null),
    };
    vec![
        Tone::Strong.cell(text(&connection["id"])),
        Tone::Plain.cell(text(&connection["name"])),
        tone.cell(word),
        Tone::Plain.cell(run),
        Tone::Faint.cell(due),
    ]
}
