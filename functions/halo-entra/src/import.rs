//! `import`: starts an import, and waits for it where that is wanted.

use anyhow::Context;
use plan::tally::RunState;
use reqwest::Method;
use serde_json::{Map, Value};

use crate::client::Client;
use crate::follow::follow;
use crate::screen::{Screen, Tone, say, say_json};
use crate::{Ended, args, runs};

/// Starts an import of a connection.
pub(crate) async fn run(screen: Screen, args: &args::Import) -> anyhow::Result<Ended> {
    let client = Client::of(&args.api)?;
    let mut body = asked(args.read, &args.entities);
    if let Some(plan) = &args.plan {
        body.insert("plan".to_owned(), plan.as_str().into());
    }
    if !args.people.is_empty() {
        body.insert("people".to_owned(), args.people.clone().into());
    }
    let path = ["connections", args.connection.as_str(), "imports"];
    let answer = client.write(Method::POST, &path, &Value::Object(body), None).await?.body;
    let run = answer["run"].as_str().context("the API named no run")?;
    if !args.wait {
        if args.api.json {
            say(answer.to_string())?;
        } else {
            say(format!("Run {run} is queued; `halo-entra runs {run}` shows how far it is."))?;
        }
        return Ok(Ended::Done);
    }
    let (run, json) = follow(&client, run, None).await?;
    if args.api.json {
        say_json(&json)?;
    } else {
        runs::one(screen, &run)?;
    }
    if run.state == RunState::Held && !args.api.json {
        screen.paragraph(Tone::Warn, "Deactivations wait for an administrator.")?;
    }
    Ok(if run.state == RunState::Failed { Ended::Failed } else { Ended::Done })
}

/// What a run or a preview is asked to read and to cover; what was not said is left out.
pub(crate) fn asked(read: Option<args::Read>, entities: &[args::Entity]) -> Map<String, Value> {
    let mut body = Map::new();
    if let Some(read) = read {
        body.insert("read".to_owned(), read.name().into());
    }
    if !entities.is_empty() {
        let entities: Vec<&str> = entities.iter().map(|entity| entity.name()).collect();
        body.insert("entities".to_owned(), entities.into());
    }
    body
}
