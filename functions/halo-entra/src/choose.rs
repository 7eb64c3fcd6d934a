//! `list` and `groups`: what there is in Halo and in a tenant, with the ids that documents name.

use clap::ValueEnum;
use serde_json::Value;

use crate::client::Client;
use crate::people::text;
use crate::screen::{Column, Screen, Tone, say, say_json};
use crate::{Ended, args};

/// Lists what Halo has.
pub(crate) async fn list(screen: Screen, args: &args::List) -> anyhow::Result<Ended> {
    let client = Client::of(&args.api)?;
    let what = args.what.to_possible_value();
    let what = what.as_ref().map_or("", |value| value.get_name());
    let asked = [("search", &args.search), ("cursor", &args.cursor)];
    let query = asked.into_iter().filter_map(|(name, value)| Some((name, value.clone()?)));
    let page = client.get(&["halo", what], &query.collect::<Vec<_>>()).await?;
    if args.api.json {
        say_json(&page)?;
        return Ok(Ended::Done);
    }
    let rows: Vec<_> = page["items"].as_array().into_iter().flatten().map(row).collect();
    if rows.is_empty() {
        say("Halo has none of this name.")?;
    }
    let columns = [("Id", Column::Number), ("Name", Column::Text), ("More", Column::Text)];
    screen.table(&columns, rows)?;
    if let Some(cursor) = page["cursor"].as_str() {
        say(screen.tinted(Tone::Faint, &format!("More: --cursor {cursor}")))?;
    }
    Ok(Ended::Done)
}

fn row(item: &Value) -> Vec<comfy_table::Cell> {
    let client = item["client"].as_object().map(|client| match text(&client["name"]).as_str() {
        "nothing" => format!("client {}", client["id"]),
        name => format!("client {} ({name})", client["id"]),
    });
    let label = item["label"].as_str().map(str::to_owned);
    let inactive = (item["inactive"] == true).then(|| "inactive".to_owned());
    let more: Vec<String> = label.into_iter().chain(client).chain(inactive).collect();
    vec![
        Tone::Plain.cell(&item["id"]),
        Tone::Strong.cell(text(&item["name"])),
        Tone::Faint.cell(more.join(", ")),
    ]
}

/// Lists groups of a tenant.
pub(crate) async fn groups(screen: Screen, args: &args::Groups) -> anyhow::Result<Ended> {
    let client = Client::of(&args.api)?;
    let search: Vec<_> = args.text.iter().map(|text| ("search", text.clone())).collect();
    let path = ["connections", args.connection.as_str(), "groups"];
    let found = client.get(&path, &search).await?;
    if args.api.json {
        say_json(&found)?;
        return Ok(Ended::Done);
    }
    let row = |group: &Value| {
        let dynamic = if group["dynamic"] == true { ", dynamic" } else { "" };
        let kind = text(&group["kind"]).replace('_', " ");
        vec![
            Tone::Strong.cell(text(&group["name"])),
            Tone::Faint.cell(format!("{kind}{dynamic}")),
            Tone::Plain.cell(group["people"].as_u64().map_or("?".to_owned(), |it| it.to_string())),
            Tone::Plain.cell(text(&group["id"])),
        ]
    };
    let rows: Vec<_> = found["groups"].as_array().into_iter().flatten().map(row).collect();
    if rows.is_empty() {
        say("No group's name starts like this.")?;
    }
    let columns = [
        ("Group", Column::Text),
        ("Kind", Column::Narrow(16)),
        ("People", Column::Number),
        ("Id", Column::Whole),
    ];
    screen.table(&columns, rows)?;
    if found["more"] == true {
        say(screen.tinted(Tone::Faint, "There are more: give more of the name."))?;
    }
    Ok(Ended::Done)
}
