//! `link` and `unlink`: who a person is in Halo, as an administrator says.

use reqwest::Method;
use serde_json::{Map, Value};

use crate::client::Client;
use crate::people::{Person, halo_records};
use crate::screen::{Screen, Tone, say, say_json};
use crate::{Ended, args};

/// Sets links.
pub(crate) async fn set(screen: Screen, args: &args::Link) -> anyhow::Result<Ended> {
    let client = Client::of(&args.api)?;
    let picks = [("user", &args.user), ("agent", &args.agent)];
    let picks = picks.into_iter().filter_map(|(kind, pick)| Some((kind.to_owned(), pick.clone()?)));
    let body = Value::Object(picks.map(|(kind, pick)| (kind, pick.0)).collect::<Map<_, _>>());
    let path = ["connections", args.connection.as_str(), "people", args.who.as_str(), "link"];
    let answer = client.write(Method::PUT, &path, &body, None).await?.body;
    show(screen, args.api.json, &answer)
}

/// Cuts links.
pub(crate) async fn cut(screen: Screen, args: &args::Unlink) -> anyhow::Result<Ended> {
    let client = Client::of(&args.api)?;
    let kind = match (args.user, args.agent) {
        (true, false) => Some("user"),
        (false, true) => Some("agent"),
        (true, true) | (false, false) => None,
    };
    let path = ["connections", args.connection.as_str(), "people", args.who.as_str(), "link"];
    let answer = client.delete(&path, kind.map(|kind| ("kind", kind))).await?;
    show(screen, args.api.json, &answer)
}

fn show(screen: Screen, json: bool, answer: &Value) -> anyhow::Result<Ended> {
    if json {
        say_json(answer)?;
        return Ok(Ended::Done);
    }
    let person: Person = serde_json::from_value(answer["person"].clone())?;
    say(screen.tinted(Tone::Strong, &person.display_name))?;
    for (name, value) in halo_records(&answer["link"]) {
        say(format!("  {}{value}", screen.tinted(Tone::Faint, &format!("{name:<16}"))))?;
    }
    match answer["run"].as_str() {
        Some(run) => say(format!("Run {run} carries it to Halo."))?,
        None => say("No run may start now; the next one carries it to Halo.")?,
    }
    Ok(Ended::Done)
}
