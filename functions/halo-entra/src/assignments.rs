//! `assignments`: what Halo asked for about licences, newest first; `licence-key`: the key that it signs
//! with (S2).

use std::path::Path;

use anyhow::Context;
use jiff::Timestamp;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::Client;
use crate::runs::minute;
use crate::screen::{Column, Screen, Tone, say, say_json};
use crate::{Ended, args, documents};

#[derive(Debug, Deserialize)]
struct Assignment {
    state: String,
    action: String,
    user_id: i64,
    licence_id: i64,
    product: String,
    asked: Timestamp,
    did: Option<String>,
    refusal: Option<Refusal>,
}

#[derive(Debug, Deserialize)]
struct Refusal {
    r#type: String,
    detail: String,
}

/// Shows a page of assignments.
pub(crate) async fn run(screen: Screen, args: &args::Assignments) -> anyhow::Result<Ended> {
    let client = Client::of(&args.api)?;
    let path = ["connections", args.connection.as_str(), "licence-assignments"];
    let cursor: Vec<_> = args.cursor.iter().map(|cursor| ("cursor", cursor.clone())).collect();
    let page = client.get(&path, &cursor).await?;
    if args.api.json {
        say_json(&page)?;
        return Ok(Ended::Done);
    }
    let all: Vec<Assignment> = serde_json::from_value(page["assignments"].clone())?;
    if all.is_empty() {
        say("Halo asked for nothing.")?;
        return Ok(Ended::Done);
    }
    let columns = [
        ("When", Column::Whole),
        ("User", Column::Number),
        ("Licence", Column::Narrow(28)),
        ("What", Column::Text),
    ];
    screen.table(&columns, all.iter().map(Assignment::row).collect())?;
    if let Some(cursor) = page["cursor"].as_str() {
        say(screen.tinted(Tone::Faint, &format!("More: --cursor {cursor}")))?;
    }
    Ok(Ended::Done)
}

impl Assignment {
    fn row(&self) -> Vec<comfy_table::Cell> {
        let (what, tone) = self.what();
        vec![
            Tone::Faint.cell(minute(self.asked)),
            Tone::Plain.cell(self.user_id.to_string()),
            Tone::Plain.cell(format!("{} ({})", self.product, self.licence_id)),
            tone.cell(what),
        ]
    }

    fn what(&self) -> (String, Tone) {
        if let Some(refusal) = &self.refusal {
            return (format!("refused ({}). {}", refusal.r#type, refusal.detail), Tone::Bad);
        }
        let (did, wanted) = match self.action.as_str() {
            "remove" => ("taken", "to be taken"),
            _ => ("given", "to be given"),
        };
        match (self.state.as_str(), self.did.as_deref()) {
            ("done", Some("nothing")) => ("as it was already".to_owned(), Tone::Faint),
            ("done", _) => (did.to_owned(), Tone::Good),
            (state, _) => (format!("{state}: {wanted}"), Tone::Warn),
        }
    }
}

/// Reads the key that is to be set, from its file; `None` = it is only asked about.
pub(crate) fn entered(args: &args::LicenceKey) -> anyhow::Result<Option<Value>> {
    let Some(file) = &args.key_file else { return Ok(None) };
    let key = read(file)?;
    let previous = if args.drop_previous { "drop" } else { "keep" };
    Ok(Some(json!({ "key": key.trim(), "previous": previous })))
}

fn read(file: &Path) -> anyhow::Result<String> {
    documents::text(file).with_context(|| format!("cannot read {}", file.display()))
}

/// Sets the key, or tells of it.
pub(crate) async fn key(args: &args::LicenceKey, body: Option<&Value>) -> anyhow::Result<Ended> {
    let client = Client::of(&args.api)?;
    let path = ["licence-signing-key"];
    let facts = match body {
        Some(body) => client.write(Method::PUT, &path, body, None).await?.body,
        None => client.get(&path, &[]).await?,
    };
    if args.api.json {
        say_json(&facts)?;
        return Ok(Ended::Done);
    }
    say(in_words(&facts))?;
    Ok(Ended::Done)
}

fn in_words(facts: &Value) -> String {
    if facts["set"] != true {
        return "No key is set, so nothing that Halo asks for is taken in. Next: halo-entra licence-key --key-file FILE".to_owned();
    }
    let since = facts["since"].as_str().and_then(|since| since.parse().ok());
    let since = since.map(|since| format!(" since {}", minute(since))).unwrap_or_default();
    let previous = if facts["previous"] == true {
        " The one before counts as well, until it is dropped with --drop-previous."
    } else {
        ""
    };
    format!("A key is set{since}.{previous}")
}
