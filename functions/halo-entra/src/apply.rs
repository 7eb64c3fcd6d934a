//! `apply`: creates and replaces connections from files.

use std::io::Write;

use anyhow::Context;
use plan::document::{CustomClouds, parse};
use reqwest::Method;
use serde_json::{Value, json};

use crate::check::Checked;
use crate::client::{Answer, Client};
use crate::difference::Difference;
use crate::documents::{self, Found};
use crate::screen::{Column, Screen, Tone, ask, say_json};
use crate::{Ended, args};

/// What became of a document.
struct Applied {
    id: String,
    what: &'static str,
    answer: Value,
}

/// Checks all documents, then sends one after the other. A refusal ends it; what was sent before stays.
pub(crate) async fn run(screen: Screen, args: &args::Apply) -> anyhow::Result<Ended> {
    let found = documents::read(&args.files)?;
    // Whether other clouds than Microsoft's are allowed is for the API to say.
    let checked = found.iter().map(|found| Checked::of(found, CustomClouds::Allowed));
    let bad: Vec<Checked<'_>> = checked.filter(|checked| checked.result.is_err()).collect();
    if !bad.is_empty() {
        for one in &bad {
            one.show(screen)?;
        }
        return Ok(Ended::Refused);
    }
    let client = Client::of(&args.api)?;
    let mut all = Vec::new();
    let mut failed = None;
    for one in &found {
        match apply(screen, &client, args, one).await {
            Ok(applied) => all.push(applied),
            Err(error) => {
                failed = Some(error.context(format!("{} was not applied", one.place)));
                break;
            }
        }
    }
    show(screen, args, &all)?;
    failed.map_or(Ok(Ended::Done), Err)
}

async fn apply(
    screen: Screen,
    client: &Client,
    args: &args::Apply,
    found: &Found,
) -> anyhow::Result<Applied> {
    let parsed = parse(&found.json, CustomClouds::Allowed).map_err(|_| refused(found))?;
    let id = parsed.document.id.to_string();
    let path = ["connections", id.as_str()];
    let Some(Answer { body, etag }) = client.find(&path).await? else {
        let answer = client.write(Method::POST, &["connections"], &found.json, None).await?;
        return Ok(Applied { id, what: "created", answer: answer.body });
    };
    let difference = Difference::between(&body, &parsed.document);
    if difference.is_none() {
        return Ok(Applied { id, what: "the same already", answer: Value::Null });
    }
    if !args.yes && !may_replace(screen, &id, &difference)? {
        return Ok(Applied { id, what: "left as it is", answer: Value::Null });
    }
    let answer = client.write(Method::PUT, &path, &found.json, etag.as_deref()).await?;
    Ok(Applied { id, what: "updated", answer: answer.body })
}

/// All documents were checked before; a file does not change while it is held in memory.
fn refused(found: &Found) -> anyhow::Error {
    anyhow::anyhow!("{} has mistakes", found.place)
}

/// Shows what would change and asks. Where nobody can answer, nothing is replaced.
fn may_replace(screen: Screen, id: &str, difference: &Difference) -> anyhow::Result<bool> {
    writeln!(std::io::stderr(), "{id} would change:\n{}", difference.drawn(screen))?;
    ask(&format!("Replace the settings of {id}?"))?.with_context(|| {
        format!("nobody can be asked whether {id} may be replaced; give --yes to replace it")
    })
}

fn show(screen: Screen, args: &args::Apply, all: &[Applied]) -> anyhow::Result<()> {
    if args.api.json {
        let all: Vec<Value> = all
            .iter()
            .map(|one| json!({ "id": one.id, "what": one.what, "answer": one.answer }))
            .collect();
        return say_json(&all);
    }
    let row = |one: &Applied| {
        let warnings = one.answer["status"]["warnings"].as_array().into_iter().flatten();
        let warnings: Vec<String> = warnings
            .map(|warning| {
                let text = |name: &str| warning[name].as_str().unwrap_or_default().to_owned();
                format!("{}: {}", text("path"), text("message"))
            })
            .collect();
        vec![
            Tone::Plain.cell(&one.id),
            Tone::Good.cell(one.what),
            Tone::Warn.cell(warnings.join("\n")),
        ]
    };
    let columns =
        [("Connection", Column::Whole), ("What", Column::Whole), ("Worth a look", Column::Text)];
    screen.table(&columns, all.iter().map(row).collect())?;
    Ok(())
}
